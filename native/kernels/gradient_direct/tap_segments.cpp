#include "kernels/gradient_direct/tap_segments.h"

#include "core/border.h"

namespace faltung {

std::vector<std::vector<Segment>> tap_segments(const Axis& axis, Border border) {
    std::vector<std::vector<Segment>> every(static_cast<std::size_t>(axis.kernel));
    for (Index tap = 0; tap < axis.kernel; ++tap) {
        std::vector<Segment>& segments = every[static_cast<std::size_t>(tap)];
        const Index start = tap * axis.dilation - axis.before;
        const Index begin = min_index(axis.out, start < 0 ? ceil_divide(-start, axis.stride) : 0);
        const Index inside = axis.in - start;
        const Index end =
            max_index(begin, min_index(axis.out, inside > 0 ? ceil_divide(inside, axis.stride) : 0));
        auto add = [&](Index o, Index count, Index cell, Index step) {
            if (!segments.empty() && count == 1) {
                Segment& last = segments.back();
                const bool is_next = last.first + last.count == o;
                if (is_next && last.count == 1) last.step = cell - last.cell;
                if (is_next && last.cell + last.count * last.step == cell) {
                    ++last.count;
                    return;
                }
            }
            segments.push_back({o, count, cell, step});
        };
        auto add_outside = [&](Index o, Index last) {
            if (border == Border::zeros || border == Border::absent) return;
            for (; o < last; ++o) {
                const Index cell = border_cell(border, start + o * axis.stride, axis.in);
                if (cell != outside) add(o, 1, cell, 0);
            }
        };
        add_outside(0, begin);
        if (begin < end) segments.push_back({begin, end - begin, start + begin * axis.stride, axis.stride});
        add_outside(end, axis.out);
    }
    return every;
}

}  // namespace faltung
