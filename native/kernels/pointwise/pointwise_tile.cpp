// The matrix product of a 1x1 correlation: some output channels by a few vectors of positions in registers,
// or some vectors of output channels by a few positions.
#include "core/lines.h"
#include "core/row_copy.h"
#include "kernels/columns_tile.h"
#include "kernels/pointwise/channel_block.h"
#include "kernels/pointwise/pointwise_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int most_vectors = 3;
constexpr Index panel_bytes = 256 << 10;
constexpr Index channel_bytes = 1024;  // of one column: longer sums pay for loading and storing them
constexpr Index l1_bytes = 24 << 10;   // every block of output channels reads the same cells again
constexpr Index terms_ahead = 8;       // so long takes a line from L3
constexpr Index tap_terms_ahead = 24;  // and from memory
constexpr Index weights_ahead = 32;    // terms; so long takes a line from memory
constexpr Index row_lines_ahead = 2;   // of each channel's weights
// In so many terms a row of the next block is asked for: a core has few requests under way, and waits when it
// has no more.
constexpr Index terms_a_row = 8, terms_a_row_for_few = 4, few_channels = 72;

enum class Cells { panel, plane, taps };  // where they are read; elsewhere than in the panel, copied there

// A vector of one block of output channels, whatever the width of a register.
template <class T>
struct ChannelsOf {
    typedef T type __attribute__((vector_size(channel_block * sizeof(T))));
};

// Whether registers suffice for one position more: all channels' sums in one vector.
template <class T>
constexpr bool joins = FALTUNG_VECTOR_BYTES == 64 && !std::is_integral_v<T>;

// The sums of the position that a block takes along.
template <class T>
inline typename ChannelsOf<T>::type load_joined(const PointwiseBlock<T>& b, const T* y, Index channel,
                                                int channels) {
    alignas(64) T values[channel_block] = {};
    for (int c = 0; c < channels; ++c) {
        if (b.bias) values[c] = b.bias[channel + c];
        if (b.resumes) values[c] += y[c * b.y_channel_stride + b.positions];
    }
    typename ChannelsOf<T>::type sum;
    __builtin_memcpy(&sum, values, sizeof sum);
    return sum;
}

