#include "bind/gradient_program.h"

#include <cmath>
#include <optional>
#include <stdexcept>

namespace faltung {

GradientProgram::GradientProgram(const nb::object& kernel, Index groups, const Sizes& large,
                                 const Sizes& small, const Sizes& weight, const nb::object& dtype,
                                 double largest, bool needs_finite_small)
    : keeps_(kernel),
      kernel_(nb::cast<const BoundWeightGradient&>(kernel)),
      groups_(groups),
      large_(large),
      small_(small),
      weight_(weight),
      dtype_(dtype),
      results_(dtype),
      largest_(largest),
      needs_finite_small_(needs_finite_small),
      kind_(nb::cast<std::string>(dtype.attr("kind")).at(0)) {
    if (groups < 1 || large.size() != small.size() || weight.size() != large.size() + 1)
        throw std::invalid_argument("the shapes do not belong to one convolution");
}

bool GradientProgram::takes(const NumpyArray& array, const Sizes& sample) const {
    const int axes = static_cast<int>(sample.size());
    return array && array.is(kind_, element_bytes(kernel_.type())) && array.axes() <= axes + 1 &&
           array.ends_with(sample);
}

nb::object GradientProgram::weight_grad(nb::handle large, nb::handle small, int threads) const {
    const NumpyArray one = NumpyArray::read(large), other = NumpyArray::read(small);
    if (!takes(one, large_) || !takes(other, small_) || one.axes() != other.axes()) return nb::none();
    const bool is_batched = one.axes() > static_cast<int>(large_.size());
    const Index batch = is_batched ? one.size(0) : 1;
    if (is_batched && other.size(0) != batch) return nb::none();
    const auto is_moderate = [&](const NumpyArray& array) {
        return array.is_within(largest_, kernel_.type(), kernel_.isa(), threads);
    };
    if (!std::isinf(largest_) && !is_moderate(one)) return nb::none();
    if ((needs_finite_small_ || !std::isinf(largest_)) && !is_moderate(other)) return nb::none();
    nb::object result = results_.make(weight_);
    const NumpyArray gw = NumpyArray::read(result);
    if (!gw) return nb::none();

    // (out, in of a group, *kernel) as (groups, out of a group, in of a group, *kernel).
    Array view{gw.data(), {}};
    view.stride.push_back(weight_[0] / groups_ * gw.stride(0));
    for (int a = 0; a < gw.axes(); ++a) view.stride.push_back(gw.stride(a));
    const int axes = static_cast<int>(large_.size());
    kernel_.compute(batch, one.grouped(groups_, axes), other.grouped(groups_, axes), view, threads);
    return result;
}

void bind_gradient_program(nb::module_& m) {
    nb::class_<GradientProgram>(m, "GradientProgram",
                                "A weight gradient of arrays that lie as kernels read them, in one call.")
        .def(nb::init<const nb::object&, Index, const Sizes&, const Sizes&, const Sizes&, const nb::object&,
                      double, bool>(),
             nb::arg("kernel"), nb::arg("groups"), nb::arg("large_shape"), nb::arg("small_shape"),
             nb::arg("weight_shape"), nb::arg("dtype"), nb::arg("largest"), nb::arg("needs_finite_small"))
        .def("weight_grad", &GradientProgram::weight_grad, nb::arg("large").none(), nb::arg("small").none(),
             nb::arg("threads"), "The result, or None where it does not serve these.");
}

}  // namespace faltung
