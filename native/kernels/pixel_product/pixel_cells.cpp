// Which cells the pixels of a tile read.
#include <algorithm>

#include "core/border.h"
#include "kernels/pixel_product/pixel_call.h"

namespace faltung {

template <class T>
void PixelProduct<T>::Call::place(Tile& tile, Index number) const {
    tile.row = number / row_tiles;
    const auto i = static_cast<std::size_t>(number % row_tiles);
    tile.column = row_start[i];
    tile.pixels = row_start[i + 1] - tile.column;
    tile.width = op.kernel_.width(tile.pixels);
}

template <class T>
void PixelProduct<T>::Call::locate(Row& row, Index number) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    row.x = row.y = 0;
    row.is_inside = true;
    for (std::size_t a = axes.size() - 1; a-- > 0;) {
        const Axis& axis = axes[a];
        const Index place = a > 0 ? number % axis.out : number;
        if (a > 0) number /= axis.out;
        const Index position = row.position[a] = place * axis.stride - axis.before;
        row.is_inside &= position >= 0 && position + (axis.kernel - 1) * axis.dilation < axis.in;
        row.x += position * x_spatial[a];
        row.y += place * y_spatial[a];
    }
}

// Of a tile within a row whose cells all lie inside, or can be padded.
template <class T>
bool PixelProduct<T>::Call::locate_evenly(Tile& tile, const T* x_group, T* y_group) const {
    const Axis& columns = op.layout_.columns();
    Row row;
    locate(row, tile.row);
    const Index first = tile.column * columns.stride - columns.before;
    const Index end = first + op.reach(tile.pixels);
    const bool is_inside = row.is_inside && first >= 0 && end <= columns.in;
    tile.is_padded = !is_inside && !padded_offset.empty();
    if (!tile.is_padded && (!is_inside || tile.pixels < tile.width)) return false;
    T* y = y_group + row.y + tile.column * y_spatial.back();
    for (Index p = 0; p < tile.pixels; ++p, y += y_spatial.back()) tile.y[p] = y;
    if (tile.is_padded) {
        row.position[op.layout_.axes.size() - 1] = first;
        pad(tile, row.position, x_group);
        tile.origin[0] = tile.panel;
        tile.step = columns.stride * op.problem_.in_channels;
    } else {
        tile.origin[0] = x_group + row.x + first * x_spatial.back();
        tile.step = columns.stride * x_spatial.back();
    }
    return true;
}

// The cells of all taps of the tile's pixels.
template <class T>
void PixelProduct<T>::Call::locate(Tile& tile, const T* x_group, T* y_group) const {
    tile.is_padded = false;
    tile.is_even = is_by_rows && !copies && locate_evenly(tile, x_group, y_group);
    if (tile.is_even) return;
    const std::size_t last = op.layout_.axes.size() - 1;
    const Axis& columns = op.layout_.columns();
    const Index taps = op.taps_, width = tile.width, reach = op.reach(1);
    const T** const origin = tile.origin;
    std::uint32_t border = 0;
    Index number = is_by_rows ? tile.row : tile.column / columns.out;
    Index column = is_by_rows ? tile.column : tile.column % columns.out;
    for (Index p = 0; p < tile.pixels; ++number, column = 0) {
        // Pixels of one row.
        const Index end = min_index(tile.pixels, p + columns.out - column);
        Row row;
        locate(row, number);
        Index& position = row.position[last];
        position = column * columns.stride - columns.before;
        const T* cell = x_group + row.x + position * x_spatial[last];
        T* out = y_group + row.y + column * y_spatial[last];
        for (; p < end; ++p) {
            origin[p] = cell;
            tile.y[p] = out;
            if (!row.is_inside || position < 0 || position + reach > columns.in) {
                border |= 1u << p;
                locate_border(tile, p, row.position, x_group);
            }
            position += columns.stride;
            cell += columns.stride * x_spatial[last];
            out += y_spatial[last];
        }
    }
    tile.step = width > 1 ? origin[1] - origin[0] : 0;
    tile.is_even = !copies && !border && tile.pixels == width;
    for (Index p = 2; p < width && tile.is_even; ++p) tile.is_even = origin[p] - origin[p - 1] == tile.step;
    if (tile.is_even) return;
    for (Index p = tile.pixels; p < width; ++p) {
        origin[p] = origin[0];
        border |= (border & 1) << p;
    }
    for (Index tap = 0; tap < taps; ++tap) {
        const Index offset = tap_offset[static_cast<std::size_t>(tap)];
        const T** cells = tile.cells + tap * width;
        if (!border) {
            for (Index p = 0; p < width; ++p) cells[p] = origin[p] + offset;
            continue;
        }
        for (Index p = 0; p < width; ++p)
            if ((border >> p & 1) == 0) {
                cells[p] = origin[p] + offset;
            } else if (p >= tile.pixels) {
                cells[p] = cells[0];
            }
    }
}

