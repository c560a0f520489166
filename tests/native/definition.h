// What a problem's sums are, as `core/problem.h` says it and one product at a time, in whole numbers of 64
// bits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/problem.h"

namespace faltung {

using Whole = std::vector<std::int64_t>;  // in C order

// The cell at a position of the endless input that `border` makes of one, or -1 for none.
Index defined_cell(Border border, Index position, Index size);
// y[n, g, oc, o] of x[n, g, ic, i], weight[g, oc, ic, k] and bias[g, oc]; of a transposed problem the sum of
// its phases.
Whole defined_correlation(const Problem& problem, Index batch, const Whole& x, const Whole& weight,
                          const Whole& bias);
// gw[g, oc, ic, k] of x[n, g, ic, i] and grad[n, g, oc, o].
Whole defined_gradient(const Problem& problem, Index batch, const Whole& x, const Whole& grad);

}  // namespace faltung
