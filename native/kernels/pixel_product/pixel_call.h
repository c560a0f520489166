// One call of a product over pixels: which cells the pixels of its tiles read. Included by pixel_product.cpp
// alone.
#pragma once

#include <algorithm>

#include "core/border.h"
#include "kernels/call_arrays.h"
#include "kernels/pixel_product/pixel_product.h"

namespace faltung {

constexpr Index kept_weight_bytes = 256 << 10;  // stay in L2 from one tile of pixels to the next
constexpr Index most_listed_terms = 1024;       // 8 KiB of L1
constexpr Index tasks_per_thread = 8;
constexpr Index least_task_multiply_adds = 1 << 16;
constexpr Index most_tile_pixels = 16;
constexpr std::size_t most_axes = 8;
constexpr Index pass_channels_out = 256;
constexpr Index pass_sums_bytes = 256 << 10;

// One call's arrays and its division into tasks; the division never touches the order of a sum.
template <class T>
struct PixelProduct<T>::Call : CallArrays {
    const PixelProduct& op;
    const T* packed;
    bool copies;                            // the cells of a tile, for they would contend for the cache
    bool lists_terms = false;               // offsets are there for all terms, in order
    std::vector<Index> tap_offset = {};     // of each tap, from a window's first cell
    std::vector<Index> panel_offset = {};   // the same of copied cells
    std::vector<Index> padded_offset = {};  // the same of padded ones
    std::vector<Index> row_shift = {};      // of each row of taps along the axes but the last

    Index tiles = 1, chunks = 1;  // of pixels, and tasks that share them
    bool is_by_rows = false;      // so that no tile goes over the end of a row
    Index row_tiles = 1;
    std::vector<Index> row_start = {};             // of each tile in a row, and the end
    Index channel_groups = 1, group_channels = 1;  // whose weights are read together
    Index passes = 1, pass_tiles = 1;              // over the input channels, of so many tiles at a time

    void share_out(Index batch, int threads);
    Index task_count(Index batch) const { return batch * op.problem_.groups * channel_groups * chunks; }
    void operator()(Index task, int worker) const;

