// How spectral correlations are cut, for the plan.
#pragma once

#include <nanobind/nanobind.h>

namespace faltung {

void bind_spectral(nanobind::module_& m);

}  // namespace faltung
