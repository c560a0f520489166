// What an unfolding correlation knows of arrays whose planes lie in one piece: they need no packed rows.
#pragma once

#include "core/layout.h"
#include "kernels/unfold/plane_unfolder.h"

namespace faltung {

class Planes {
  public:
    // Of a correlation whose columns can be unfolded in place (`is_unfoldable`).
    Planes(const Problem& problem, const Layout& layout, bool is_unfoldable);

    bool serves() const { return serves_; }
    bool are_in_one_piece(const Layout& layout, const Array& x, const Array& y) const;

    const Axis& columns() const { return axes_.back(); }
    Index row_taps() const { return row_taps_; }
    Index taps() const { return row_taps_ * columns().kernel; }

    // Outputs are taken run by run: all of them are one run, or every row is one, of which the same columns
    // follow one another, where they read much the same cells.
    Index runs() const { return runs_; }
    Index run_outputs() const { return all_outputs_ / runs_; }

    // Outputs [first, first + count) of all; their vectors, of at most `lanes`, read rows listed in `rows`.
    Index locate(Index first, Index count, Index lanes, PlaneVector* vectors, Index* rows) const;

  private:
    void locate_rows(Index output_row, Index* rows) const;

    std::vector<Axis> axes_;  // far ones, then columns; neighbours without taps are one
    std::vector<Index> x_stride_;
    Index row_taps_ = 1, runs_ = 1, all_outputs_ = 0;
    bool serves_ = false;
};

}  // namespace faltung