  private:
    struct Tile {
        Index row, column, pixels, width;  // all rows count as one where tiles go over their ends
        T* y[most_tile_pixels];
        const T* origin[most_tile_pixels];  // of each pixel, the cell of its first tap, be it outside
        Index step;                         // from one to the next, where they are evenly apart
        bool is_even;                       // and all inside, as many as the width
        bool is_padded;                     // its cells were copied, with the zeros around them
        const T** cells;
        T* panel;
    };
    // A row of pixels, in its position along every axis but the last.
    struct Row {
        Index position[most_axes];  // of the first tap of its first pixel
        Index x, y;                 // offsets
        bool is_inside;
    };
    void place(Tile& tile, Index number) const;
    void locate(Row& row, Index number) const;
    bool locate_evenly(Tile& tile, const T* x_group, T* y_group) const;
    void locate(Tile& tile, const T* x_group, T* y_group) const;
    void pad(const Tile& tile, const Index* position, const T* x_group) const;
    void copy_cells(const Tile& tile, Index channels) const;
    void locate_border(Tile& tile, Index pixel, const Index* position, const T* x_group) const;
    bool find_row(Index row, const Index* position, Index& offset) const;
    void finish(const Tile& tile, Index channels) const;
};

template <class T>
void PixelProduct<T>::Call::share_out(Index batch, int threads) {
    const Index most = op.kernel_.most_pixels, tile_channels = op.kernel_.tile_channels;
    is_by_rows = op.is_by_rows();
    const Index row = is_by_rows ? op.layout_.columns().out : op.pixels_;
    const Index unit = op.kernel_.width(1), units = ceil_divide(row, unit);
    row_tiles = ceil_divide(row, most);
    // The wider tiles first: the processor foresees best what it has just done.
    const Index wider = units % row_tiles;
    for (Index i = 0; i <= row_tiles; ++i)
        row_start.push_back(min_index((i * (units / row_tiles) + min_index(i, wider)) * unit, row));
    tiles = op.pixels_ / row * row_tiles;
    const Index channel_bytes = max_index(1, op.terms() * Index(sizeof(T)));
    const Index kept_channels = copies ? pass_channels_out : kept_weight_bytes / channel_bytes;
    const Index kept = max_index(1, kept_channels / tile_channels) * tile_channels;
    channel_groups = ceil_divide(op.problem_.out_channels, kept);
    group_channels = round_up(ceil_divide(op.problem_.out_channels, channel_groups), tile_channels);
    channel_groups = ceil_divide(op.problem_.out_channels, group_channels);
    if (threads > 1) {
        const Index work = saturating_multiply(batch, multiply_adds(op.problem_));
        const Index wanted =
            min_index(tasks_per_thread * threads, max_index(threads, work / least_task_multiply_adds));
        chunks = min_index(tiles, ceil_divide(wanted, task_count(batch)));
    }
    pass_tiles = tiles;
    if (copies) {
        const Index pass_channels = op.pass_channels();
        passes = max_index(1, ceil_divide(op.problem_.in_channels, pass_channels));
        if (passes > 1)
            pass_tiles = max_index(1, pass_sums_bytes / (group_channels * most * Index(sizeof(T))));
        for (Index tap = 0; tap < op.taps_; ++tap) panel_offset.push_back(tap * most * op.copied_pitch());
    }
    tap_offset.assign(1, 0);
    for (std::size_t a = 0; a < op.layout_.axes.size(); ++a) {
        const Axis& axis = op.layout_.axes[a];
        std::vector<Index> longer;
        for (Index offset : tap_offset)
            for (Index k = 0; k < axis.kernel; ++k)
                longer.push_back(offset + k * axis.dilation * x_spatial[a]);
        tap_offset = std::move(longer);
    }
    lists_terms = !copies && op.taps_ > 1 && op.terms() <= most_listed_terms;
    if (lists_terms) {
        for (Index c = 1; c < op.problem_.in_channels; ++c)
            for (Index tap = 0; tap < op.taps_; ++tap)
                tap_offset.push_back(tap_offset[static_cast<std::size_t>(tap)] + c * x.stride[2]);
    }
    const std::size_t far_axes = op.layout_.axes.size() - 1;
    const Index row_taps = op.taps_ / op.layout_.columns().kernel;
    row_shift.resize(static_cast<std::size_t>(row_taps) * far_axes);
    for (Index i = 0; i < row_taps; ++i) {
        Index rest = i;
        for (std::size_t a = far_axes; a-- > 0; rest /= op.layout_.axes[a].kernel)
            row_shift[static_cast<std::size_t>(i) * far_axes + a] =
                rest % op.layout_.axes[a].kernel * op.layout_.axes[a].dilation;
    }
    if (!copies && op.padded_bytes_for(most) > 0) {
        const Axis& columns = op.layout_.columns();
        const Index cell = op.problem_.in_channels, pitch = op.reach(most) * cell;
        for (Index c = 0; c < (lists_terms ? cell : 1); ++c)
            for (Index tap = 0; tap < op.taps_; ++tap)
                padded_offset.push_back(c + tap / columns.kernel * pitch +
                                        tap % columns.kernel * columns.dilation * cell);
    }
}

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
    T* to = tile.panel;
    for (Index tap = 0; tap < op.taps_; ++tap)
        for (Index p = 0; p < op.kernel_.most_pixels; ++p, to += op.copied_pitch())
            if (p < tile.width) std::copy_n(tile.cells[tap * tile.width + p], channels, to);
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

// Pixels that lie at one distance from one another are finished together.
template <class T>
void PixelProduct<T>::Call::finish(const Tile& tile, Index channels) const {
    if (!epilogue.loop()) return;
    for (Index p = 0, run; p < tile.pixels; p += run) {
        const Index step = p + 1 < tile.pixels ? tile.y[p + 1] - tile.y[p] : 0;
        run = 1;
        while (p + run < tile.pixels && tile.y[p + run] - tile.y[p + run - 1] == step) ++run;
        epilogue.finish(tile.y[p], channels, 1, 1, 0, run, step);
    }
}

template <class T>
void PixelProduct<T>::Call::operator()(Index task, int worker) const {
    const Problem& problem = op.problem_;
    const Index chunk = task % chunks;
    Index rest = task / chunks;
    const Index first_channel = rest % channel_groups * group_channels;
    rest /= channel_groups;
    const Index g = rest % problem.groups, n = rest / problem.groups;

    const Index channel_block = op.kernel_.channel_block;
    const Index channels = min_index(group_channels, problem.out_channels - first_channel);
    const Index weight_pitch = op.terms() * channel_block;
    const Index blocks = ceil_divide(problem.out_channels, channel_block);
    const T* const x_group = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1];
    T* const y_group = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] + first_channel;
    const T* const bias = static_cast<const T*>(epilogue.bias);

    Tile tile;
    char* const own = workspace + op.zeros_bytes() + worker * (op.table_bytes() + op.panel_bytes());
    tile.cells = reinterpret_cast<const T**>(own);
    tile.panel = reinterpret_cast<T*>(own + op.table_bytes());
    PixelTile<T> product;
    product.cells = nullptr;
    product.weight_pitch = weight_pitch;
    product.y = tile.y;
    product.out_channels = channels;
    const T* const weight = packed + (g * blocks + first_channel / channel_block) * weight_pitch;
    const Index end = (chunk + 1) * tiles / chunks;
    for (Index i = chunk * tiles / chunks, next; i < end; i = next) {
        next = min_index(i + pass_tiles, end);
        for (Index pass = 0; pass < passes; ++pass) {
            const Index begin = pass * problem.in_channels / passes;
            const Index pass_channels = (pass + 1) * problem.in_channels / passes - begin;
            product.weight = weight + begin * op.taps_ * channel_block;
            product.bias = bias && pass == 0 ? bias + g * problem.out_channels + first_channel : nullptr;
            product.resumes = accumulates || pass > 0;
            for (Index t = i; t < next; ++t) {
                place(tile, t);
                product.pixels = tile.pixels;
                locate(tile, x_group + begin * x.stride[2], y_group);
                const bool is_list = lists_terms && tile.is_even;
                product.taps = is_list ? op.terms() : op.taps_;
                product.channels = is_list ? 1 : pass_channels;
                if (copies) {
                    copy_cells(tile, pass_channels);
                    product.origin = tile.panel;
                    product.pixel_step = op.copied_pitch();
                    product.channel_step = 1;
                    product.tap_offset = panel_offset.data();
                } else {
                    product.cells = tile.is_even ? nullptr : tile.cells;
                    product.origin = tile.origin[0];
                    product.pixel_step = tile.step;
                    product.channel_step = tile.is_padded ? 1 : x.stride[2];
                    product.tap_offset = tile.is_padded ? padded_offset.data() : tap_offset.data();
                }
                op.kernel_.multiply(product);
                if (pass + 1 == passes) finish(tile, channels);
            }
        }
    }
}

}  // namespace faltung
