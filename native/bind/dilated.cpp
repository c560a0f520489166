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
        [](const std::string& dtype, const Problem& problem) -> std::pair<Classes, Classes> {
            if (why_not_dilated(problem, type_from_name(dtype))) return {};
            const DilatedTiling tiling = dilated_tiling(problem);
            return {classes_of(tiling.rows), classes_of(tiling.columns)};
        },
        nb::arg("dtype"), nb::arg("problem"),
        "Along rows and columns the forms of tiles that a dilated correlation of this problem would have, "
        "each "
        "with how many tiles lie side by side; empty where it is not served.");
}

}  // namespace faltung
