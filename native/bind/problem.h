// The class Problem of the Python module: what an operation is made for, checked once.
#pragma once

#include <nanobind/nanobind.h>

namespace faltung {

void bind_problem(nanobind::module_& m);

}  // namespace faltung
