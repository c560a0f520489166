#include "kernels/channelwise/channelwise_view.h"

#include <numeric>

namespace faltung {

namespace {

constexpr Index most_cells = 1 << 14, most_taps = 1 << 16, most_rows_of_taps = 1 << 20, most_steps = 1 << 10;

Index floor_divide(Index a, Index b) {
    return a >= 0 ? a / b : -ceil_divide(-a, b);
}

// Cells between the first and the last that some tap meets.
Index span(const Axis& axis) {
    return saturating_add(saturating_add(saturating_multiply(max_index(axis.out - 1, 0), axis.stride),
                                         saturating_multiply(max_index(axis.kernel - 1, 0), axis.dilation)),
                          1);
}

}  // namespace

const char* why_not_channelwise(const Problem& problem) {
    if (problem.in_channels != 1) return "it has several input channels a group";
    Index cells = 1, outs = 1, rows = 1, last = 1;
    for (const Axis& axis : problem.axes) {
        cells = saturating_multiply(cells, max_index(axis.in, span(axis)) + 16);
        outs = saturating_multiply(outs, axis.out + 8);
        rows = saturating_multiply(rows, saturating_multiply(max_index(axis.out, 1), axis.kernel));
        last = saturating_multiply(max_index(axis.out, 1), axis.kernel);
        if (axis.stride > most_steps || axis.dilation > most_steps) return "its steps are unreasonably large";
    }
    if (cells > most_cells || outs > most_cells) return "its map is too large to be kept for many channels";
    if (taps(problem.axes) > most_taps || rows / max_index(last, 1) > most_rows_of_taps)
        return "its kernel is too large";
    return nullptr;
}

Index channelwise_width(Index columns, Index widest) {
    Index best = widest;
    for (Index width = widest; width >= ChannelwiseKernel<float>::least_width; --width)
        if (round_up(columns, width) < round_up(columns, best)) best = width;
    return best;
}

LaneOrder channelwise_order(const Layout& layout) {
    const Axis& rows = layout.rows();
    const Axis& columns = layout.columns();
    const Index shared = std::gcd(columns.stride, columns.dilation);
    LaneOrder order;
    order.is_turned = true;
    order.classes = columns.dilation / shared;
    order.pitch = columns.stride * order.classes;
    const Index step = columns.stride / shared;  // of taps of one phase
    Index row_taps = 1;
    for (std::size_t a = 0; a + 1 < layout.axes.size(); ++a) row_taps *= layout.axes[a].kernel;
    for (Index row = 0; row < row_taps; ++row)
        for (Index residue = 0; residue < columns.stride; ++residue)
            for (Index first = 0; first < min_index(step, columns.kernel); ++first) {
                const Index cell = first * columns.dilation - columns.before;
                if (cell - floor_divide(cell, columns.stride) * columns.stride != residue) continue;
                const Index length = ceil_divide(columns.kernel - first, step);
                for (Index done = 0, size; done < length; done += size) {
                    size = min_index(length - done, LaneSegment::most_taps);
                    if (size == 6) size = 3;
                    const Index tap = first + done * step;
                    order.segments.push_back({size, 1, row / rows.kernel, tap * columns.dilation,
                                              row % rows.kernel * rows.dilation, row * columns.kernel + tap,
                                              0, step});
                }
            }
    return order;
}

ChannelwiseView::ChannelwiseView(const Layout& layout, bool pads, Index width) {
    for (const Axis& axis : layout.axes) {
        stored.push_back(pads ? span(axis) : axis.in);
        before.push_back(axis.before);
    }
    Axis columns = layout.columns();
    columns.in = stored.back();
    if (pads) columns.before = 0;
    list_runs(columns, width);
    Layout shifted = layout;
    for (std::size_t a = 0; a + 1 < stored.size(); ++a) {
        shifted.axes[a].in = stored[a];
        if (pads) shifted.axes[a].before = 0;
        rows = saturating_multiply(rows, stored[a]);
    }
    list_rows(shifted);
}

// Output o and tap k meet where cell - residue = stride * (o + shift) for the tap's residue and shift.
void ChannelwiseView::list_runs(const Axis& axis, Index width) {
    row_cells = axis.in;
    for (Index first_out = 0; first_out < axis.out; first_out += width) {
        first_run.push_back(static_cast<Index>(run_list.size()));
        const Index outs = min_index(width, axis.out - first_out);
        for (Index residue = 0; residue < axis.stride; ++residue) {
            const Index cells = axis.in > residue ? ceil_divide(axis.in - residue, axis.stride) : 0;
            for (Index first_cell = 0; first_cell < cells; first_cell += width) {
                const Index count = min_index(width, cells - first_cell);
                const std::size_t first = run_list.size();
                for (Index k = 0; k < axis.kernel; ++k) {
                    const Index shift = floor_divide(k * axis.dilation - axis.before, axis.stride);
                    if (k * axis.dilation - axis.before - shift * axis.stride != residue) continue;
                    const Index local = shift + first_out - first_cell;
                    if (local <= -outs || local >= count) continue;
                    if (run_list.size() > first) {
                        ChannelwiseRun& run = run_list.back();
                        const Index step = run.count == 1 ? k - run.tap : run.tap_step;
                        if (local == run.first_shift + run.count && k == run.tap + run.count * step) {
                            run.tap_step = static_cast<std::int32_t>(step);
                            ++run.count;
                            continue;
                        }
                    }
                    const Index cell = residue + first_cell * axis.stride;
                    row_cells = max_index(row_cells, cell + (width - 1) * axis.stride + 1);
                    run_list.push_back({static_cast<std::int32_t>(cell), static_cast<std::int32_t>(local), 1,
                                        static_cast<std::int32_t>(k), 1});
                }
            }
        }
    }
    first_run.push_back(static_cast<Index>(run_list.size()));
}

void ChannelwiseView::list_rows(const Layout& layout) {
    const std::size_t axes = layout.axes.size() - 1;
    Index outs = 1, taps = 1;
    for (std::size_t a = 0; a < axes; ++a) outs *= layout.axes[a].out, taps *= layout.axes[a].kernel;
    for (Index out = 0; out < outs; ++out) {
        first_row.push_back(static_cast<Index>(row_list.size()));
        for (Index tap = 0; tap < taps; ++tap) {
            Index rest_out = out, rest_tap = tap, row = 0, scale = 1;
            bool is_inside = true;
            for (std::size_t a = axes; a-- > 0;) {
                const Axis& axis = layout.axes[a];
                const Index cell =
                    rest_out % axis.out * axis.stride + rest_tap % axis.kernel * axis.dilation - axis.before;
                is_inside &= cell >= 0 && cell < axis.in;
                row += cell * scale;
                scale *= axis.in;
                rest_out /= axis.out;
                rest_tap /= axis.kernel;
            }
            if (is_inside)
                row_list.push_back({static_cast<std::int32_t>(row * row_cells),
                                    static_cast<std::int32_t>(tap * layout.columns().kernel)});
        }
    }
    first_row.push_back(static_cast<Index>(row_list.size()));
}

}  // namespace faltung
