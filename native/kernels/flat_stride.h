// Whether the spatial axes of an array can be read as one. Internal linkage.
#pragma once

#include <optional>
#include <vector>

#include "core/problem.h"

namespace faltung {

// The stride between neighbouring positions, if one stride serves all of them.
static inline std::optional<Index> flat_stride(const std::vector<Index>& sizes,
                                               const std::vector<Index>& stride) {
    std::optional<Index> step;
    Index expected = 0;
    for (std::size_t a = sizes.size(); a-- > 0;) {
        if (sizes[a] == 1) continue;
        const Index own = stride[outer_axes + a];
        if (!step) {
            step = own;
        } else if (own != expected) {
            return std::nullopt;
        }
        expected = own * sizes[a];
    }
    return step.value_or(1);
}

}  // namespace faltung
