#include <stdexcept>
#include <utility>

#include "kernels/gradient/tap_offsets.h"
#include "kernels/gradient_direct/direct_gradient_call.h"
#include "kernels/run_call.h"

namespace faltung {

namespace {

constexpr Index tasks_per_thread = 4;
constexpr Index fewest_products = 64;           // of a packed cell that are worth the packing
constexpr Index fewest_balanced_products = 24;  // where some threads have nothing to do otherwise
constexpr Index sums_budget_bytes = 256 << 10;  // of a task
constexpr Index kernel_limit = Index(1) << 22;
constexpr Index repeated_limit = Index(1) << 26;

bool is_matrix_product(const Problem& problem) {
    for (const Axis& axis : problem.axes)
        if (axis.kernel != 1 || axis.stride != 1 || axis.before != 0 || axis.in != axis.out) return false;
    return true;
}

// Of a position: vectors that are multiplied.
Index products(Index packed, Index others, Index block) {
    return ceil_divide(packed, block / 2) * others;
}

bool packs_input(const Problem& problem, Index block) {
    return is_matrix_product(problem) && products(problem.in_channels, problem.out_channels, block) <
                                             products(problem.out_channels, problem.in_channels, block);
}

Problem arranged(Problem problem, Index block) {
    if (packs_input(problem, block)) std::swap(problem.in_channels, problem.out_channels);
    return problem;
}

}  // namespace

template <class T>
DirectGradient<T>::DirectGradient(const Problem& problem, const GradientProductKernel<T>& kernel)
    : problem_(arranged(problem, kernel.block)),
      layout_(problem),
      kernel_(kernel),
      swaps_(packs_input(problem, kernel.block)),
      joins_(may_join(problem_, kernel)),
      taps_(taps(problem.axes)) {
    if (layout_.rows().kernel > kernel_limit || layout_.columns().kernel > kernel_limit)
        throw std::invalid_argument("the tables of the weight gradient would be unreasonably large");
    // Beyond the borders these are listed output by output.
    const bool is_repeated = problem.border != Border::zeros && problem.border != Border::absent;
    if (is_repeated && max_index(layout_.rows().out, layout_.columns().out) > repeated_limit)
        throw std::invalid_argument("the tables of the weight gradient would be unreasonably large");
    row_segments_ = tap_segments(layout_.rows(), problem.border);
    column_segments_ = tap_segments(layout_.columns(), problem.border);
}

template <class T>
Index DirectGradient<T>::units_of(const Problem& problem, const GradientProductKernel<T>& kernel) {
    return ceil_divide(problem.in_channels, kernel.channels);
}

template <class T>
bool DirectGradient<T>::may_join(const Problem& problem, const GradientProductKernel<T>& kernel) {
    return (problem.border == Border::zeros || problem.border == Border::absent) && problem.in_channels > 0 &&
           problem.in_channels / units_of(problem, kernel) < few_channels;
}

template <class T>
Index DirectGradient<T>::panel_bytes_for(const Problem& problem, const GradientProductKernel<T>& kernel) {
    const bool joins = may_join(arranged(problem, kernel.block), kernel);
    return (joins ? most_positions_of_few : most_positions) * kernel.block * Index(sizeof(T));
}

template <class T>
Index DirectGradient<T>::tap_limit() const {
    const Index unit_bytes = kernel_.channels * kernel_.block * Index(sizeof(T));
    return max_index(1, min_index(taps_, 4 * sums_budget_bytes / unit_bytes));
}

template <class T>
Index DirectGradient<T>::first_tap(Index piece) const {
    if (!joins_) return piece;
    const Index columns = layout_.columns().kernel, of_row = row_pieces();
    return piece / of_row * columns + piece % of_row * columns / of_row;
}

// Of the piece that holds a tap.
template <class T>
Index DirectGradient<T>::piece_end(Index tap) const {
    const Index columns = layout_.columns().kernel, of_row = row_pieces();
    const Index piece = ((tap % columns + 1) * of_row - 1) / columns;
    return tap / columns * columns + (piece + 1) * columns / of_row;
}

template <class T>
Index DirectGradient<T>::unit_limit() const {
    const Index unit_bytes = kernel_.channels * tap_limit() * kernel_.block * Index(sizeof(T));
    return max_index(1, min_index(units(), sums_budget_bytes / unit_bytes));
}

template <class T>
Index DirectGradient<T>::sums_elements() const {
    return unit_limit() * kernel_.channels * tap_limit() * kernel_.block;
}

template <class T>
Index DirectGradient<T>::thread_bytes() const {
    return panel_bytes() + round_up(sums_elements() * Index(sizeof(T)), 64);
}

template <class T>
Index DirectGradient<T>::workspace_bytes(int threads) const {
    return saturating_multiply(thread_bytes(), threads);
}

template <class T>
void DirectGradient<T>::run(Index batch, const Array& x_given, const Array& grad_given, const Array& gw_given,
                            int threads) const {
    if (problem_.groups == 0 || problem_.out_channels == 0 || problem_.in_channels == 0 || taps_ == 0) return;
    if (saturating_multiply(batch, work_of(problem_)) < parallel_multiply_adds) threads = 1;
    const Array &x = swaps_ ? grad_given : x_given, &grad = swaps_ ? x_given : grad_given;
    Array gw = gw_given;
    if (swaps_) std::swap(gw.stride[1], gw.stride[2]);
    TapOffsets offsets(layout_, gw.stride);
    const Index most_taps_of_piece = joins_ ? ceil_divide(layout_.columns().kernel, row_pieces()) : 1;
    Call call{*this,
              outputs(problem_.axes) > 0 ? batch : 0,
              x,
              grad,
              gw,
              layout_.spatial_strides(x.stride),
              layout_.spatial_strides(grad.stride),
              std::move(offsets.of_tap),
              offsets.are_adjacent,
              nullptr,
              ceil_divide(problem_.out_channels, kernel_.block),
              ceil_divide(units(), unit_limit()),
              ceil_divide(pieces(), max_index(1, tap_limit() / most_taps_of_piece))};
    const Index wanted = threads > 1 ? tasks_per_thread * threads : 1;
    auto task_count = [&] { return problem_.groups * call.blocks * call.unit_ranges * call.tap_ranges; };
    // Tasks that share out one block's products repeat its packing.
    auto part = [&](Index fewest) {
        const Index most = problem_.in_channels * taps_ / (2 * fewest);
        if (call.unit_ranges * call.tap_ranges > most) return false;
        Index& ranges = 2 * call.unit_ranges <= units() ? call.unit_ranges : call.tap_ranges;
        if (&ranges == &call.tap_ranges && 2 * call.tap_ranges > pieces()) return false;
        ranges *= 2;
        return true;
    };
    while (task_count() < wanted && part(fewest_products)) continue;
    auto idle = [&] { return ceil_divide(task_count(), threads) * threads - task_count(); };
    while (task_count() < wanted && 8 * idle() > task_count() && part(fewest_balanced_products)) continue;
    const Index tasks = task_count();
    run_tasks_of(call, tasks, threads);
}

template class DirectGradient<float>;
template class DirectGradient<double>;
template class DirectGradient<std::uint64_t>;

}  // namespace faltung
