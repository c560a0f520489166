#include "definition.h"

#include <utility>

namespace faltung {

namespace {

Index floor_rest(Index value, Index period) {
    return (value % period + period) % period;
}

struct Met {
    Index out, cell, tap;
};

// All that meets along one axis: an output, a cell that is there, the tap between them.
std::vector<Met> met_along(const Problem& p, std::size_t a) {
    const Axis& axis = p.axes[a];
    std::vector<Met> all;
    if (p.phases.empty()) {
        for (Index o = 0; o < axis.out; ++o)
            for (Index k = 0; k < axis.kernel; ++k) {
                const Index cell =
                    defined_cell(p.border, o * axis.stride + k * axis.dilation - axis.before, axis.in);
                if (cell >= 0) all.push_back({o, cell, k});
            }
        return all;
    }
    for (const Phase& phase : p.phases[a])
        for (Index m = 0; m < phase.count; ++m)
            for (Index t = 0; t < phase.taps; ++t) {
                const Index cell = defined_cell(p.border, m + t * phase.dilation - phase.before, axis.in);
                const Index tap = phase.tap + (phase.taps - 1 - t) * phase.tap_step;
                if (cell >= 0) all.push_back({phase.first + m * axis.stride, cell, tap});
            }
    return all;
}

// All that meets along all axes, as places in C order.
std::vector<Met> met(const Problem& p) {
    std::vector<Met> all{{0, 0, 0}};
    for (std::size_t a = 0; a < p.axes.size(); ++a) {
        const Axis& axis = p.axes[a];
        std::vector<Met> further;
        for (const Met& outer : all)
            for (const Met& inner : met_along(p, a))
                further.push_back({outer.out * axis.out + inner.out, outer.cell * axis.in + inner.cell,
                                   outer.tap * axis.kernel + inner.tap});
        all = std::move(further);
    }
    return all;
}

Index cells(const Problem& p, Index Axis::* size) {
    Index count = 1;
    for (const Axis& axis : p.axes) count *= axis.*size;
    return count;
}

std::size_t at(Index number) {
    return static_cast<std::size_t>(number);
}

}  // namespace

Index defined_cell(Border border, Index position, Index size) {
    if (position >= 0 && position < size) return position;
    if (size == 0) return -1;
    const Index there_and_back = 2 * (border == Border::reflect ? size - 1 : size);
    switch (border) {
        case Border::circular:
            return floor_rest(position, size);
        case Border::replicate:
            return position < 0 ? 0 : size - 1;
        case Border::reflect:
            if (size == 1) return 0;
            position = floor_rest(position, there_and_back);
            return position < size ? position : there_and_back - position;
        case Border::symmetric:
            position = floor_rest(position, there_and_back);
            return position < size ? position : there_and_back - 1 - position;
        default:
            return -1;
    }
}

Whole defined_correlation(const Problem& p, Index batch, const Whole& x, const Whole& weight,
                          const Whole& bias) {
    const Index in = cells(p, &Axis::in), out = cells(p, &Axis::out), taps = cells(p, &Axis::kernel);
    const std::vector<Met> all = met(p);
    Whole y(at(batch * p.groups * p.out_channels * out));
    for (Index n = 0; n < batch; ++n)
        for (Index channel = 0; channel < p.groups * p.out_channels; ++channel) {
            std::int64_t* const plane = y.data() + (n * p.groups * p.out_channels + channel) * out;
            for (Index o = 0; o < out; ++o) plane[o] = bias[at(channel)];
            for (Index ic = 0; ic < p.in_channels; ++ic) {
                const Index given = (n * p.groups + channel / p.out_channels) * p.in_channels + ic;
                const std::int64_t* const from = x.data() + given * in;
                const std::int64_t* const by = weight.data() + (channel * p.in_channels + ic) * taps;
                for (const Met& one : all) plane[one.out] += from[one.cell] * by[one.tap];
            }
        }
    return y;
}

Whole defined_gradient(const Problem& p, Index batch, const Whole& x, const Whole& grad) {
    const Index in = cells(p, &Axis::in), out = cells(p, &Axis::out), taps = cells(p, &Axis::kernel);
    const std::vector<Met> all = met(p);
    Whole gw(at(p.groups * p.out_channels * p.in_channels * taps));
    for (Index n = 0; n < batch; ++n)
        for (Index channel = 0; channel < p.groups * p.out_channels; ++channel)
            for (Index ic = 0; ic < p.in_channels; ++ic) {
                const Index given = (n * p.groups + channel / p.out_channels) * p.in_channels + ic;
                const std::int64_t* const from = x.data() + given * in;
                const std::int64_t* const back =
                    grad.data() + (n * p.groups * p.out_channels + channel) * out;
                std::int64_t* const to = gw.data() + (channel * p.in_channels + ic) * taps;
                for (const Met& one : all) to[one.tap] += from[one.cell] * back[one.out];
            }
    return gw;
}

}  // namespace faltung
