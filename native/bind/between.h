// What stands between convolutions, for networks that run without leaving the engine.
#pragma once

#include <nanobind/nanobind.h>

namespace faltung {

void bind_between(nanobind::module_& m);

}  // namespace faltung
