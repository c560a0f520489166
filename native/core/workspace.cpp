#include "core/workspace.h"

#include <cstring>
#include <new>
#include <utility>

#include "core/recycled.h"

namespace faltung {

AlignedBuffer::AlignedBuffer(Index bytes) {
    if (bytes >= saturated) throw std::bad_alloc();
    bytes_ = round_up(max_index(bytes, 1), workspace_alignment);
    data_ = take_recycled(bytes_);
    if (!data_) throw std::bad_alloc();
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
    if (kept.bytes() > workspace_kept_bytes) kept = AlignedBuffer();
}

}  // namespace faltung
