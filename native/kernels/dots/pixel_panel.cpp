#include "kernels/dots/pixel_panel.h"

#include <cstring>

#include "core/border.h"

namespace faltung {

namespace {

constexpr Index most_rows = 64, most_columns = 2048;
constexpr Index wanted_bytes = 320 << 10, largest_bytes = Index(2) << 20;
constexpr Index few_rows = 4, few_columns = 64;
// Pixels at such a distance share sets of the L1 cache.
constexpr Index crowded_channels = 256, line_cells = 32;

}  // namespace

PixelPanel::PixelPanel(const std::vector<PixelAxis>& axes, Border border, Index channels)
    : border_(border), channels_(channels) {
    const PixelAxis &row_axis = axes[axes.size() - 2], &column_axis = axes.back();
    Index far_taps = 1;
    for (std::size_t a = 0; a + 2 < axes.size(); ++a) {
        Index taps = 0;
        for (const Phase& phase : axes[a].phases) taps = max_index(taps, phase.taps);
        far_taps = saturating_multiply(far_taps, taps);
    }
    pixel_pitch = channels + (channels > 0 && channels % crowded_channels == 0 ? line_cells : 0);
    rows = max_index(1, min_index(row_axis.most, most_rows));
    columns = max_index(1, column_axis.most);
    if (columns > most_columns) columns = ceil_divide(columns, ceil_divide(columns, most_columns));
    const auto measure = [&] {
        row_pitch = saturating_multiply(column_axis.cells(columns), pixel_pitch);
        plane_pitch = saturating_multiply(row_pitch, row_axis.cells(rows));
        elements = saturating_multiply(plane_pitch, far_taps);
        return saturating_multiply(elements, sizeof(Half));
    };
    while (measure() > wanted_bytes) {
        if (rows > few_rows) {
            rows = max_index(few_rows, ceil_divide(rows, 2));
        } else if (measure() <= largest_bytes) {
            break;
        } else if (columns > few_columns) {
            columns = max_index(few_columns, ceil_divide(columns, 2));
        } else if (rows > 1) {
            rows = ceil_divide(rows, 2);
        } else if (columns > 1) {
            columns = ceil_divide(columns, 2);
        } else {
            break;
        }
    }
}

struct PixelPanel::Row {
    const PixelAxis& axis;
    const Half* x;
    Index channel_stride, stride;
    Index origin;  // the input that the first output of the axis would read at position 0
    Index cells;
    void (*turn)(const DotsTurn&);
};

void PixelPanel::pack(const std::vector<PixelAxis>& axes, const Index* origin, const Phase* const* far,
                      Index own_rows, Index own_columns, const Half* x, Index channel_stride,
                      const Index* stride, void (*turn)(const DotsTurn&), Half* cells) const {
    const std::size_t far_axes = axes.size() - 2;
    const PixelAxis &row_axis = axes[far_axes], &column_axis = axes[far_axes + 1];
    Index far_taps = 1;
    for (std::size_t a = 0; a < far_axes; ++a) far_taps *= far[a]->taps;
    const Index row_cells = row_axis.cells(own_rows), column_cells = column_axis.cells(own_columns);
    for (Index tap = 0; tap < far_taps; ++tap) {
        Index rest = tap, base = 0;
        bool is_absent = false;
        for (std::size_t a = far_axes; a-- > 0;) {
            const Index own = rest % far[a]->taps;
            rest /= far[a]->taps;
            const Index number = origin[a] / axes[a].phase_count();
            const Index cell =
                border_cell(border_, number * axes[a].stride + PixelAxis::position(*far[a], own), axes[a].in);
            is_absent = is_absent || cell == outside;
            base += cell * stride[a];
        }
        for (Index row = 0; row < row_cells; ++row) {
            Half* const to = cells + tap * plane_pitch + row * row_pitch;
            const Index cell = border_cell(
                border_, origin[far_axes] * row_axis.stride + row_axis.position_of(row), row_axis.in);
            if (is_absent || cell == outside) {
                std::memset(to, 0, static_cast<std::size_t>(column_cells * pixel_pitch) * sizeof(Half));
            } else {
                pack_row(
                    {column_axis, x + base + cell * stride[far_axes], channel_stride, stride[far_axes + 1],
                     origin[far_axes + 1] * column_axis.stride, column_cells, turn},
                    to);
            }
            // With an odd number of channels the last pair of a run has one cell more, whose weight is zero.
            to[column_cells * pixel_pitch] = 0;
        }
    }
}

void PixelPanel::pack_row(const Row& row, Half* to) const {
    const PixelAxis& axis = row.axis;
    const auto border = [&](Index cell) {
        const Index at = border_cell(border_, row.origin + axis.position_of(cell), axis.in);
        Half* const pixel = to + cell * pixel_pitch;
        const Half* const from = row.x + at * row.stride;
        for (Index channel = 0; channel < channels_; ++channel)
            pixel[channel] = at == outside ? Half(0) : from[channel * row.channel_stride];
    };
    const Index taps = max_index(axis.stored_taps, 1), step = axis.stored_taps > 0 ? axis.stride : 1;
    const Index groups = row.cells / taps, reach = axis.stored_taps > 0 ? axis.span : 1;
    // Groups of cells that lie inside.
    const Index before = -(row.origin + axis.first);
    Index begin = before > 0 ? ceil_divide(before, step) : 0;
    const Index room = axis.in - reach - (row.origin + axis.first);
    Index end = room < 0 ? 0 : room / step + 1;
    begin = min_index(begin, groups);
    end = max_index(begin, min_index(end, groups));
    for (Index cell = 0; cell < begin * taps; ++cell) border(cell);
    for (Index cell = end * taps; cell < row.cells; ++cell) border(cell);
    if (begin == end) return;
    const Half* const from = row.x + (row.origin + axis.first + begin * step) * row.stride;
    to += begin * taps * pixel_pitch;
    const bool is_dense = taps == 1 || axis.phases.front().dilation == 1;
    const std::size_t pixel_bytes = static_cast<std::size_t>(channels_) * sizeof(Half);
    if (row.channel_stride == 1) {
        if (step == 1 && row.stride == channels_ && has_runs()) {
            std::memcpy(to, from, static_cast<std::size_t>(end - begin) * pixel_bytes);
            return;
        }
        const Index apart = taps > 1 ? axis.phases.front().dilation * row.stride : 0;
        for (Index group = 0; group < end - begin; ++group)
            for (Index tap = 0; tap < taps; ++tap, to += pixel_pitch)
                std::memcpy(to, from + group * step * row.stride + tap * apart, pixel_bytes);
    } else if (row.stride == 1 && is_dense) {
        row.turn({from, row.channel_stride, channels_, (end - begin - 1) * step + reach, to, pixel_pitch,
                  step, taps});
    } else {
        for (Index cell = begin * taps; cell < end * taps; ++cell) {
            const Half* const pixel = row.x + (row.origin + axis.position_of(cell)) * row.stride;
            for (Index channel = 0; channel < channels_; ++channel)
                to[channel] = pixel[channel * row.channel_stride];
            to += pixel_pitch;
        }
    }
}

}  // namespace faltung
