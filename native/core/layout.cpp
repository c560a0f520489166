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
    if (axes.back().out >= few_columns) return;
    const std::vector<int> order = origins_with_taps();
    const std::size_t with = longest();
    swap_columns(with);
    if (problem.keeps_axes && origins_with_taps() != order) swap_columns(with);
}

Layout Layout::with_long_columns(const Problem& problem, Index few_columns) {
    Layout layout(problem);
    const std::size_t longest = layout.longest();
    if (problem.keeps_axes && layout.columns().out < few_columns && layout.axes[longest].out >= few_columns)
        layout.swap_columns(longest);
    return layout;
}

// Of several the last.
std::size_t Layout::longest() const {
    std::size_t longest = axes.size() - 1;
    for (std::size_t a = axes.size() - 1; a-- > 0;)
        if (axes[a].out > axes[longest].out) longest = a;
    return longest;
}

void Layout::swap_columns(std::size_t with) {
    std::swap(axes[with], axes.back());
    std::swap(origin[with], origin.back());
}

// Of the axes whose order is that of the taps.
std::vector<int> Layout::origins_with_taps() const {
    std::vector<int> origins;
    for (std::size_t a = 0; a < axes.size(); ++a)
        if (axes[a].kernel > 1) origins.push_back(origin[a]);
    return origins;
}

std::vector<Index> Layout::tap_order(const Layout& other) const {
    std::vector<Index> step(axes.size());  // along each axis of the other, from a tap to the next one here
    Index taps = 1;
    for (std::size_t a = axes.size(); a-- > 0; taps *= axes[a].kernel)
        for (std::size_t b = 0; b < step.size(); ++b)
            if (other.origin[b] == origin[a]) step[b] = taps;
    std::vector<Index> order(static_cast<std::size_t>(taps));
    for (Index tap = 0; tap < taps; ++tap) {
        Index rest = tap, here = 0;
        for (std::size_t b = step.size(); b-- > 0; rest /= other.axes[b].kernel)
            here += rest % other.axes[b].kernel * step[b];
        order[static_cast<std::size_t>(tap)] = here;
    }
    return order;
}

std::vector<Index> Layout::spatial_strides(const std::vector<Index>& stride) const {
    std::vector<Index> spatial;
    for (int a : origin) spatial.push_back(a < 0 ? 0 : stride[static_cast<std::size_t>(outer_axes + a)]);
    return spatial;
}

}  // namespace faltung
