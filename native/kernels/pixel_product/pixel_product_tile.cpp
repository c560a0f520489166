// Products over pixels: two vectors of output channels by up to 12 pixels in registers, cells broadcast from
// where they lie.
#include "kernels/pixel_product/pixel_product_tile.h"

#include <type_traits>

#include "core/lines.h"
#include "core/registers.h"
#include "core/vec.h"
#include "kernels/pointwise/channel_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr int most_pixels = 12;  // by 2 vectors: 24 sums of 32 registers
#else
constexpr int most_pixels = 6;  // 12 sums of 16 registers
#endif
constexpr Index weights_ahead = 24;  // terms; so long takes a line from memory

template <class T>
constexpr int most_blocks = 2 * lanes<T> > channel_block ? 2 * lanes<T> / channel_block : 1;

// One block of output channels, where it is half a vector.
template <class T>
struct BlockOf {
    typedef T type __attribute__((vector_size(channel_block * sizeof(T))));
};

template <class T>
using Block = typename BlockOf<T>::type;

template <class T, int... I>
inline Block<T> lower_lanes(Vec<T> v, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, v, I...);
}

template <class T>
inline Block<T> load_block(const T* from) {
    Block<T> block;
    __builtin_memcpy(&block, from, sizeof block);
    return block;
}

// Cells `step` bytes apart, three of which are reached from one register.
template <class T>
struct EvenCells {
    Index step, third;

    explicit EvenCells(Index cell_step) : step(cell_step * Index(sizeof(T))), third(3 * step) {}
    void keep() {
        keep_address(step);
        keep_address(third);
    }
    T at(const T* first, int p) const {
        return *reinterpret_cast<const T*>(reinterpret_cast<const char*>(first) + p / 3 * third +
                                           p % 3 * step);
    }
};

// B blocks of output channels as vectors, and half a vector where they are odd halves.
template <class T, int B>
struct Channels {
    static constexpr int L = lanes<T>, count = B * channel_block;
    static constexpr int vectors = count / L;
    static constexpr bool has_rest = count % L != 0;

    Vec<T> vector[vectors > 0 ? vectors : 1];
    Block<T> rest;

    void add_products(const Channels& weight, T cell) {
        const Vec<T> x = broadcast(cell);
        FALTUNG_UNROLL for (int v = 0; v < vectors; ++v) vector[v] += weight.vector[v] * x;
        if constexpr (has_rest)
            rest += weight.rest * lower_lanes<T>(x, std::make_integer_sequence<int, channel_block>());
    }

    // The first so many channels, from memory; zeros beyond.
    void load_some_from(const T* from, Index channels) {
        alignas(FALTUNG_VECTOR_BYTES) T values[count] = {};
        __builtin_memcpy(values, from, static_cast<std::size_t>(channels) * sizeof(T));
        take(values);
    }

    void take(const T* values) {
        FALTUNG_UNROLL for (int v = 0; v < vectors; ++v) vector[v] = load(values + v * L);
        if constexpr (has_rest) rest = load_block(values + vectors * L);
    }

    void add(const Channels& other) {
        FALTUNG_UNROLL for (int v = 0; v < vectors; ++v) vector[v] += other.vector[v];
        if constexpr (has_rest) rest += other.rest;
    }

    void store_to(T* to) const {
        FALTUNG_UNROLL for (int v = 0; v < vectors; ++v) store(to + v * L, vector[v]);
        if constexpr (has_rest) __builtin_memcpy(to + vectors * L, &rest, sizeof rest);
    }

    void store_some_to(T* to, Index channels) const {
        alignas(FALTUNG_VECTOR_BYTES) T values[count];
        store_to(values);
        __builtin_memcpy(to, values, static_cast<std::size_t>(channels) * sizeof(T));
    }
};

// How the cells of a tile are found: in a table, or by their distance.
enum class Cells { in_table, evenly_apart, evenly_apart_of_one_tap };

// B blocks of output channels from `channel` on, by P pixels.
template <class T, int B, int P, Cells Where>
void multiply_tile(const PixelTile<T>& b, Index channel) {
    using Sums = Channels<T, B>;
    const Index channels = min_index(b.out_channels - channel, Sums::count);
    const bool is_whole = channels == Sums::count;
    Sums start{};
    if (b.bias) start.load_some_from(b.bias + channel, channels);
    Sums sum[P];
    FALTUNG_UNROLL for (int p = 0; p < P; ++p) {
        sum[p] = start;
        if (p >= b.pixels) continue;
        T* const y = b.y[p] + channel;
        if (b.resumes) {
            if (is_whole) {
                sum[p].take(y);
            } else {
                sum[p].load_some_from(y, channels);
            }
            if (b.bias) sum[p].add(start);
        } else {
            // The lines arrive before the sums are stored.
            __builtin_prefetch(y, 1);
            __builtin_prefetch(y + channels - 1, 1);
        }
    }

    const T* weight = b.weight + channel * b.channels * b.taps;
    EvenCells<T> even(b.pixel_step);
    const Index taps = Where == Cells::evenly_apart_of_one_tap ? 1 : b.taps;
    for (Index c = 0, cell = 0; c < b.channels; ++c, cell += b.channel_step) {
        // Volatile, or the compiler keeps what it has no register for in vectors.
        const T* const volatile* cells = b.cells;
        for (Index tap = 0; tap < taps; ++tap, cells += P) {
            const T* first = Where == Cells::in_table ? nullptr : b.origin + cell;
            if (Where == Cells::evenly_apart) first += b.tap_offset[tap];
            keep_address(weight);
            if (Where != Cells::in_table) {
                even.keep();
                keep_address(first);
            }
            FALTUNG_UNROLL for (int i = 0; i < Sums::count; i += line_elements<T>)
                __builtin_prefetch(weight + weights_ahead * Sums::count + i);
            Sums w;
            w.take(weight);
            weight += Sums::count;
            FALTUNG_UNROLL for (int p = 0; p < P; ++p) sum[p].add_products(
                w, Where == Cells::in_table ? cells[p][cell] : even.at(first, p));
        }
    }

    FALTUNG_UNROLL for (int p = 0; p < P; ++p) if (p < b.pixels) {
        if (is_whole) {
            sum[p].store_to(b.y[p] + channel);
        } else {
            sum[p].store_some_to(b.y[p] + channel, channels);
        }
    }
}

