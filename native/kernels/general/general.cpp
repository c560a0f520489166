#include "kernels/general/general.h"

#include <stdexcept>

#include "core/threads.h"

namespace faltung {

namespace {

GeneralProblem plain(const Problem& problem, Index batch) {
    return {problem.axes.data(), static_cast<int>(problem.axes.size()),
            problem.border,      batch,
            problem.in_channels, problem.out_channels};
}

template <class T>
GeneralView<T> view(void* data, const std::vector<Index>& stride) {
    return {static_cast<T*>(data), stride.data(), stride.data() + outer_axes};
}

}  // namespace

template <class T>
GeneralCorrelation<T>::GeneralCorrelation(const Problem& problem, const GeneralKernel<T>& kernel)
    : problem_(problem), kernel_(kernel) {
    Index elements = saturating_multiply(problem.groups, problem.out_channels);
    elements = saturating_multiply(elements, saturating_multiply(problem.in_channels, taps(problem.axes)));
    if (saturating_multiply(elements, sizeof(T)) == saturated)
        throw std::invalid_argument("the weights would be unreasonably large");
}

template <class T>
Index GeneralCorrelation<T>::packed_bytes() const {
    return problem_.groups * problem_.out_channels * problem_.in_channels * taps(problem_.axes) *
           Index(sizeof(T));
}

template <class T>
std::vector<Index> GeneralCorrelation<T>::packed_layout() const {
    std::vector<Index> key{Index(sizeof(T)), 0, problem_.groups, problem_.out_channels, problem_.in_channels};
    for (const Axis& axis : problem_.axes) key.push_back(axis.kernel);
    return key;
}

template <class T>
std::vector<Index> GeneralCorrelation<T>::packed_strides() const {
    std::vector<Index> stride(problem_.axes.size() + outer_axes);
    Index step = 1;
    for (std::size_t a = problem_.axes.size(); a-- > 0;) {
        stride[outer_axes + a] = step;
        step *= problem_.axes[a].kernel;
    }
    stride[2] = step;
    stride[1] = stride[2] * problem_.in_channels;
    stride[0] = stride[1] * problem_.out_channels;
    return stride;
}

template <class T>
void GeneralCorrelation<T>::pack(const Array& weight, void* packed, int) const {
    T* to = static_cast<T*>(packed);
    const Index tap_count = taps(problem_.axes);
    for (Index g = 0; g < problem_.groups; ++g)
        for (Index oc = 0; oc < problem_.out_channels; ++oc)
            for (Index ic = 0; ic < problem_.in_channels; ++ic)
                for (Index tap = 0; tap < tap_count; ++tap) {
                    Index rest = tap;
                    Index offset = g * weight.stride[0] + oc * weight.stride[1] + ic * weight.stride[2];
                    for (std::size_t a = problem_.axes.size(); a-- > 0;) {
                        offset += rest % problem_.axes[a].kernel * weight.stride[outer_axes + a];
                        rest /= problem_.axes[a].kernel;
                    }
                    *to++ = static_cast<const T*>(weight.data)[offset];
                }
}

template <class T>
void GeneralCorrelation<T>::run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue,
                                const Array& y, bool accumulate, int threads) const {
    const Index channels = problem_.groups * problem_.out_channels;
    if (batch == 0 || channels == 0 || outputs(problem_.axes) == 0) return;
    if (saturating_multiply(batch, work_of(problem_)) < parallel_multiply_adds) threads = 1;
    const GeneralProblem problem = plain(problem_, batch);
    const std::vector<Index> strides = packed_strides();
    const auto x_view = view<const T>(x.data, x.stride);
    const auto weight_view = view<const T>(const_cast<void*>(packed), strides);
    const auto y_view = view<T>(y.data, y.stride);
    auto body = [&](Index task, int) {
        const Index n = task / channels, channel = task % channels;
        kernel_.correlate(problem, x_view, weight_view, static_cast<const T*>(epilogue.bias), y_view,
                          accumulate, n, channel / problem_.out_channels, channel % problem_.out_channels);
    };
    parallel_for(batch * channels, threads, body);
    std::vector<Index> size{batch, problem_.groups, problem_.out_channels};
    for (const Axis& axis : problem_.axes) size.push_back(axis.out);
    epilogue.finish_all(sizeof(T), size, y, threads);
}

template <class T>
void GeneralGradient<T>::run(Index batch, const Array& x, const Array& grad, const Array& gw,
                             int threads) const {
    const Index tasks = problem_.groups * problem_.out_channels * problem_.in_channels;
    if (tasks == 0 || taps(problem_.axes) == 0) return;
    if (saturating_multiply(batch, work_of(problem_)) < parallel_multiply_adds) threads = 1;
    const GeneralProblem problem = plain(problem_, batch);
    const auto x_view = view<const T>(x.data, x.stride);
    const auto grad_view = view<const T>(grad.data, grad.stride);
    const auto gw_view = view<T>(gw.data, gw.stride);
    auto body = [&](Index task, int) {
        const Index ic = task % problem_.in_channels, rest = task / problem_.in_channels;
        kernel_.weight_gradient(problem, x_view, grad_view, gw_view, rest / problem_.out_channels,
                                rest % problem_.out_channels, ic);
    };
    parallel_for(tasks, threads, body);
}

template class GeneralCorrelation<float>;
template class GeneralCorrelation<double>;
template class GeneralCorrelation<std::uint64_t>;
template class GeneralGradient<float>;
template class GeneralGradient<double>;
template class GeneralGradient<std::uint64_t>;

}  // namespace faltung