// All cells under the windows of pixels of one row, the first of them at `position`, row by row of taps.
template <class T>
void PixelProduct<T>::Call::pad(const Tile& tile, const Index* position, const T* x_group) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const Axis& columns = axes.back();
    const Border border = op.problem_.border;
    const Index cell = op.problem_.in_channels, cells = op.reach(tile.width);
    const Index pitch = op.reach(op.kernel_.most_pixels) * cell, step = x_spatial.back();
    const Index first = position[axes.size() - 1];
    const auto within = [&](Index column) { return max_index(0, min_index(column - first, cells)); };
    const Index begin = within(0), end = max_index(begin, within(columns.in));
    T* to = tile.panel;
    for (Index row = 0; row < op.taps_ / columns.kernel; ++row, to += pitch) {
        Index row_offset;
        if (!find_row(row, position, row_offset)) {
            std::fill_n(to, cells * cell, T(0));
            continue;
        }
        const T* const from = x_group + row_offset;
        const auto copy_outside = [&](Index i) {
            const Index column = border_cell(border, first + i, columns.in);
            if (column == outside) {
                std::fill_n(to + i * cell, cell, T(0));
            } else {
                std::copy_n(from + column * step, cell, to + i * cell);
            }
        };
        for (Index i = 0; i < begin; ++i) copy_outside(i);
        if (step == cell) {
            std::copy_n(from + (first + begin) * step, (end - begin) * cell, to + begin * cell);
        } else {
            for (Index i = begin; i < end; ++i) std::copy_n(from + (first + i) * step, cell, to + i * cell);
        }
        for (Index i = end; i < cells; ++i) copy_outside(i);
    }
}

// The first so many channels of the tile's cells.
template <class T>
void PixelProduct<T>::Call::copy_cells(const Tile& tile, Index channels) const {
    const Index pitch = op.copied_pitch(), most = op.kernel_.most_pixels;
    for (Index tap = 0; tap < op.taps_; ++tap)
        op.kernel_.copy(tile.cells + tap * tile.width, tile.width, channels, tile.panel + tap * most * pitch,
                        pitch);
}

// Where a row of taps begins, from the group's first cell; false where it lies outside.
template <class T>
bool PixelProduct<T>::Call::find_row(Index row, const Index* position, Index& offset) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const std::size_t far_axes = axes.size() - 1;
    const Index* const shift = row_shift.data() + static_cast<std::size_t>(row) * far_axes;
    offset = 0;
    for (std::size_t a = 0; a < far_axes; ++a) {
        const Index cell = border_cell(op.problem_.border, position[a] + shift[a], axes[a].in);
        if (cell == outside) return false;
        offset += cell * x_spatial[a];
    }
    return true;
}

// A pixel some of whose taps lie outside.
template <class T>
void PixelProduct<T>::Call::locate_border(Tile& tile, Index pixel, const Index* position,
                                          const T* x_group) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const Axis& columns = axes.back();
    const T* const zeros = reinterpret_cast<const T*>(workspace);
    const Index width = tile.width, rows = columns.kernel ? op.taps_ / columns.kernel : 0;
    const T** cells = tile.cells + pixel;
    for (Index row = 0; row < rows; ++row) {
        Index offset;
        const bool is_inside = find_row(row, position, offset);
        for (Index k = 0; k < columns.kernel; ++k, cells += width) {
            const Index cell =
                !is_inside ? outside
                           : border_cell(op.problem_.border, position[axes.size() - 1] + k * columns.dilation,
                                         columns.in);
            *cells = cell == outside ? zeros : x_group + offset + cell * x_spatial.back();
        }
    }
}

template void PixelProduct<float>::Call::place(Tile&, Index) const;
template void PixelProduct<double>::Call::place(Tile&, Index) const;
template void PixelProduct<std::uint64_t>::Call::place(Tile&, Index) const;
template void PixelProduct<float>::Call::locate(Tile&, const float*, float*) const;
template void PixelProduct<double>::Call::locate(Tile&, const double*, double*) const;
template void PixelProduct<std::uint64_t>::Call::locate(Tile&, const std::uint64_t*, std::uint64_t*) const;
template void PixelProduct<float>::Call::copy_cells(const Tile&, Index) const;
template void PixelProduct<double>::Call::copy_cells(const Tile&, Index) const;
template void PixelProduct<std::uint64_t>::Call::copy_cells(const Tile&, Index) const;

}  // namespace faltung
