// One axis of a correlation whose input is stored pixel by pixel: which inputs consecutive outputs read, for
// plain and for transposed correlations alike, and where a panel has them.
#pragma once

#include "core/problem.h"

namespace faltung {

struct PixelAxis {
    Index in, out;
    Index stride;               // between what consecutive outputs of one phase read
    std::vector<Phase> phases;  // a plain correlation has one
    Index most = 0;             // outputs of the longest phase
    Index first = 0;            // the first input that output 0 of some phase reads
    Index span = 1;             // inputs from there to the last one that it reads
    Index stored_taps = 0;      // where taps lie closer than outputs: only what they read is stored

    // `phases` of a transposed correlation; empty for a plain one.
    PixelAxis(const Axis& axis, const std::vector<Phase>& its_phases);

    Index phase_count() const { return static_cast<Index>(phases.size()); }
    // Cells of a panel for so many consecutive outputs of every phase.
    Index cells(Index outputs) const {
        return stored_taps > 0 ? saturating_multiply(outputs, stored_taps)
                               : saturating_add(saturating_multiply(max_index(outputs, 1) - 1, stride), span);
    }
    // Between the cells of consecutive outputs.
    Index step() const { return stored_taps > 0 ? stored_taps : stride; }
    // Of what output 0 reads at a tap, from the first cell; and the input that it is.
    Index cell(const Phase& phase, Index tap) const {
        return stored_taps > 0 ? tap : tap * phase.dilation - phase.before - first;
    }
    static Index position(const Phase& phase, Index tap) { return tap * phase.dilation - phase.before; }
    // The input in a cell, where the panel's first output is number 0.
    Index position_of(Index cell) const {
        if (stored_taps == 0) return first + cell;
        return first + cell / stored_taps * stride + cell % stored_taps * phases.front().dilation;
    }
    // The weight's tap of a phase's tap.
    static Index weight_tap(const Phase& phase, Index tap) {
        return phase.tap + (phase.taps - 1 - tap) * phase.tap_step;
    }
    // Whether nothing beyond the borders is read.
    bool stays_inside() const;
};

}  // namespace faltung
