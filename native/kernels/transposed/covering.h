// A transposed correlation seen as one of stride 1, as far as its phases have something in common.
#pragma once

#include "core/layout.h"

namespace faltung {

// The correlation of stride 1 whose taps read what those of every phase read; it has as many outputs as the
// first phase of each axis, which has most.
Problem covering(const Problem& problem);

// Of each axis of a layout.
std::vector<std::vector<Phase>> phases_of(const Problem& problem, const Layout& layout);

// How many choices of a phase of each axis there are; saturating.
Index count_choices(const std::vector<std::vector<Phase>>& phases);

// Number `number` of them, those of the last axis fastest.
std::vector<const Phase*> choice_of_phases(const std::vector<std::vector<Phase>>& phases, Index number);

}  // namespace faltung