// Of the block's channels those from `channel` on, C or one less; where Rows, weights are read where they
// lie.
template <class T, int C, int V, Cells From, bool Rows, bool Joins = false>
void product_tile(const PointwiseBlock<T>& b, Index channel) {
    static_assert(!Joins || (C == channel_block && !Rows));
    constexpr int L = lanes<T>;
    constexpr Index line = line_elements<T>;
    const int channels = static_cast<int>(min_index(b.out_channels - channel, C));
    const Index last = b.positions - (V - 1) * L;  // positions in the last vector
    T* const y = b.y + channel * b.y_channel_stride;
    Vec<T> sum[C][V];
    FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
        const bool is_there = c < channels;
        const Vec<T> bias = is_there && b.bias ? broadcast(b.bias[channel + c]) : Vec<T>{};
        const T* row = y + (is_there ? c : 0) * b.y_channel_stride;
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            sum[c][v] = bias;
            if (!b.resumes) {
                __builtin_prefetch(row + v * L, 1);  // the lines arrive before the sums are stored
            } else if (v < V - 1 || last == L) {
                sum[c][v] += load(row + v * L);
            } else {
                sum[c][v] += load_some(row + v * L, last);
            }
        }
    }

    [[maybe_unused]] typename ChannelsOf<T>::type joined;
    if constexpr (Joins) joined = load_joined(b, y, channel, channels);

    constexpr bool copies = From != Cells::panel;
    const T* weight = b.weight + channel / channel_block * b.weight_pitch;
    const T* row[C];
    if (Rows)
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) row[c] =
            weight + min_index(c, channels - 1) * b.weight_row;
    const T* next = nullptr;
    const Index terms_of_row = b.out_channels < few_channels ? terms_a_row_for_few : terms_a_row;
    const PointwiseTap<T>* next_tap = nullptr;
    Index next_channel = 0;
    if (From == Cells::panel && (b.next_x || b.next_cells)) {
        const Index tile = channel / channel_block - (b.is_packed ? 0 : 1);
        const Index row = tile * ceil_divide(b.terms, terms_of_row);
        if (row < b.terms && b.next_x) next = b.next_x + row * b.x_pitch;
        if (row < b.terms && b.next_cells) {
            next_tap = b.tap + row % b.taps;
            next_channel = row / b.taps;
            next = next_tap->cells + next_channel * next_tap->channel_stride + b.next_cells;
        }
    }
    Index term = 0;
    T* to = b.panel;
    auto add_products = [&](const T* x, const T* ahead) {
        if (!Rows) {
            __builtin_prefetch(weight + weights_ahead * channel_block);
        } else if (term % line == 0) {
            FALTUNG_UNROLL for (int c = 0; c < C; ++c)
                __builtin_prefetch(row[c] + term + row_lines_ahead * line);
        }
        if (From == Cells::panel && next && (term & (terms_of_row - 1)) == 0) {
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) __builtin_prefetch(next + v * L, 0, 2);
            __builtin_prefetch(next + V * L - 1, 0, 2);
            if (next_tap) {
                if (++next_tap == b.tap + b.taps) next_tap = b.tap, ++next_channel;
                next = next_channel * b.taps < b.terms
                           ? next_tap->cells + next_channel * next_tap->channel_stride + b.next_cells
                           : nullptr;
            } else {
                next += b.x_pitch;
            }
        }
        Vec<T> cells[V];
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) cells[v] =
            copies && v == V - 1 && last < L ? load_some(x + v * L, last) : load(x + v * L);
        if (copies) {
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) __builtin_prefetch(ahead + v * L);
            __builtin_prefetch(ahead + (V - 1) * L + last - 1);
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) store(to + v * L, cells[v]);
            to += V * L;
        }
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
            const Vec<T> w = broadcast(Rows ? row[c][term] : weight[c]);
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[c][v] += w * cells[v];
        }
        if constexpr (Joins) {
            typename ChannelsOf<T>::type w;
            __builtin_memcpy(&w, weight, sizeof w);
            joined += w * b.joined[term];
        }
        weight += channel_block;
        ++term;
    };
    if constexpr (From == Cells::taps) {
        const Index channels_ahead = ceil_divide(tap_terms_ahead, b.taps), in_channels = b.terms / b.taps;
        for (Index ic = 0; ic < in_channels; ++ic) {
            const Index ahead = min_index(channels_ahead, in_channels - 1 - ic);
            for (const PointwiseTap<T>* tap = b.tap; tap < b.tap + b.taps; ++tap) {
                const T* x = tap->cells + ic * tap->channel_stride;
                add_products(x, x + ahead * tap->channel_stride);
            }
        }
    } else {
        const T* x = copies ? b.x : b.panel;
        const Index pitch = copies ? b.x_pitch : V * L;
        for (Index t = 0; t < b.terms; ++t, x += pitch)
            add_products(x, x + min_index(terms_ahead, b.terms - 1 - t) * pitch);
    }

    FALTUNG_UNROLL for (int c = 0; c < C; ++c) if (c < channels) {
        T* row = y + c * b.y_channel_stride;
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            if (v < V - 1 || last == L) {
                store(row + v * L, sum[c][v]);
            } else {
                store_some(row + v * L, sum[c][v], last);
            }
        }
    }
    if constexpr (Joins)
        for (int c = 0; c < channels; ++c) y[c * b.y_channel_stride + b.positions] = joined[c];
}

template <class T, int V, Cells From, bool Rows, bool Joins>
void product_tile_for(const PointwiseBlock<T>& b, Index channel) {
    if constexpr (Joins) return product_tile<T, channel_block, V, From, Rows, true>(b, channel);
    const Index channels = b.out_channels - channel;
#if FALTUNG_VECTOR_BYTES == 64
    if (channels > 6) return product_tile<T, channel_block, V, From, Rows>(b, channel);
    if (channels > 4) return product_tile<T, 6, V, From, Rows>(b, channel);
#endif
    if (channels > 2) return product_tile<T, 4, V, From, Rows>(b, channel);
    product_tile<T, 2, V, From, Rows>(b, channel);
}

