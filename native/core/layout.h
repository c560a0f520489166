// The spatial axes as kernels see them: at least two, the last of them (columns) worth vectorising.
#pragma once

#include <vector>

#include "core/problem.h"

namespace faltung {

struct Layout {
    std::vector<Axis> axes;   // far axes, then rows, then columns
    std::vector<int> origin;  // the problem's axis each one is; -1 for an added axis of size 1

    // Where few columns would leave most of a register tile empty, the longest axis takes their place; of a
    // problem that keeps the order of its taps only if that does not change it.
    explicit Layout(const Problem& problem);

    // The same for kernels that can sum taps in another order than that of the axes: fewer columns than this
    // change places with an axis that has as many, whatever the problem keeps.
    static Layout with_long_columns(const Problem& problem, Index few_columns);

    // Of each tap in the order of `other`, of the same problem: which one it is here.
    std::vector<Index> tap_order(const Layout& other) const;

    std::size_t far_axes() const { return axes.size() - 2; }
    const Axis& rows() const { return axes[axes.size() - 2]; }
    const Axis& columns() const { return axes.back(); }

    // Element strides of an array's spatial axes in this layout; `stride` is the array's, outer axes
    // included.
    std::vector<Index> spatial_strides(const std::vector<Index>& stride) const;

  private:
    std::size_t longest() const;
    void swap_columns(std::size_t with);
    std::vector<int> origins_with_taps() const;
};

}  // namespace faltung
