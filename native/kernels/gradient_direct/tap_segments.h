// Which cells each tap of an axis reads, as evenly spaced runs.
#pragma once

#include <vector>

#include "core/problem.h"

namespace faltung {

// Outputs [first, first + count) of an axis that, for one tap, read cells evenly spaced.
struct Segment {
    Index first, count, cell, step;
};

// Of each tap; cells outside are left out.
std::vector<std::vector<Segment>> tap_segments(const Axis& axis, Border border);

}  // namespace faltung
