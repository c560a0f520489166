// A whole convolution in one native call, for arrays that lie as kernels read them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <vector>

#include "bind/arguments.h"
#include "bind/bound.h"
#include "bind/numpy_array.h"
#include "bind/result.h"
#include "core/float_state.h"

namespace faltung {

// Correlations of one input, each written through a strided view of the output. Immutable.
class Program {
  public:
    // For each step: its Correlation; first cell and step of what it writes along each axis; whether it adds
    // to that; where its weights (G, OC, IC, *K) lie in contiguous weights.
    struct Step {
        nb::object keeps;
        const BoundCorrelation* kernel;
        Sizes first, step;
        bool accumulates;
        Index weight_first;
        Sizes weight_stride;
    };

    // `in` and `out` are the shapes of a sample; indirect algorithms take magnitudes up to `largest` alone.
    // Denormal numbers of float32 and float64 count as zero unless it `keeps_denormals`; those of half
    // precision count.
    Program(const nb::sequence& steps, Index groups, const Sizes& in, const Sizes& out, const Sizes& weight,
            const nb::object& dtype, double largest, bool needs_finite_weight, bool keeps_denormals);

    // Everything is packed for one of the arguments of these two: each returns None where it does not serve
    // them, and has then done nothing.
    nb::object convolve(nb::handle x, nb::handle weight, nb::handle bias, nb::handle out, int threads) const;
    nb::object run(const std::vector<const void*>& packed, const NumpyArray& bias, Activation activation,
                   nb::handle x, nb::handle out, nb::handle residual, int threads) const;

    // The same for packed memory without gaps, x and residual apart from y, either way round; false as None.
    bool run_at(const std::vector<const void*>& packed, const NumpyArray& bias, Activation activation,
                const void* x, void* y, const void* residual, Index batch, bool is_channels_last,
                int threads) const;

    // As epilogues read it: of half precision in float32.
    bool is_bias(const NumpyArray& array) const;
    const std::vector<Step>& steps() const { return steps_; }

  private:
    struct Work;

    bool is_converted() const { return stored_ != type_; }
    bool is_served(const NumpyArray& array) const {
        return array.is(kind_, element_bytes(stored_)) && (kind_ != 'V' || array.has_dtype(dtype_));
    }
    bool takes(const NumpyArray& x) const;
    bool is_moderate(const NumpyArray& array, int threads) const;
    Array laid(const void* data, const Sizes& sample, bool is_channels_last) const;
    bool finish(Work& work, const std::vector<const void*>& packed, const NumpyArray& bias,
                Activation activation, int threads) const;
    bool has_result_shape(const NumpyArray& array, const NumpyArray& x) const;
    nb::object allocated(const NumpyArray& x) const;
    Array grouped(const NumpyArray& array) const;
    bool prepare(nb::handle x, nb::handle out, nb::handle residual, int threads, Work& work) const;
    // Whether every kernel keeps its bound on these values; else nothing is written.
    bool compute(const Work& work, const std::vector<const void*>& packed, int threads) const;
    bool keeps_bounds(const Work& work, const std::vector<const void*>& packed, int threads) const;
    bool is_bias_as_stored(const NumpyArray& array) const;
    bool run_steps(const Work& work, const std::vector<const void*>& packed, int threads) const;
    bool compute_converted(const Work& work, const std::vector<const void*>& packed, int threads) const;

    std::vector<Step> steps_;
    Index groups_;
    Sizes in_, out_, weight_;
    nb::object dtype_;
    Results results_;
    double largest_;
    bool needs_finite_weight_, accumulates_ = false;
    FloatControl float_control_ = 0;  // in which sums are taken, whatever the caller has set
    Type type_ = Type::float32;       // of the kernels
    Type stored_ = Type::float32;     // of the arrays: that, or half precision that is converted
    Isa isa_ = Isa();
    char kind_ = 'f';
    Index sample_work_ = 0;
};

void bind_program(nb::module_& m);

}  // namespace faltung
