// Scratch memory of a call: aligned, kept by the calling thread between calls unless it grew large.
#pragma once

#include <new>

#include "core/lines.h"

namespace faltung {

constexpr Index workspace_alignment = cache_line_bytes;
constexpr Index workspace_kept_bytes = Index(64) << 20;

// No memory, and how much was asked for: a MemoryError in Python.
class OutOfMemory : public std::bad_alloc {
  public:
    explicit OutOfMemory(Index bytes);
    const char* what() const noexcept override { return text_; }

  private:
    char text_[80];
};

// Where the pieces of a workspace begin, one behind the other.
class Pieces {
  public:
    // The first byte of `count` elements.
    Index take(Index count, Index element_bytes) {
        const Index begin = bytes_;
        bytes_ =
            saturating_add(begin, round_up(saturating_multiply(count, element_bytes), workspace_alignment));
        return begin;
    }
    Index bytes() const { return bytes_; }

  private:
    Index bytes_ = 0;
};

class AlignedBuffer {
  public:
    AlignedBuffer() = default;
    explicit AlignedBuffer(Index bytes);  // throws OutOfMemory; the contents are unspecified
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

// The calling thread's scratch memory stays as it is while other calls of this thread borrow some of their
// own.
class WorkspacesAside {
  public:
    WorkspacesAside();
    ~WorkspacesAside();
    WorkspacesAside(const WorkspacesAside&) = delete;
    WorkspacesAside& operator=(const WorkspacesAside&) = delete;

  private:
    AlignedBuffer kept_[2];
};

}  // namespace faltung
