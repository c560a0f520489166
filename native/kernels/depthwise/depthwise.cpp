#include "kernels/depthwise/depthwise.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <stdexcept>

#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/depthwise/depthwise_call.h"

namespace faltung {

namespace {

constexpr Index most_elements = Index(1) << 28;
constexpr Index l1_set_bytes = 4096;  // lines so far apart share a set
constexpr Index tap_limit = Index(1) << 24;
constexpr Index header_bytes = 64;  // of packed weights: whether all of them are finite

constexpr Index long_row_bytes = 2048, large_bytes = 4 << 20;
constexpr Index rows_of_streams = 8;
constexpr Index most_table_bytes = 64 << 10;
constexpr Index most_folded_taps = 1 << 12;  // with a channel in each lane

template <class T>
bool is_finite(T value) {
    return value - value == T(0);
}

}  // namespace

template <class T>
Index DepthwiseCorrelation<T>::panel_bytes_for(const Problem& problem, const DepthwiseKernel<T>& kernel) {
    const Layout layout(problem);
    const DepthwiseShape shape(problem, layout, sizeof(T), kernel.lanes, tile_rows(problem, kernel),
                               kernel.pairs);
    return saturating_multiply(shape.elements, sizeof(T));
}

template <class T>
DepthwiseCorrelation<T>::DepthwiseCorrelation(const Problem& problem, const DepthwiseKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      shape_(problem, layout_, sizeof(T), kernel.lanes, tile_rows(problem, kernel), kernel.pairs),
      taps_(faltung::taps(layout_.axes)) {
    if (shape_.elements >= most_elements || taps_ >= tap_limit)
        throw std::invalid_argument("the rows of input cells would be unreasonably large");
    if (saturating_multiply(saturating_multiply(problem.groups, problem.out_channels), taps_ * 8) ==
        saturated)
        throw std::invalid_argument("the packed weights would be unreasonably large");
    make_places();
    make_segments();
    if (problem.out_channels == 1)
        channel_lanes_.emplace(problem, layout_, lane_order(), kernel.channel_lanes);
}

template <class T>
void DepthwiseCorrelation<T>::make_places() {
    const Axis& axis = layout_.columns();
    // The first cell copied of each phase lies at a multiple of a vector's length.
    for (Index phase = 0; phase < shape_.phases; ++phase) {
        const Index first = phase * axis.dilation % axis.stride;
        const Index outside_before = axis.before > first ? ceil_divide(axis.before - first, axis.stride) : 0;
        const Index lead =
            round_up(outside_before % kernel_.lanes, kernel_.lanes) - outside_before % kernel_.lanes;
        phase_starts_.push_back(phase * shape_.phase_pitch + lead);
    }
    for (Index k = 0; k < axis.kernel; ++k) {
        places_.push_back(static_cast<std::int32_t>(
            phase_starts_[static_cast<std::size_t>(k % shape_.phases)] + k * axis.dilation / axis.stride));
        places_in_x_.push_back(static_cast<std::int32_t>(min_index(k * axis.dilation, most_elements)));
    }
}

template <class T>
void DepthwiseCorrelation<T>::make_segments() {
    const Axis& rows = layout_.rows();
    const Index columns = layout_.columns().kernel;
    std::vector<Chain> chains;
    for (Index far = 0; far < shape_.far_taps; ++far) {
        if (shape_.folds) {
            const Index whole = shape_.fold ? columns / shape_.fold : 0, rest = columns - whole * shape_.fold;
            for (Index row = 0; row < rows.kernel; ++row) {
                if (rest) chains.push_back({far, row, 0, whole + 1, 0, shape_.fold, rest, row});
                if (whole) chains.push_back({far, row, rest, whole, 0, shape_.fold, shape_.fold - rest, row});
            }
        } else if (shape_.row_step != rows.dilation) {
            for (Index row = 0; row < rows.kernel; ++row)
                chains.push_back({far, row, 0, 1, 1, 0, columns, row * rows.dilation});
        } else {
            for (Index row = 0; row < min_index(shape_.row_stride, rows.kernel); ++row)
                chains.push_back({far, row, 0, ceil_divide(rows.kernel - row, shape_.row_stride),
                                  shape_.row_stride, 0, columns, row});
        }
    }
    auto all_of = [&](Index multiple) {
        return std::all_of(chains.begin(), chains.end(),
                           [&](const Chain& chain) { return chain.length % multiple == 0; });
    };
    const Index most = takes_neighbours() ? 4 : kernel_.most_taps;
    const Index only = most >= 7 && all_of(7) ? 7 : most >= 5 && all_of(5) ? 5 : all_of(3) ? 3 : 0;
    for (const Chain& chain : chains) add_chain(chain, only);
    std::stable_sort(segments_.begin(), segments_.end(),
                     [](const DepthwiseSegment& a, const DepthwiseSegment& b) { return a.taps > b.taps; });

    Index weight = 0;
    for (DepthwiseSegment& segment : segments_) {
        segment.weight = static_cast<std::int32_t>(weight);
        weight += Index(segment.columns) * segment.taps;
        segment_cells_.push_back((segment.far * shape_.slots + segment.slot) * shape_.row_pitch);
    }
    tap_order_.reserve(static_cast<std::size_t>(taps_));
    for (const DepthwiseSegment& segment : segments_)
        for (Index column = 0; column < segment.columns; ++column)
            for (Index k = 0; k < segment.taps; ++k)
                tap_order_.push_back(segment.first_tap + column + k * segment.tap_step);
}

// Four and three taps at a time make up any number from six on.
template <class T>
void DepthwiseCorrelation<T>::add_chain(const Chain& chain, Index only) {
    const Index columns = layout_.columns().kernel, rows = layout_.rows().kernel;
    const Index first_tap = (chain.far * rows + chain.row) * columns + chain.column;
    const Index tap_step = chain.row_step * columns + chain.fold_step;
    for (Index done = 0, size; done < chain.length; done += size) {
        const Index left = chain.length - done;
        size = only ? only : left <= 4 ? left : left % 4 != 0 ? 3 : 4;
        DepthwiseSegment segment{};
        segment.taps = static_cast<std::int32_t>(size);
        segment.far = static_cast<std::int32_t>(chain.far);
        segment.slot = static_cast<std::int32_t>(chain.slot + done * chain.row_step);
        segment.columns = static_cast<std::int32_t>(chain.columns);
        segment.place = static_cast<std::int32_t>(chain.column + done * chain.fold_step);
        segment.first_tap = first_tap + done * tap_step;
        segment.tap_step = tap_step;
        segments_.push_back(segment);
    }
}

// The same sums with a channel in each lane.
template <class T>
LaneOrder DepthwiseCorrelation<T>::lane_order() const {
    const Axis& rows = layout_.rows();
    const Axis& columns = layout_.columns();
    LaneOrder order;
    if (!shape_.folds) {
        order.classes = shape_.row_classes;
        order.pitch = shape_.row_stride * shape_.row_step;
        order.columns_at_a_time = columns_at_a_time();
        for (const DepthwiseSegment& segment : segments_)
            order.segments.push_back({segment.taps, segment.columns, segment.far,
                                      segment.slot * shape_.row_step, segment.place * columns.dilation,
                                      segment.weight, segment.taps, 1});
        return order;
    }
    order.is_turned = true;  // there are hardly any rows
    order.pitch = columns.stride;
    if (taps_ > most_folded_taps) return order;
    Index place = 0;
    for (Index rest : tap_order_) {
        const Index column = rest % columns.kernel;
        rest /= columns.kernel;
        order.segments.push_back({1, 1, rest / rows.kernel, column * columns.dilation,
                                  rest % rows.kernel * rows.dilation, place++, 1, 1});
    }
    return order;
}

template <class T>
Index DepthwiseCorrelation<T>::panel_bytes() const {
    return round_up(shape_.elements * Index(sizeof(T)), 64);
}

// What a thread needs beside its scratch rows.
template <class T>
Index DepthwiseCorrelation<T>::tables_bytes() const {
    return kept_blocks() * DepthwiseBlock<T>::bytes_for(table_sizes());
}

template <class T>
typename DepthwiseBlock<T>::Sizes DepthwiseCorrelation<T>::table_sizes() const {
    const bool wraps = problem_.border != Border::zeros && problem_.border != Border::absent;
    const Index vectors = ceil_divide(shape_.columns, kernel_.lanes);
    return {shape_.far_taps,
            shape_.far_taps * shape_.slots,
            wraps ? shape_.row_pitch : 0,
            shape_.phases,
            static_cast<Index>(segments_.size()),
            shape_.folds ? ceil_divide(vectors, kernel_.most_rows) : ceil_divide(shape_.rows, tile_rows()),
            shape_.folds ? 1 : vectors,
            shape_.folds ? 0 : layout_.columns().kernel};
}

// Tables of so many blocks are kept from one channel to the next.
template <class T>
Index DepthwiseCorrelation<T>::kept_blocks() const {
    const Index most = most_table_bytes / DepthwiseBlock<T>::bytes_for(table_sizes());
    return max_index(1, min_index(most, most_kept_blocks));
}

template <class T>
Index DepthwiseCorrelation<T>::workspace_bytes(int threads) const {
    const Index bytes = saturating_multiply(thread_bytes(), threads);
    return channel_lanes_ ? max_index(bytes, channel_lanes_->workspace_bytes(threads)) : bytes;
}

template <class T>
Index DepthwiseCorrelation<T>::packed_bytes() const {
    return header_bytes + problem_.groups * problem_.out_channels * taps_ * Index(sizeof(T));
}

template <class T>
std::vector<Index> DepthwiseCorrelation<T>::packed_layout() const {
    std::vector<Index> key{Index(sizeof(T)),
                           problem_.groups,
                           problem_.out_channels,
                           shape_.row_stride,
                           shape_.row_step == layout_.rows().dilation,
                           shape_.fold};
    for (std::size_t a = 0; a < layout_.axes.size(); ++a) {
        key.push_back(layout_.origin[a]);
        key.push_back(layout_.axes[a].kernel);
    }
    return key;
}

template <class T>
void DepthwiseCorrelation<T>::pack(const Array& weight, void* packed, int) const {
    const std::vector<Index> spatial = layout_.spatial_strides(weight.stride);
    std::vector<Index> place;  // of each packed weight, from its channel's first
    place.reserve(tap_order_.size());
    for (Index rest : tap_order_) {
        Index offset = 0;
        for (std::size_t a = layout_.axes.size(); a-- > 0;) {
            offset += rest % layout_.axes[a].kernel * spatial[a];
            rest /= layout_.axes[a].kernel;
        }
        place.push_back(offset);
    }
    T* to = reinterpret_cast<T*>(static_cast<char*>(packed) + header_bytes);
    bool finite = true;
    for (Index g = 0; g < problem_.groups; ++g)
        for (Index oc = 0; oc < problem_.out_channels; ++oc) {
            const T* from = static_cast<const T*>(weight.data) + g * weight.stride[0] + oc * weight.stride[1];
            for (Index offset : place) {
                finite &= is_finite(from[offset]);
                *to++ = from[offset];
            }
        }
    std::memset(packed, 0, header_bytes);
    *static_cast<char*>(packed) = finite;
}

template <class T>
bool DepthwiseCorrelation<T>::are_finite(const void* packed) {
    return *static_cast<const char*>(packed) != 0;
}

template <class T>
const T* DepthwiseCorrelation<T>::weights(const void* packed) {
    return reinterpret_cast<const T*>(static_cast<const char*>(packed) + header_bytes);
}

// With stride 2 neighbouring columns of taps come from the same cells of x.
template <class T>
bool DepthwiseCorrelation<T>::takes_neighbours() const {
    const Axis& axis = layout_.columns();
    return kernel_.neighbours && !shape_.folds && axis.stride == 2 && axis.dilation == 1;
}

// How many columns of taps are added at a time. The order of the sums must not depend on whether x is read in
// place.
template <class T>
Index DepthwiseCorrelation<T>::columns_at_a_time() const {
    if (!takes_neighbours()) return 1;
    return layout_.columns().kernel == 3 && most_taps() <= 2 ? 3 : 2;
}

// Rows that come from memory are streams, of which the processor foresees a limited number.
template <class T>
Index DepthwiseCorrelation<T>::tile_rows(const Problem& problem, const DepthwiseKernel<T>& kernel) {
    const Index columns = problem.axes.empty() ? 1 : problem.axes.back().out;
    Index bytes = saturating_multiply(problem.groups, sizeof(T));
    for (const Axis& axis : problem.axes) bytes = saturating_multiply(bytes, axis.in);
    const bool are_streams =
        bytes >= large_bytes || saturating_multiply(columns, sizeof(T)) >= long_row_bytes;
    return are_streams ? min_index(kernel.most_rows, rows_of_streams) : kernel.most_rows;
}

// Whether rows of these strides may be read where they lie.
template <class T>
bool DepthwiseCorrelation<T>::reads_in_place(const std::vector<Index>& stride) const {
    if (!kernel_.masks || shape_.folds || stride.back() != 1) return false;
    if (layout_.columns().stride != 1 && columns_at_a_time() == 1) return false;
    // The rows of a tile must not contend for the same few sets of the L1 cache.
    const Index pitch =
        std::abs(stride[layout_.far_axes()]) * shape_.row_stride * shape_.row_step * Index(sizeof(T));
    const Index distinct = l1_set_bytes / max_index(64, std::gcd(pitch, l1_set_bytes));
    return distinct >= 8;
}

template <class T>
void DepthwiseCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                  const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || outputs(problem_.axes) == 0)
        return;
    const Index work = saturating_multiply(batch, work_of(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    const bool has_zeros = problem_.border == Border::zeros || problem_.border == Border::absent;
    const bool skips = has_zeros && are_finite(packed);
    if (channel_lanes_ && channel_lanes_->serves(x, y, skips))
        return channel_lanes_->run(batch, x, weights(packed), true, epilogue, y, accumulate, threads);
    DepthwiseCall<T> call{*this,
                          x,
                          y,
                          weights(packed),
                          epilogue,
                          accumulate,
                          skips,
                          false,
                          layout_.spatial_strides(x.stride),
                          layout_.spatial_strides(y.stride)};
    call.in_place = call.skips && reads_in_place(call.x_spatial);
    call.share_out(batch, threads);
    threads = static_cast<int>(min_index(call.tasks, threads));
    Workspace workspace(workspace_bytes(threads));
    call.workspace = workspace.data();
    parallel_for(call.tasks, threads, call);
}

template class DepthwiseCorrelation<float>;
template class DepthwiseCorrelation<double>;
template class DepthwiseCorrelation<std::uint64_t>;

}  // namespace faltung
