#include "kernels/transposed/covering.h"

#include <utility>

namespace faltung {

namespace {

Index greatest_divisor(Index a, Index b) {
    while (b) std::swap(a, b), b %= a;
    return a;
}

struct Reach {
    Index first, last, step;  // of the input cells that some tap of output 0 reads, relative to that output
};

Reach reach_of(const std::vector<Phase>& phases) {
    Reach reach{0, 0, 0};
    bool is_empty = true;
    for (const Phase& phase : phases) {
        if (phase.taps == 0) continue;
        const Index first = -phase.before, last = first + (phase.taps - 1) * phase.dilation;
        reach.step = greatest_divisor(phase.taps > 1 ? phase.dilation : 0, reach.step);
        if (!is_empty)
            reach.step =
                greatest_divisor(first < reach.first ? reach.first - first : first - reach.first, reach.step);
        reach.first = is_empty ? first : min_index(reach.first, first);
        reach.last = is_empty ? last : max_index(reach.last, last);
        is_empty = false;
    }
    reach.step = max_index(reach.step, 1);
    return reach;
}

}  // namespace

Problem covering(const Problem& problem) {
    Problem cover = problem;
    cover.phases.clear();
    for (std::size_t a = 0; a < cover.axes.size(); ++a) {
        const Reach reach = reach_of(problem.phases[a]);
        Axis& axis = cover.axes[a];
        axis.out = problem.phases[a].front().count;
        axis.kernel = (reach.last - reach.first) / reach.step + 1;
        axis.stride = 1;
        axis.dilation = reach.step;
        axis.before = -reach.first;
        // A layout leaves out axes of size 1; one more tap, which no phase has, keeps those with several
        // phases.
        if (axis.in == 1 && axis.out == 1 && problem.phases[a].size() > 1 && axis.kernel == 1)
            axis.kernel = 2;
    }
    return cover;
}

std::vector<std::vector<Phase>> phases_of(const Problem& problem, const Layout& layout) {
    std::vector<std::vector<Phase>> phases;
    for (int a : layout.origin)
        phases.push_back(a < 0 ? std::vector<Phase>{Phase{0, 1, 0, 1, 1, 1, 0}}
                               : problem.phases[static_cast<std::size_t>(a)]);
    return phases;
}

Index count_choices(const std::vector<std::vector<Phase>>& phases) {
    Index count = 1;
    for (const auto& axis : phases) count = saturating_multiply(count, static_cast<Index>(axis.size()));
    return count;
}

std::vector<const Phase*> choice_of_phases(const std::vector<std::vector<Phase>>& phases, Index number) {
    std::vector<const Phase*> choice(phases.size());
    for (std::size_t a = phases.size(); a-- > 0;) {
        const Index of_axis = static_cast<Index>(phases[a].size());
        choice[a] = &phases[a][static_cast<std::size_t>(number % of_axis)];
        number /= of_axis;
    }
    return choice;
}

}  // namespace faltung
