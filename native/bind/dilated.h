// How dilated correlations are cut, for the plan.
#pragma once

#include <nanobind/nanobind.h>

namespace faltung {

void bind_dilated(nanobind::module_& m);

}  // namespace faltung
