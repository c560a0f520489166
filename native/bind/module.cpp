// The Python module faltung._native: checks arguments, lets go of the interpreter, calls the engine.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <stdexcept>

#include "bind/arguments.h"
#include "bind/released.h"
#include "core/workspace.h"
#include "kernels/probe/probe.h"
#include "kernels/registry.h"

namespace faltung {

namespace {

// Which weights a packed buffer holds for which readers.
struct PackedWeight {
    std::string algorithm;
    Type type;
    std::vector<Index> layout;
    AlignedBuffer buffer;
};

// What both kinds of operation have: a problem, its element type, and the family's computation for it.
template <class Operation, auto find_family>  // by name
class Bound {
  public:
    Bound(const std::string& algorithm, const std::string& dtype, const std::string& isa, Index groups,
          Index in_channels, Index out_channels, const Sizes& in_size, const Sizes& out_size,
          const Sizes& kernel_size, const Sizes& stride, const Sizes& dilation, const Sizes& before,
          const std::string& mode)
        : algorithm_(algorithm),
          type_(type_from_name(dtype)),
          isa_(isa_from_name(isa)),
          problem_(make_problem(mode, groups, in_channels, out_channels, in_size, out_size, kernel_size,
                                stride, dilation, before)),
          operation_(find_family(algorithm).make(problem_, type_, isa_)) {}

    static Index panel_bytes(const std::string& algorithm, const std::string& dtype, const std::string& isa,
                             Index groups, Index in_channels, Index out_channels, const Sizes& in_size,
                             const Sizes& out_size, const Sizes& kernel_size, const Sizes& stride,
                             const Sizes& dilation, const Sizes& before, const std::string& mode) {
        const Problem problem = make_problem(mode, groups, in_channels, out_channels, in_size, out_size,
                                             kernel_size, stride, dilation, before);
        return find_family(algorithm).panel_bytes(problem, type_from_name(dtype), isa_from_name(isa));
    }

    Index workspace_bytes(int threads) const { return operation_->workspace_bytes(checked_threads(threads)); }

  protected:
    std::string algorithm_;
    Type type_;
    Isa isa_;
    Problem problem_;
    std::unique_ptr<Operation> operation_;
};

class BoundCorrelation : public Bound<Correlation, correlation_family> {
  public:
    using Bound::Bound;

    Index packed_bytes() const { return operation_->packed_bytes(); }

    PackedWeight pack(const AnyArray& weight, int threads) const {
        checked_threads(threads);
        const Array array =
            checked_array("weight", nb::ndarray<nb::ro>(weight), type_, weight_shape(problem_), nullptr);
        Released released;
        PackedWeight packed{algorithm_, type_, operation_->packed_layout(), AlignedBuffer(packed_bytes())};
        operation_->pack(array, packed.buffer.data(), threads);
        return packed;
    }

    void run(const AnyArray& x, const PackedWeight& packed, const std::optional<AnyArray>& bias,
             const OutputArray& y, bool accumulate, int threads, const std::string& activation,
             const std::optional<AnyArray>& residual) const {
        checked_threads(threads);
        if (packed.algorithm != algorithm_ || packed.type != type_ ||
            packed.layout != operation_->packed_layout())
            throw std::invalid_argument("packed was made by a correlation with another weight layout");
        Index batch = -1;
        const Array x_array = checked_array("x", nb::ndarray<nb::ro>(x), type_, x_shape(problem_), &batch);
        const Array y_array = checked_array("y", nb::ndarray<nb::ro>(y), type_, y_shape(problem_), &batch);
        Epilogue epilogue;
        if (bias) {
            const Index channels = problem_.groups * problem_.out_channels;
            const Array array = checked_array("bias", nb::ndarray<nb::ro>(*bias), type_, {channels}, nullptr);
            if (channels > 1 && array.stride[0] != 1) throw std::invalid_argument("bias is not contiguous");
            epilogue.bias = array.data;
        }
        Array added{nullptr, {}};
        if (residual)
            added =
                checked_array("residual", nb::ndarray<nb::ro>(*residual), type_, y_shape(problem_), &batch);
        const EpilogueLoop loop =
            epilogue_loop(activation_from_name(activation), residual.has_value(), type_, is_signed(y), isa_);
        Sizes size = y_shape(problem_);
        size[0] = batch;
        const bool is_fused = !residual || have_same_strides(size, y_array, added);
        if (is_fused) epilogue.finish_with(loop, y_array.data, added.data);
        Released released;
        operation_->run(batch, x_array, packed.buffer.data(), epilogue, y_array, accumulate, threads);
        if (!is_fused) finish_all(loop, element_bytes(type_), size, y_array, &added, threads);
    }
};

class BoundWeightGradient : public Bound<WeightGradient, weight_gradient_family> {
  public:
    using Bound::Bound;

