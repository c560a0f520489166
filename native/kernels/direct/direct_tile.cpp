// Correlation with output channels in the vector lanes: a register tile is 2 vectors of output channels by
// some columns; every step loads 2 vectors of weights and broadcasts one input cell a column.
#include <cstddef>

#include "core/row_copy.h"
#include "core/transpose.h"
#include "kernels/correlation_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int vectors = 2;
constexpr Index panel_bytes = 512 << 10, whole_panel_bytes = 1 << 20;
constexpr Index pass_bytes = 192 << 10;  // weights of one pass: they and the cells they meet stay in L2
#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_columns = 8;  // 16 sums of 32 registers; 14 columns made GCC 12 spill
#else
constexpr int most_columns = 6;  // 12 sums of 16 registers
#endif

template <class T, int V, int J>
void load_start(const CorrelationBlock<T>& b, const T* y, int channels, Vec<T> (&sum)[V][J]) {
    constexpr int L = lanes<T>;
    alignas(64) T bias[V * L] = {};
    if (b.bias) __builtin_memcpy(bias, b.bias, static_cast<std::size_t>(channels) * sizeof(T));
    alignas(64) T values[V * L * transposed_columns];
    if (b.resumes) {
        for (int oc = 0; oc < channels; ++oc, y += b.y_channel_stride) {
            T* row = values + oc * transposed_columns;
            if (b.y_column_stride == 1) {
                __builtin_memcpy(row, y, J * sizeof(T));
            } else {
                for (int j = 0; j < J; ++j) row[j] = y[j * b.y_column_stride];
            }
        }
    }
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
        const Vec<T> start = load(bias + v * L);
        if (b.resumes) {
            Vec<T> columns[transposed_columns];
            FALTUNG_UNROLL for (int j = 0; j < transposed_columns; ++j) columns[j] =
                load(values + (v * transposed_columns + j) * L);
            transpose_to_columns<T>(columns);
            FALTUNG_UNROLL for (int j = 0; j < J; ++j) sum[v][j] = b.bias ? columns[j] + start : columns[j];
        } else {
            FALTUNG_UNROLL for (int j = 0; j < J; ++j) sum[v][j] = start;
        }
    }
}

template <class T, int V, int J>
void store_sums(const CorrelationBlock<T>& b, T* y, int channels, const Vec<T> (&sum)[V][J]) {
    constexpr int L = lanes<T>;
    if (b.y_channel_stride == 1) {
        FALTUNG_UNROLL for (int j = 0; j < J; ++j, y += b.y_column_stride) {
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
                const Index count = channels - v * L;
                if (count >= L) {
                    store(y + v * L, sum[v][j]);
                } else if (count > 0) {
                    store_some(y + v * L, sum[v][j], count);
                }
            }
        }
        return;
    }
    alignas(64) T values[V * L * transposed_columns];
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
        Vec<T> columns[transposed_columns];
        FALTUNG_UNROLL for (int j = 0; j < transposed_columns; ++j) columns[j] = sum[v][j < J ? j : 0];
        transpose_to_rows<T>(columns);
        FALTUNG_UNROLL for (int j = 0; j < transposed_columns; ++j)
            store(values + (v * transposed_columns + j) * L, columns[j]);
    }
    for (int oc = 0; oc < channels; ++oc, y += b.y_channel_stride) {
        const T* row = values + oc * transposed_columns;
        if (b.y_column_stride == 1) {
            __builtin_memcpy(y, row, J * sizeof(T));
        } else {
            for (int j = 0; j < J; ++j) y[j * b.y_column_stride] = row[j];
        }
    }
}

template <class T, int V, int J>
void direct_tile(const CorrelationBlock<T>& b, Index row, Index column) {
    constexpr int L = lanes<T>;
    const int channels = static_cast<int>(min_index(b.out_channels, V * L));
    T* const y = b.y + row * b.y_row_stride + column * b.y_column_stride;
    Vec<T> sum[V][J];
    load_start<T, V, J>(b, y, channels, sum);

    // The sums are stored long after; the lines to hold them can arrive meanwhile.
    for (int oc = 0; oc < channels; ++oc) __builtin_prefetch(y + oc * b.y_channel_stride, 1);
    const T* weight = b.weight;
    const T* panel = b.panel + column;
    const std::int32_t* offset = b.offset + row * b.taps;
    for (Index ic = 0; ic < b.channels; ++ic, panel += b.channel_pitch)
        for (Index tap = 0; tap < b.taps; ++tap, weight += vectors * L) {
            const T* cell = panel + offset[tap];
            Vec<T> w[V];
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) w[v] = load(weight + v * L);
            FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
                const Vec<T> x = broadcast(cell[j]);
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v][j] += w[v] * x;
            }
        }

    store_sums<T, V, J>(b, y, channels, sum);
}

template <class T>
using Tile = void (*)(const CorrelationBlock<T>&, Index, Index);

template <class T, int V>
Tile<T> tile_for(Index columns) {
    switch (columns) {
        case 1:
            return direct_tile<T, V, 1>;
        case 2:
            return direct_tile<T, V, 2>;
        case 3:
            return direct_tile<T, V, 3>;
        case 4:
            return direct_tile<T, V, 4>;
        case 5:
            return direct_tile<T, V, 5>;
#if FALTUNG_VECTOR_BYTES == 64
        case 6:
            return direct_tile<T, V, 6>;
        case 7:
            return direct_tile<T, V, 7>;
#endif
        default:
            return direct_tile<T, V, most_columns>;
    }
}

template <class T>
void direct_block(const CorrelationBlock<T>& b) {
    const bool is_wide = b.out_channels > lanes<T>;
    const Index tiles = ceil_divide(b.columns, most_columns);
    for (Index row = 0; row < b.rows; ++row)
        for (Index tile = 0; tile < tiles; ++tile) {
            // Tiles of about the same width: 14 columns are 7 + 7, not 8 + 6.
            const Index first = tile * b.columns / tiles, end = (tile + 1) * b.columns / tiles;
            (is_wide ? tile_for<T, 2>(end - first) : tile_for<T, 1>(end - first))(b, row, first);
        }
}

}  // namespace

template <class T>
CorrelationKernel<T> direct_kernel(Index) {
    CorrelationKernel<T> kernel;
    kernel.copy = panel_copy<T>();
    kernel.compute = direct_block<T>;
    kernel.channel_block = vectors * lanes<T>;
    kernel.column_tile = kernel.column_multiple = most_columns;
    kernel.panel_bytes = panel_bytes;
    kernel.whole_panel_bytes = whole_panel_bytes;
    kernel.most_terms = pass_bytes / (kernel.channel_block * Index(sizeof(T)));
    return kernel;
}

template CorrelationKernel<float> direct_kernel(Index);
template CorrelationKernel<double> direct_kernel(Index);
template CorrelationKernel<std::uint64_t> direct_kernel(Index);

}  // namespace faltung::FALTUNG_ISA
