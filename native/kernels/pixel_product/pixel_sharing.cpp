// The division of a call into tasks, and where the taps of its windows lie.
#include <algorithm>

#include "kernels/pixel_product/pixel_call.h"

namespace faltung {

namespace {

constexpr Index most_listed_terms = 1024;  // 8 KiB of L1
constexpr Index tasks_per_thread = 8;
constexpr Index least_task_multiply_adds = 1 << 16;
constexpr Index least_chunk_tiles = 8;  // for which weights are arranged
constexpr Index pass_sums_bytes = 256 << 10;

}  // namespace

template <class T>
void PixelProduct<T>::Call::divide_pixels() {
    const Index most = op.kernel_.most_pixels;
    is_by_rows = op.is_by_rows();
    const Index row = is_by_rows ? op.layout_.columns().out : op.pixels_;
    const Index unit = op.kernel_.width(1), units = ceil_divide(row, unit);
    row_tiles = ceil_divide(row, most);
    // The wider tiles first: the processor foresees best what it has just done.
    const Index wider = units % row_tiles;
    for (Index i = 0; i <= row_tiles; ++i)
        row_start.push_back(min_index((i * (units / row_tiles) + min_index(i, wider)) * unit, row));
    tiles = op.pixels_ / row * row_tiles;
}

template <class T>
void PixelProduct<T>::Call::divide_channels(Index groups) {
    const Index channels = op.problem_.out_channels;
    group_channels = round_up(ceil_divide(channels, groups), op.kernel_.tile_channels);
    channel_groups = ceil_divide(channels, group_channels);
}

// A task arranges the weights of its output channels, and copies cells for all of them: rather than tasks of
// a few tiles there are some of fewer channels, unless cells are copied.
template <class T>
void PixelProduct<T>::Call::share_out(Index batch, int threads) {
    divide_pixels();
    const Index channels = op.problem_.out_channels;
    const Index least_groups = ceil_divide(channels, op.kept_channels(copies));
    divide_channels(least_groups);
    if (threads > 1) {
        const Index work = saturating_multiply(batch, multiply_adds(op.problem_));
        const Index wanted =
            min_index(tasks_per_thread * threads, max_index(threads, work / least_task_multiply_adds));
        chunks = min_index(max_index(1, tiles / least_chunk_tiles), ceil_divide(wanted, task_count(batch)));
        if (!copies) {
            const Index most_groups = ceil_divide(channels, op.kernel_.tile_channels);
            divide_channels(min_index(most_groups, ceil_divide(wanted * channel_groups, task_count(batch))));
        }
        if (task_count(batch) < threads)
            chunks = min_index(tiles, ceil_divide(threads * chunks, task_count(batch)));
    }
    pass_tiles = tiles;
    passes = max_index(1, ceil_divide(op.problem_.in_channels, op.pass_channels(copies)));
    if (passes > 1)
        pass_tiles =
            max_index(1, pass_sums_bytes / (group_channels * op.kernel_.most_pixels * Index(sizeof(T))));
    list_offsets();
    if (!copies && op.padded_bytes_for(op.kernel_.most_pixels) > 0) list_padded_offsets();
}

template <class T>
void PixelProduct<T>::Call::list_offsets() {
    const std::vector<Axis>& axes = op.layout_.axes;
    if (copies)
        for (Index tap = 0; tap < op.taps_; ++tap)
            panel_offset.push_back(tap * op.kernel_.most_pixels * op.copied_pitch());
    tap_offset.assign(1, 0);
    for (std::size_t a = 0; a < axes.size(); ++a) {
        std::vector<Index> longer;
        for (Index offset : tap_offset)
            for (Index k = 0; k < axes[a].kernel; ++k)
                longer.push_back(offset + k * axes[a].dilation * x_spatial[a]);
        tap_offset = std::move(longer);
    }
    lists_terms = !copies && passes == 1 && op.taps_ > 1 && op.terms() <= most_listed_terms;
    if (lists_terms) {
        for (Index c = 1; c < op.problem_.in_channels; ++c)
            for (Index tap = 0; tap < op.taps_; ++tap)
                tap_offset.push_back(tap_offset[static_cast<std::size_t>(tap)] + c * x.stride[2]);
    }
    const std::size_t far_axes = axes.size() - 1;
    const Index row_taps = op.taps_ / op.layout_.columns().kernel;
    row_shift.resize(static_cast<std::size_t>(row_taps) * far_axes);
    for (Index i = 0; i < row_taps; ++i) {
        Index rest = i;
        for (std::size_t a = far_axes; a-- > 0; rest /= axes[a].kernel)
            row_shift[static_cast<std::size_t>(i) * far_axes + a] = rest % axes[a].kernel * axes[a].dilation;
    }
}

template <class T>
void PixelProduct<T>::Call::list_padded_offsets() {
    const Axis& columns = op.layout_.columns();
    const Index cell = op.problem_.in_channels, pitch = op.reach(op.kernel_.most_pixels) * cell;
    for (Index c = 0; c < (lists_terms ? cell : 1); ++c)
        for (Index tap = 0; tap < op.taps_; ++tap)
            padded_offset.push_back(c + tap / columns.kernel * pitch +
                                    tap % columns.kernel * columns.dilation * cell);
}

template void PixelProduct<float>::Call::share_out(Index, int);
template void PixelProduct<double>::Call::share_out(Index, int);
template void PixelProduct<std::uint64_t>::Call::share_out(Index, int);

}  // namespace faltung
