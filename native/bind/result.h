// Arrays that calls give back.
#pragma once

#include <nanobind/nanobind.h>

#include <vector>

#include "core/index.h"

namespace faltung {

namespace nb = nanobind;

// Makes arrays of one dtype, large ones in memory that earlier results gave back.
class Results {
  public:
    explicit Results(const nb::object& dtype);

    // A numpy.ndarray in C order with unspecified contents; None where there is no memory for it.
    nb::object make(const std::vector<Index>& shape) const;

  private:
    nb::object dtype_, empty_, array_;
    Index item_bytes_;
};

void bind_result(nb::module_& m);

}  // namespace faltung
