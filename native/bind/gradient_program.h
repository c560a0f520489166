// A whole weight gradient in one native call, for arrays that lie as kernels read them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind/bound.h"
#include "bind/numpy_array.h"
#include "bind/result.h"
#include "core/float_state.h"

namespace faltung {

// The sum over the batch of what a kernel computes of both sides of a convolution. Immutable.
class GradientProgram {
  public:
    // `large` and `small` are the shapes of a sample of either side: input and gradient, or the other way
    // round where transposed. Indirect algorithms take magnitudes up to `largest` alone.
    // Denormals as of `Program`.
    GradientProgram(const nb::object& kernel, Index groups, const Sizes& large, const Sizes& small,
                    const Sizes& weight, const nb::object& dtype, double largest, bool needs_finite_small,
                    bool keeps_denormals);

    // None where it does not serve these, and has then done nothing.
    nb::object weight_grad(nb::handle large, nb::handle small, int threads) const;

  private:
    bool takes(const NumpyArray& array, const Sizes& sample) const;
    // Of half precision, in float32 between two conversions.
    void compute_converted(Index batch, const Array& large, const Array& small, const Array& gw,
                           int threads) const;

    nb::object keeps_;
    const BoundWeightGradient& kernel_;
    Index groups_;
    Sizes large_, small_, weight_;
    nb::object dtype_;
    Results results_;
    double largest_;
    bool needs_finite_small_;
    FloatControl float_control_;
    char kind_;
    Type stored_;  // of the arrays: the kernel's type, or half precision
};

void bind_gradient_program(nb::module_& m);

}  // namespace faltung
