#include "bind/stencil.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>

#include "bind/arguments.h"
#include "bind/released.h"
#include "bind/result.h"
#include "core/float_state.h"
#include "kernels/stencil/stencil.h"

namespace faltung {

namespace {

using Weights = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;

constexpr Index most_taps = Index(1) << 40;

[[noreturn]] void refuse(const char* message) {
    throw std::invalid_argument(message);
}

Cell cell_of(const nb::dlpack::dtype& dtype) {
    using Code = nb::dlpack::dtype_code;
    const auto code = static_cast<Code>(dtype.code);
    if (dtype.lanes == 1 && code == Code::Float && dtype.bits == 32) return Cell::f32;
    if (dtype.lanes == 1 && code == Code::Float && dtype.bits == 64) return Cell::f64;
    const bool is_signed = code == Code::Int;
    if (dtype.lanes == 1 && (is_signed || code == Code::UInt)) {
        switch (dtype.bits) {
            case 8:
                return is_signed ? Cell::i8 : Cell::u8;
            case 16:
                return is_signed ? Cell::i16 : Cell::u16;
            case 32:
                return is_signed ? Cell::i32 : Cell::u32;
            case 64:
                return is_signed ? Cell::i64 : Cell::u64;
        }
    }
    refuse("an array is neither of integers of 8 to 64 bits, nor of float32 or float64");
}

StencilArray lines_of(const nb::ndarray<nb::ro>& array, const Sizes& size) {
    if (array.ndim() != 3 || shape_of(array) != size)
        refuse("x and y are not of one shape (slices, rows, columns)");
    StencilArray found{const_cast<void*>(array.data()), cell_of(array.dtype()), {}};
    check_aligned("an array", array, cell_bytes(found.cell));
    for (std::size_t a = 0; a < 3; ++a) found.stride[a] = array.stride(a);
    return found;
}

// (weights or None, taps, cells before, mode, value beyond)
using PassArguments = std::tuple<std::optional<Weights>, Index, Index, std::string, double>;

StencilPass pass_of(const std::optional<PassArguments>& given) {
    if (!given) return {};
    const auto& [weights, size, before, mode, beyond] = *given;
    if (size < 1 || size > most_taps || before < 0 || before >= size)
        refuse("size or before is out of range");
    if (weights && (weights->ndim() != 1 || static_cast<Index>(weights->size()) != size))
        refuse("weights are not as many as size says");
    if (weights) check_aligned("weights", nb::ndarray<nb::ro>(*weights), sizeof(double));
    return {size, before, weights ? weights->data() : nullptr, border_from_name(mode), beyond};
}

void call_lines(const AnyArray& x, const OutputArray& y, const std::string& isa, int threads,
                const std::optional<PassArguments>& across, const std::optional<PassArguments>& along,
                Index step, bool is_double) {
    checked_threads(threads);
    const Sizes size = shape_of(nb::ndarray<nb::ro>(x));
    StencilLines lines{
        lines_of(nb::ndarray<nb::ro>(x), size), lines_of(nb::ndarray<nb::ro>(y), size), {}, {}, {}};
    for (std::size_t a = 0; a < 3; ++a) lines.size[a] = size[a];
    lines.across = pass_of(across);
    lines.along = pass_of(along);
    if (!across && !along) refuse("there is no pass");
    if (step < 1 || (size[2] % step && along)) refuse("step does not divide the columns");
    lines.step = step;
    lines.is_double = is_double;
    const Isa chosen = isa_from_name(isa);
    const FloatState state(usual_float_control(false));
    released([&] { filter_lines(lines, chosen, threads); });
}

void call_footprint(const AnyArray& x, const OutputArray& y, const std::string& isa, int threads,
                    const Weights& weights, const Sizes& before, const std::vector<std::string>& modes,
                    double beyond, bool is_double) {
    checked_threads(threads);
    const nb::ndarray<nb::ro> from(x), to(y);
    StencilFootprint footprint{};
    footprint.x = from.data();
    footprint.y = const_cast<void*>(to.data());
    footprint.x_cell = cell_of(from.dtype());
    footprint.y_cell = cell_of(to.dtype());
    check_aligned("x", from, cell_bytes(footprint.x_cell));
    check_aligned("y", to, cell_bytes(footprint.y_cell));
    check_aligned("weights", nb::ndarray<nb::ro>(weights), sizeof(double));
    footprint.size = shape_of(from);
    const std::size_t axes = footprint.size.size();
    if (axes < 2 || shape_of(to) != footprint.size || weights.ndim() != axes || before.size() != axes ||
        modes.size() != axes)
        refuse("x, y, weights, before and modes are not of as many axes, two at least, or x and y differ");
    Index taps = 1;
    for (std::size_t a = 0; a < axes; ++a) {
        footprint.x_stride.push_back(from.stride(a));
        footprint.y_stride.push_back(to.stride(a));
        footprint.kernel.push_back(static_cast<Index>(weights.shape(a)));
        taps = saturating_multiply(taps, footprint.kernel[a]);
        if (before[a] < 0 || before[a] >= footprint.kernel[a]) refuse("before is out of range");
        footprint.border.push_back(border_from_name(modes[a]));
    }
    if (taps > most_taps) refuse("there are too many weights");
    footprint.before = before;
    footprint.beyond = beyond;
    footprint.weight = weights.data();
    footprint.is_double = is_double;
    const Isa chosen = isa_from_name(isa);
    const FloatState state(usual_float_control(false));
    released([&] { filter_footprint(footprint, chosen, threads); });
}

bool call_cut_off(const AnyArray& sums, const OutputArray& y, double distance, const std::string& isa,
                  int threads) {
    checked_threads(threads);
    const nb::ndarray<nb::ro> from(sums), to(y);
    const Cell cell = cell_of(to.dtype());
    if (cell_of(from.dtype()) != Cell::f64 || cell_bytes(cell) > 4 || cell == Cell::f32)
        refuse("sums are not of float64, or y not of integers of at most 32 bits");
    if (shape_of(from) != shape_of(to)) refuse("sums and y are not of one shape");
    check_aligned("sums", from, sizeof(double));
    check_aligned("y", to, cell_bytes(cell));
    Index next = 1;
    for (std::size_t a = from.ndim(); a-- > 0; next *= static_cast<Index>(from.shape(a)))
        if (from.shape(a) > 1 && (from.stride(a) != next || to.stride(a) != next))
            refuse("an array is not in C order");
    const Isa chosen = isa_from_name(isa);
    const FloatState state(usual_float_control(false));
    return released([&] {
        return cut_off(static_cast<const double*>(from.data()), const_cast<void*>(to.data()), cell, next,
                       distance, chosen, threads);
    });
}

}  // namespace

void bind_stencil(nb::module_& m) {
    m.def("filter_lines", &call_lines, nb::arg("x").noconvert(), nb::arg("y").noconvert(), nb::arg("isa"),
          nb::arg("threads"), nb::arg("across").none(), nb::arg("along").none(), nb::arg("step"),
          nb::arg("is_double"),
          "y = x (slices, rows, columns) filtered across its rows, then along them, where a row is `step` "
          "interleaved lines. Each pass: weights or None for a mean, taps, cells before the output's own, "
          "mode, "
          "value beyond the border.");
    m.def("filter_footprint", &call_footprint, nb::arg("x").noconvert(), nb::arg("y").noconvert(),
          nb::arg("isa"), nb::arg("threads"), nb::arg("weights").noconvert(), nb::arg("before"),
          nb::arg("modes"), nb::arg("beyond"), nb::arg("is_double"),
          "y = the correlation of x with weights of as many axes.");
    m.def("cut_off", &call_cut_off, nb::arg("sums").noconvert(), nb::arg("y").noconvert(),
          nb::arg("distance"), nb::arg("isa"), nb::arg("threads"),
          "y = sums cut off towards zero; whether one of them is at most this far from a whole number.");
    m.def(
        "new_result", [](const Sizes& shape, const nb::object& dtype) { return Results(dtype).make(shape); },
        nb::arg("shape"), nb::arg("dtype"),
        "An array with unspecified contents, a large one in memory that earlier results gave back; None "
        "where "
        "there is no memory.");
}

}  // namespace faltung
