// One pass over all cells of an array, or of two at once, in pieces that threads can share.
#pragma once

#include "core/problem.h"

namespace faltung {

// Some rows of cells of the arrays, by their element offsets.
struct SweepPiece {
    Index offset, second_offset;
    Index rows, columns;
    Index row_stride, column_stride, second_row_stride, second_column_stride;
};

// Axes are taken from the largest step of the first array to the smallest; axes that follow on one another
// are one.
class Sweep {
  public:
    Sweep(const std::vector<Index>& size, const std::vector<Index>& stride,
          const std::vector<Index>& second_stride, Index cells_of_a_piece);

    Index cells() const { return cells_; }
    Index pieces() const { return blocks_ * row_pieces_ * column_pieces_; }
    SweepPiece piece(Index number) const;

  private:
    struct Axis {
        Index size, stride, second_stride;
    };

    std::vector<Axis> outer_;
    Axis rows_{1, 0, 0}, columns_{1, 0, 0};
    Index cells_ = 1, blocks_ = 1;
    Index rows_of_a_piece_ = 1, columns_of_a_piece_ = 1, row_pieces_ = 0, column_pieces_ = 0;
};

}  // namespace faltung
