// The contract of the general kernels: a problem and its arrays as plain numbers, spatial strides apart.
#pragma once

#include "core/problem.h"

namespace faltung {

struct GeneralProblem {
    const Axis* axes;
    int axis_count;  // at least 1
    Border border;
    Index batch, in_channels, out_channels;
};

template <class T>
struct GeneralView {
    T* data;
    const Index* outer;    // strides of the three axes before the spatial ones
    const Index* spatial;  // strides of the spatial axes
};

template <class T>
struct GeneralKernel {
    // All outputs of batch member n, group g, output channel oc.
    void (*correlate)(const GeneralProblem&, const GeneralView<const T>& x,
                      const GeneralView<const T>& weight, const T* bias, const GeneralView<T>& y,
                      bool accumulates, Index n, Index g, Index oc);
    // All taps of group g, output channel oc, input channel ic.
    void (*weight_gradient)(const GeneralProblem&, const GeneralView<const T>& x,
                            const GeneralView<const T>& grad, const GeneralView<T>& gw, Index g, Index oc,
                            Index ic);
};

}  // namespace faltung
