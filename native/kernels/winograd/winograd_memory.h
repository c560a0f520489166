// How much memory a call of Winograd's filtering may take.
#pragma once

#include "core/problem.h"
#include "core/threads.h"

namespace faltung {

// A quarter of what the arrays of one sample take, or what any machine has to spare.
inline Index winograd_workspace_limit(const Problem& problem, Index element_bytes) {
    constexpr Index floor_bytes = Index(64) << 20;
    Index in = 1;
    for (const Axis& axis : problem.axes) in = saturating_multiply(in, axis.in);
    const Index of_input = saturating_multiply(in, problem.in_channels);
    const Index of_output = saturating_multiply(outputs(problem.axes), problem.out_channels);
    const Index of_weights = saturating_multiply(
        taps(problem.axes), saturating_multiply(problem.in_channels, problem.out_channels));
    const Index all = saturating_add(saturating_add(of_input, of_output), of_weights);
    return max_index(floor_bytes,
                     saturating_multiply(saturating_multiply(problem.groups, all), element_bytes) / 4);
}

// That the workspace may serve.
inline int winograd_threads(int threads, Index workspace_limit, Index panel_bytes) {
    return static_cast<int>(
        max_index(1, min_index(min_index(threads, thread_limit), workspace_limit / panel_bytes)));
}

}  // namespace faltung
