// Problems as lines of numbers, written by `python -m tests.exhaustive --problems FILE`.
#pragma once

#include <string>
#include <vector>

#include "core/problem.h"

namespace faltung {

struct Listed {
    bool is_gradient;  // of the weight
    Problem problem;
};

// A line: 0 or 1 for a gradient; groups, in_channels, out_channels, border, keeps_axes; the number of axes;
// for each axis in, out, kernel, stride, dilation, before; the number of axes with phases; for each of these
// their number, and for each phase first, count, tap, tap_step, taps, dilation, before. Throws
// std::runtime_error.
std::vector<Listed> read_problems(const std::string& path);

}  // namespace faltung
