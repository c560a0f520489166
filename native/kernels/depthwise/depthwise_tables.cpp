// What a block of outputs reads and which tiles it is made of.
#include "core/border.h"
#include "kernels/depthwise/depthwise_call.h"

namespace faltung {

namespace {

std::uint32_t below(Index bits) {
    return static_cast<std::uint32_t>((std::uint64_t(1) << bits) - 1);
}

}  // namespace

template <class T>
void DepthwiseCall<T>::locate(Block& block, Index index) const {
    const Layout& layout = op.layout_;
    const DepthwiseShape& shape = op.shape_;
    constexpr std::size_t axes_limit = 64;
    Index origin[axes_limit];
    block.index = index;

    block.first_column = index % column_blocks * shape.columns;
    index /= column_blocks;
    const Index row_block = index % row_blocks;
    index /= row_blocks;
    const Index row_class = index % row_classes;
    index /= row_classes;
    const std::size_t far_axes = layout.far_axes();
    block.first_row = row_class + row_block * block_rows * shape.row_classes;
    const Index rows_left = layout.rows().out - block.first_row;
    block.rows = rows_left <= 0 ? 0 : min_index(block_rows, ceil_divide(rows_left, shape.row_classes));
    block.columns = min_index(shape.columns, layout.columns().out - block.first_column);
    block.y_offset = block.first_row * y_spatial[far_axes] + block.first_column * y_spatial[far_axes + 1];
    for (std::size_t a = far_axes; a-- > 0;) {
        origin[a] = index % layout.axes[a].out;
        index /= layout.axes[a].out;
        block.y_offset += origin[a] * y_spatial[a];
    }
    block.tile_count = 0;
    if (block.rows == 0) return;
    locate_rows(block, origin);
    if (in_place) {
        locate_in_place(block);
    } else {
        locate_columns(block);
    }
    if (shape.folds) {
        make_folded_tiles(block);
    } else {
        make_tiles(block);
    }
}

template <class T>
void DepthwiseCall<T>::locate_rows(Block& block, const Index* origin) const {
    const Layout& layout = op.layout_;
    const DepthwiseShape& shape = op.shape_;
    const std::size_t far_axes = layout.far_axes();
    const Border border = op.problem_.border;
    const Axis& axis = layout.rows();
    const Index first = block.first_row * axis.stride - axis.before, step = shape.row_step;
    block.first_used = 0;
    block.last_used = shape.slots;
    if (skips) {
        block.first_used = min_index(shape.slots, first >= 0 ? 0 : ceil_divide(-first, step));
        block.last_used = min_index(shape.slots, first >= axis.in ? 0 : ceil_divide(axis.in - first, step));
    }
    Index* slot = block.slot;
    for (Index far = 0; far < shape.far_taps; ++far) {
        Index rest = far, base = 0;
        bool is_inside = true;
        for (std::size_t a = far_axes; a-- > 0;) {
            const Axis& far_axis = layout.axes[a];
            const Index k = rest % far_axis.kernel;
            rest /= far_axis.kernel;
            const Index cell = border_cell(
                border, origin[a] * far_axis.stride + k * far_axis.dilation - far_axis.before, far_axis.in);
            is_inside &= cell != outside;
            base += cell * x_spatial[a];
        }
        block.far[far] = is_inside ? base : depthwise_absent;
        if (in_place) continue;
        for (Index i = 0; i < shape.slots; ++i) {
            const Index cell = border_cell(border, first + i * step, axis.in);
            *slot++ = is_inside && cell != outside ? base + cell * x_spatial[far_axes] : depthwise_absent;
        }
    }
}

template <class T>
void DepthwiseCall<T>::locate_columns(Block& block) const {
    const DepthwiseShape& shape = op.shape_;
    const Axis& axis = op.layout_.columns();
    const Border rule = op.problem_.border;
    const Index column_stride = x_spatial.back(), step = axis.stride;
    const Index reach = max_index(axis.kernel - 1, 0) * axis.dilation;
    Index* border = block.border;
    for (Index phase = 0; phase < shape.phases; ++phase) {
        const Index residue = phase * axis.dilation % step;
        const Index first = block.first_column * step - axis.before + residue;
        DepthwiseRun& run = block.runs[phase];
        run.start = op.phase_starts_[static_cast<std::size_t>(phase)];
        run.length = reach >= residue ? (reach - residue) / step + block.columns : 0;
        const Index begin = first >= 0 ? 0 : ceil_divide(-first, step);
        const Index end = first >= axis.in ? 0 : ceil_divide(axis.in - first, step);
        run.begin = min_index(begin, run.length);
        run.end = max_index(run.begin, min_index(end, run.length));
        run.source = (first + run.begin * step) * column_stride;
        run.border = border;
        if (rule == Border::zeros || rule == Border::absent) continue;
        auto add = [&](Index i) { *border++ = border_cell(rule, first + i * step, axis.in) * column_stride; };
        for (Index i = 0; i < run.begin; ++i) add(i);
        for (Index i = run.end; i < run.length; ++i) add(i);
    }
}

// Of each segment the place in x, from the channel's first cell, that output column 0 of the block's first
// row would meet.
template <class T>
void DepthwiseCall<T>::locate_in_place(Block& block) const {
    const std::size_t far_axes = op.layout_.far_axes();
    const Axis& rows = op.layout_.rows();
    const Axis& axis = op.layout_.columns();
    const Index first_row = block.first_row * rows.stride - rows.before;
    Index* cells = block.segment_cells;
    for (const DepthwiseSegment& segment : op.segments_)
        *cells++ = block.far[segment.far] +
                   (first_row + segment.slot * op.shape_.row_step) * x_spatial[far_axes] +
                   block.first_column * axis.stride - axis.before;
}

// Of the tile of columns `column` from the block's first on, for each column of taps the lanes that lie
// inside.
template <class T>
void DepthwiseCall<T>::mark_lanes(const Block& block, Index column, Index count, std::uint32_t* used) const {
    const Axis& axis = op.layout_.columns();
    const Index first = (block.first_column + column) * axis.stride - axis.before, span = count * axis.stride;
    for (Index k = 0; k < axis.kernel; ++k) {
        const Index cell = first + k * axis.dilation;
        const Index begin = min_index(span, cell >= 0 ? 0 : -cell);
        const Index end = cell >= axis.in ? 0 : min_index(span, axis.in - cell);
        *used++ = begin < end ? below(end) & ~below(begin) : 0;
    }
}

// Which rows of cells each segment uses for the tile of `rows` rows from `first_row` of the block on.
template <class T>
void DepthwiseCall<T>::mark_rows(Block& block, Index row_tile, Index first_row, Index rows) const {
    const Index stride = op.shape_.row_stride;
    std::uint32_t* used = block.rows_used + row_tile * static_cast<Index>(op.segments_.size());
    for (const DepthwiseSegment& segment : op.segments_) {
        const Index all = rows + segment.taps - 1;
        Index begin = 0, end = all;
        if (skips) {
            const Index slot = segment.slot + first_row * stride;
            if (block.far[segment.far] == depthwise_absent || slot >= block.last_used) {
                end = 0;
            } else if (op.shape_.folds) {
                end = slot >= block.first_used ? all : 0;
            } else {
                begin = slot >= block.first_used ? 0 : ceil_divide(block.first_used - slot, stride);
                end = min_index(all, ceil_divide(block.last_used - slot, stride));
            }
        }
        *used++ = begin >= end ? 0 : below(end) & ~below(begin);
    }
}

template <class T>
DepthwiseReads DepthwiseCall<T>::reads_of(const DepthwiseTile<T>& tile) const {
    switch (op.columns_at_a_time()) {
        case 2:
            return in_place ? DepthwiseReads::alternating : DepthwiseReads::two_columns;
        case 3:
            return in_place ? DepthwiseReads::alternating_three : DepthwiseReads::three_columns;
    }
    const std::uint32_t* used = tile.rows_used;
    for (const DepthwiseSegment& segment : op.segments_)
        if (*used++ != below(tile.rows + segment.taps - 1)) return DepthwiseReads::some;
    return tile.lanes_used ? DepthwiseReads::lanes : DepthwiseReads::all;
}

template <class T>
void DepthwiseCall<T>::make_tiles(Block& block) const {
    const std::size_t far_axes = op.layout_.far_axes();
    const Axis& axis = op.layout_.columns();
    const Index lanes = op.kernel_.lanes, segments = static_cast<Index>(op.segments_.size());
    const Index pitch = row_pitch(), y_pitch = op.shape_.row_classes * y_spatial[far_axes];
    const Index reach = max_index(axis.kernel - 1, 0) * axis.dilation;
    const Index cell_step = in_place ? axis.stride : 1;
    const Index row_tiles = ceil_divide(block.rows, op.tile_rows());
    const Index column_tiles = ceil_divide(block.columns, lanes);
    const int most_taps = op.most_taps();
    const Index step = lanes * axis.stride;  // of cells, from a tile to the next
    DepthwiseTile<T>* tile = block.tiles;
    for (Index i = 0; i < row_tiles; ++i) {
        const Index row = i * block.rows / row_tiles, rows = (i + 1) * block.rows / row_tiles - row;
        mark_rows(block, i, row, rows);
        std::uint32_t* lanes_used = block.lanes_used;
        for (Index j = 0; j < column_tiles; j += tile->repeats, ++tile) {
            const Index column = j * lanes, count = min_index(lanes, block.columns - column);
            *tile = {};
            tile->cells = row * pitch + column * cell_step;
            tile->y = block.y_offset + row * y_pitch + column * y_spatial[far_axes + 1];
            tile->rows_used = block.rows_used + i * segments;
            tile->rows = rows;
            tile->repeats = 1;
            tile->columns = tile->columns_of_last_row = count;
            tile->last_column = axis.kernel;
            const Index begin = (block.first_column + column) * axis.stride - axis.before;
            const Index room = skips ? axis.in - 1 - reach - (begin + step - 1) : saturated;
            if (count == lanes && room >= 0 && (begin >= 0 || !skips)) {
                tile->repeats = min_index((block.columns - column) / lanes, room / step + 1);
            } else if (skips) {
                const Index end = begin + (count - 1) * axis.stride;
                if (in_place) {
                    tile->lanes_used = lanes_used;
                    if (i == 0) mark_lanes(block, column, count, lanes_used);
                    lanes_used += axis.kernel;
                }
                if (end < 0) tile->first_column = ceil_divide(-end, axis.dilation);
                if (begin + reach >= axis.in)
                    tile->last_column = begin >= axis.in ? 0 : ceil_divide(axis.in - begin, axis.dilation);
            }
            const DepthwiseReads reads = reads_of(*tile);
            tile->compute = op.kernel_.tile(rows, most_taps, reads, false);
            if (op.kernel_.pairs && 2 * count <= lanes)
                tile->compute_pair = op.kernel_.tile(rows, most_taps, reads, true);
        }
    }
    block.tile_count = tile - block.tiles;
}

// The rows of a tile are vectors of one output row.
template <class T>
void DepthwiseCall<T>::make_folded_tiles(Block& block) const {
    const Index lanes = op.kernel_.lanes, segments = static_cast<Index>(op.segments_.size());
    const Index vectors = ceil_divide(block.columns, lanes);
    const Index tiles = ceil_divide(vectors, op.kernel_.most_rows);
    for (Index i = 0; i < tiles; ++i) {
        const Index first = i * vectors / tiles, rows = (i + 1) * vectors / tiles - first;
        DepthwiseTile<T>& tile = block.tiles[i];
        tile = {};
        tile.cells = first * lanes;
        tile.y = block.y_offset + first * lanes * y_spatial.back();
        tile.rows = rows;
        tile.repeats = 1;
        tile.columns = lanes;
        tile.columns_of_last_row = min_index(lanes, block.columns - (first + rows - 1) * lanes);
        tile.last_column = op.layout_.columns().kernel;
        tile.rows_used = block.rows_used + i * segments;
        mark_rows(block, i, 0, rows);
        tile.compute = op.kernel_.tile(rows, op.most_taps(), reads_of(tile), false);
    }
    block.tile_count = tiles;
}

template void DepthwiseCall<float>::locate(Block&, Index) const;
template void DepthwiseCall<double>::locate(Block&, Index) const;
template void DepthwiseCall<std::uint64_t>::locate(Block&, Index) const;

}  // namespace faltung
