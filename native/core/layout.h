// The spatial axes as kernels see them: at least two, the last of them (columns) worth vectorising.
#pragma once

#include <vector>

#include "core/problem.h"

namespace faltung {

struct Layout {
    std::vector<Axis> axes;   // far axes, then rows, then columns
    std::vector<int> origin;  // the problem's axis each one is; -1 for an added axis of size 1

    explicit Layout(const Problem& problem);

    std::size_t far_axes() const { return axes.size() - 2; }
    const Axis& rows() const { return axes[axes.size() - 2]; }
    const Axis& columns() const { return axes.back(); }

    // Element strides of an array's spatial axes in this layout; `stride` is the array's, outer axes
    // included.
    std::vector<Index> spatial_strides(const std::vector<Index>& stride) const;
};

}  // namespace faltung
