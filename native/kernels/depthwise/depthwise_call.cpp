#include "kernels/depthwise/depthwise_call.h"

#include "core/ahead.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 16, least_tasks_per_thread = 2;

// Maps of so many bytes in all are still in L2 from one call to the next.
constexpr Index kept_bytes = 4 << 20;

}  // namespace

template <class T>
void DepthwiseCall<T>::share_out(Index batch, int threads) {
    const DepthwiseShape& shape = op.shape_;
    for (std::size_t a = 0; a < op.layout_.far_axes(); ++a) far_outputs *= op.layout_.axes[a].out;
    const Index all_rows = op.layout_.rows().out;
    row_classes = min_index(shape.row_classes, all_rows);
    const Index class_rows = ceil_divide(all_rows, shape.row_classes);
    column_blocks = ceil_divide(op.layout_.columns().out, shape.columns);
    channel_groups = ceil_divide(op.problem_.groups, shape.channels);
    block_rows = shape.rows;
    row_blocks = ceil_divide(class_rows, block_rows);
    // Few maps: blocks are cut, so that every thread has its share.
    const Index all_blocks = batch * channel_groups * far_outputs * row_classes * row_blocks * column_blocks;
    if (threads > 1 && 0 < all_blocks && all_blocks < least_tasks_per_thread * threads) {
        const Index cuts = ceil_divide(least_tasks_per_thread * threads, all_blocks);
        block_rows = min_index(
            shape.rows, round_up(max_index(1, ceil_divide(class_rows, row_blocks * cuts)), op.tile_rows()));
        row_blocks = ceil_divide(class_rows, block_rows);
    }
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
    return blocks == 1 && lie_behind && saturating_multiply(units * op.shape_.channels, bytes) >= kept_bytes
               ? bytes
               : 0;
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
    const T* const next_cells = x_sample + next_group * x.stride[1];
    const T* const next_outputs = y_sample + next_group * y.stride[1];
    const bool tiles_fetch =
        op.columns_at_a_time() == 1 && on.segment_count > 0 && on.segments[0].taps >= fetching_taps;
    Ahead next_x(next_cells, tiles_fetch ? 0 : groups * x_ahead, parts);
    Ahead next_y(next_outputs, tiles_fetch ? 0 : channels * y_ahead, parts);
    constexpr Index line = cache_line_bytes;
    DepthwiseAhead ahead{reinterpret_cast<const char*>(x_ahead ? next_cells : x_sample),
                         reinterpret_cast<const char*>(y_ahead ? next_outputs : y_sample), x_ahead ? line : 0,
                         y_ahead ? line : 0};
    on.ahead = &ahead;
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
