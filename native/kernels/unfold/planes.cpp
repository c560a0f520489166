#include "kernels/unfold/planes.h"

namespace faltung {

namespace {

constexpr Index most_taps = 4096;
constexpr Index most_positions = Index(1) << 40;  // of a plane: no size wraps
constexpr Index long_run = 384;

bool is_plain(const Axis& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.in == axis.out;
}

bool is_in_one_piece(const Layout& layout, const std::vector<Index>& stride, Index Axis::* size) {
    Index step = 1;
    for (std::size_t a = layout.axes.size(); a-- > 0; step *= layout.axes[a].*size)
        if (layout.axes[a].*size > 1 && stride[a] != step) return false;
    return true;
}

}  // namespace

Planes::Planes(const Problem& problem, const Layout& layout, bool is_unfoldable) : axes_(layout.axes) {
    while (axes_.size() > 1 && is_plain(axes_.back()) && is_plain(axes_[axes_.size() - 2])) {
        const Index cells = saturating_multiply(axes_.back().in, axes_[axes_.size() - 2].in);
        axes_.pop_back();
        axes_.back() = Axis{cells, cells, 1, 1, 1, 0};
    }
    Index cells = 1;
    all_outputs_ = 1;
    for (const Axis& axis : axes_) {
        cells = saturating_multiply(cells, max_index(axis.in, 1));
        all_outputs_ = saturating_multiply(all_outputs_, axis.out);
        for (Index reach : {axis.before, -axis.before, axis.kernel, axis.dilation, axis.stride})
            if (reach > most_positions / most_taps) return;
    }
    if (!is_unfoldable || cells > most_positions || all_outputs_ > most_positions) return;
    if (problem.border != Border::zeros && problem.border != Border::absent) return;
    for (std::size_t a = 1; a < layout.origin.size(); ++a)
        if (layout.origin[a] < layout.origin[a - 1]) return;  // rows and columns have changed places
    for (std::size_t a = 0; a + 1 < axes_.size(); ++a) {
        row_taps_ = saturating_multiply(row_taps_, axes_[a].kernel);
        if (row_taps_ > most_taps) return;
    }
    if (columns().kernel > most_taps || taps() > most_taps) return;
    x_stride_.assign(axes_.size(), 1);
    for (std::size_t a = axes_.size() - 1; a-- > 0;) x_stride_[a] = x_stride_[a + 1] * axes_[a + 1].in;
    const bool shares_columns = row_taps_ > 1 && columns().kernel == 1 && columns().out >= long_run;
    if (shares_columns) runs_ = all_outputs_ / columns().out;
    serves_ = true;
}

bool Planes::are_in_one_piece(const Layout& layout, const Array& x, const Array& y) const {
    return is_in_one_piece(layout, layout.spatial_strides(x.stride), &Axis::in) &&
           is_in_one_piece(layout, layout.spatial_strides(y.stride), &Axis::out);
}

// Where the input rows of each row of taps begin, for a row of outputs.
void Planes::locate_rows(Index output_row, Index* rows) const {
    Index origin[64];
    for (std::size_t a = axes_.size() - 1; a-- > 0; output_row /= axes_[a].out)
        origin[a] = output_row % axes_[a].out * axes_[a].stride - axes_[a].before;
    for (Index number = 0; number < row_taps_; ++number) {
        Index rest = number, place = 0;
        for (std::size_t a = axes_.size() - 1; a-- > 0; rest /= axes_[a].kernel) {
            const Index cell = origin[a] + rest % axes_[a].kernel * axes_[a].dilation;
            if (cell < 0 || cell >= axes_[a].in) {
                place = PlaneVector::absent;
                break;
            }
            place += cell * x_stride_[a];
        }
        rows[number] = place;
    }
}

Index Planes::locate(Index first, Index count, Index lanes, PlaneVector* vectors, Index* rows) const {
    const Axis& column_axis = columns();
    Index vector_count = 0;
    for (Index at = 0; at < count; rows += row_taps_) {
        const Index row = (first + at) / column_axis.out, column = (first + at) % column_axis.out;
        const Index length = min_index(column_axis.out - column, count - at);
        locate_rows(row, rows);
        for (Index i = 0; i < length; i += lanes)
            vectors[vector_count++] = {rows, (column + i) * column_axis.stride - column_axis.before, at + i,
                                       min_index(lanes, length - i)};
        at += length;
    }
    return vector_count;
}

bool Planes::is_run_of_cells(Index first, Index count) const {
    const Axis& axis = columns();
    const Index column = first % axis.out;
    return axis.stride == 1 && column + count <= axis.out && column >= axis.before &&
           column - axis.before + count + (axis.kernel - 1) * axis.dilation <= axis.in;
}

}  // namespace faltung
