#include "kernels/gradient_depthwise/depthwise_gradient_call.h"

#include "core/interruption.h"

namespace faltung {

namespace {

constexpr Index most_rows = 64;  // of a tile: what it reads stays in L1

}  // namespace

// Rows that lie outside are left as they are: they are not read.
template <class T>
void DepthwiseGradient<T>::Call::copy_cells(const T* x_plane, const DepthwiseGradientBlock<T>& block,
                                            T* to) const {
    const Axis &row = op.layout_.rows(), &column = op.layout_.columns();
    const Border border = op.problem_.border;
    const Index row_stride = x_spatial[op.layout_.far_axes()], column_stride = x_spatial.back();
    const Index rows = (block.rows - 1) * row.stride + (row.kernel - 1) * row.dilation + 1;
    const Index cells = block.columns + (column.kernel - 1) * column.dilation / column.stride + 1;
    const Index phases = op.scratch_.row_pitch / op.scratch_.phase_cells;
    for (Index r = 0; r < rows; ++r, to += op.scratch_.row_pitch) {
        const Index source = border_cell(border, block.first_row * row.stride + r - row.before, row.in);
        if (source == outside) continue;
        const T* from = x_plane + source * row_stride;
        for (Index phase = 0; phase < phases; ++phase) {
            T* cell = to + phase * op.scratch_.phase_cells;
            const Index start = block.first_column * column.stride + phase - column.before;
            const Index begin = min_index(cells, start < 0 ? ceil_divide(-start, column.stride) : 0);
            const Index inside = column.in - start;  // up to here
            const Index end =
                max_index(begin, min_index(cells, inside > 0 ? ceil_divide(inside, column.stride) : 0));
            auto fill = [&](Index j, Index last) {
                for (; j < last; ++j) {
                    const Index at = border_cell(border, start + j * column.stride, column.in);
                    cell[j] = at == outside ? T(0) : from[at * column_stride];
                }
            };
            fill(0, begin);
            if (begin < end)
                op.kernel_.copy_cells(from + (start + begin * column.stride) * column_stride,
                                      column.stride * column_stride, end - begin, cell + begin);
            fill(end, cells);
        }
    }
}

template <class T>
void DepthwiseGradient<T>::Call::copy_grad(const T* grad_plane, const DepthwiseGradientBlock<T>& block,
                                           T* to) const {
    const Index row_stride = grad_spatial[op.layout_.far_axes()], column_stride = grad_spatial.back();
    const T* from = grad_plane + block.first_row * row_stride + block.first_column * column_stride;
    for (Index r = 0; r < block.rows; ++r, from += row_stride, to += op.scratch_.grad_pitch) {
        op.kernel_.copy_cells(from, column_stride, block.columns, to);
        for (Index j = block.columns; j < op.scratch_.grad_pitch; ++j) to[j] = T(0);
    }
}

template <class T>
void DepthwiseGradient<T>::Call::add_rows(const DepthwiseGradientBlock<T>& block, T* sums, Index first,
                                          Index last) const {
    const Axis &row = op.layout_.rows(), &column = op.layout_.columns();
    const Classes& classes = op.classes_;
    const Index L = op.kernel_.lanes, strips = ceil_divide(block.columns, L);
    const bool wraps = op.problem_.border != Border::zeros && op.problem_.border != Border::absent;
    DepthwiseGradientTile<T> tile;
    tile.zeros_count = op.problem_.border == Border::zeros;
    tile.grad_pitch = classes.outputs * block.grad_pitch;
    tile.pitch = classes.step * block.cell_pitch;
    tile.place = (block.is_copied ? op.scratch_place_ : op.place_).data();
    tile.first_column = first;
    tile.last_column = last;
    tile.sums_pitch = classes.taps * column.kernel * L;
    for (Index output = 0; output < min_index(classes.outputs, block.rows); ++output) {
        const Index rows = ceil_divide(block.rows - output, classes.outputs);
        for (Index q = 0; q < rows; q += most_rows) {
            tile.rows = min_index(most_rows, rows - q);
            const Index out_row = output + q * classes.outputs;
            for (Index strip = 0; strip < strips; ++strip) {
                const Index count = min_index(L, block.columns - strip * L);
                tile.grad = block.grad + out_row * block.grad_pitch + strip * L;
                tile.grad_lanes = first_lanes(count);
                tile.lanes = lanes_of(block, strip, count);
                for (Index tap = 0; tap < min_index(classes.taps, row.kernel); ++tap) {
                    const Index taps = ceil_divide(row.kernel - tap, classes.taps);
                    for (Index m = 0; m < taps; m += tile.taps) {
                        tile.taps = op.kernel_.next_taps(min_index(taps - m, tile.rows + 1));
                        const Index k = tap + m * classes.taps;
                        const Index cell_row = out_row * row.stride + k * row.dilation;
                        tile.cells = block.cells + cell_row * block.cell_pitch + strip * L;
                        Index begin = 0, end = tile.rows + tile.taps - 1;  // of the rows of cells
                        if (!wraps) {
                            const Index at = block.first_row * row.stride + cell_row - row.before;
                            begin = min_index(end, at < 0 ? ceil_divide(-at, classes.step) : 0);
                            const Index inside = row.in - at;
                            end = max_index(
                                begin, min_index(end, inside > 0 ? ceil_divide(inside, classes.step) : 0));
                        }
                        tile.begin = begin;
                        tile.end = end;
                        tile.sums = sums + k * column.kernel * L;
                        tile.grad_ahead = k == 0 ? block.grad_ahead : 0;
                        tile.cells_ahead = k == 0 ? block.cells_ahead : 0;
                        compute(tile, count);
                    }
                }
            }
        }
    }
}

// One row: vectors of its outputs stand above one another, as do columns of taps that are a vector apart.
template <class T>
void DepthwiseGradient<T>::Call::add_folded(const DepthwiseGradientBlock<T>& block, T* sums, Index first,
                                            Index last) const {
    const Index L = op.kernel_.lanes, strips = ceil_divide(block.columns, L);
    const Index fold = op.fold_ > 0 ? op.fold_ : last, folds = op.fold_ > 0 ? last / fold : 0;
    DepthwiseGradientTile<T> tile;
    tile.zeros_count = false;
    tile.grad_ahead = tile.cells_ahead = 0;
    tile.grad_pitch = tile.pitch = L;
    tile.place = (block.is_copied ? op.scratch_place_ : op.place_).data();
    tile.sums_pitch = fold * L;
    auto is_whole = [&](Index strip) {
        return strip < strips &&
               lanes_of(block, strip, min_index(L, block.columns - strip * L)) == op.lanes_.data();
    };
    for (Index strip = 0; strip < strips; strip += tile.rows) {
        const Index count = min_index(L, block.columns - strip * L);
        tile.rows = 1;
        const bool can_stack = is_whole(strip);
        while (can_stack && tile.rows < most_rows && is_whole(strip + tile.rows)) ++tile.rows;
        tile.grad = block.grad + strip * L;
        tile.grad_lanes = first_lanes(count);
        const std::uint32_t* lanes = lanes_of(block, strip, count);
        auto add = [&](Index m, Index begin, Index end) {
            tile.begin = 0;
            tile.end = tile.rows + tile.taps - 1;
            tile.cells = block.cells + (strip + m) * L;
            tile.lanes = lanes + m * fold;
            tile.first_column = begin;
            tile.last_column = end;
            tile.sums = sums + m * fold * L;
            compute(tile, count);
        };
        for (Index m = 0; m < folds; m += tile.taps) {
            tile.taps = can_stack ? op.kernel_.next_taps(min_index(folds - m, tile.rows + 1)) : 1;
            add(m, 0, fold);
        }
        tile.taps = 1;
        if (folds > 0)
            add(folds, 0, last - folds * fold);
        else
            add(0, first, last);
    }
}

template <class T>
void DepthwiseGradient<T>::Call::add_plane(const T* x_plane, const T* grad_plane, T* sums, Index first,
                                           Index last, Index x_ahead, Index grad_ahead,
                                           const Memory& memory) const {
    const Axis &row = op.layout_.rows(), &column = op.layout_.columns();
    const std::size_t far_axes = op.layout_.far_axes();
    DepthwiseGradientBlock<T> block;
    block.is_copied = copies_cells;
    block.cells_ahead = copies_cells ? 0 : x_ahead;
    block.grad_ahead = copies_grad ? 0 : grad_ahead;
    // The same blocks whether rows are copied or not: the order of summation, and so the bits.
    const Index rows = op.scratch_.rows, columns = op.scratch_.columns;
    for (block.first_row = 0; block.first_row < row.out; block.first_row += rows)
        for (block.first_column = 0; block.first_column < column.out; block.first_column += columns) {
            if (is_interrupted()) return;
            block.rows = min_index(rows, row.out - block.first_row);
            block.columns = min_index(columns, column.out - block.first_column);
            if (copies_cells) {
                copy_cells(x_plane, block, memory.cells);
                block.cells = memory.cells;
                block.cell_pitch = op.scratch_.row_pitch;
            } else {
                block.cell_pitch = x_spatial[far_axes];
                block.cells = x_plane + (block.first_row * row.stride - row.before) * block.cell_pitch +
                              block.first_column - column.before;
            }
            if (copies_grad) {
                copy_grad(grad_plane, block, memory.grad);
                block.grad = memory.grad;
                block.grad_pitch = op.scratch_.grad_pitch;
            } else {
                block.grad_pitch = grad_spatial[far_axes];
                block.grad = grad_plane + block.first_row * block.grad_pitch + block.first_column;
            }
            if (op.folds_) {
                add_folded(block, sums, first, last);
            } else {
                add_rows(block, sums, first, last);
            }
        }
}

template void DepthwiseGradient<float>::Call::add_plane(const float*, const float*, float*, Index, Index,
                                                        Index, Index, const Memory&) const;
template void DepthwiseGradient<double>::Call::add_plane(const double*, const double*, double*, Index, Index,
                                                         Index, Index, const Memory&) const;
template void DepthwiseGradient<std::uint64_t>::Call::add_plane(const std::uint64_t*, const std::uint64_t*,
                                                                std::uint64_t*, Index, Index, Index, Index,
                                                                const Memory&) const;

}  // namespace faltung
