// Weight gradient with output channels in the vector lanes: a register tile is 2 vectors of output channels
// by some pairs (input channel, tap); every step is one output position.
#include "core/transpose.h"
#include "kernels/gradient/gradient_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int vectors = 2;
#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_pairs = 8;
#else
constexpr int most_pairs = 6;
#endif

template <class T, int V, int J>
void gradient_tile(const GradientBlock<T>& b, Index first_pair) {
    constexpr int L = lanes<T>;
    const T* base[J];
    Index tap[J];
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
        base[j] = b.panel + (first_pair + j) / b.taps * b.channel_pitch;
        tap[j] = (first_pair + j) % b.taps;
    }
    Vec<T> sum[V][J];
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) FALTUNG_UNROLL for (int j = 0; j < J; ++j) sum[v][j] =
        Vec<T>{};
    const std::int32_t* offset = b.offset;
    for (Index row = 0; row < b.rows; ++row, offset += b.taps) {
        const T* grad = b.grad + row * b.grad_pitch * vectors * L;
        const T* cell[J];
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) cell[j] = base[j] + offset[tap[j]];
        for (Index column = 0; column < b.columns; ++column, grad += vectors * L) {
            Vec<T> g[V];
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) g[v] = load(grad + v * L);
            FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
                const Vec<T> x = broadcast(cell[j][column]);
                FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v][j] += g[v] * x;
            }
        }
    }
    T* sums = b.sums + (first_pair - b.first_pair) * vectors * L;
    FALTUNG_UNROLL for (int j = 0; j < J; ++j, sums += vectors * L) FALTUNG_UNROLL for (int v = 0; v < V; ++v)
        store(sums + v * L, load(sums + v * L) + sum[v][j]);
}

template <class T, int V>
void gradient_pairs(const GradientBlock<T>& b, Index first, Index count) {
    switch (count) {
        case 1:
            return gradient_tile<T, V, 1>(b, first);
        case 2:
            return gradient_tile<T, V, 2>(b, first);
        case 3:
            return gradient_tile<T, V, 3>(b, first);
        case 4:
            return gradient_tile<T, V, 4>(b, first);
        case 5:
            return gradient_tile<T, V, 5>(b, first);
#if FALTUNG_VECTOR_BYTES == 64
        case 6:
            return gradient_tile<T, V, 6>(b, first);
        case 7:
            return gradient_tile<T, V, 7>(b, first);
#endif
        default:
            return gradient_tile<T, V, most_pairs>(b, first);
    }
}

template <class T>
void gradient_block(const GradientBlock<T>& b) {
    const Index pairs = b.last_pair - b.first_pair, tiles = ceil_divide(pairs, most_pairs);
    for (Index tile = 0; tile < tiles; ++tile) {
        const Index first = tile * pairs / tiles, end = (tile + 1) * pairs / tiles;
        if (b.out_channels > lanes<T>) {
            gradient_pairs<T, 2>(b, b.first_pair + first, end - first);
        } else {
            gradient_pairs<T, 1>(b, b.first_pair + first, end - first);
        }
    }
}

// To [row][column][channel], zero in the lanes without a channel.
template <class T>
void pack_grad(const GradientSource<T>& source, Index grad_pitch, T* packed) {
    constexpr int L = lanes<T>, width = vectors * L;
    for (Index row = 0; row < source.rows; ++row)
        for (int v = 0; v < vectors; ++v) {
            const Index channels = max_index(0, min_index(L, source.channels - v * L));
            const T* from = source.grad + row * source.row_stride + v * L * source.channel_stride;
            T* to = packed + row * grad_pitch * width + v * L;
            Index column = 0;
            for (; source.column_stride == 1 && column + transposed_columns <= source.columns;
                 column += transposed_columns) {
                alignas(64) T values[L * transposed_columns] = {};
                for (Index oc = 0; oc < channels; ++oc)
                    __builtin_memcpy(values + oc * transposed_columns,
                                     from + oc * source.channel_stride + column,
                                     transposed_columns * sizeof(T));
                Vec<T> block[transposed_columns];
                FALTUNG_UNROLL for (int j = 0; j < transposed_columns; ++j) block[j] = load(values + j * L);
                transpose_to_columns<T>(block);
                FALTUNG_UNROLL for (int j = 0; j < transposed_columns; ++j)
                    store(to + (column + j) * width, block[j]);
            }
            for (; column < source.columns; ++column)
                for (Index oc = 0; oc < L; ++oc)
                    to[column * width + oc] =
                        oc < channels ? from[oc * source.channel_stride + column * source.column_stride]
                                      : T(0);
        }
}

}  // namespace

template <class T>
GradientKernel<T> gradient_direct_kernel(Index) {
    return {vectors * lanes<T>, 1, 0, false, gradient_block<T>, pack_grad<T>};
}

template GradientKernel<float> gradient_direct_kernel(Index);
template GradientKernel<double> gradient_direct_kernel(Index);
template GradientKernel<std::uint64_t> gradient_direct_kernel(Index);

}  // namespace faltung::FALTUNG_ISA
