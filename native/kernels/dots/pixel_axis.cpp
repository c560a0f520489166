#include "kernels/dots/pixel_axis.h"

namespace faltung {

PixelAxis::PixelAxis(const Axis& axis, const std::vector<Phase>& its_phases)
    : in(axis.in), out(axis.out), stride(its_phases.empty() ? axis.stride : 1), phases(its_phases) {
    if (phases.empty())
        phases.push_back({0, axis.out, axis.kernel - 1, -1, axis.kernel, axis.dilation, axis.before});
    bool is_empty = true;
    Index last = 0;
    for (const Phase& phase : phases) {
        most = max_index(most, phase.count);
        if (phase.taps == 0) continue;
        const Index own_last = position(phase, phase.taps - 1);
        first = is_empty ? -phase.before : min_index(first, -phase.before);
        last = is_empty ? own_last : max_index(last, own_last);
        is_empty = false;
    }
    span = last - first + 1;
    if (its_phases.empty() && axis.kernel > 0 && span < stride) stored_taps = axis.kernel;
}

bool PixelAxis::stays_inside() const {
    for (const Phase& phase : phases) {
        if (phase.taps == 0 || phase.count == 0) continue;
        if (phase.before > 0) return false;
        if ((phase.count - 1) * stride + position(phase, phase.taps - 1) >= in) return false;
    }
    return true;
}

}  // namespace faltung
