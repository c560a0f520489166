#include "kernels/pointwise/pointwise.h"

#include <optional>

#include "core/workspace.h"
#include "kernels/flat_stride.h"
#include "kernels/pointwise/pointwise_call.h"

namespace faltung {

namespace {

Problem flattened(const Problem& problem) {
    Problem flat = problem;
    const Index positions = outputs(problem.axes);
    flat.axes = {Axis{positions, positions, 1, 1, 1, 0}};
    return flat;
}

Array flattened(const Array& array, Index step) {
    return {array.data, {array.stride[0], array.stride[1], array.stride[2], step}};
}

}  // namespace

const char* why_not_pointwise(const Problem& problem) {
    for (const Axis& axis : problem.axes) {
        if (axis.kernel != 1) return "it needs kernel size 1 on every axis";
        if (axis.stride != 1) return "it needs stride 1 on every axis";
        if (axis.before != 0 || axis.in != axis.out) return "it needs no padding";
    }
    return nullptr;
}

template <class T>
PointwiseCorrelation<T>::PointwiseCorrelation(const Problem& problem, const PointwiseKernel<T>& kernel)
    : problem_(problem),
      layout_(problem),
      kernel_(kernel),
      flat_(flattened(problem), kernel.panel),
      general_(problem, kernel.panel),
      pixels_(flattened(problem), Layout(flattened(problem)), kernel.pixels) {
    for (const Axis& axis : problem.axes) sizes_.push_back(axis.out);
}

template <class T>
Index PointwiseCorrelation<T>::panel_elements_for(const Problem& problem, const PointwiseKernel<T>& kernel) {
    const Index terms = min_index(problem.in_channels, most_product_terms);
    return round_up(terms * kernel.most_vectors * kernel.lanes, workspace_alignment);
}

// Of one thread: its panel, and what the rest of the positions needs.
template <class T>
Index PointwiseCorrelation<T>::product_bytes_for(const Problem& problem, const PointwiseKernel<T>& kernel) {
    const Index rest = ProductWeights<T>::rest_elements(
        problem, min_index(problem.in_channels, most_product_terms), kernel.panel.channel_block);
    return (panel_elements_for(problem, kernel) + round_up(rest, workspace_alignment)) * Index(sizeof(T));
}

template <class T>
Index PointwiseCorrelation<T>::panel_bytes_for(const Problem& problem, const PointwiseKernel<T>& kernel) {
    return max_index(product_bytes_for(problem, kernel),
                     max_index(PanelCorrelation<T>::panel_bytes_for(flattened(problem), kernel.panel),
                               PanelCorrelation<T>::panel_bytes_for(problem, kernel.panel)));
}

template <class T>
Index PointwiseCorrelation<T>::panel_bytes() const {
    return max_index(product_bytes_for(problem_, kernel_),
                     max_index(flat_.panel_bytes(), general_.panel_bytes()));
}

template <class T>
Index PointwiseCorrelation<T>::workspace_bytes(int threads) const {
    return max_index(saturating_multiply(product_bytes_for(problem_, kernel_), threads),
                     max_index(max_index(flat_.workspace_bytes(threads), general_.workspace_bytes(threads)),
                               pixels_.workspace_bytes(threads)));
}

template <class T>
void PointwiseCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    write_packed_head(packed, problem_.axes.size());
    flat_.pack(flattened(weight, 0), static_cast<char*>(packed) + head_bytes(), threads);
}

template <class T>
void PointwiseCorrelation<T>::borrow(const Array& weight, void* packed) const {
    write_borrowed(weight, packed);
}

template <class T>
void PointwiseCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                  const Array& y, bool accumulate, int threads) const {
    const std::optional<Index> x_step = flat_stride(sizes_, x.stride), y_step = flat_stride(sizes_, y.stride);
    const bool by_pixels = x_step && y_step && (*x_step != 1 || *y_step != 1) && pixels_.serves(x, y);
    const PositionBlocks blocks(outputs(problem_.axes), kernel_.lanes, kernel_.most_vectors);
    const bool is_flat =
        !by_pixels && x_step && y_step && (blocks.tiles == 0 || (*x_step == 1 && *y_step == 1));
    const std::optional<Array> weight = borrowed_weight(packed, problem_.axes.size());
    if (weight && !(is_flat && lie_in_rows(*weight, problem_, layout_))) {
        const AlignedBuffer own(packed_bytes());
        pack(*weight, own.data(), threads);
        return run(batch, x, own.data(), epilogue, y, accumulate, threads);
    }
    const void* const behind_head = static_cast<const char*>(packed) + head_bytes();
    if (by_pixels)
        return pixels_.run(batch, flattened(x, *x_step), static_cast<const T*>(behind_head), epilogue,
                           flattened(y, *y_step), accumulate, threads);
    if (!x_step || !y_step) return general_.run(batch, x, behind_head, epilogue, y, accumulate, threads);
    if (!is_flat)
        return flat_.run(batch, flattened(x, *x_step), behind_head, epilogue, flattened(y, *y_step),
                         accumulate, threads);

    if (batch == 0 || problem_.groups == 0 || problem_.out_channels == 0 || blocks.positions == 0) return;
    const Index work = saturating_multiply(batch, work_of(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    Call call{
        *this,    x,
        y,        ProductWeights<T>(packed, problem_, problem_.in_channels, kernel_.panel.channel_block),
        epilogue, accumulate,
        batch,    *x_step,
        *y_step,  blocks};
    if (kernel_.joins && call.weights.are_packed()) call.blocks.join_rest();
    call.share_out(threads);
    const Index tasks = call.task_count();
    threads = static_cast<int>(min_index(tasks, threads));
    call.held_by_worker.forget(threads);
    call.thread_bytes = product_bytes_for(problem_, kernel_);
    Workspace workspace(call.thread_bytes * threads);
    call.workspace = workspace.data();
    parallel_for(tasks, threads, call);
}

template class PointwiseCorrelation<float>;
template class PointwiseCorrelation<double>;
template class PointwiseCorrelation<std::uint64_t>;

}  // namespace faltung
