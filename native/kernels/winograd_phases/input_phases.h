// The phases of the input of a correlation: each meets taps of its own, as one of stride 1, and is taken in
// pieces of a few taps.
#pragma once

#include <vector>

#include "core/problem.h"

namespace faltung {

// Of the input along an axis: cells `first`, `first` + stride, ... and the taps that meet them, in even
// pieces of at most `most_taps`. In order of the taps, so that `tap_step` is negative.
struct InputPhases {
    std::vector<Phase> phases;
    std::vector<Index> first;
};

InputPhases input_phases(const Axis& axis, Index most_taps);

// All taps of an axis that is not transformed.
Phase far_phase(const Axis& axis);

}  // namespace faltung
