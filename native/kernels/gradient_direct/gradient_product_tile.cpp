// The products of weight gradients: a register tile is 2 vectors of one side's channels by some channels of
// the other, whose cells are broadcast; every step is one position.
#include <type_traits>

#include "core/lines.h"
#include "core/transpose.h"
#include "kernels/gradient_direct/gradient_product.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int vectors = 2;
#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_channels = 8;  // 16 sums of 32 registers
#else
constexpr int most_channels = 6;  // 12 sums of 16 registers
#endif

template <class T, int V, int J, bool Asks>
void multiply_tile(const GradientProduct<T>& b, Index first) {
    constexpr int L = lanes<T>;
    const T* cell[J];
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) cell[j] = b.scalar + (first + j) * b.channel_stride;
    Vec<T> sum[V][J];
    T* sums = b.sums + first * b.sums_pitch;
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v][j] =
        Vec<T>{};
    const Index columns = b.columns, wide_column = b.wide_column, column_stride = b.column_stride;
    for (Index sample = 0; sample < b.samples; ++sample) {
        const T* wide_row = b.wide + sample * b.wide_sample;
        Index start = sample * b.scalar_sample;
        for (Index row = 0; row < b.rows; ++row, start += b.row_stride, wide_row += b.wide_row) {
            const T* wide = wide_row;
            Index at = start;
            const auto add_columns = [&](Index count) {
                for (Index i = 0; i < count; ++i, wide += wide_column, at += column_stride) {
                    Vec<T> w[V];
                    FALTUNG_UNROLL for (int v = 0; v < V; ++v) w[v] = load(wide + v * L);
                    FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
                        const Vec<T> x = broadcast(cell[j][at]);
                        FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v][j] += w[v] * x;
                    }
                }
            };
            if constexpr (Asks) {
                const T* const next = b.next + sample * b.next_sample;
                for (Index column = 0; column < columns; column += line_elements<T>) {
                    FALTUNG_UNROLL for (int j = 0; j < J; ++j)
                        __builtin_prefetch(cell[j] + at + b.scalars_ahead, 0, 2);
                    for (Index i = 0; i < b.next_rows; ++i)
                        __builtin_prefetch(next + i * b.next_stride + column, 0, 2);
                    add_columns(min_index(columns - column, line_elements<T>));
                }
            } else {
                add_columns(columns);
            }
        }
    }
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) FALTUNG_UNROLL for (int v = 0; v < V; ++v)
        store(sums + j * b.sums_pitch + v * L, load(sums + j * b.sums_pitch + v * L) + sum[v][j]);
}

template <class T, int V, bool Asks>
void multiply_channels(const GradientProduct<T>& b, Index first, Index count) {
    switch (count) {
        case 1:
            return multiply_tile<T, V, 1, Asks>(b, first);
        case 2:
            return multiply_tile<T, V, 2, Asks>(b, first);
        case 3:
            return multiply_tile<T, V, 3, Asks>(b, first);
        case 4:
            return multiply_tile<T, V, 4, Asks>(b, first);
        case 5:
            return multiply_tile<T, V, 5, Asks>(b, first);
#if FALTUNG_VECTOR_BYTES == 64
        case 6:
            return multiply_tile<T, V, 6, Asks>(b, first);
        case 7:
            return multiply_tile<T, V, 7, Asks>(b, first);
#endif
        default:
            return multiply_tile<T, V, most_channels, Asks>(b, first);
    }
}

template <class T, bool Asks>
void multiply_all(const GradientProduct<T>& b) {
    const Index tiles = ceil_divide(b.channels, most_channels);
    for (Index tile = 0; tile < tiles; ++tile) {
        const Index first = tile * b.channels / tiles, end = (tile + 1) * b.channels / tiles;
        if (b.lanes > lanes<T>) {
            multiply_channels<T, 2, Asks>(b, first, end - first);
        } else {
            multiply_channels<T, 1, Asks>(b, first, end - first);
        }
    }
}

template <class T>
void multiply(const GradientProduct<T>& b) {
    if (b.scalars_ahead != 0) {
        multiply_all<T, true>(b);
    } else {
        multiply_all<T, false>(b);
    }
}

template <class T>
struct HalfOf {
    typedef T type __attribute__((vector_size(FALTUNG_VECTOR_BYTES / 2)));
};

template <class T, int... I>
inline Vec<T> join_halves(const T* a, const T* b, std::integer_sequence<int, I...>) {
    typename HalfOf<T>::type low, high;
    __builtin_memcpy(&low, a, sizeof low);
    __builtin_memcpy(&high, b, sizeof high);
    return __builtin_shufflevector(low, high, I...);
}

// 8 columns of L channels, transposed.
template <class T>
inline void transpose_columns(const T* const (&channel)[lanes<T>], Index column,
                              Vec<T> (&block)[transposed_columns]) {
    constexpr int L = lanes<T>;
    if constexpr (L == 2 * transposed_columns) {
        FALTUNG_UNROLL for (int i = 0; i < transposed_columns; ++i) block[i] = join_halves<T>(
            channel[2 * i] + column, channel[2 * i + 1] + column, std::make_integer_sequence<int, L>());
    } else {
        constexpr int pieces = transposed_columns / L;
        FALTUNG_UNROLL for (int i = 0; i < transposed_columns; ++i) block[i] =
            load(channel[i / pieces] + column + i % pieces * L);
    }
    transpose_to_columns<T>(block);
}

