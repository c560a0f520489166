// Whether all numbers of an array are finite and not too large for what an algorithm does with them.
#pragma once

#include "core/cpu.h"
#include "core/problem.h"

namespace faltung {

// Of floating-point arrays.
bool is_within(double largest, Type type, Isa isa, const std::vector<Index>& size, const Array& array,
               int threads);

}  // namespace faltung
