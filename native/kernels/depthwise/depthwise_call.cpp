#include "kernels/depthwise/depthwise_call.h"

#include "core/ahead.h"
#include "core/border.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 16;

// Maps of so many bytes in all are still in L2 from one call to the next.
constexpr Index kept_bytes = 4 << 20;

std::uint32_t below(Index bits) {
    return static_cast<std::uint32_t>((std::uint64_t(1) << bits) - 1);
}

}  // namespace

template <class T>
void DepthwiseCall<T>::share_out(Index batch, int threads) {
    const DepthwiseShape& shape = op.shape_;
    for (std::size_t a = 0; a < op.layout_.far_axes(); ++a) far_outputs *= op.layout_.axes[a].out;
    const Index all_rows = op.layout_.rows().out;
    row_classes = min_index(shape.row_classes, all_rows);
    row_blocks = ceil_divide(ceil_divide(all_rows, shape.row_classes), shape.rows);
    column_blocks = ceil_divide(op.layout_.columns().out, shape.columns);
    channel_groups = ceil_divide(op.problem_.groups, shape.channels);
    blocks = far_outputs * row_classes * row_blocks * column_blocks;
    units = batch * channel_groups * blocks;
    x_ahead = bytes_ahead(x, 1, &Axis::in);
    y_ahead = bytes_ahead(y, op.problem_.out_channels == 1 ? 1 : 2, &Axis::out);
    tasks = threads == 1 ? 1 : min_index(units, tasks_per_thread * threads);
}

// Elements from the cells of one row of outputs to those of the next.
template <class T>
Index DepthwiseCall<T>::row_pitch() const {
    const DepthwiseShape& shape = op.shape_;
    return shape.row_stride *
           (in_place ? shape.row_step * x_spatial[op.layout_.far_axes()] : shape.row_pitch);
}

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
    block.first_row = row_class + row_block * shape.rows * shape.row_classes;
    const Index rows_left = layout.rows().out - block.first_row;
    block.rows = rows_left <= 0 ? 0 : min_index(shape.rows, ceil_divide(rows_left, shape.row_classes));
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
            tile->compute = op.kernel_.tile(rows, most_taps, op.is_uniform_, reads, false);
            if (op.kernel_.pairs && 2 * count <= lanes)
                tile->compute_pair = op.kernel_.tile(rows, most_taps, op.is_uniform_, reads, true);
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
        tile.compute = op.kernel_.tile(rows, op.most_taps(), op.is_uniform_, reads_of(tile), false);
    }
    block.tile_count = tiles;
}

template <class T>
void DepthwiseCall<T>::copy_rows(const Block& block, T* scratch, Index n, Index first_group,
                                 Index groups) const {
    const DepthwiseShape& shape = op.shape_;
    DepthwiseCopy<T> copy;
    copy.row = block.slot;
    copy.rows = shape.far_taps * shape.slots;
    copy.runs = block.runs;
    copy.run_count = shape.phases;
    copy.step = op.layout_.columns().stride * x_spatial.back();
    copy.wraps = op.problem_.border != Border::zeros && op.problem_.border != Border::absent;
    copy.keeps_zeros = !skips;
    copy.row_pitch = shape.row_pitch;
    for (Index g = 0; g < groups; ++g) {
        copy.x = static_cast<const T*>(x.data) + n * x.stride[0] + (first_group + g) * x.stride[1];
        copy.cells = scratch + g * shape.channel_pitch;
        op.kernel_.copy(copy);
    }
}

// Bytes of a channel's map, if its successor lies behind it and all of them do not stay in the cache; else 0.
template <class T>
Index DepthwiseCall<T>::bytes_ahead(const Array& of, Index axis, Index Axis::* size) const {
    Index cells = 1;
    for (const Axis& along : op.layout_.axes) cells = saturating_multiply(cells, along.*size);
    const Index bytes = cells * Index(sizeof(T));
    const bool lie_behind = of.stride[static_cast<std::size_t>(axis)] == cells && of.stride.back() == 1;
    return blocks == 1 && lie_behind && saturating_multiply(units, bytes) >= kept_bytes ? bytes : 0;
}

