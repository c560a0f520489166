// Preloaded into a Python process: from where `fail_after(n)` is called on, the n-th allocation of 1024 bytes
// or more by C++ code finds no memory, and so do those after it, until `fail_after(-1)`.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

// Smaller ones are there even where memory is short. nanobind ends the process where those of its own tables are not.
constexpr std::size_t least_refused = 1024;

std::atomic<long> left{-1};
std::atomic<long> failures{0};

void* take(std::size_t bytes, std::size_t alignment) noexcept {
    if (bytes >= least_refused && left.load() >= 0 && left.fetch_sub(1) <= 0) {
        left.store(0);
        failures.fetch_add(1);
        return nullptr;
    }
    if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes ? bytes : 1);
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* taken(std::size_t bytes, std::size_t alignment = 1) {
    void* const found = take(bytes, alignment);
    if (!found) throw std::bad_alloc();
    return found;
}

}  // namespace

extern "C" {
void fail_after(long count) {
    left.store(count);
}
long failed() {
    return failures.exchange(0);
}
}

void* operator new(std::size_t bytes) {
    return taken(bytes);
}
void* operator new[](std::size_t bytes) {
    return taken(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return taken(bytes, std::size_t(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return taken(bytes, std::size_t(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return take(bytes, 1);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
    return take(bytes, 1);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return take(bytes, std::size_t(alignment));
}
void operator delete(void* block) noexcept {
    std::free(block);
}
void operator delete[](void* block) noexcept {
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
    std::free(block);
}
void operator delete[](void* block, std::size_t) noexcept {
    std::free(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
    std::free(block);
}
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept {
    std::free(block);
}
