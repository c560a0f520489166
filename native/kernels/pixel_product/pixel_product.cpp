#include "kernels/pixel_product/pixel_product.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "core/border.h"
#include "core/threads.h"
#include "core/workspace.h"
#include "kernels/call_arrays.h"

namespace faltung {

namespace {

constexpr Index least_pixels = 4, least_channels = 4;  // fewer leave most of a tile empty
constexpr Index kept_weight_bytes = 256 << 10;         // stay in L2 from one tile of pixels to the next
constexpr Index tasks_per_thread = 8;
constexpr Index least_task_multiply_adds = 1 << 16;
constexpr Index most_taps = 1 << 12;
constexpr Index most_tile_pixels = 16;
constexpr std::size_t most_axes = 8;
constexpr Index l1_set_bytes = 4096;  // lines so far apart share a set of 8
constexpr Index copied_bytes = 256 << 10, least_copied_channels = 128;

bool reads_outside(const Axis& axis) {
    const Index last = (axis.out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation - axis.before;
    return axis.before > 0 || last >= axis.in;
}

}  // namespace

template <class T>
PixelProduct<T>::PixelProduct(const Problem& problem, const Layout& layout, const PixelKernel<T>& kernel)
    : problem_(problem),
      layout_(layout),
      kernel_(kernel),
      taps_(taps(layout.axes)),
      pixels_(outputs(layout.axes)),
      reads_outside_(std::any_of(layout.axes.begin(), layout.axes.end(), reads_outside)) {}

template <class T>
bool PixelProduct<T>::serves(const Array& x, const Array& y) const {
    if (y.stride[2] != 1 || pixels_ < least_pixels || problem_.out_channels < least_channels) return false;
    if (taps_ == 0 || taps_ > most_taps || layout_.axes.size() > most_axes) return false;
    return x.stride[2] == 1 || !reads_outside_;  // there are zeros for channels side by side alone
}

template <class T>
Index PixelProduct<T>::zeros_bytes() const {
    return reads_outside_ ? round_up(saturating_multiply(problem_.in_channels, sizeof(T)), 64) : 0;
}

template <class T>
Index PixelProduct<T>::table_bytes() const {
    return round_up(saturating_multiply(min_index(taps_, most_taps), most_tile_pixels * sizeof(const T*)),
                    64);
}

// Of a tile's cells, where they may be copied.
template <class T>
Index PixelProduct<T>::panel_bytes() const {
    const Index bytes = saturating_multiply(terms(), kernel_.most_pixels * Index(sizeof(T)));
    return bytes <= copied_bytes && problem_.out_channels >= least_copied_channels ? round_up(bytes, 64) : 0;
}

// Whether the pixels of a tile lie so far apart that they contend for a few sets of the L1 cache.
template <class T>
bool PixelProduct<T>::should_copy(const Array& x, Index column_stride) const {
    if (panel_bytes() == 0 || x.stride[2] != 1) return false;
    const Index apart = std::abs(column_stride) * layout_.columns().stride * Index(sizeof(T));
    const Index sets = l1_set_bytes / max_index(64, std::gcd(apart, l1_set_bytes));
    return 8 * sets < 2 * kernel_.most_pixels;
}

template <class T>
Index PixelProduct<T>::workspace_bytes(int threads) const {
    return saturating_add(zeros_bytes(), saturating_multiply(table_bytes() + panel_bytes(), threads));
}

// One call's arrays and its division into tasks; the division never touches the order of a sum.
template <class T>
struct PixelProduct<T>::Call : CallArrays {
    const PixelProduct& op;
    const T* packed;
    bool copies;                         // the cells of a tile, for they would contend for the cache
    std::vector<Index> tap_offset = {};  // of each tap, from a window's first cell

    Index tiles = 1, chunks = 1;                   // of pixels, and tasks that share them
    Index channel_groups = 1, group_channels = 1;  // whose weights are read together

    void share_out(Index batch, int threads);
    Index task_count(Index batch) const { return batch * op.problem_.groups * channel_groups * chunks; }
    void operator()(Index task, int worker) const;

