#include "core/layout.h"

#include <utility>

namespace faltung {

namespace {

bool is_trivial(const Axis& axis) {
    return axis.in == 1 && axis.out == 1 && axis.kernel == 1 && axis.before == 0;
}

// Fewer columns than this leave most of a register tile empty; a longer axis then becomes the columns.
constexpr Index few_columns = 4;

}  // namespace

Layout::Layout(const Problem& problem) {
    for (std::size_t a = 0; a < problem.axes.size(); ++a) {
        if (is_trivial(problem.axes[a])) continue;
        axes.push_back(problem.axes[a]);
        origin.push_back(static_cast<int>(a));
    }
    while (axes.size() < 2) {
        axes.insert(axes.begin(), Axis{1, 1, 1, 1, 1, 0});
        origin.insert(origin.begin(), -1);
    }
    if (axes.back().out < few_columns && !problem.keeps_axes) {
        std::size_t longest = axes.size() - 1;
        for (std::size_t a = axes.size() - 1; a-- > 0;)
            if (axes[a].out > axes[longest].out) longest = a;
        std::swap(axes[longest], axes.back());
        std::swap(origin[longest], origin.back());
    }
}

std::vector<Index> Layout::spatial_strides(const std::vector<Index>& stride) const {
    std::vector<Index> spatial;
    for (int a : origin) spatial.push_back(a < 0 ? 0 : stride[static_cast<std::size_t>(outer_axes + a)]);
    return spatial;
}

}  // namespace faltung