template <class T, int P, Cells Where>
void multiply_blocks(const PixelTile<T>& b, Index blocks, Index channel) {
    switch (blocks) {
        case 1:
            return multiply_tile<T, 1, P, Where>(b, channel);
        case 2:
            if constexpr (most_blocks<T> >= 2) return multiply_tile<T, 2, P, Where>(b, channel);
            break;
        case 3:
            if constexpr (most_blocks<T> >= 3) return multiply_tile<T, 3, P, Where>(b, channel);
            break;
        default:
            if constexpr (most_blocks<T> >= 4) return multiply_tile<T, 4, P, Where>(b, channel);
            break;
    }
}

// Of the next panel; the last two are of about the same width.
template <class T>
Index panel_blocks(Index left) {
    if (left <= most_blocks<T>) return left;
    return left < 2 * most_blocks<T> ? ceil_divide(left, 2) : Index(most_blocks<T>);
}

template <class T, int B>
void arrange_panel(const T* packed, Index pitch, Index terms, T* panel) {
    for (Index term = 0; term < terms; ++term, packed += channel_block, panel += B * channel_block)
        FALTUNG_UNROLL for (int i = 0; i < B; ++i)
            __builtin_memcpy(panel + i * channel_block, packed + i * pitch, channel_block * sizeof(T));
}

template <class T>
void arrange(const T* packed, Index pitch, Index blocks, Index terms, T* panels) {
    for (Index some; blocks > 0; blocks -= some, packed += some * pitch) {
        some = panel_blocks<T>(blocks);
        if (some == 1) arrange_panel<T, 1>(packed, pitch, terms, panels);
        if (some == 2) arrange_panel<T, 2>(packed, pitch, terms, panels);
        if (some == 3) arrange_panel<T, 3>(packed, pitch, terms, panels);
        if (some == 4) arrange_panel<T, 4>(packed, pitch, terms, panels);
        panels += some * terms * channel_block;
    }
}

template <class T>
void copy(const T* const* cells, Index count, Index channels, T* to, Index pitch) {
    constexpr Index L = lanes<T>;
    for (Index i = 0; i < count; ++i, to += pitch) {
        const T* const from = cells[i];
        Index c = 0;
        for (; c + L <= channels; c += L) store(to + c, load(from + c));
        if (c < channels) store_some(to + c, load_some(from + c, channels - c), channels - c);
    }
}

template <class T, int P>
void multiply_pixels(const PixelTile<T>& b) {
    const Index blocks = ceil_divide(b.out_channels, channel_block);
    for (Index block = 0, some; block < blocks; block += some) {
        some = panel_blocks<T>(blocks - block);
        if (b.cells) {
            multiply_blocks<T, P, Cells::in_table>(b, some, block * channel_block);
        } else if (b.taps == 1) {
            multiply_blocks<T, P, Cells::evenly_apart_of_one_tap>(b, some, block * channel_block);
        } else {
            multiply_blocks<T, P, Cells::evenly_apart>(b, some, block * channel_block);
        }
    }
}

// Each width is code of its own, so rare types have fewer.
template <class T>
constexpr int width_step = std::is_integral_v<T> ? most_pixels
                           : sizeof(T) == 4      ? 2
                                                 : most_pixels / 3;

template <class T>
Index width_for(Index pixels) {
    return round_up(pixels, width_step<T>);
}

template <class T, int P = most_pixels>
void multiply(const PixelTile<T>& b) {
    if constexpr (P > width_step<T>)
        if (width_for<T>(b.pixels) < P) return multiply<T, P - width_step<T>>(b);
    multiply_pixels<T, P>(b);
}

}  // namespace

template <class T>
PixelKernel<T> pixel_kernel() {
    return {channel_block, most_blocks<T> * channel_block, most_pixels, arrange<T>, copy<T>, multiply<T>,
            width_for<T>};
}

template PixelKernel<float> pixel_kernel();
template PixelKernel<double> pixel_kernel();
template PixelKernel<std::uint64_t> pixel_kernel();

}  // namespace faltung::FALTUNG_ISA