  private:
    struct Tile {
        Index pixels, width;
        T* y[most_tile_pixels];
        const T** cells;
        T* panel;
    };
    void locate(Tile& tile, Index first, const T* x_group, T* y_group) const;
    void copy_cells(Tile& tile) const;
    void locate_border(Tile& tile, Index pixel, const Index* position, const T* x_group) const;
    void finish(const Tile& tile, Index channels) const;
};

template <class T>
void PixelProduct<T>::Call::share_out(Index batch, int threads) {
    const Index most = op.kernel_.most_pixels, tile_channels = op.kernel_.tile_channels;
    tiles = ceil_divide(op.pixels_, most);
    const Index channel_bytes = max_index(1, op.terms() * Index(sizeof(T)));
    const Index kept = max_index(copies ? least_copied_channels / tile_channels : 1,
                                 kept_weight_bytes / channel_bytes / tile_channels) *
                       tile_channels;
    channel_groups = ceil_divide(op.problem_.out_channels, kept);
    group_channels = round_up(ceil_divide(op.problem_.out_channels, channel_groups), tile_channels);
    channel_groups = ceil_divide(op.problem_.out_channels, group_channels);
    if (threads > 1) {
        const Index work = saturating_multiply(batch, multiply_adds(op.problem_));
        const Index wanted =
            min_index(tasks_per_thread * threads, max_index(threads, work / least_task_multiply_adds));
        chunks = min_index(tiles, ceil_divide(wanted, task_count(batch)));
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
}

// The cells of all taps of the pixels from `first` on.
template <class T>
void PixelProduct<T>::Call::locate(Tile& tile, Index first, const T* x_group, T* y_group) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const std::size_t last = axes.size() - 1;
    const Axis& columns = axes[last];
    const Index taps = op.taps_, width = tile.width;
    const T* origin[most_tile_pixels];
    std::uint32_t border = 0;
    for (Index p = 0; p < tile.pixels;) {
        // Pixels of one row.
        const Index column = (first + p) % columns.out;
        const Index end = min_index(tile.pixels, p + columns.out - column);
        Index position[most_axes], rest = (first + p) / columns.out;
        Index x_offset = 0, y_offset = column * y_spatial[last];
        bool is_inside = true;
        for (std::size_t a = last; a-- > 0;) {
            const Axis& axis = axes[a];
            const Index place = a > 0 ? rest % axis.out : rest;
            if (a > 0) rest /= axis.out;
            position[a] = place * axis.stride - axis.before;
            is_inside &= position[a] >= 0 && position[a] + (axis.kernel - 1) * axis.dilation < axis.in;
            x_offset += position[a] * x_spatial[a];
            y_offset += place * y_spatial[a];
        }
        position[last] = column * columns.stride - columns.before;
        const Index reach = (columns.kernel - 1) * columns.dilation;
        const T* cell = x_group + x_offset + position[last] * x_spatial[last];
        T* out = y_group + y_offset;
        for (; p < end; ++p) {
            origin[p] = cell;
            tile.y[p] = out;
            if (!is_inside || position[last] < 0 || position[last] + reach >= columns.in) {
                border |= 1u << p;
                locate_border(tile, p, position, x_group);
            }
            position[last] += columns.stride;
            cell += columns.stride * x_spatial[last];
            out += y_spatial[last];
        }
    }
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
    if (copies) copy_cells(tile);
}

// The cells of the tile, pixel by pixel for each of the terms, in place of those in x.
template <class T>
void PixelProduct<T>::Call::copy_cells(Tile& tile) const {
    const Index count = op.problem_.in_channels, width = tile.width;
    T* to = tile.panel;
    for (Index tap = 0; tap < op.taps_; ++tap, to += count * width) {
        const T** cells = tile.cells + tap * width;
        op.kernel_.turn(cells, width, count, to);
        for (Index p = 0; p < width; ++p) cells[p] = to + p;
    }
}

// A pixel some of whose taps lie outside.
template <class T>
void PixelProduct<T>::Call::locate_border(Tile& tile, Index pixel, const Index* position,
                                          const T* x_group) const {
    const std::vector<Axis>& axes = op.layout_.axes;
    const Axis& columns = axes.back();
    const Border border = op.problem_.border;
    const T* const zeros = reinterpret_cast<const T*>(workspace);
    const Index width = tile.width, rows = columns.kernel ? op.taps_ / columns.kernel : 0;
    const T** cells = tile.cells + pixel;
    for (Index row = 0; row < rows; ++row) {
        Index rest = row, offset = 0;
        bool is_inside = true;
        for (std::size_t a = axes.size() - 1; a-- > 0;) {
            const Index cell =
                border_cell(border, position[a] + rest % axes[a].kernel * axes[a].dilation, axes[a].in);
            rest /= axes[a].kernel;
            is_inside &= cell != outside;
            offset += cell * x_spatial[a];
        }
        for (Index k = 0; k < columns.kernel; ++k, cells += width) {
            const Index cell =
                is_inside ? border_cell(border, position[axes.size() - 1] + k * columns.dilation, columns.in)
                          : outside;
            *cells = cell == outside ? zeros : x_group + offset + cell * x_spatial.back();
        }
    }
}

// Pixels that lie at one distance from one another are finished together.
template <class T>
void PixelProduct<T>::Call::finish(const Tile& tile, Index channels) const {
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
    product.cells = tile.cells;
    product.taps = op.taps_;
    product.channels = problem.in_channels;
    product.weight = packed + (g * blocks + first_channel / channel_block) * weight_pitch;
    product.weight_pitch = weight_pitch;
    product.y = tile.y;
    product.out_channels = channels;
    product.bias = bias ? bias + g * problem.out_channels + first_channel : nullptr;
    product.resumes = accumulates;
    const Index end = (chunk + 1) * tiles / chunks;
    for (Index i = chunk * tiles / chunks; i < end; ++i) {
        const Index first = i * op.pixels_ / tiles;
        tile.pixels = product.pixels = (i + 1) * op.pixels_ / tiles - first;
        tile.width = op.kernel_.width(tile.pixels);
        product.channel_step = copies ? tile.width : x.stride[2];
        locate(tile, first, x_group, y_group);
        op.kernel_.multiply(product);
        finish(tile, channels);
    }
}

template <class T>
void PixelProduct<T>::run(Index batch, const Array& x, const T* packed, const Epilogue& epilogue,
                          const Array& y, bool accumulate, int threads) const {
    if (batch == 0 || problem_.groups == 0) return;
    const Index work = saturating_multiply(batch, multiply_adds(problem_));
    threads = work < parallel_multiply_adds ? 1 : static_cast<int>(min_index(threads, thread_limit));
    Call call{{layout_, x, y, epilogue, accumulate},
              *this,
              packed,
              should_copy(x, layout_.spatial_strides(x.stride).back())};
    call.share_out(batch, threads);
    const Index tasks = call.task_count(batch);
    threads = static_cast<int>(min_index(tasks, threads));
    Workspace workspace(workspace_bytes(threads));
    call.workspace = workspace.data();
    std::fill_n(workspace.data(), zeros_bytes(), char(0));
    parallel_for(tasks, threads, call);
}

template class PixelProduct<float>;
template class PixelProduct<double>;
template class PixelProduct<std::uint64_t>;

}  // namespace faltung