template <class T>
bool pack(const GradientPack<T>& b) {
    constexpr int L = lanes<T>, width = vectors * L;
    Vec<T> nothing[2] = {};  // NaN where something is not finite
    alignas(64) static const T zeros[transposed_columns] = {};
    for (int v = 0; v < vectors; ++v) {
        const Index channels = max_index(0, min_index(L, b.channels - v * L));
        T* to = b.to + v * L;
        if (channels == 0) break;  // a block of one vector
        for (Index row = 0; row < b.rows; ++row) {
            const T* from = b.from + row * b.row_stride + v * L * b.channel_stride;
            Index column = 0;
            if (b.channel_stride == 1) {  // channels side by side
                for (; column < b.columns; ++column) {
                    const T* at = from + column * b.column_stride;
                    const Vec<T> block = channels == L ? load(at) : load_some(at, channels);
                    nothing[0] += block * T(0);
                    store(to + column * width, block);
                }
            } else if (b.column_stride == 1) {
                const T* channel[L];
                for (Index i = 0; i < L; ++i) channel[i] = from + i * b.channel_stride;
                while (column < b.columns && b.columns >= transposed_columns) {
                    column =
                        min_index(column, b.columns - transposed_columns);  // the last ones perhaps again
                    // Channels that are missing read the same zeros at every column.
                    for (Index i = channels; i < L; ++i) channel[i] = zeros - column;
                    Vec<T> block[transposed_columns];
                    transpose_columns<T>(channel, column, block);
                    FALTUNG_UNROLL for (int j = 0; j < transposed_columns; ++j) {
                        nothing[j % 2] += block[j] * T(0);
                        store(to + (column + j) * width, block[j]);
                    }
                    column += transposed_columns;
                }
            }
            for (; column < b.columns; ++column) {
                alignas(FALTUNG_VECTOR_BYTES) T cells[L] = {};
                const T* at = from + column * b.column_stride;
                for (Index i = 0; i < channels; ++i) cells[i] = at[i * b.channel_stride];
                const Vec<T> block = load(cells);
                nothing[0] += block * T(0);
                store(to + column * width, block);
            }
            to += b.columns * width;
        }
    }
    if (!std::is_floating_point<T>::value) return true;
    for (int lane = 0; lane < L; ++lane)
        if (nothing[0][lane] + nothing[1][lane] != T(0)) return false;
    return true;
}

template <class T>
void store_transposed(const T* from, Index count, Index channels, T* to, Index lane_stride, Index stride) {
    constexpr int L = lanes<T>, width = vectors * L;
    for (Index first = 0; first < channels; first += L) {
        const Index there = min_index(L, channels - first);
        T* target = to + first * lane_stride;
        Index i = 0;
        // Twice as many as are transposed at once: rows that lie a power of two apart leave the cache soon.
        constexpr int run = 2 * transposed_columns;
        for (; stride == 1 && i + run <= count; i += run) {
            alignas(64) T rows[2][L * transposed_columns];
            FALTUNG_UNROLL for (int half = 0; half < 2; ++half) {
                Vec<T> block[transposed_columns];
                FALTUNG_UNROLL for (int j = 0; j < transposed_columns; ++j) block[j] =
                    load(from + (i + half * transposed_columns + j) * width + first);
                transpose_to_rows<T>(block);
                FALTUNG_UNROLL for (int j = 0; j < transposed_columns; ++j)
                    store(rows[half] + j * L, block[j]);
            }
            for (Index lane = 0; lane < there; ++lane)
                FALTUNG_UNROLL for (int half = 0; half < 2; ++half)
                    __builtin_memcpy(target + lane * lane_stride + i + half * transposed_columns,
                                     rows[half] + lane * transposed_columns, transposed_columns * sizeof(T));
        }
        for (; i < count; ++i) {
            const T* sums = from + i * width + first;
            if (lane_stride == 1) {
                for (Index lane = 0; lane < there; ++lane) target[i * stride + lane] = sums[lane];
            } else {
                for (Index lane = 0; lane < there; ++lane)
                    target[lane * lane_stride + i * stride] = sums[lane];
            }
        }
    }
}

// Four sums a vector, so that none waits for the one before.
template <class T, int V>
void add_pairs(const GradientPairs<T>& b) {
    constexpr int L = lanes<T>, parts = 4;
    Vec<T> sum[parts][V] = {};
    auto add = [&](Vec<T>(&to)[V], const std::int32_t* pair) {
        const T *grad = b.grad + pair[0], *cells = b.cells + pair[1];
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) to[v] += load(grad + v * L) * load(cells + v * L);
    };
    Index i = 0;
    for (; i + parts <= b.count; i += parts)
        FALTUNG_UNROLL for (int part = 0; part < parts; ++part) add(sum[part], b.pairs + 2 * (i + part));
    for (; i < b.count; ++i) add(sum[0], b.pairs + 2 * i);
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
        T* const to = b.sums + v * L;
        store(to, load(to) + ((sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v])));
    }
}

template <class T>
void multiply_pairs(const GradientPairs<T>& b) {
    if (b.lanes > lanes<T>) {
        add_pairs<T, 2>(b);
    } else {
        add_pairs<T, 1>(b);
    }
}

}  // namespace

template <class T>
GradientProductKernel<T> gradient_product_kernel() {
    return {vectors * lanes<T>, most_channels, multiply<T>, pack<T>, store_transposed<T>, multiply_pairs<T>};
}

template GradientProductKernel<float> gradient_product_kernel();
template GradientProductKernel<double> gradient_product_kernel();
template GradientProductKernel<std::uint64_t> gradient_product_kernel();

}  // namespace faltung::FALTUNG_ISA
