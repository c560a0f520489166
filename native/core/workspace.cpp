#include "core/workspace.h"

#include <cstdio>
#include <cstring>
#include <utility>

#include "core/recycled.h"

namespace faltung {

OutOfMemory::OutOfMemory(Index bytes) {
    std::snprintf(text_, sizeof text_, "%s%lld bytes of working memory cannot be allocated",
                  bytes >= saturated ? "more than " : "", static_cast<long long>(bytes));
}

AlignedBuffer::AlignedBuffer(Index bytes) {
    if (bytes >= saturated) throw OutOfMemory(bytes);
    bytes_ = round_up(max_index(bytes, 1), workspace_alignment);
    data_ = take_recycled(bytes_);
    if (!data_) throw OutOfMemory(bytes);
}

AlignedBuffer::~AlignedBuffer() {
    if (data_) give_recycled(data_, bytes_);
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

WorkspacesAside::WorkspacesAside() {
    for (int b = 0; b < 2; ++b) std::swap(kept_[b], kept_for[b]);
}

WorkspacesAside::~WorkspacesAside() {
    for (int b = 0; b < 2; ++b) std::swap(kept_[b], kept_for[b]);
}

Workspace::~Workspace() {
    AlignedBuffer& kept = kept_for[static_cast<int>(borrower_)];
#if defined(__SANITIZE_ADDRESS__)
    kept = AlignedBuffer();  // the next one is no larger than it is asked to be
#else
    if (kept.bytes() > workspace_kept_bytes) kept = AlignedBuffer();
#endif
}

}  // namespace faltung
