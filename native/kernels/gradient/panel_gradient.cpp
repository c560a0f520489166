#include "kernels/gradient/panel_gradient.h"

#include <cstring>
#include <stdexcept>

#include "core/interruption.h"
#include "kernels/run_call.h"

namespace faltung {

namespace {

constexpr Index tasks_per_thread = 4;
constexpr Index pairs_of_panel = 256;           // what shares one packing of grad
constexpr Index sums_budget_bytes = 256 << 10;  // running sums stay in L2 beside the panel
constexpr Index sum_limit = Index(1) << 34;

}  // namespace

template <class T>
PanelRules PanelGradient<T>::rules_for(const Problem& problem) {
    return {sizeof(T), 16, 16, 1, panel_budget_bytes, 0, max_index(32, pairs_of_panel / taps(problem.axes))};
}

template <class T>
Index PanelGradient<T>::panel_bytes_for(const Problem& problem, const GradientKernel<T>& kernel) {
    PanelShape shape = Panel::shape_for(Layout(problem), problem.in_channels, rules_for(problem));
    return saturating_multiply(saturating_add(shape.elements, kernel.read_ahead), sizeof(T));
}

template <class T>
PanelGradient<T>::PanelGradient(const Problem& problem, const GradientKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      panel_(layout_, problem.border, problem.in_channels, rules_for(problem)) {
    const Index sums = kernel.channel_block * kernel.sum_lanes;
    if (saturating_multiply(saturating_multiply(problem.in_channels, panel_.tap_count()), sums) > sum_limit)
        throw std::invalid_argument("the running sums of the weight gradient would be unreasonably large");
}

template <class T>
Index PanelGradient<T>::panel_bytes() const {
    return round_up((panel_.shape().elements + kernel_.read_ahead) * Index(sizeof(T)), 64);
}

template <class T>
Index PanelGradient<T>::thread_bytes() const {
    const Index one_block = sum_elements(most_pairs(), 1) * Index(sizeof(T));
    return panel_bytes() + round_up(panel_.scratch_bytes(), 64) +
           round_up(grad_elements() * Index(sizeof(T)), 64) +
           round_up(max_index(one_block, sums_budget_bytes), 64);
}

template <class T>
Index PanelGradient<T>::workspace_bytes(int threads) const {
    return saturating_multiply(thread_bytes(), threads);
}

template <class T>
struct PanelGradient<T>::Call {
    const PanelGradient& op;
    Index batch;
    const Array &x, &grad, &gw;
    std::vector<Index> x_spatial, grad_spatial, gw_spatial;
    char* workspace;
    Index pair_chunk, pair_chunks, block_chunk, block_chunks;  // pairs and channel blocks of a task

    void operator()(Index task, int worker) const;
    void pack_grad(const T* from, Index rows, Index columns, Index channels, T* to) const;
    void finish(Index g, Index first_block, Index last_block, Index first_pair, Index pairs,
                const T* sums) const;
};

template <class T>
void PanelGradient<T>::Call::pack_grad(const T* from, Index rows, Index columns, Index channels,
                                       T* to) const {
    const Index pitch = op.grad_pitch();
    const std::size_t far_axes = op.layout_.far_axes();
    const Index row_stride = grad_spatial[far_axes], column_stride = grad_spatial[far_axes + 1];
    op.kernel_.pack_grad({from, grad.stride[2], row_stride, column_stride, rows, columns, channels}, pitch,
                         to);
}

template <class T>
void PanelGradient<T>::Call::finish(Index g, Index first_block, Index last_block, Index first_pair,
                                    Index pairs, const T* sums) const {
    const Index width = op.kernel_.channel_block, lanes = op.kernel_.sum_lanes;
    const std::vector<Axis>& axes = op.layout_.axes;
    constexpr Index tile = 64;  // pairs whose sums stay in L1 while the output channels pass
    for (Index start = 0; start < pairs; start += tile) {
        const Index end = min_index(start + tile, pairs);
        Index offset[tile];
        for (Index pair = start; pair < end; ++pair) {
            Index rest = first_pair + pair, place = g * gw.stride[0];
            for (std::size_t a = axes.size(); a-- > 0;) {
                place += rest % axes[a].kernel * gw_spatial[a];
                rest /= axes[a].kernel;
            }
            offset[pair - start] = place + rest * gw.stride[2];
        }
        for (Index oc = first_block * width; oc < min_index(last_block * width, op.problem_.out_channels);
             ++oc) {
            const T* block_sums = sums + (oc / width - first_block) * op.sum_elements(pairs, 1);
            T* to = static_cast<T*>(gw.data) + oc * gw.stride[1];
            for (Index pair = start; pair < end; ++pair) {
                T total = T(0);
                if (op.kernel_.has_column_lanes) {
                    const T* lane = block_sums + (oc % width * pairs + pair) * lanes;
                    for (Index i = 0; i < lanes; ++i) total += lane[i];
                } else {
                    total = block_sums[pair * width + oc % width];
                }
                to[offset[pair - start]] = total;
            }
        }
    }
}

template <class T>
void PanelGradient<T>::Call::operator()(Index task, int worker) const {
    const Problem& problem = op.problem_;
    const Layout& layout = op.layout_;
    const PanelShape& shape = op.panel_.shape();
    const std::size_t far_axes = layout.far_axes();
    const Index taps = op.panel_.tap_count(), width = op.kernel_.channel_block;

    const Index first_pair = task % pair_chunks * pair_chunk;
    const Index pairs = min_index(pair_chunk, op.pairs() - first_pair);
    const Index first_block = task / pair_chunks % block_chunks * block_chunk;
    const Index last_block = min_index(first_block + block_chunk, op.channel_blocks());
    const Index g = task / pair_chunks / block_chunks;
    const Index first_ic = first_pair / taps;
    const Index channels = ceil_divide(first_pair + pairs, taps) - first_ic;

    char* own = workspace + worker * op.thread_bytes();
    T* panel = reinterpret_cast<T*>(own);
    own += op.panel_bytes();
    void* scratch = own;
    own += round_up(op.panel_.scratch_bytes(), 64);
    T* packed_grad = reinterpret_cast<T*>(own);
    own += round_up(op.grad_elements() * Index(sizeof(T)), 64);
    T* sums = reinterpret_cast<T*>(own);
    const Index block_sums = op.sum_elements(pairs, 1);
    std::memset(sums, 0, static_cast<std::size_t>((last_block - first_block) * block_sums) * sizeof(T));

    GradientBlock<T> block;
    block.panel = panel;
    block.channel_pitch = shape.channel_pitch;
    block.offset = op.panel_.offset(0);
    block.taps = taps;
    block.first_pair = first_pair - first_ic * taps;
    block.last_pair = block.first_pair + pairs;
    block.grad = packed_grad;
    block.grad_pitch = op.grad_pitch();

    std::vector<Index>::size_type last = far_axes + 1;
    Index origin[64] = {};
    const bool has_outputs = outputs(problem.axes) > 0;
    for (Index n = 0; has_outputs && n < batch; ++n) {
        const T* x_first =
            static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1] + first_ic * x.stride[2];
        const T* grad_first = static_cast<const T*>(grad.data) + n * grad.stride[0] + g * grad.stride[1];
        for (bool is_done = false; !is_done;) {
            if (is_interrupted()) return;
            block.rows = min_index(shape.rows, layout.rows().out - origin[far_axes]);
            block.columns = min_index(shape.columns, layout.columns().out - origin[last]);
            const Panel::Source source = op.panel_.locate(origin, x_spatial.data(), scratch);
            op.panel_.pack(source, x_first, x.stride[2], x_spatial[last], channels, panel);
            Index grad_offset = 0;
            for (std::size_t a = 0; a <= last; ++a) grad_offset += origin[a] * grad_spatial[a];
            for (Index b = first_block; b < last_block; ++b) {
                block.out_channels = min_index(width, problem.out_channels - b * width);
                pack_grad(grad_first + grad_offset + b * width * grad.stride[2], block.rows, block.columns,
                          block.out_channels, packed_grad);
                block.sums = sums + (b - first_block) * block_sums;
                op.kernel_.compute(block);
            }
            is_done = true;
            for (std::size_t a = last + 1; a-- > 0;) {
                origin[a] += a == last ? shape.columns : a == far_axes ? shape.rows : 1;
                if (origin[a] < layout.axes[a].out) {
                    is_done = false;
                    break;
                }
                origin[a] = 0;
            }
        }
    }
    finish(g, first_block, last_block, first_pair, pairs, sums);
}

template <class T>
void PanelGradient<T>::run(Index batch, const Array& x, const Array& grad, const Array& gw,
                           int threads) const {
    if (problem_.groups == 0 || problem_.out_channels == 0 || pairs() == 0) return;
    if (saturating_multiply(batch, work_of(problem_)) < parallel_multiply_adds) threads = 1;

    Call call{*this,
              batch,
              x,
              grad,
              gw,
              layout_.spatial_strides(x.stride),
              layout_.spatial_strides(grad.stride),
              layout_.spatial_strides(gw.stride),
              nullptr,
              1,
              1,
              1,
              1};
    const Index wanted = threads > 1 ? tasks_per_thread * threads : 1;
    call.pair_chunk = most_pairs();
    // As many channel blocks a task as keep its running sums in cache: they share one panel.
    call.block_chunk = 1;
    while (call.block_chunk < channel_blocks() &&
           sum_elements(call.pair_chunk, 1) * (call.block_chunk + 1) * Index(sizeof(T)) <= sums_budget_bytes)
        ++call.block_chunk;
    auto task_count = [&] {
        call.pair_chunks = ceil_divide(pairs(), call.pair_chunk);
        call.block_chunks = ceil_divide(channel_blocks(), call.block_chunk);
        return problem_.groups * call.pair_chunks * call.block_chunks;
    };
    const Index taps = panel_.tap_count();
    // A run of pairs that starts between two channels touches one channel more.
    auto has_room_between_channels = [&](Index pairs) {
        return problem_.in_channels == 1 || ceil_divide(pairs, taps) + 1 <= panel_.shape().channels;
    };
    // Tasks that share out channel blocks repeat the packing of x, those that share out pairs that of grad,
    // which is the dearer one.
    while (task_count() < wanted) {
        if (call.block_chunk > 1) {
            call.block_chunk = ceil_divide(call.block_chunk, 2);
        } else if (call.pair_chunk > 8 * taps) {
            call.pair_chunk = ceil_divide(call.pair_chunk / taps, 2) * taps;
        } else if (call.pair_chunk > 16 && has_room_between_channels(call.pair_chunk / 2 + 1)) {
            call.pair_chunk = ceil_divide(call.pair_chunk, 2);
        } else {
            break;
        }
    }
    const Index tasks = task_count();
    run_tasks_of(call, tasks, threads);
}

template class PanelGradient<float>;
template class PanelGradient<double>;
template class PanelGradient<std::uint64_t>;

}  // namespace faltung
