#include "kernels/gradient_channelwise/channelwise_gradient.h"

#include <cstring>
#include <utility>

#include "core/border.h"
#include "core/interruption.h"
#include "kernels/gradient/tap_offsets.h"
#include "kernels/run_call.h"

namespace faltung {

namespace {

constexpr Index pair_limit = Index(1) << 16;
constexpr Index cell_limit = Index(1) << 20;
constexpr Index tasks_per_thread = 4;

Index cells_of(const Problem& problem) {
    Index product = 1;
    for (const Axis& axis : problem.axes) product = saturating_multiply(product, axis.in);
    return product;
}

}  // namespace

const char* why_not_channelwise_gradient(const Problem& problem) {
    if (problem.in_channels != 1 || problem.out_channels != 1)
        return "a group has more than one channel on either side";
    if (saturating_multiply(taps(problem.axes), outputs(problem.axes)) > pair_limit ||
        cells_of(problem) > cell_limit)
        return "the map is too large";
    return nullptr;
}

template <class T>
Index ChannelwiseGradient<T>::panel_bytes_for(const Problem& problem,
                                              const GradientProductKernel<T>& kernel) {
    const Index positions =
        saturating_add(saturating_add(cells_of(problem), outputs(problem.axes)), taps(problem.axes));
    return saturating_multiply(saturating_add(positions, 1), kernel.block * Index(sizeof(T)));
}

template <class T>
ChannelwiseGradient<T>::ChannelwiseGradient(const Problem& problem, const GradientProductKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      taps_(taps(problem.axes)),
      cells_(cells_of(problem)),
      outputs_(outputs(problem.axes)) {
    for (Index tap = 0; tap < taps_; ++tap) add_pairs_of(tap);
    first_pair_.push_back(static_cast<Index>(pairs_.size()));
}

template <class T>
void ChannelwiseGradient<T>::add_pairs_of(Index tap) {
    first_pair_.push_back(static_cast<Index>(pairs_.size()));
    for (Index output = 0; output < outputs_; ++output) {
        Index rest = output, rest_tap = tap, cell = 0, step = 1;
        bool is_inside = true;
        for (std::size_t a = layout_.axes.size(); a-- > 0;) {
            const Axis& axis = layout_.axes[a];
            const Index o = rest % axis.out, k = rest_tap % axis.kernel;
            rest /= axis.out;
            rest_tap /= axis.kernel;
            const Index place =
                border_cell(problem_.border, o * axis.stride + k * axis.dilation - axis.before, axis.in);
            is_inside = is_inside && place != outside;
            cell += place * step;
            step *= axis.in;
        }
        if (!is_inside && problem_.border == Border::absent) continue;
        // After the cells there is one of zero.
        pairs_.push_back(static_cast<std::int32_t>(output * kernel_.block));
        pairs_.push_back(static_cast<std::int32_t>((is_inside ? cell : cells_) * kernel_.block));
    }
}

template <class T>
Index ChannelwiseGradient<T>::workspace_bytes(int threads) const {
    return saturating_multiply(round_up(panel_bytes(), 64), threads);
}

template <class T>
struct ChannelwiseGradient<T>::Call {
    const ChannelwiseGradient& op;
    Index batch;
    const Array &x, &grad, &gw;
    std::vector<Index> x_spatial, grad_spatial, tap_offset;
    bool has_adjacent_taps;
    Index lanes;  // of a task
    char* workspace;

    void operator()(Index task, int worker) const;
    void pack(const T* from, const std::vector<Index>& spatial, bool is_input, Index channel_stride,
              Index channels, T* to) const;
};

// All positions of one side of a sample, to [position][lane].
template <class T>
void ChannelwiseGradient<T>::Call::pack(const T* from, const std::vector<Index>& spatial, bool is_input,
                                        Index channel_stride, Index channels, T* to) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const std::size_t far_axes = op.layout_.far_axes();
    auto extent = [&](std::size_t a) { return is_input ? axes[a].in : axes[a].out; };
    Index far_positions = 1;
    for (std::size_t a = 0; a < far_axes; ++a) far_positions *= extent(a);
    GradientPack<T> pack{nullptr,          channel_stride,       spatial[far_axes], spatial[far_axes + 1],
                         extent(far_axes), extent(far_axes + 1), channels,          to};
    const Index positions = pack.rows * pack.columns;
    if (pack.row_stride == pack.columns * pack.column_stride) {
        pack.columns = positions;
        pack.rows = 1;
    }
    for (Index far = 0; far < far_positions; ++far, pack.to += positions * op.kernel_.block) {
        Index rest = far, offset = 0;
        for (std::size_t a = far_axes; a-- > 0;) {
            offset += rest % extent(a) * spatial[a];
            rest /= extent(a);
        }
        pack.from = from + offset;
        op.kernel_.pack(pack);
    }
}

template <class T>
void ChannelwiseGradient<T>::Call::operator()(Index task, int worker) const {
    const Index width = op.kernel_.block, first = task * lanes;
    const Index channels = min_index(lanes, op.problem_.groups - first);
    T* const sums = reinterpret_cast<T*>(workspace + worker * round_up(op.panel_bytes(), 64));
    T* const gradients = sums + op.taps_ * width;
    T* const cells = gradients + op.outputs_ * width;
    std::memset(sums, 0, static_cast<std::size_t>(op.taps_ * width) * sizeof(T));
    std::memset(cells + op.cells_ * width, 0, static_cast<std::size_t>(width) * sizeof(T));
    for (Index n = 0; n < batch && !is_interrupted(); ++n) {
        pack(static_cast<const T*>(x.data) + n * x.stride[0] + first * x.stride[1], x_spatial, true,
             x.stride[1], channels, cells);
        pack(static_cast<const T*>(grad.data) + n * grad.stride[0] + first * grad.stride[1], grad_spatial,
             false, grad.stride[1], channels, gradients);
        for (Index tap = 0; tap < op.taps_; ++tap) {
            const Index begin = op.first_pair_[static_cast<std::size_t>(tap)];
            const Index end = op.first_pair_[static_cast<std::size_t>(tap) + 1];
            op.kernel_.multiply_pairs({gradients, cells, op.pairs_.data() + begin, (end - begin) / 2,
                                       channels, sums + tap * width});
        }
    }
    T* const to = static_cast<T*>(gw.data) + first * gw.stride[0];
    if (has_adjacent_taps) {
        op.kernel_.store(sums, op.taps_, channels, to, gw.stride[0], 1);
    } else {
        for (Index tap = 0; tap < op.taps_; ++tap)
            op.kernel_.store(sums + tap * width, 1, channels, to + tap_offset[static_cast<std::size_t>(tap)],
                             gw.stride[0], 1);
    }
}

template <class T>
void ChannelwiseGradient<T>::run(Index batch, const Array& x, const Array& grad, const Array& gw,
                                 int threads) const {
    if (problem_.groups == 0 || taps_ == 0) return;
    TapOffsets offsets(layout_, gw.stride);
    const bool has_many = ceil_divide(problem_.groups, kernel_.block) >= tasks_per_thread * threads;
    Call call{*this,
              outputs_ > 0 ? batch : 0,
              x,
              grad,
              gw,
              layout_.spatial_strides(x.stride),
              layout_.spatial_strides(grad.stride),
              std::move(offsets.of_tap),
              offsets.are_adjacent,
              has_many ? kernel_.block : kernel_.block / 2,
              nullptr};
    const Index tasks = ceil_divide(problem_.groups, call.lanes);
    run_tasks_of(call, tasks, threads);
}

template class ChannelwiseGradient<float>;
template class ChannelwiseGradient<double>;
template class ChannelwiseGradient<std::uint64_t>;

}  // namespace faltung
