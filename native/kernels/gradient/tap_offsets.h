// Where the taps of a weight's gradient lie, from the first.
#pragma once

#include "core/layout.h"

namespace faltung {

struct TapOffsets {
    std::vector<Index> of_tap;
    bool are_adjacent = true;  // in order

    // `stride`: of the gradient, its outer axes included.
    TapOffsets(const Layout& layout, const std::vector<Index>& stride)
        : of_tap(static_cast<std::size_t>(taps(layout.axes))) {
        const std::vector<Index> spatial = layout.spatial_strides(stride);
        for (std::size_t tap = 0; tap < of_tap.size(); ++tap) {
            Index rest = static_cast<Index>(tap);
            for (std::size_t a = layout.axes.size(); a-- > 0;) {
                of_tap[tap] += rest % layout.axes[a].kernel * spatial[a];
                rest /= layout.axes[a].kernel;
            }
            are_adjacent = are_adjacent && of_tap[tap] == static_cast<Index>(tap);
        }
    }
};

}  // namespace faltung
