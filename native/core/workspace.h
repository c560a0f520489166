// Scratch memory of a call: aligned, kept by the calling thread between calls unless it grew large.
#pragma once

#include "core/index.h"

namespace faltung {

constexpr Index workspace_alignment = 64;
constexpr Index workspace_kept_bytes = Index(64) << 20;

class AlignedBuffer {
  public:
    AlignedBuffer() = default;
    explicit AlignedBuffer(Index bytes);  // throws std::bad_alloc; the contents are unspecified
    ~AlignedBuffer();
    AlignedBuffer(const AlignedBuffer&) = delete;
    AlignedBuffer& operator=(const AlignedBuffer&) = delete;
    AlignedBuffer(AlignedBuffer&& other) noexcept;
    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;

    char* data() const { return data_; }
    Index bytes() const { return bytes_; }

  private:
    char* data_ = nullptr;
    Index bytes_ = 0;
};

// What borrows scratch memory: a kernel, or what converts arrays around it.
enum class Borrower { kernel, conversion };

// Borrows the calling thread's scratch memory until it goes out of scope. One at a time in a thread for each
// borrower.
class Workspace {
  public:
    explicit Workspace(Index bytes, Borrower borrower = Borrower::kernel);
    ~Workspace();
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

    char* data() const { return data_; }

  private:
    Borrower borrower_;
    char* data_;
};

}  // namespace faltung
