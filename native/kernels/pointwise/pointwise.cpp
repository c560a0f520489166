#include "kernels/pointwise/pointwise.h"

#include <optional>

namespace faltung {

namespace {

Problem flattened(const Problem& problem) {
    Problem flat = problem;
    const Index positions = outputs(problem.axes);
    flat.axes = {Axis{positions, positions, 1, 1, 1, 0}};
    return flat;
}

// The stride between neighbouring positions, if one stride serves all of them.
std::optional<Index> flat_stride(const std::vector<Index>& sizes, const std::vector<Index>& stride) {
    std::optional<Index> step;
    Index expected = 0;
    for (std::size_t a = sizes.size(); a-- > 0;) {
        if (sizes[a] == 1) continue;
        const Index own = stride[outer_axes + a];
        if (!step) {
            step = own;
        } else if (own != expected) {
            return std::nullopt;
        }
        expected = own * sizes[a];
    }
    return step.value_or(1);
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
PointwiseCorrelation<T>::PointwiseCorrelation(const Problem& problem, const CorrelationKernel<T>& kernel)
    : flat_(flattened(problem), kernel), general_(problem, kernel) {
    for (const Axis& axis : problem.axes) sizes_.push_back(axis.out);
}

template <class T>
Index PointwiseCorrelation<T>::panel_bytes_for(const Problem& problem, const CorrelationKernel<T>& kernel) {
    return max_index(PanelCorrelation<T>::panel_bytes_for(flattened(problem), kernel),
                     PanelCorrelation<T>::panel_bytes_for(problem, kernel));
}

template <class T>
Index PointwiseCorrelation<T>::panel_bytes() const {
    return max_index(flat_.panel_bytes(), general_.panel_bytes());
}

template <class T>
Index PointwiseCorrelation<T>::workspace_bytes(int threads) const {
    return max_index(flat_.workspace_bytes(threads), general_.workspace_bytes(threads));
}

template <class T>
void PointwiseCorrelation<T>::pack(const Array& weight, void* packed, int threads) const {
    flat_.pack(flattened(weight, 0), packed, threads);
}

template <class T>
void PointwiseCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                  const Array& y, bool accumulate, int threads) const {
    const std::optional<Index> x_step = flat_stride(sizes_, x.stride), y_step = flat_stride(sizes_, y.stride);
    if (x_step && y_step) {
        flat_.run(batch, flattened(x, *x_step), packed, epilogue, flattened(y, *y_step), accumulate, threads);
    } else {
        general_.run(batch, x, packed, epilogue, y, accumulate, threads);
    }
}

template class PointwiseCorrelation<float>;
template class PointwiseCorrelation<double>;
template class PointwiseCorrelation<std::uint64_t>;

}  // namespace faltung
