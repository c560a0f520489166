// Filters of plain arrays, for Python.
#pragma once

#include <nanobind/nanobind.h>

namespace faltung {

void bind_stencil(nanobind::module_& m);

}  // namespace faltung
