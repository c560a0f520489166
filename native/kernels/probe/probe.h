// What this machine can do at best: the yardsticks of every stated fraction of peak.
#pragma once

#include "core/cpu.h"
#include "core/problem.h"

namespace faltung {

// The best rate seen in `seconds`, flop/s of all threads together.
double peak_flops(Type type, Isa isa, int threads, double seconds);

// The best rate of a[i] = b[i] + 3*c[i] over arrays larger than any cache, bytes read and written per second.
double memory_bandwidth(int threads, double seconds);

}  // namespace faltung
