#include "core/workspace.h"

#include <cstring>
#include <new>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace faltung {

namespace {

// glibc takes memory of more than 32 MiB fresh from the system each time: in small pages, each of them a
// fault, touching it for the first time takes longer than packing weights into it. Less than that is kept
// and given out again, and huge pages would only be in the way.
constexpr Index huge_page_bytes = Index(2) << 20, least_huge_bytes = Index(32) << 20;

Index alignment_of(Index bytes) {
    return bytes >= least_huge_bytes ? huge_page_bytes : workspace_alignment;
}

void ask_for_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] Index bytes) {
#ifdef __linux__
    // A wish: where it is not granted, pages are small.
    if (bytes >= least_huge_bytes) madvise(data, static_cast<std::size_t>(bytes), MADV_HUGEPAGE);
#endif
}

}  // namespace

AlignedBuffer::AlignedBuffer(Index bytes) {
    if (bytes >= saturated) throw std::bad_alloc();
    bytes_ = round_up(max_index(bytes, 1), workspace_alignment);
    data_ = static_cast<char*>(
        ::operator new(static_cast<std::size_t>(bytes_), std::align_val_t(alignment_of(bytes_))));
    ask_for_huge_pages(data_, bytes_);
}

AlignedBuffer::~AlignedBuffer() {
    if (data_) ::operator delete(data_, std::align_val_t(alignment_of(bytes_)));
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

namespace {
thread_local AlignedBuffer kept_for[2];
}

Workspace::Workspace(Index bytes, Borrower borrower) : borrower_(borrower) {
    AlignedBuffer& kept = kept_for[static_cast<int>(borrower)];
    if (kept.bytes() < bytes) {
        kept = AlignedBuffer();  // freed before the larger one is asked for
        AlignedBuffer larger(bytes);
        // Kernels may read a few cells past what was packed; they must not meet denormals there.
        std::memset(larger.data(), 0, static_cast<std::size_t>(larger.bytes()));
        kept = std::move(larger);
    }
    data_ = kept.data();
}

Workspace::~Workspace() {
    AlignedBuffer& kept = kept_for[static_cast<int>(borrower_)];
    if (kept.bytes() > workspace_kept_bytes) kept = AlignedBuffer();
}

}  // namespace faltung
