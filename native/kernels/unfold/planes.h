// What an unfolding correlation knows of arrays whose planes lie in one piece: they need no packed rows.
#pragma once

#include "core/layout.h"
#include "kernels/pointwise/pointwise_block.h"

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

    // Whether outputs [first, first + count) read consecutive cells with every tap, none outside a row.
    bool is_run_of_cells(Index first, Index count) const;
    // The first of them with each tap of one plane, and how far the next plane's lies apart; `zeros` are read
    // instead of rows outside.
    template <class T>
    void locate_taps(Index first, const T* x, Index channel_stride, const T* zeros, PointwiseTap<T>* taps,
                     Index* rows) const {
        const Axis& axis = columns();
        locate_rows(first / axis.out, rows);
        for (Index row = 0; row < row_taps_; ++row)
            for (Index k = 0; k < axis.kernel; ++k) {
                const bool is_absent = rows[row] == PlaneVector::absent;
                const T* cells =
                    is_absent ? zeros : x + rows[row] + first % axis.out - axis.before + k * axis.dilation;
                *taps++ = {cells, is_absent ? 0 : channel_stride};
            }
    }

  private:
    void locate_rows(Index output_row, Index* rows) const;

    std::vector<Axis> axes_;  // far ones, then columns; neighbours without taps are one
    std::vector<Index> x_stride_;
    Index row_taps_ = 1, runs_ = 1, all_outputs_ = 0;
    bool serves_ = false;
};

}  // namespace faltung