template <class T>
void DepthwiseCall<T>::compute(const Block& block, T* scratch, Index n, Index first_group) const {
    const DepthwiseShape& shape = op.shape_;
    const Problem& problem = op.problem_;
    const Index groups = min_index(shape.channels, problem.groups - first_group);
    if (!in_place) copy_rows(block, scratch, n, first_group, groups);

    DepthwiseChannels<T> on;
    on.segments = op.segments_.data();
    on.segment_count = static_cast<Index>(op.segments_.size());
    on.segment_cells = in_place ? block.segment_cells : op.segment_cells_.data();
    on.places = in_place ? op.places_in_x_.data() : op.places_.data();
    on.pitch = shape.folds ? op.kernel_.lanes : row_pitch();
    on.y_column_stride = y_spatial.back();
    on.y_row_stride = shape.folds ? op.kernel_.lanes * on.y_column_stride
                                  : shape.row_classes * y_spatial[op.layout_.far_axes()];
    on.resumes = accumulates;
    on.cells_step = op.kernel_.lanes * (in_place ? op.layout_.columns().stride : 1);
    on.y_step = op.kernel_.lanes * on.y_column_stride;

    const T* const bias = static_cast<const T*>(epilogue.bias);
    const Index channels = groups * problem.out_channels;
    const T* x_sample = static_cast<const T*>(x.data) + n * x.stride[0];
    T* y_sample = static_cast<T*>(y.data) + n * y.stride[0];
    Index g = 0, oc = 0;
    auto take_channel = [&](int place) {
        const Index group = first_group + g, channel = group * problem.out_channels + oc;
        on.cells[place] = in_place ? x_sample + group * x.stride[1] : scratch + g * shape.channel_pitch;
        on.weight[place] = weights + channel * op.taps_;
        on.bias[place] = bias ? bias + channel : nullptr;
        on.y[place] = y_sample + group * y.stride[1] + oc * y.stride[2];
        if (++oc == problem.out_channels) oc = 0, ++g;
    };
    const auto finish = [&](T* of_channel) {
        epilogue.finish(of_channel + block.y_offset, 1, 0, block.rows,
                        shape.row_classes * y_spatial[op.layout_.far_axes()], block.columns,
                        y_spatial.back());
    };
    const DepthwiseTile<T>* const tiles = block.tiles;
    const DepthwiseTile<T>* const tiles_end = tiles + block.tile_count;
    const Index next_group = first_group + groups, parts = block.tile_count * ceil_divide(channels, 2);
    Ahead next_x(x_sample + next_group * x.stride[1], groups * x_ahead, parts);
    Ahead next_y(y_sample + next_group * y.stride[1], channels * y_ahead, parts);
    const auto compute_tile = [&](typename DepthwiseTile<T>::Compute compute, const DepthwiseTile<T>& tile) {
        next_x.fetch();
        next_y.fetch();
        compute(on, tile);
    };
    Index channel = 0;
    for (; channel + 2 <= channels; channel += 2) {
        take_channel(0);
        take_channel(1);
        for (const DepthwiseTile<T>* tile = tiles; tile != tiles_end; ++tile)
            compute_tile(tile->compute_pair ? tile->compute_pair : tile->compute, *tile);
        T* const first_y = on.y[0];
        on.cells[0] = on.cells[1];
        on.weight[0] = on.weight[1];
        on.bias[0] = on.bias[1];
        on.y[0] = on.y[1];
        for (const DepthwiseTile<T>* tile = tiles; tile != tiles_end; ++tile)
            if (!tile->compute_pair) compute_tile(tile->compute, *tile);
        finish(first_y);
        finish(on.y[0]);
    }
    if (channel == channels) return;
    take_channel(0);
    for (const DepthwiseTile<T>* tile = tiles; tile != tiles_end; ++tile) compute_tile(tile->compute, *tile);
    finish(on.y[0]);
}

template <class T>
void DepthwiseCall<T>::operator()(Index task, int worker) const {
    char* own = workspace + worker * op.thread_bytes();
    const typename Block::Sizes sizes = op.table_sizes();
    const Index kept = min_index(op.kept_blocks(), blocks), block_bytes = Block::bytes_for(sizes);
    Block held[DepthwiseCorrelation<T>::most_kept_blocks];
    for (Index i = 0; i < kept; ++i) held[i] = Block(sizes, own + op.panel_bytes() + i * block_bytes);

    // Blocks of a channel lie behind one another.
    const Index first = task * units / tasks, end = (task + 1) * units / tasks;
    Index index = first % blocks, group = first / blocks % channel_groups,
          n = first / blocks / channel_groups;
    for (Index unit = first; unit < end; ++unit) {
        Block& block = held[kept == blocks ? index : index % kept];
        if (block.index != index) locate(block, index);
        if (block.tile_count > 0) compute(block, reinterpret_cast<T*>(own), n, group * op.shape_.channels);
        if (++index < blocks) continue;
        index = 0;
        if (++group < channel_groups) continue;
        group = 0;
        ++n;
    }
}

template struct DepthwiseCall<float>;
template struct DepthwiseCall<double>;
template struct DepthwiseCall<std::uint64_t>;

}  // namespace faltung