template <class T, int V, bool Rows, bool Joins = false>
void product_channels(const PointwiseBlock<T>& b) {
    Index channel = 0;
    if (!b.is_packed) {
        if (b.tap) {
            product_tile_for<T, V, Cells::taps, Rows, Joins>(b, 0);
        } else {
            product_tile_for<T, V, Cells::plane, Rows, Joins>(b, 0);
        }
        channel = channel_block;
    }
    for (; channel < b.out_channels; channel += channel_block)
        product_tile_for<T, V, Cells::panel, Rows, Joins>(b, channel);
}

template <class T, int V>
void product_block(const PointwiseBlock<T>& b) {
    if (b.weight_row) {
        product_channels<T, V, true>(b);
    } else {
        product_channels<T, V, false>(b);
    }
}

template <class T>
void multiply(const PointwiseBlock<T>& b) {
    if constexpr (joins<T>)
        if (b.joined) return product_channels<T, most_vectors, false, true>(b);
    switch (ceil_divide(b.positions, lanes<T>)) {
        case 1:
            return product_block<T, 1>(b);
        case 2:
            return product_block<T, 2>(b);
        default:
            return product_block<T, most_vectors>(b);
    }
}

// J columns of B blocks of output channels.
template <class T, int B, int J>
void columns_product(const PointwiseColumns<T>& b, Index channel) {
    using Channels = typename ChannelsOf<T>::type;
    const int channels = static_cast<int>(min_index(b.out_channels - channel, B * channel_block));
    alignas(64) T values[J][B * channel_block] = {};
    for (int c = 0; c < channels; ++c) {
        const T bias = b.bias ? b.bias[channel + c] : T(0);
        for (int j = 0; j < J; ++j)
            values[j][c] = b.resumes ? b.y[j][(channel + c) * b.y_channel_stride] + bias : bias;
    }
    Channels sum[B][J];
    FALTUNG_UNROLL for (int i = 0; i < B; ++i) FALTUNG_UNROLL for (int j = 0; j < J; ++j)
        __builtin_memcpy(&sum[i][j], &values[j][i * channel_block], sizeof(Channels));

    const T* weight = b.weight + channel / channel_block * b.weight_pitch;
    const T* x = b.panel;
    for (Index term = 0; term < b.terms; ++term, x += J, weight += channel_block) {
        FALTUNG_UNROLL for (int i = 0; i < B; ++i)
            __builtin_prefetch(weight + i * b.weight_pitch + weights_ahead * channel_block);
        Channels w[B];
        FALTUNG_UNROLL for (int i = 0; i < B; ++i)
            __builtin_memcpy(&w[i], weight + i * b.weight_pitch, sizeof w[i]);
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) FALTUNG_UNROLL for (int i = 0; i < B; ++i) sum[i][j] +=
            w[i] * x[j];
    }

    FALTUNG_UNROLL for (int i = 0; i < B; ++i) FALTUNG_UNROLL for (int j = 0; j < J; ++j)
        __builtin_memcpy(&values[j][i * channel_block], &sum[i][j], sizeof(Channels));
    for (int c = 0; c < channels; ++c)
        for (int j = 0; j < J; ++j) b.y[j][(channel + c) * b.y_channel_stride] = values[j][c];
}

// Enough sums at once to hide the latency of a product, few enough for the registers.
template <class T, int B, int J>
void columns_of(const PointwiseColumns<T>& b) {
    Index channel = 0;
    for (; channel + (B - 1) * channel_block < b.out_channels; channel += B * channel_block)
        columns_product<T, B, J>(b, channel);
    for (; channel < b.out_channels; channel += channel_block) columns_product<T, 1, J>(b, channel);
}

template <class T>
void multiply_columns(const PointwiseColumns<T>& b) {
    switch (b.columns) {
        case 1:
            return columns_of<T, 8, 1>(b);
        case 2:
            return columns_of<T, 4, 2>(b);
        case 3:
            return columns_of<T, 4, 3>(b);
        case 4:
            return columns_of<T, 2, 4>(b);
        case 5:
            return columns_of<T, 2, 5>(b);
        case 6:
            return columns_of<T, 2, 6>(b);
        case 7:
            return columns_of<T, 1, 7>(b);
        default:
            return columns_of<T, 1, PointwiseColumns<T>::most>(b);
    }
}

// A vector of positions of one row of outputs; its last lanes may be wrong.
struct PatchVector {
    const std::int32_t* offset;
    Index column, place;
};