    void run(const AnyArray& x, const AnyArray& grad, const OutputArray& gw, int threads) const {
        checked_threads(threads);
        Index batch = -1;
        const Array x_array = checked_array("x", nb::ndarray<nb::ro>(x), type_, x_shape(problem_), &batch);
        const Array grad_array =
            checked_array("grad", nb::ndarray<nb::ro>(grad), type_, y_shape(problem_), &batch);
        const Array gw_array =
            checked_array("gw", nb::ndarray<nb::ro>(gw), type_, weight_shape(problem_), nullptr);
        Released released;
        operation_->run(batch, x_array, grad_array, gw_array, threads);
    }
};

template <class Bound>
nb::class_<Bound> bind_operation(nb::module_& m, const char* name, const char* doc) {
    return nb::class_<Bound>(m, name, doc)
        .def(nb::init<const std::string&, const std::string&, const std::string&, Index, Index, Index,
                      const Sizes&, const Sizes&, const Sizes&, const Sizes&, const Sizes&, const Sizes&,
                      const std::string&>(),
             nb::arg("algorithm"), nb::arg("dtype"), nb::arg("isa"), nb::arg("groups"),
             nb::arg("in_channels"), nb::arg("out_channels"), nb::arg("in_size"), nb::arg("out_size"),
             nb::arg("kernel_size"), nb::arg("stride"), nb::arg("dilation"), nb::arg("before"),
             nb::arg("mode"))
        .def_static("panel_bytes", &Bound::panel_bytes, nb::arg("algorithm"), nb::arg("dtype"),
                    nb::arg("isa"), nb::arg("groups"), nb::arg("in_channels"), nb::arg("out_channels"),
                    nb::arg("in_size"), nb::arg("out_size"), nb::arg("kernel_size"), nb::arg("stride"),
                    nb::arg("dilation"), nb::arg("before"), nb::arg("mode"),
                    "Bytes of one thread's panel, saturating at 2**62 and more; builds nothing.")
        .def("workspace_bytes", &Bound::workspace_bytes, nb::arg("threads"),
             "Scratch memory of one call, without packed weights.");
}

}  // namespace

NB_MODULE(_native, m) {
    // A thread that is still in a call when the process ends keeps its objects, and that is no fault to
    // report.
    nb::set_leak_warnings(false);
    m.doc() = "The compiled engine: correlations and weight gradients on strided arrays with a group axis.";

    m.def("detected_isas", &detected_isas,
          "The instruction sets this processor runs and this build holds, best last.");
    m.def(
        "peak_flops",
        [](const std::string& dtype, const std::string& isa, int threads, double seconds) {
            const Type type = type_from_name(dtype);
            const Isa chosen = isa_from_name(isa);
            checked_threads(threads);
            Released released;
            return peak_flops(type, chosen, threads, seconds);
        },
        nb::arg("dtype"), nb::arg("isa"), nb::arg("threads"), nb::arg("seconds"),
        "The best multiply-add rate measured, flop/s of all threads together.");
    m.def(
        "memory_bandwidth",
        [](int threads, double seconds) {
            checked_threads(threads);
            Released released;
            return memory_bandwidth(threads, seconds);
        },
        nb::arg("threads"), nb::arg("seconds"),
        "The best memory rate measured, bytes read and written per second.");

    m.def(
        "finish",
        [](const OutputArray& y, const std::string& isa, int threads, const std::string& activation,
           const std::optional<AnyArray>& residual) {
            checked_threads(threads);
            const Type type = type_of(y);
            Sizes size = shape_of(y);
            const Array y_array = checked_array("y", nb::ndarray<nb::ro>(y), type, size, nullptr);
            Array added{nullptr, {}};
            if (residual)
                added = checked_array("residual", nb::ndarray<nb::ro>(*residual), type, size, nullptr);
            const EpilogueLoop loop = epilogue_loop(activation_from_name(activation), residual.has_value(),
                                                    type, is_signed(y), isa_from_name(isa));
            if (!loop) return;
            Released released;
            finish_all(loop, element_bytes(type), size, y_array, residual ? &added : nullptr, threads);
        },
        nb::arg("y").noconvert(), nb::arg("isa"), nb::arg("threads"), nb::arg("activation") = "none",
        nb::arg("residual").noconvert().none() = nb::none(), "y = activation(y + residual).");

    nb::class_<PackedWeight>(m, "PackedWeight", "Weights in the order that one correlation reads them.")
        .def_prop_ro("nbytes", [](const PackedWeight& packed) { return packed.buffer.bytes(); });

    bind_operation<BoundCorrelation>(m, "Correlation", "A prepared correlation; immutable and safe to share.")
        .def_prop_ro("packed_bytes", &BoundCorrelation::packed_bytes, "Bytes of the packed weights.")
        .def("pack", &BoundCorrelation::pack, nb::arg("weight").noconvert(), nb::arg("threads") = 1,
             "Pack weights (G, OC, IC, *K) of any strides.")
        .def("run", &BoundCorrelation::run, nb::arg("x").noconvert(), nb::arg("packed"),
             nb::arg("bias").noconvert().none(), nb::arg("y").noconvert(), nb::arg("accumulate"),
             nb::arg("threads"), nb::arg("activation") = "none",
             nb::arg("residual").noconvert().none() = nb::none(),
             "y (N, G, OC, *O) = activation(bias + correlation of x (N, G, IC, *I) + residual, + y where "
             "accumulate).");

    bind_operation<BoundWeightGradient>(m, "WeightGradient",
                                        "A prepared weight gradient; immutable and safe to share.")
        .def("run", &BoundWeightGradient::run, nb::arg("x").noconvert(), nb::arg("grad").noconvert(),
             nb::arg("gw").noconvert(), nb::arg("threads"),
             "gw (G, OC, IC, *K) from x and grad (N, G, OC, *O).");
}

}  // namespace faltung
