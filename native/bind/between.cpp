#include "bind/between.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <stdexcept>

#include "bind/arguments.h"
#include "bind/released.h"
#include "core/float_state.h"
#include "kernels/between/between.h"

namespace faltung {

namespace {

using Pair = std::array<Index, 2>;

Type real_type(const AnyArray& array) {
    const Type type = type_of(nb::ndarray<nb::ro>(array));
    if (type == Type::uint64) throw std::invalid_argument("x is not of dtype float32 or float64");
    return type;
}

void call_max_pool(const AnyArray& x, const OutputArray& y, const std::string& isa, int threads,
                   const Pair& kernel, const Pair& stride, const Pair& before) {
    checked_threads(threads);
    const Type type = real_type(x);
    const Sizes in = shape_of(nb::ndarray<nb::ro>(x)), out = shape_of(nb::ndarray<nb::ro>(y));
    if (in.size() != 4 || out.size() != 4 || in[0] != out[0] || in[1] != out[1])
        throw std::invalid_argument("x and y are not of shape (N, C, H, W)");
    PoolWindow window;
    for (std::size_t a = 0; a < 2; ++a) {
        if (kernel[a] < 1 || stride[a] < 1 || before[a] < 0 || before[a] >= kernel[a] ||
            kernel[a] > saturated / 4 || stride[a] > saturated / 4)
            throw std::invalid_argument("kernel, stride or before is out of range");
        if (out[a + 2] > 0 && (in[a + 2] < 1 || out[a + 2] - 1 > (in[a + 2] - 1 + before[a]) / stride[a]))
            throw std::invalid_argument("a window has no cell");
        // No window has cells beyond these, and where there are two windows, no step is larger: scratch is
        // of that size.
        const Index reach = max_index(1, in[a + 2] + before[a]);
        window.kernel[a] = min_index(kernel[a], reach);
        window.stride[a] = min_index(stride[a], reach);
        window.before[a] = before[a];
    }
    const Array from = checked_array("x", nb::ndarray<nb::ro>(x), type, in, nullptr);
    const Array to = checked_array("y", nb::ndarray<nb::ro>(y), type, out, nullptr);
    const Isa chosen = isa_from_name(isa);
    const FloatState state(usual_float_control(false));
    released([&] { max_pool(type, chosen, from, in, to, out, window, threads); });
}

void call_normalise(const AnyArray& x, const OutputArray& y, const std::string& isa, int threads,
                    const std::optional<AnyArray>& weight, const std::optional<AnyArray>& bias,
                    double epsilon) {
    checked_threads(threads);
    const Type type = real_type(x);
    const Sizes size = shape_of(nb::ndarray<nb::ro>(x));
    if (size.size() != 3) throw std::invalid_argument("x is not of shape (N, C, P)");
    const Array from = checked_array("x", nb::ndarray<nb::ro>(x), type, size, nullptr);
    const Array to = checked_array("y", nb::ndarray<nb::ro>(y), type, size, nullptr);
    const auto factors = [&](const char* name, const std::optional<AnyArray>& given) -> const void* {
        if (!given) return nullptr;
        const Array array = checked_array(name, nb::ndarray<nb::ro>(*given), type, {size[1]}, nullptr);
        if (size[1] > 1 && array.stride[0] != 1)
            throw std::invalid_argument(std::string(name) + " is not contiguous");
        return array.data;
    };
    const void* const scale = factors("weight", weight);
    const void* const shift = factors("bias", bias);
    const Isa chosen = isa_from_name(isa);
    const FloatState state(usual_float_control(false));
    released([&] { normalise_channels(type, chosen, from, to, size, scale, shift, epsilon, threads); });
}

}  // namespace

void bind_between(nb::module_& m) {
    m.def("max_pool", &call_max_pool, nb::arg("x").noconvert(), nb::arg("y").noconvert(), nb::arg("isa"),
          nb::arg("threads"), nb::arg("kernel"), nb::arg("stride"), nb::arg("before"),
          "y (N, C, *O) = the largest number of each window of x (N, C, *I).");
    m.def("normalise_channels", &call_normalise, nb::arg("x").noconvert(), nb::arg("y").noconvert(),
          nb::arg("isa"), nb::arg("threads"), nb::arg("weight").noconvert().none(),
          nb::arg("bias").noconvert().none(), nb::arg("epsilon"),
          "y (N, C, P) = x with mean 0 and variance 1 over the channels, times weight, plus bias.");
}

}  // namespace faltung
