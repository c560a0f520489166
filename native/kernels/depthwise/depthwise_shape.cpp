#include "kernels/depthwise/depthwise_shape.h"

#include <numeric>

#include "core/lines.h"

namespace faltung {

namespace {

constexpr Index element_limit = Index(1) << 28;  // offsets are 32 bits wide
constexpr Index scratch_bytes = 256 << 10;       // of L2
constexpr Index most_natural_slots = 512;
constexpr Index most_columns_of_rows = 4096, most_columns = 4096;

Index limited(Index elements) {
    return min_index(elements, element_limit);
}

}  // namespace

const char* why_not_depthwise(const Problem& problem) {
    return problem.in_channels == 1 ? nullptr : "it has several input channels a group";
}

DepthwiseShape::DepthwiseShape(const Problem& problem, const Layout& layout, Index element_bytes, Index lanes,
                               Index tile_rows, bool pairs) {
    const Axis& row_axis = layout.rows();
    const Axis& column_axis = layout.columns();
    for (std::size_t a = 0; a < layout.far_axes(); ++a)
        far_taps = saturating_multiply(far_taps, layout.axes[a].kernel);
    const Index all_rows = max_index(1, row_axis.out), all_columns = max_index(1, column_axis.out);

    folds =
        all_rows == 1 || (all_columns >= 4 * lanes &&
                          (all_rows == 2 || (row_axis.kernel == 1 && 2 * column_axis.kernel >= 3 * lanes)));
    if (folds) {
        // Taps `fold` columns apart read cells a vector apart.
        const Index cells = saturating_multiply(column_axis.stride, lanes);
        fold = cells % column_axis.dilation ? column_axis.kernel : cells / column_axis.dilation;
        fold = max_index(1, min_index(fold, column_axis.kernel));
    }

    const Index shared = std::gcd(row_axis.stride, row_axis.dilation);
    row_classes = row_axis.dilation / shared;
    row_stride = row_axis.stride / shared;
    row_step = row_axis.dilation;
    rows = folds ? 1 : ceil_divide(all_rows, row_classes);
    const Index extent =
        saturating_add(saturating_multiply(all_rows - 1, row_axis.stride),
                       saturating_multiply(max_index(row_axis.kernel - 1, 0), row_axis.dilation));
    if (!folds && row_classes > 1 && rows < 5 && extent < most_natural_slots) {
        // Too few rows of a class to share cells: then rows as they come, and no two taps of a row's column
        // are neighbours.
        row_classes = row_step = 1;
        row_stride = row_axis.stride;
        rows = all_rows;
    }
    const Index period = column_axis.stride / std::gcd(column_axis.stride, column_axis.dilation);
    phases = max_index(1, min_index(column_axis.kernel, period));

    columns = all_columns;
    const Index tail = all_columns % lanes;
    if (pairs && !folds && problem.out_channels % 2 == 1 && problem.groups > 1 && tail > 0 &&
        2 * tail <= lanes)
        channels = 2;

    const Index budget = scratch_bytes / element_bytes;
    const Index most = folds ? most_columns : most_columns_of_rows;
    auto cut_columns = [&](Index blocks) {
        columns = min_index(all_columns, round_up(ceil_divide(all_columns, blocks), 4 * lanes));
    };
    if (columns > most) cut_columns(ceil_divide(columns, most));
    const Index tiles = ceil_divide(rows, tile_rows), tile_height = ceil_divide(rows, tiles);
    for (measure(layout, element_bytes, lanes); elements > budget; measure(layout, element_bytes, lanes)) {
        if (rows > tile_height) {
            rows = tile_height * ceil_divide(ceil_divide(rows, tile_height), 2);
        } else if (columns > 64 * lanes) {
            cut_columns(2 * ceil_divide(all_columns, columns));
        } else if (channels > 1 && elements > 2 * budget) {
            channels = 1;
        } else {
            break;
        }
    }
}

void DepthwiseShape::measure(const Layout& layout, Index element_bytes, Index lanes) {
    const Axis& row_axis = layout.rows();
    const Axis& column_axis = layout.columns();
    const Index line = cache_line_bytes / element_bytes;
    const Index row_reach = row_step == row_axis.dilation
                                ? max_index(row_axis.kernel - 1, 0)
                                : saturating_multiply(max_index(row_axis.kernel - 1, 0), row_axis.dilation);
    slots = limited(saturating_add(saturating_multiply(rows - 1, row_stride), row_reach) + 1);
    const Index column_reach =
        saturating_multiply(max_index(column_axis.kernel - 1, 0), column_axis.dilation) / column_axis.stride;
    // A vector before, to align what is copied, and one behind, for what is written past the end.
    phase_pitch = round_up(limited(saturating_add(column_reach, columns)) + 1 + 2 * lanes, line);
    row_pitch = odd_lines(limited(saturating_multiply(phases, phase_pitch)), element_bytes);
    channel_pitch = limited(saturating_multiply(saturating_multiply(far_taps, slots), row_pitch));
    elements = channel_pitch >= element_limit ? saturated : channel_pitch * channels;
}

}  // namespace faltung
