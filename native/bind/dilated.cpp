#include "bind/dilated.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "bind/arguments.h"
#include "kernels/dilated/dilated_tiling.h"

namespace faltung {

namespace nb = nanobind;

namespace {

using Classes = std::vector<std::pair<int, std::vector<Index>>>;

Classes classes_of(const AxisTiling& tiling) {
    Classes classes;
    for (std::size_t c = 0; c < tiling.classes.size(); ++c) {
        classes.push_back({static_cast<int>(tiling.classes[c].form), {}});
        for (const TilePiece& piece : tiling.pieces[c]) classes.back().second.push_back(piece.phases);
    }
    return classes;
}

}  // namespace

void bind_dilated(nb::module_& m) {
    m.def(
        "dilated_tiling",
        [](const std::string& dtype, Index groups, Index in_channels, Index out_channels,
           const Sizes& in_size, const Sizes& out_size, const Sizes& kernel_size, const Sizes& stride,
           const Sizes& dilation, const Sizes& before,
           const std::string& mode) -> std::pair<Classes, Classes> {
            const Problem problem = make_problem(mode, groups, in_channels, out_channels, in_size, out_size,
                                                 kernel_size, stride, dilation, before, {});
            if (why_not_dilated(problem, type_from_name(dtype))) return {};
            const DilatedTiling tiling = dilated_tiling(problem);
            return {classes_of(tiling.rows), classes_of(tiling.columns)};
        },
        nb::arg("dtype"), nb::arg("groups"), nb::arg("in_channels"), nb::arg("out_channels"),
        nb::arg("in_size"), nb::arg("out_size"), nb::arg("kernel_size"), nb::arg("stride"),
        nb::arg("dilation"), nb::arg("before"), nb::arg("mode"),
        "Along rows and columns the forms of tiles that a dilated correlation of this problem would have, "
        "each "
        "with how many tiles lie side by side; empty where it is not served.");
}

}  // namespace faltung
