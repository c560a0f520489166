#include "bind/spectral.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind/arguments.h"
#include "kernels/registry.h"

namespace faltung {

namespace nb = nanobind;

void bind_spectral(nb::module_& m) {
    nb::class_<SpectralShape>(m, "SpectralShape", "How a spectral correlation is cut into transforms.")
        .def_ro("size", &SpectralShape::size, "Of a transform; 0 where no shape serves the problem.")
        .def_ro("outputs", &SpectralShape::outputs, "Columns of a block.")
        .def_ro("row_taps", &SpectralShape::row_taps, "Rows of the kernel, or runs of its taps.")
        .def_ro("rows", &SpectralShape::rows, "Rows of outputs, or blocks of them.")
        .def_ro("band", &SpectralShape::band, "Rows computed together.")
        .def_ro("rows_in_lanes", &SpectralShape::rows_in_lanes, "Else channels.")
        .def_ro("folds", &SpectralShape::folds, "Rows are blocks of a signal.")
        .def_ro("cycles", &SpectralShape::cycles, "Estimated for one sample on one core.")
        .def_ro("packing_cycles", &SpectralShape::packing_cycles, "Estimated for the weights on one core.")
        .def_ro("error_growth", &SpectralShape::error_growth,
                "The error bound over that of direct summation.");
    m.def(
        "spectral_shape",
        [](const std::string& dtype, const std::string& isa, const Problem& problem) {
            return spectral_shape(problem, type_from_name(dtype), isa_from_name(isa));
        },
        nb::arg("dtype"), nb::arg("isa"), nb::arg("problem"),
        "The shape that a spectral correlation of this problem would have; builds nothing.");
}

}  // namespace faltung
