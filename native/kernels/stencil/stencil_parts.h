// What both drivers of filters share: loops of the instruction set, scratch rows of T, and cells beyond the
// borders.
#pragma once

#include <vector>

#include "core/border.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/stencil/stencil_loops.h"

namespace faltung {

template <class T>
StencilLoops<T> stencil_loops(Isa isa);
template <class T>
CellLoops<T> cell_loops(Cell cell, Isa isa);
template <class T>
constexpr Cell cell_of = sizeof(T) == 4 ? Cell::f32 : Cell::f64;

// An array, some of whose cells are read or written as numbers of T.
template <class T>
struct StencilCells {
    char* data;
    Index bytes;
    const Index* stride;
    CellLoops<T> loops;
    bool is_plain;  // rows of T, side by side

    StencilCells(const StencilArray& array, Isa isa)
        : data(static_cast<char*>(array.data)),
          bytes(cell_bytes(array.cell)),
          stride(array.stride),
          loops(cell_loops<T>(array.cell, isa)),
          is_plain(array.cell == cell_of<T> && array.stride[2] == 1) {}

    char* at(Index slice, Index row, Index column) const {
        return data + (slice * stride[0] + row * stride[1] + column * stride[2]) * bytes;
    }
    void load(Index slice, Index row, Index column, Index count, T* to) const {
        loops.load(at(slice, row, column), stride[2], count, to);
    }
    void store(const T* from, Index slice, Index row, Index column, Index count) const {
        loops.store(from, count, at(slice, row, column), stride[2]);
    }
};

// part(i, scratch) for each of so many parts, `together` of them one task; each thread has scratch of its
// own.
template <class Part>
void run_parts(Index parts, Index together, Index products, Index scratch_bytes, int threads,
               const Part& part) {
    threads = worthwhile_threads(products / 4, threads);
    together = max_index(1, together);
    const Workspace workspace(saturating_multiply(scratch_bytes, threads));
    auto work = [&](Index task, int worker) {
        char* const scratch = workspace.data() + worker * scratch_bytes;
        for (Index i = task * together; i < min_index(parts, (task + 1) * together); ++i) part(i, scratch);
    };
    parallel_for(ceil_divide(parts, together), threads, work);
}

// What stands `before` and behind the `size` places of a line, by place; `outside` where it is a value.
class BeyondEnds {
  public:
    BeyondEnds() = default;
    BeyondEnds(const StencilPass& pass, Index size);

    Index before() const { return before_; }
    Index behind() const { return static_cast<Index>(places_.size()) - before_; }
    // -before .. -1 and size .. size + behind - 1.
    Index place(Index at) const {
        return places_[static_cast<std::size_t>(at < 0 ? at + before_ : at - size_ + before_)];
    }

  private:
    Index before_ = 0, size_ = 0;
    std::vector<Index> places_;
};

}  // namespace faltung
