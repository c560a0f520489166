// The Python module faltung._native: checks arguments, lets go of the interpreter, calls the engine.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "bind/arguments.h"
#include "bind/between.h"
#include "bind/bound.h"
#include "bind/dilated.h"
#include "bind/gradient_program.h"
#include "bind/numpy_array.h"
#include "bind/problem.h"
#include "bind/program.h"
#include "bind/released.h"
#include "bind/result.h"
#include "bind/spectral.h"
#include "bind/stencil.h"
#include "core/fingerprint.h"
#include "core/float_state.h"
#include "core/half.h"
#include "core/magnitude.h"
#include "core/recycled.h"
#include "core/threads.h"
#include "kernels/probe/probe.h"

namespace faltung {

namespace {

// Other Python threads may wait while so much memory is read, some microseconds.
constexpr Index unreleased_bytes = 100000;

template <class Bound>
nb::class_<Bound> bind_operation(nb::module_& m, const char* name, const char* doc) {
    return nb::class_<Bound>(m, name, doc)
        .def(nb::init<const std::string&, const std::string&, const std::string&, const Problem&>(),
             nb::arg("algorithm"), nb::arg("dtype"), nb::arg("isa"), nb::arg("problem"))
        .def_static("panel_bytes", &Bound::panel_bytes, nb::arg("algorithm"), nb::arg("dtype"),
                    nb::arg("isa"), nb::arg("problem"),
                    "Bytes of one thread's panel, saturating at 2**62 and more; builds nothing.")
        .def("workspace_bytes", &Bound::workspace_bytes, nb::arg("threads"),
             "Scratch memory of one call, without packed weights.");
}

}  // namespace

NB_MODULE(_native, m) {
    // A thread that is still in a call when the process ends keeps its objects, and that is no fault to
    // report.
    nb::set_leak_warnings(false);
    // What is made once is made now: a thread that makes it later may be in the middle of it when the process
    // forks, or wait for the interpreter while another waits for what it makes.
    start_reading();
    start_recycling();
    start_threads();
    m.doc() = "The compiled engine: correlations and weight gradients on strided arrays with a group axis.";

    bind_problem(m);
    m.def("detected_isas", &detected_isas,
          "The instruction sets this processor runs and this build holds, best last.");
    m.def(
        "peak_flops",
        [](const std::string& dtype, const std::string& isa, int threads, double seconds) {
            const Type type = type_from_name(dtype);
            const Isa chosen = isa_from_name(isa);
            checked_threads(threads);
            return released([&] { return peak_flops(type, chosen, threads, seconds); });
        },
        nb::arg("dtype"), nb::arg("isa"), nb::arg("threads"), nb::arg("seconds"),
        "The best multiply-add rate measured, flop/s of all threads together.");
    m.def(
        "memory_bandwidth",
        [](int threads, double seconds) {
            checked_threads(threads);
            return released([&] { return memory_bandwidth(threads, seconds); });
        },
        nb::arg("threads"), nb::arg("seconds"),
        "The best memory rate measured, bytes read and written per second.");

    m.def(
        "borrow_team",
        [](std::uintptr_t parallel, std::uintptr_t thread_number) {
            borrow_team(reinterpret_cast<Team::Parallel>(parallel),
                        reinterpret_cast<Team::ThreadNumber>(thread_number));
        },
        nb::arg("parallel"), nb::arg("thread_number"),
        "Run on the threads of the OpenMP runtime that has these two functions; with zeros, on our own.");
    m.def(
        "finish",
        [](const OutputArray& y, const std::string& isa, int threads, const std::string& activation,
           const std::optional<AnyArray>& residual) {
            checked_threads(threads);
            const Type type = type_of(nb::ndarray<nb::ro>(y));
            Sizes size = shape_of(nb::ndarray<nb::ro>(y));
            const Array y_array = checked_array("y", nb::ndarray<nb::ro>(y), type, size, nullptr);
            Array added{nullptr, {}};
            if (residual)
                added = checked_array("residual", nb::ndarray<nb::ro>(*residual), type, size, nullptr);
            const EpilogueLoop loop =
                epilogue_loop(activation_from_name(activation), residual.has_value(), type,
                              is_signed(nb::ndarray<nb::ro>(y)), isa_from_name(isa));
            if (!loop) return;
            released([&] {
                finish_all(loop, element_bytes(type), size, y_array, residual ? &added : nullptr, threads);
            });
        },
        nb::arg("y").noconvert(), nb::arg("isa"), nb::arg("threads"), nb::arg("activation") = "none",
        nb::arg("residual").noconvert().none() = nb::none(), "y = activation(y + residual).");
    m.def(
        "fingerprint",
        [](std::uintptr_t address, Index nbytes, int threads) {
            checked_threads(threads);
            return released_if(nbytes >= unreleased_bytes, [&] {
                return fingerprint(reinterpret_cast<const void*>(address), nbytes, threads);
            });
        },
        nb::arg("address"), nb::arg("nbytes"), nb::arg("threads"),
        "A checksum of memory, by which a change is noticed.");

    m.def(
        "is_within",
        [](const AnyArray& array, double largest, const std::string& isa, int threads,
           const std::string& dtype, bool refuses_denormals) {
            checked_threads(threads);
            const Type type = dtype.empty() ? type_of(nb::ndarray<nb::ro>(array)) : type_from_name(dtype);
            if (type == Type::uint64) throw std::invalid_argument("array is not of a floating-point dtype");
            const Sizes size = shape_of(nb::ndarray<nb::ro>(array));
            const Array checked = checked_array("array", nb::ndarray<nb::ro>(array), type, size, nullptr);
            const Isa chosen = isa_from_name(isa);
            return released(
                [&] { return is_within(largest, type, chosen, size, checked, threads, refuses_denormals); });
        },
        nb::arg("array").noconvert(), nb::arg("largest"), nb::arg("isa"), nb::arg("threads"),
        nb::arg("dtype") = "", nb::arg("refuses_denormals") = false,
        "Whether all numbers are finite and of at most this magnitude; `dtype` names half precision, passed "
        "as "
        "uint16.");

    m.def(
        "has_bfloat16_dots", [](const std::string& isa) { return has_bfloat16_dots(isa_from_name(isa)); },
        nb::arg("isa"), "Whether this processor multiplies pairs of bfloat16 numbers.");
    m.def(
        "product_rates",
        [](const std::string& isa) {
            const ProductRates rates = product_rates(isa_from_name(isa));
            return std::make_pair(rates.vectors, rates.pairs);
        },
        nb::arg("isa"),
        "Products of vectors that this processor begins in a cycle: of float32 numbers, and of pairs of "
        "bfloat16 numbers.");
    m.def(
        "convert",
        [](const AnyArray& from, const OutputArray& to, const std::string& dtype, const std::string& isa,
           int threads) {
            checked_threads(threads);
            const Type type = type_from_name(dtype);
            if (!is_half(type)) throw std::invalid_argument("dtype is neither float16 nor bfloat16");
            const bool widens = type_of(nb::ndarray<nb::ro>(to)) == Type::float32;
            const Sizes size = shape_of(nb::ndarray<nb::ro>(from));
            const Array source = checked_array("from", nb::ndarray<nb::ro>(from),
                                               widens ? type : Type::float32, size, nullptr);
            const Array target =
                checked_array("to", nb::ndarray<nb::ro>(to), widens ? Type::float32 : type, size, nullptr);
            const Isa chosen = isa_from_name(isa);
            released([&] { (widens ? widen : narrow)(type, chosen, size, source, target, threads); });
        },
        nb::arg("source").noconvert(), nb::arg("target").noconvert(), nb::arg("dtype"), nb::arg("isa"),
        nb::arg("threads"), "Half precision, passed as uint16, to float32 or back.");

    m.def(
        "set_float_state",
        [](bool flushes_denormals) {
            const FloatControl before = float_control();
            set_float_control(usual_float_control(flushes_denormals));
            return before;
        },
        nb::arg("flushes_denormals"),
        "From now on the current thread rounds to the nearest, and denormal numbers count or not; what was "
        "before.");
    m.def("restore_float_state", &set_float_control, nb::arg("before"), "What set_float_state returned.");

    bind_between(m);
    bind_dilated(m);
    bind_result(m);
    bind_spectral(m);
    bind_stencil(m);

    nb::class_<PackedWeight>(m, "PackedWeight", "Weights in the order that one correlation reads them.")
        .def_prop_ro("nbytes", [](const PackedWeight& packed) { return packed.buffer.bytes(); });

    bind_operation<BoundCorrelation>(m, "Correlation", "A prepared correlation; immutable and safe to share.")
        .def_prop_ro("packed_bytes", &BoundCorrelation::packed_bytes, "Bytes of the packed weights.")
        .def("pack", &BoundCorrelation::pack, nb::arg("weight").noconvert(), nb::arg("threads") = 1,
             nb::arg("borrows") = false,
             "Pack weights (G, OC, IC, *K) of any strides; or, if it `borrows` and can, read them where they "
             "lie.")
        .def("pack_factors", &BoundCorrelation::pack_factors, nb::arg("factors").noconvert(),
             "Pack kernels that are sums of R outer products, as factors (R, G, OC, taps of all axes but the "
             "last + taps of the last).")
        .def("keeps_bound", &BoundCorrelation::keeps_bound, nb::arg("x").noconvert(), nb::arg("packed"),
             nb::arg("threads"), "Whether the error bound holds for the first sample of x, of finite values.")
        .def("run", &BoundCorrelation::run, nb::arg("x").noconvert(), nb::arg("packed"),
             nb::arg("bias").noconvert().none(), nb::arg("y").noconvert(), nb::arg("accumulate"),
             nb::arg("threads"), nb::arg("activation") = "none",
             nb::arg("residual").noconvert().none() = nb::none(),
             "y (N, G, OC, *O) = activation(bias + correlation of x (N, G, IC, *I) + residual, + y where "
             "accumulate).");

    bind_program(m);

    bind_operation<BoundWeightGradient>(m, "WeightGradient",
                                        "A prepared weight gradient; immutable and safe to share.")
        .def("run", &BoundWeightGradient::run, nb::arg("x").noconvert(), nb::arg("grad").noconvert(),
             nb::arg("gw").noconvert(), nb::arg("threads"),
             "gw (G, OC, IC, *K) from x and grad (N, G, OC, *O).");
    bind_gradient_program(m);
}

}  // namespace faltung
