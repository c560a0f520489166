// Filters of plain arrays against sums written down as they are defined, whole numbers, every type of cells.
#pragma once

#include <string>

namespace faltung {

// Adds to the numbers of results compared and of wrong ones.
void check_stencil(const std::string& isa, int* checked, int* wrong);

}  // namespace faltung
