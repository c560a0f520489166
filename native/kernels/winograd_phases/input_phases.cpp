#include "kernels/winograd_phases/input_phases.h"

namespace faltung {

InputPhases input_phases(const Axis& axis, Index most_taps) {
    InputPhases all;
    for (Index f = 0; f < min_index(axis.stride, axis.kernel); ++f) {
        const Index taps = ceil_divide(axis.kernel - f, axis.stride), offset = f - axis.before;
        const Index whole = offset >= 0 ? offset / axis.stride : -ceil_divide(-offset, axis.stride);
        const Index piece = ceil_divide(taps, ceil_divide(taps, most_taps));
        for (Index tap = 0; tap < taps; tap += piece) {
            const Index count = min_index(piece, taps - tap), last = f + (tap + count - 1) * axis.stride;
            all.first.push_back(offset - whole * axis.stride);
            all.phases.push_back({0, axis.out, last, -axis.stride, count, 1, -whole - tap});
        }
    }
    return all;
}

Phase far_phase(const Axis& axis) {
    return {0, axis.out, axis.kernel - 1, -1, axis.kernel, axis.dilation, axis.before};
}

}  // namespace faltung
