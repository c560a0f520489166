#include "kernels/gradient_depthwise/depthwise_gradient.h"

#include <cstring>
#include <numeric>
#include <stdexcept>

#include "kernels/gradient_depthwise/depthwise_gradient_call.h"
#include "kernels/run_call.h"

namespace faltung {

namespace {

constexpr Index tasks_per_thread = 4;
constexpr Index fewest_columns_of_task = 3;  // of taps
constexpr Index scratch_budget_bytes = 128 << 10;
constexpr Index scratch_columns = 4096;
constexpr Index sum_limit = Index(1) << 31;
constexpr Index cell_limit = Index(1) << 30;

bool is_single(const Axis& axis) {
    return axis.in == 1 && axis.out == 1 && axis.kernel == 1 && axis.before == 0;
}

}  // namespace

template <class T>
DepthwiseGradient<T>::Scratch::Scratch(const Layout& layout, Index lanes) {
    const Axis &row = layout.rows(), &column = layout.columns();
    columns = max_index(1, min_index(column.out, scratch_columns));
    const Index reach = saturating_multiply(column.kernel - 1, column.dilation) / column.stride;
    phase_cells = round_up(min_index(saturating_add(columns + 1 + lanes, reach), saturated / 2), 16);
    row_pitch = saturating_multiply(phase_cells, min_index(column.stride, column.kernel * column.dilation));
    grad_pitch = round_up(columns, lanes);
    auto resize = [&](Index count) {
        rows = max_index(1, min_index(count, row.out));
        cell_rows = saturating_add(saturating_add(saturating_multiply(rows - 1, row.stride), 1),
                                   saturating_multiply(row.kernel - 1, row.dilation));
        cells = saturating_multiply(cell_rows, row_pitch);
        grads = saturating_multiply(rows, grad_pitch);
    };
    Index count = saturating_multiply(16, row.dilation / std::gcd(row.stride, row.dilation));
    resize(count);
    while (rows < row.out) {
        const Index before = rows;
        resize(saturating_multiply(2, count));
        if (saturating_multiply(cells, sizeof(T)) > scratch_budget_bytes) {
            resize(before);
            break;
        }
        count = saturating_multiply(2, count);
    }
}

template <class T>
DepthwiseGradient<T>::Classes::Classes(const Axis& rows) {
    const Index common = std::gcd(rows.stride, rows.dilation);
    outputs = rows.dilation / common;
    taps = rows.stride / common;
    step = saturating_multiply(rows.stride, outputs);
}

template <class T>
Index DepthwiseGradient<T>::sums_elements(const Problem& problem, Index lanes) {
    return saturating_multiply(saturating_add(taps(problem.axes), 32), lanes + 1);
}

template <class T>
Index DepthwiseGradient<T>::panel_bytes_for(const Problem& problem,
                                            const DepthwiseGradientKernel<T>& kernel) {
    const Scratch scratch(Layout(problem), kernel.lanes);
    const Index elements =
        saturating_add(saturating_add(scratch.cells, scratch.grads), sums_elements(problem, kernel.lanes));
    return saturating_multiply(saturating_add(elements, 64), sizeof(T));
}

template <class T>
DepthwiseGradient<T>::DepthwiseGradient(const Problem& problem, const DepthwiseGradientKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      scratch_(layout_, kernel.lanes),
      classes_(layout_.rows()),
      taps_(taps(problem.axes)),
      folds_(is_single(layout_.rows())) {
    if (taps_ == 0) throw std::invalid_argument("there is no tap");
    if (sums_elements(problem, kernel.lanes) > sum_limit || scratch_.cells > cell_limit ||
        scratch_.grads > cell_limit)
        throw std::invalid_argument("the scratch of the weight gradient would be unreasonably large");
    make_tables();
}

template <class T>
void DepthwiseGradient<T>::make_tables() {
    const Axis& axis = layout_.columns();
    const Index L = kernel_.lanes;
    if (folds_ && axis.stride == 1 && L % axis.dilation == 0 && axis.kernel * axis.dilation >= 2 * L)
        fold_ = L / axis.dilation;
    const std::size_t columns = static_cast<std::size_t>(axis.kernel);
    for (Index k = 0; k < axis.kernel; ++k) {
        const Index at = k * axis.dilation;
        place_.push_back(static_cast<std::int32_t>(at));
        scratch_place_.push_back(
            static_cast<std::int32_t>(at % axis.stride * scratch_.phase_cells + at / axis.stride));
    }
    const Index strips = ceil_divide(axis.out, L);
    const std::uint32_t every = first_lanes(L);
    const std::uint32_t left_over = first_lanes(axis.out - (strips - 1) * L);
    lanes_.assign(columns, every);
    lanes_.resize(2 * columns, left_over);
    for (Index strip = 0; strip < strips; ++strip) {
        const Index count = min_index(L, axis.out - strip * L), start = strip * L - axis.before;
        const Index reach = (axis.kernel - 1) * axis.dilation;
        if (count == L && start >= 0 && start + reach + L <= axis.in) {
            table_.push_back(0);
            continue;
        }
        table_.push_back(static_cast<std::int32_t>(lanes_.size() / columns));
        for (Index k = 0; k < axis.kernel; ++k) {
            const Index first = start + k * axis.dilation;
            const Index begin = min_index(max_index(0, -first), count);
            const Index end = max_index(begin, min_index(count, axis.in - first));
            lanes_.push_back(first_lanes(end) & ~first_lanes(begin));
        }
    }
}

template <class T>
Index DepthwiseGradient<T>::thread_bytes() const {
    return round_up(panel_bytes() + 4 * 64, 64);
}

template <class T>
Index DepthwiseGradient<T>::workspace_bytes(int threads) const {
    return saturating_multiply(thread_bytes(), threads);
}

template <class T>
void DepthwiseGradient<T>::Call::operator()(Index task, int worker) const {
    const Problem& problem = op.problem_;
    const std::vector<Axis>& axes = op.layout_.axes;
    const std::size_t far_axes = op.layout_.far_axes();
    const Index L = op.kernel_.lanes, columns = op.layout_.columns().kernel;
    const Index near_taps = op.layout_.rows().kernel * columns, far_taps = op.taps_ / near_taps;

    const Index split = task % splits, pair = task / splits;
    const Index first = split * columns / splits, last = (split + 1) * columns / splits;
    const Index ic = pair % problem.in_channels;
    const Index oc = pair / problem.in_channels % problem.out_channels;
    const Index g = pair / problem.in_channels / problem.out_channels;

    T* own = reinterpret_cast<T*>(workspace + worker * op.thread_bytes());
    Memory memory;
    memory.sums = own;
    memory.totals = memory.sums + round_up(op.taps_ + 16, 16) * L;
    memory.cells = memory.totals + round_up(op.taps_ + 16, 16);
    memory.grad = memory.cells + round_up(op.scratch_.cells, 16);
    std::memset(memory.sums, 0, static_cast<std::size_t>(op.taps_ * L) * sizeof(T));

    const T* x_first = static_cast<const T*>(x.data) + g * x.stride[1] + ic * x.stride[2];
    const T* grad_first = static_cast<const T*>(grad.data) + g * grad.stride[1] + oc * grad.stride[2];
    const bool zeros_count = problem.border == Border::zeros;
    const Index far_outputs = [&] {
        Index product = 1;
        for (std::size_t a = 0; a < far_axes; ++a) product *= axes[a].out;
        return product;
    }();
    for (Index n = 0; n < batch; ++n) {
        const bool is_last = n + 1 == batch;
        const Index x_ahead =
            is_last ? x.stride[problem.in_channels > 1 ? 2 : 1] - n * x.stride[0] : x.stride[0];
        const Index grad_ahead = is_last ? grad.stride[1] - n * grad.stride[0] : grad.stride[0];
        for (Index far = 0; far < far_outputs; ++far)
            for (Index tap = 0; tap < far_taps; ++tap) {
                Index x_offset = n * x.stride[0], grad_offset = n * grad.stride[0];
                Index far_rest = far, tap_rest = tap;
                bool is_inside = true;
                for (std::size_t a = far_axes; a-- > 0;) {
                    const Index o = far_rest % axes[a].out, k = tap_rest % axes[a].kernel;
                    far_rest /= axes[a].out;
                    tap_rest /= axes[a].kernel;
                    const Index at =
                        border_cell(problem.border,
                                    o * axes[a].stride + k * axes[a].dilation - axes[a].before, axes[a].in);
                    is_inside &= at != outside;
                    x_offset += at * x_spatial[a];
                    grad_offset += o * grad_spatial[a];
                }
                T* sums = memory.sums + tap * near_taps * L;
                if (is_inside) {
                    add_plane(x_first + x_offset, grad_first + grad_offset, sums, first, last, x_ahead,
                              grad_ahead, memory);
                } else if (zeros_count) {
                    op.add_zeros(grad_first + grad_offset, grad_spatial, sums);
                }
            }
    }
    if (splits == 1) {
        op.kernel_.add_lanes(memory.sums, op.taps_, memory.totals);
    } else {
        for (Index k = 0; k < op.taps_; k += columns)
            op.kernel_.add_lanes(memory.sums + (k + first) * L, last - first, memory.totals + k + first);
    }
    T* to = static_cast<T*>(gw.data) + g * gw.stride[0] + oc * gw.stride[1] + ic * gw.stride[2];
    const T* total = memory.totals;
    for (const Index place : tap_rows) {
        for (Index k = first; k < last; ++k) to[place + k * gw_spatial.back()] = total[k];
        total += columns;
    }
}

// The products of a plane of grad with cells outside: NaN where grad is not finite.
template <class T>
void DepthwiseGradient<T>::add_zeros(const T* grad_plane, const std::vector<Index>& strides, T* sums) const {
    const Axis &row = layout_.rows(), &column = layout_.columns();
    const Index row_stride = strides[layout_.far_axes()], column_stride = strides.back();
    T nothing = T(0);
    for (Index r = 0; r < row.out; ++r)
        for (Index j = 0; j < column.out; ++j)
            nothing += grad_plane[r * row_stride + j * column_stride] * T(0);
    if (nothing == T(0)) return;
    for (Index k = 0; k < row.kernel * column.kernel; ++k) sums[k * kernel_.lanes] += nothing;
}

template <class T>
void DepthwiseGradient<T>::run(Index batch, const Array& x, const Array& grad, const Array& gw,
                               int threads) const {
    const Index pairs = problem_.groups * problem_.in_channels * problem_.out_channels;
    if (pairs == 0 || taps_ == 0) return;
    if (saturating_multiply(batch, work_of(problem_)) < parallel_multiply_adds) threads = 1;
    const std::vector<Index> x_spatial = layout_.spatial_strides(x.stride);
    const std::vector<Index> grad_spatial = layout_.spatial_strides(grad.stride);
    const bool wraps = problem_.border != Border::zeros && problem_.border != Border::absent;
    const bool copies_cells =
        wraps || !kernel_.masks || x_spatial.back() != 1 || layout_.columns().stride != 1;
    const bool copies_grad = !kernel_.masks || grad_spatial.back() != 1;
    const std::vector<Index> gw_spatial = layout_.spatial_strides(gw.stride);
    std::vector<Index> tap_rows(static_cast<std::size_t>(taps_ / layout_.columns().kernel));
    for (std::size_t row = 0; row < tap_rows.size(); ++row) {
        Index rest = static_cast<Index>(row);
        for (std::size_t a = layout_.axes.size() - 1; a-- > 0;) {
            tap_rows[row] += rest % layout_.axes[a].kernel * gw_spatial[a];
            rest /= layout_.axes[a].kernel;
        }
    }
    const bool has_outputs = outputs(problem_.axes) > 0;
    Call call{*this,
              has_outputs ? batch : 0,
              x,
              grad,
              gw,
              x_spatial,
              grad_spatial,
              gw_spatial,
              tap_rows,
              copies_cells,
              copies_grad,
              1,
              nullptr};
    // Taps that lie a vector apart share their loads: a task has all of them.
    if (threads > 1 && fold_ == 0)
        call.splits = max_index(1, min_index(layout_.columns().kernel / fewest_columns_of_task,
                                             tasks_per_thread * threads / pairs));
    const Index tasks = pairs * call.splits;
    run_tasks_of(call, tasks, threads);
}

template class DepthwiseGradient<float>;
template class DepthwiseGradient<double>;
template class DepthwiseGradient<std::uint64_t>;

}  // namespace faltung
