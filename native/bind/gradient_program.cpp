#include "bind/gradient_program.h"

#include <cmath>
#include <new>
#include <optional>
#include <stdexcept>

#include "core/half.h"
#include "core/workspace.h"

namespace faltung {

GradientProgram::GradientProgram(const nb::object& kernel, Index groups, const Sizes& large,
                                 const Sizes& small, const Sizes& weight, const nb::object& dtype,
                                 double largest, bool needs_finite_small, bool keeps_denormals)
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
      kind_(nb::cast<std::string>(dtype.attr("kind")).at(0)),
      stored_(kernel_.type()) {
    if (nb::cast<Index>(dtype.attr("itemsize")) == 2)
        stored_ = nb::cast<std::string>(dtype.attr("name")) == "bfloat16" ? Type::bfloat16 : Type::float16;
    float_control_ = usual_float_control(!keeps_denormals && !is_half(stored_));
    if (groups < 1 || large.size() != small.size() || weight.size() != large.size() + 1)
        throw std::invalid_argument("the shapes do not belong to one convolution");
}

bool GradientProgram::takes(const NumpyArray& array, const Sizes& sample) const {
    const int axes = static_cast<int>(sample.size());
    return array && array.is(kind_, element_bytes(stored_)) && array.axes() <= axes + 1 &&
           array.ends_with(sample) && (kind_ != 'V' || array.has_dtype(dtype_));
}

nb::object GradientProgram::weight_grad(nb::handle large, nb::handle small, int threads) const {
    const NumpyArray one = NumpyArray::read(large), other = NumpyArray::read(small);
    if (!takes(one, large_) || !takes(other, small_) || one.axes() != other.axes()) return nb::none();
    const bool is_batched = one.axes() > static_cast<int>(large_.size());
    const Index batch = is_batched ? one.size(0) : 1;
    if (is_batched && other.size(0) != batch) return nb::none();
    const auto is_moderate = [&](const NumpyArray& array) {
        return array.is_within(largest_, stored_, kernel_.isa(), threads);
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
    const Array large_array = one.grouped(groups_, axes), small_array = other.grouped(groups_, axes);
    const FloatState state(float_control_);
    if (stored_ == kernel_.type()) {
        kernel_.compute(batch, large_array, small_array, view, threads);
        return result;
    }
    try {
        compute_converted(batch, large_array, small_array, view, threads);
    } catch (const std::bad_alloc&) {
        return nb::none();
    }
    return result;
}

void GradientProgram::compute_converted(Index batch, const Array& large, const Array& small, const Array& gw,
                                        int threads) const {
    const Isa isa = kernel_.isa();
    const auto grouped_size = [&](Index first, const Sizes& shape) {
        Sizes size{first, groups_, shape[0] / groups_};
        size.insert(size.end(), shape.begin() + 1, shape.end());
        return size;
    };
    const Sizes large_size = grouped_size(batch, large_), small_size = grouped_size(batch, small_);
    Sizes gw_size{groups_, weight_[0] / groups_};
    gw_size.insert(gw_size.end(), weight_.begin() + 1, weight_.end());
    const auto bytes_of = [](const Sizes& size) {
        Index bytes = sizeof(float);
        for (Index extent : size) bytes = saturating_multiply(bytes, extent);
        return min_index(round_up(min_index(bytes, saturated / 2), workspace_alignment), saturated / 4);
    };
    const Index large_bytes = bytes_of(large_size), small_bytes = bytes_of(small_size);
    Workspace workspace(large_bytes + small_bytes + bytes_of(gw_size), Borrower::conversion);
    const Array wide_large{workspace.data(), compact_strides(large_size, large.stride)},
        wide_small{workspace.data() + large_bytes, compact_strides(small_size, small.stride)},
        wide_gw{workspace.data() + large_bytes + small_bytes, compact_strides(gw_size, {})};
    widen(stored_, isa, large_size, large, wide_large, threads);
    widen(stored_, isa, small_size, small, wide_small, threads);
    kernel_.compute(batch, wide_large, wide_small, wide_gw, threads);
    narrow(stored_, isa, gw_size, wide_gw, gw, threads);
}

void bind_gradient_program(nb::module_& m) {
    nb::class_<GradientProgram>(m, "GradientProgram",
                                "A weight gradient of arrays that lie as kernels read them, in one call.")
        .def(nb::init<const nb::object&, Index, const Sizes&, const Sizes&, const Sizes&, const nb::object&,
                      double, bool, bool>(),
             nb::arg("kernel"), nb::arg("groups"), nb::arg("large_shape"), nb::arg("small_shape"),
             nb::arg("weight_shape"), nb::arg("dtype"), nb::arg("largest"), nb::arg("needs_finite_small"),
             nb::arg("keeps_denormals"))
        .def("weight_grad", &GradientProgram::weight_grad, nb::arg("large").none(), nb::arg("small").none(),
             nb::arg("threads"), "The result, or None where it does not serve these.");
}

}  // namespace faltung