// N vectors in order: what one writes beyond its positions, the next one writes over.
template <class T, int N>
void unfold_vectors(const Patches<T>& b, const PatchVector* vectors, Index width) {
    const T* cells[N];
    const std::int32_t* offset[N];
    FALTUNG_UNROLL for (int i = 0; i < N; ++i) {
        cells[i] = b.cells + vectors[i].column;
        offset[i] = vectors[i].offset;
    }
    T* to = b.panel;
    for (Index channel = 0; channel < b.channels; ++channel) {
        const Index skipped = channel * b.channel_pitch;
        for (Index tap = 0; tap < b.taps; ++tap, to += width)
            FALTUNG_UNROLL for (int i = 0; i < N; ++i)
                store(to + vectors[i].place, load(cells[i] + skipped + offset[i][tap]));
    }
}

template <class T>
void unfold(const Patches<T>& b) {
    constexpr Index L = lanes<T>;
    PatchVector vectors[most_vectors * (L + 1)];
    int count = 0;
    for (Index at = 0; at < b.positions;) {
        const Index row = (b.first + at) / b.columns, column = (b.first + at) % b.columns;
        const Index length = min_index(b.columns - column, b.positions - at);
        for (Index i = 0; i < length; i += L)
            vectors[count++] = {b.offset + row * b.taps, column + i, at + i};
        at += length;
    }
    const Index width = round_up(b.positions, L);
    switch (count) {
        case 1:
            return unfold_vectors<T, 1>(b, vectors, width);
        case 2:
            return unfold_vectors<T, 2>(b, vectors, width);
        case 3:
            return unfold_vectors<T, 3>(b, vectors, width);
        case 4:
            return unfold_vectors<T, 4>(b, vectors, width);
        case 5:
            return unfold_vectors<T, 5>(b, vectors, width);
        case 6:
            return unfold_vectors<T, 6>(b, vectors, width);
    }
    const T* cells = b.cells;
    T* to = b.panel;
    for (Index channel = 0; channel < b.channels; ++channel, cells += b.channel_pitch)
        for (Index tap = 0; tap < b.taps; ++tap, to += width)
            for (int i = 0; i < count; ++i)
                store(to + vectors[i].place, load(cells + vectors[i].offset[tap] + vectors[i].column));
}

template <class T, int C>
ColumnsTile<T> tile_for(Index vectors) {
    switch (vectors) {
        case 1:
            return columns_tile<T, C, 1>;
        case 2:
            return columns_tile<T, C, 2>;
        default:
            return columns_tile<T, C, most_vectors>;
    }
}

template <class T>
void panel_block(const CorrelationBlock<T>& b) {
    if (b.out_channels > 4) {
        columns_block<T, most_vectors>(b, channel_block, tile_for<T, channel_block>);
    } else if (b.out_channels > 2) {
        columns_block<T, most_vectors>(b, channel_block, tile_for<T, 4>);
    } else {
        columns_block<T, most_vectors>(b, channel_block, tile_for<T, 2>);
    }
}

}  // namespace

template <class T>
PixelKernel<T> pixel_kernel();

template <class T>
PointwiseKernel<T> pointwise_kernel(Index) {
    PointwiseKernel<T> kernel;
    kernel.pixels = pixel_kernel<T>();
    kernel.multiply = multiply<T>;
    kernel.multiply_columns = multiply_columns<T>;
    kernel.unfold = unfold<T>;
    kernel.lanes = lanes<T>;
    kernel.most_vectors = most_vectors;
    kernel.joins = joins<T>;
    CorrelationKernel<T>& panel = kernel.panel;
    panel.pixels = kernel.pixels;
    panel.compute = panel_block<T>;
    panel.copy = panel_copy<T>();
    panel.channel_block = channel_block;
    panel.column_tile = panel.read_ahead = most_vectors * lanes<T>;
    panel.column_multiple = lanes<T>;
    panel.panel_bytes = panel_bytes;
    panel.most_panel_channels = channel_bytes / Index(sizeof(T));
    panel.most_channel_columns = l1_bytes / Index(sizeof(T));
    return kernel;
}

template PointwiseKernel<float> pointwise_kernel(Index);
template PointwiseKernel<double> pointwise_kernel(Index);
template PointwiseKernel<std::uint64_t> pointwise_kernel(Index);

}  // namespace faltung::FALTUNG_ISA
