#include "core/recycled.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace faltung {

namespace {

constexpr Index line_bytes = 64, page_bytes = 4096;

// From here on pages are asked to be huge, of which fewer have to be made.
constexpr Index least_huge_bytes = Index(4) << 20;

// From here on a block begins with a huge page.
constexpr Index huge_page_bytes = Index(2) << 20, least_aligned_bytes = Index(32) << 20;

std::align_val_t alignment_of(Index bytes) {
    return std::align_val_t(bytes >= least_aligned_bytes ? huge_page_bytes : line_bytes);
}

#ifdef __linux__
// Of the whole pages of a block.
void advise(char* data, Index bytes, int advice) {
    const Index before = -reinterpret_cast<std::intptr_t>(data) & (page_bytes - 1);
    madvise(data + before, static_cast<std::size_t>((bytes - before) / page_bytes * page_bytes), advice);
}
#endif

void ask_for_huge_pages([[maybe_unused]] char* data, [[maybe_unused]] Index bytes) {
#ifdef __linux__
    // A wish: where it is not granted, pages are small.
    if (bytes >= least_huge_bytes) advise(data, bytes, MADV_HUGEPAGE);
#endif
}

char* allocate(Index bytes) {
    void* const data = ::operator new(static_cast<std::size_t>(bytes), alignment_of(bytes), std::nothrow);
    if (data) ask_for_huge_pages(static_cast<char*>(data), bytes);
    return static_cast<char*>(data);
}

void release(char* data, Index bytes) {
    ::operator delete(data, alignment_of(bytes));
}

// The C library keeps what is given back in the midst of its heap; its pages at least go.
void forget_pages([[maybe_unused]] char* data, [[maybe_unused]] Index bytes) {
#ifdef __linux__
    advise(data, bytes, MADV_DONTNEED);
#endif
}

struct Block {
    char* data;
    Index bytes;
    Index number = 0;  // of its return, counted from the first one
};

// Blocks in the order in which they were given back.
class Shelf {
  public:
    char* take(Index bytes) {
        // Where another thread is at it, nobody waits.
        std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (!lock.owns_lock()) return nullptr;
        for (int i = count_; i-- > 0;) {
            if (blocks_[i].bytes != bytes) continue;
            char* const data = blocks_[i].data;
            remove(i);
            return data;
        }
        return nullptr;
    }

    void give(Block block) {
        for (bool is_placed = false; !is_placed;) {
            Block released = block;
            bool is_expired = false;
            {
                std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
                is_placed = !lock.owns_lock() || place(block);
                if (lock.owns_lock()) {
                    is_expired = is_placed;
                    if (is_placed && given_ - blocks_[0].number < recycled_returns_kept) return;
                    released = blocks_[0];
                    remove(0);
                }
            }
            if (is_expired) forget_pages(released.data, released.bytes);
            release(released.data, released.bytes);
        }
    }

    Index idle() {
        std::lock_guard<std::mutex> lock(mutex_);
        return idle_;
    }

    // Around a fork, so that no other thread is at it then: the child would find it locked for ever.
    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }

  private:
    // Whether there is room.
    bool place(Block block) {
        if (count_ == most_blocks || idle_ + block.bytes > recycled_bytes_kept) return false;
        block.number = ++given_;
        blocks_[count_++] = block;
        idle_ += block.bytes;
        return true;
    }

    void remove(int i) {
        idle_ -= blocks_[i].bytes;
        std::move(blocks_ + i + 1, blocks_ + count_, blocks_ + i);
        --count_;
    }

    static constexpr int most_blocks = 256;
    std::mutex mutex_;
    Block blocks_[most_blocks];
    int count_ = 0;
    Index idle_ = 0, given_ = 0;
};

// Never destroyed: results may be given back while the process exits.
Shelf& shelf() {
    static Shelf& instance = *new Shelf;
    return instance;
}

#if defined(__SANITIZE_ADDRESS__)
// Every block is the system's own and of the very size that was asked for: a byte beyond it is noticed.
constexpr bool is_kept = false;
#else
constexpr bool is_kept = true;
#endif

bool is_recycled(Index block_bytes) {
    return is_kept && block_bytes >= least_recycled_bytes && block_bytes <= recycled_bytes_kept / 4;
}

}  // namespace

// Sizes that differ by less than an eighth share their blocks.
Index recycled_block_bytes(Index bytes) {
    Index step = line_bytes;
    if (is_kept && bytes >= least_recycled_bytes) {
        step = page_bytes;
        while (step * 16 <= bytes) step *= 2;
    }
    return round_up(max_index(bytes, 1), step);
}

char* take_recycled(Index bytes) {
    const Index block_bytes = recycled_block_bytes(bytes);
    char* const kept = is_recycled(block_bytes) ? shelf().take(block_bytes) : nullptr;
    return kept ? kept : allocate(block_bytes);
}

void give_recycled(char* data, Index bytes) {
    const Index block_bytes = recycled_block_bytes(bytes);
    if (is_recycled(block_bytes)) {
        shelf().give({data, block_bytes});
    } else {
        release(data, block_bytes);
    }
}

void start_recycling() {
    shelf();
    pthread_atfork([] { shelf().lock(); }, [] { shelf().unlock(); }, [] { shelf().unlock(); });
}

Index recycled_bytes_idle() {
    return shelf().idle();
}

}  // namespace faltung
