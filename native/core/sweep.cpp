#include "core/sweep.h"

#include <algorithm>
#include <cstdlib>

namespace faltung {

Sweep::Sweep(const std::vector<Index>& size, const std::vector<Index>& stride,
             const std::vector<Index>& second_stride, Index cells_of_a_piece) {
    std::vector<Axis> axes;
    for (std::size_t a = 0; a < size.size(); ++a) {
        cells_ *= size[a];
        if (size[a] > 1) axes.push_back({size[a], stride[a], second_stride[a]});
    }
    if (cells_ == 0) return;
    std::stable_sort(axes.begin(), axes.end(),
                     [](const Axis& a, const Axis& b) { return std::abs(a.stride) > std::abs(b.stride); });
    for (const Axis& axis : axes) {
        const bool follows = !outer_.empty() && outer_.back().stride == axis.stride * axis.size &&
                             outer_.back().second_stride == axis.second_stride * axis.size;
        if (follows) {
            outer_.back() = {outer_.back().size * axis.size, axis.stride, axis.second_stride};
        } else {
            outer_.push_back(axis);
        }
    }
    for (Axis* last : {&columns_, &rows_}) {
        if (outer_.empty()) break;
        *last = outer_.back();
        outer_.pop_back();
    }
    for (const Axis& axis : outer_) blocks_ *= axis.size;
    columns_of_a_piece_ = min_index(columns_.size, cells_of_a_piece);
    rows_of_a_piece_ = min_index(rows_.size, ceil_divide(cells_of_a_piece, columns_of_a_piece_));
    column_pieces_ = ceil_divide(columns_.size, columns_of_a_piece_);
    row_pieces_ = ceil_divide(rows_.size, rows_of_a_piece_);
}

SweepPiece Sweep::piece(Index number) const {
    const Index column = number % column_pieces_ * columns_of_a_piece_;
    number /= column_pieces_;
    const Index row = number % row_pieces_ * rows_of_a_piece_;
    number /= row_pieces_;
    SweepPiece piece{row * rows_.stride + column * columns_.stride,
                     row * rows_.second_stride + column * columns_.second_stride,
                     min_index(rows_of_a_piece_, rows_.size - row),
                     min_index(columns_of_a_piece_, columns_.size - column),
                     rows_.stride,
                     columns_.stride,
                     rows_.second_stride,
                     columns_.second_stride};
    for (std::size_t a = outer_.size(); a-- > 0;) {
        const Index at = number % outer_[a].size;
        piece.offset += at * outer_[a].stride;
        piece.second_offset += at * outer_[a].second_stride;
        number /= outer_[a].size;
    }
    return piece;
}

}  // namespace faltung
