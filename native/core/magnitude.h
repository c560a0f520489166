// Whether all numbers of an array are finite and not too large for what an algorithm does with them.
#pragma once

#include "core/cpu.h"
#include "core/problem.h"

namespace faltung {

// Of floating-point arrays; of half precision, where it `refuses_denormals`, whether none is denormal, too.
bool is_within(double largest, Type type, Isa isa, const std::vector<Index>& size, const Array& array,
               int threads, bool refuses_denormals = false);

}  // namespace faltung
