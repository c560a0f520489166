// Winograd's transforms and products. The input's has consecutive tiles of a row in the vector lanes, the
// products and the output's have output channels there: so neither narrow maps nor a few tiles leave a
// product's lanes empty.
#include <cstddef>

#include "core/transpose.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

template <class T>
void (*winograd_weight_transform(WinogradForm form))(const WinogradWeight<T>&);

namespace {

constexpr int vectors = 2;
#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_tiles = 8;  // 16 sums of 32 registers
#else
constexpr int most_tiles = 6;  // 12 sums of 16 registers
#endif

// Vectors of N elements, at most those of the instruction set: narrow maps have few tiles in a row.
template <class T, int N>
struct NarrowOf {
    typedef T type __attribute__((vector_size(N * sizeof(T))));
};

template <class T, int N>
using Narrow = typename NarrowOf<T, N>::type;

template <class T, int N>
inline Narrow<T, N> load_narrow(const T* from) {
    Narrow<T, N> v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

template <class V, int Step, int Start, int... I>
inline V pick_lanes(V a, V b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (I * Step + Start)...);
}

// Every second element of a, then of b, from `Odd` on.
template <class T, int N, int Odd>
inline Narrow<T, N> every_second(Narrow<T, N> a, Narrow<T, N> b) {
    return pick_lanes<Narrow<T, N>, 2, Odd>(a, b, std::make_integer_sequence<int, N>());
}

// Lanes 1 ... of a, then `next`.
template <class T, int N>
inline Narrow<T, N> followed_by(Narrow<T, N> a, T next) {
    return pick_lanes<Narrow<T, N>, 1, 1>(a, next - Narrow<T, N>{}, std::make_integer_sequence<int, N>());
}

// Bits of the lanes from `first` up to `last`, of N.
template <int N>
inline unsigned lanes_between(Index first, Index last) {
    if (first >= N || last <= 0) return 0;
    return ((1u << (last < N ? last : N)) - 1) & ~((1u << (first > 0 ? first : 0)) - 1);
}

// Zero in the lanes that `mask` leaves out, which are not read.
template <class T, int N>
inline Narrow<T, N> load_lanes(const T* from, unsigned mask) {
    using V = Narrow<T, N>;
#if defined(__AVX512VL__)
    if constexpr (sizeof(V) == 64) {
        if constexpr (sizeof(T) == 4) return (V)_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from);
        if constexpr (sizeof(T) == 8) return (V)_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), from);
    } else if constexpr (sizeof(V) == 32) {
        if constexpr (sizeof(T) == 4) return (V)_mm256_maskz_loadu_ps(static_cast<__mmask8>(mask), from);
        if constexpr (sizeof(T) == 8) return (V)_mm256_maskz_loadu_pd(static_cast<__mmask8>(mask), from);
    } else {
        if constexpr (sizeof(T) == 4) return (V)_mm_maskz_loadu_ps(static_cast<__mmask8>(mask), from);
        if constexpr (sizeof(T) == 8) return (V)_mm_maskz_loadu_pd(static_cast<__mmask8>(mask), from);
    }
#else
    if (mask == (1u << N) - 1) return load_narrow<T, N>(from);
    V v{};
    if (mask == 0) return v;
    for (int lane = 0; lane < N; ++lane)
        if (mask >> lane & 1) v[lane] = from[lane];
    return v;
#endif
}

template <class T, int N>
inline void store_lanes(T* to, Narrow<T, N> v, unsigned mask) {
#if defined(__AVX512VL__)
    if constexpr (sizeof v == 64) {
        if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(to, static_cast<__mmask16>(mask), (__m512)v);
        if constexpr (sizeof(T) == 8) _mm512_mask_storeu_pd(to, static_cast<__mmask8>(mask), (__m512d)v);
    } else if constexpr (sizeof v == 32) {
        if constexpr (sizeof(T) == 4) _mm256_mask_storeu_ps(to, static_cast<__mmask8>(mask), (__m256)v);
        if constexpr (sizeof(T) == 8) _mm256_mask_storeu_pd(to, static_cast<__mmask8>(mask), (__m256d)v);
    } else {
        if constexpr (sizeof(T) == 4) _mm_mask_storeu_ps(to, static_cast<__mmask8>(mask), (__m128)v);
        if constexpr (sizeof(T) == 8) _mm_mask_storeu_pd(to, static_cast<__mmask8>(mask), (__m128d)v);
    }
#else
    if (mask == (1u << N) - 1) {
        __builtin_memcpy(to, &v, sizeof v);
        return;
    }
    for (int lane = 0; lane < N; ++lane)
        if (mask >> lane & 1) to[lane] = v[lane];
#endif
}

// The inputs of N consecutive tiles, C apart, from a row of columns: d[i][tile] = row[tile * C + i].
template <class T, int N, int C>
inline void load_tiles(const T* row, Narrow<T, N> (&d)[WinogradForm::points_for(C)]) {
    using V = Narrow<T, N>;
    if constexpr (C == 4) {
        const V a = load_narrow<T, N>(row), b = load_narrow<T, N>(row + N);
        const V c = load_narrow<T, N>(row + 2 * N), e = load_narrow<T, N>(row + 3 * N);
        const V even0 = every_second<T, N, 0>(a, b), even1 = every_second<T, N, 0>(c, e);
        const V odd0 = every_second<T, N, 1>(a, b), odd1 = every_second<T, N, 1>(c, e);
        d[0] = every_second<T, N, 0>(even0, even1);
        d[1] = every_second<T, N, 0>(odd0, odd1);
        d[2] = every_second<T, N, 1>(even0, even1);
        d[3] = every_second<T, N, 1>(odd0, odd1);
        d[4] = followed_by<T, N>(d[0], row[4 * N]);
        d[5] = followed_by<T, N>(d[1], row[4 * N + 1]);
    } else if constexpr (C == 2) {
        const V a = load_narrow<T, N>(row), b = load_narrow<T, N>(row + N);
        d[0] = every_second<T, N, 0>(a, b);
        d[1] = every_second<T, N, 1>(a, b);
        d[2] = followed_by<T, N>(d[0], row[2 * N]);
        d[3] = followed_by<T, N>(d[1], row[2 * N + 1]);
    } else {
        d[0] = load_narrow<T, N>(row);
    }
}

// One row of tiles of one channel, its rows only: scratch[point][column].
template <class T, int N, int R>
inline void transform_rows(const WinogradInput<T>& b, const T* x, const Index* row, Index width,
                           Index pitch) {
    constexpr int NR = WinogradForm::points_for(R);
    using V = Narrow<T, N>;
    const Index begin = b.begin, end = b.end;
    T* scratch = b.scratch;
    bool is_whole = true;
    const T* from[NR];
    unsigned present[NR];
    FALTUNG_UNROLL for (int i = 0; i < NR; ++i) {
        const bool is_present = row[i] != absent_row;
        is_whole &= is_present;
        from[i] = is_present ? x + row[i] : x;
        present[i] = is_present ? ~0u : 0u;
    }
    for (Index column = 0; column < width; column += N, scratch += N) {
        V d[NR];
        if (is_whole && column >= begin && column + N <= end) {
            FALTUNG_UNROLL for (int i = 0; i < NR; ++i) d[i] = load_narrow<T, N>(from[i] + column);
        } else {
            const unsigned mask = lanes_between<N>(begin - column, end - column);
            FALTUNG_UNROLL for (int i = 0; i < NR; ++i) d[i] =
                load_lanes<T, N>(from[i] + column, mask & present[i]);
        }
        to_points<T, R>(d);
        FALTUNG_UNROLL for (int i = 0; i < NR; ++i) __builtin_memcpy(scratch + i * pitch, &d[i], sizeof d[i]);
    }
}

template <class T, int R>
inline void prefetch_rows(const WinogradInput<T>& b, const T* x, const Index* row, Index width) {
    constexpr Index line = 64 / Index(sizeof(T));
    for (int i = WinogradForm::taps_for(R) - 1; i < WinogradForm::points_for(R); ++i)
        if (row[i] != absent_row)
            for (Index column = b.begin; column < min_index(b.end, width); column += line)
                __builtin_prefetch(x + row[i] + column);
}

template <class T, int N, int R, int C>
void transform_tiles(const WinogradInput<T>& b) {
    constexpr int NR = WinogradForm::points_for(R), NC = WinogradForm::points_for(C);
    constexpr Index channels_ahead = 2;
    const Index tile_pitch = b.tile_pitch, point_pitch = b.point_pitch;
    const Index pitch = WinogradKernel<T>::scratch_pitch(C, tile_pitch);
    const Index width = b.tile_columns * C + (NC - C);
    const T* x = b.x;
    for (Index channel = 0; channel < b.channels; ++channel, x += b.channel_stride) {
        T* v = b.v + channel * b.term_pitch;
        for (Index tile_row = 0; tile_row < b.tile_rows; ++tile_row, v += tile_pitch) {
            const Index* row = b.row + tile_row * R;
            if (channel + channels_ahead < b.channels)
                prefetch_rows<T, R>(b, x + channels_ahead * b.channel_stride, row, width);
            transform_rows<T, N, R>(b, x, row, width, pitch);
            for (Index tile = 0; tile < tile_pitch; tile += N) {
                const T* from = b.scratch + tile * C;
                T* to = v + tile;
                // Unrolled, it would keep more addresses than there are registers.
                _Pragma("GCC unroll 1") for (int i = 0; i < NR; ++i, from += pitch) {
                    Narrow<T, N> d[NC];
                    load_tiles<T, N, C>(from, d);
                    to_points<T, C>(d);
                    FALTUNG_UNROLL for (int j = 0; j < NC; ++j, to += point_pitch)
                        __builtin_memcpy(to, &d[j], sizeof d[j]);
                }
            }
        }
    }
}

template <class T, int R, int C>
void transform_input(const WinogradInput<T>& b) {
    constexpr int L = lanes<T>;
    const Index vector = WinogradKernel<T>::tile_vector(L, b.tile_columns);
    if constexpr (L >= 16) {
        if (vector == 16) return transform_tiles<T, 16, R, C>(b);
    }
    if constexpr (L >= 8) {
        if (vector == 8) return transform_tiles<T, 8, R, C>(b);
    }
    transform_tiles<T, (L < 4 ? L : 4), R, C>(b);
}

template <class T, int V, int J>
void multiply_tile(const WinogradProduct<T>& b, const T* next, const T* v, T* m) {
    constexpr int L = lanes<T>;
    const T* u = b.u;
    const Index pitch = b.term_pitch;
    Vec<T> sum[V][J];
    if (b.continues) {
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) FALTUNG_UNROLL for (int i = 0; i < V; ++i) sum[i][j] =
            load(m + j * vectors * L + i * L);
    } else {
        FALTUNG_UNROLL for (int i = 0; i < V; ++i) FALTUNG_UNROLL for (int j = 0; j < J; ++j) sum[i][j] =
            Vec<T>{};
    }
    for (Index term = 0; term < b.terms; ++term, u += vectors * L, next += vectors * L, v += pitch) {
        FALTUNG_UNROLL for (int i = 0; i < V; ++i) __builtin_prefetch(next + i * L, 0, 2);
        Vec<T> w[V];
        FALTUNG_UNROLL for (int i = 0; i < V; ++i) w[i] = load(u + i * L);
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
            const Vec<T> x = broadcast(v[j]);
            FALTUNG_UNROLL for (int i = 0; i < V; ++i) sum[i][j] += w[i] * x;
        }
    }
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) FALTUNG_UNROLL for (int i = 0; i < V; ++i)
        store(m + j * vectors * L + i * L, sum[i][j]);
}

template <class T>
using MultiplyTile = void (*)(const WinogradProduct<T>&, const T*, const T*, T*);

template <class T, int V, int... J>
MultiplyTile<T> multiply_tile_for(Index tiles, std::integer_sequence<int, J...>) {
    static constexpr MultiplyTile<T> table[] = {multiply_tile<T, V, J + 1>...};
    return table[tiles - 1];
}

template <class T>
void multiply(const WinogradProduct<T>& b) {
    constexpr auto every = std::make_integer_sequence<int, most_tiles>();
    const bool is_wide = b.channels > lanes<T>;
    // Rows without a gap between them are one.
    const bool is_dense = b.tile_pitch == b.tile_columns;
    const Index rows = is_dense ? 1 : b.tile_rows;
    const Index columns = is_dense ? b.tile_rows * b.tile_columns : b.tile_columns;
    const Index groups = ceil_divide(columns, most_tiles);
    T* m = b.m;
    for (Index row = 0; row < rows; ++row)
        for (Index group = 0; group < groups; ++group) {
            const Index first = group * columns / groups, tiles = (group + 1) * columns / groups - first;
            const MultiplyTile<T> compute =
                is_wide ? multiply_tile_for<T, 2>(tiles, every) : multiply_tile_for<T, 1>(tiles, every);
            const bool is_last = row + 1 == rows && group + 1 == groups;
            compute(b, is_last ? b.next : b.u, b.v + row * b.tile_pitch + first, m);
            m += tiles * vectors * lanes<T>;
        }
}

template <class T, int Part, int Start, int... I>
inline Narrow<T, Part> part_lanes(Vec<T> v, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, v, (I + Start)...);
}

template <class T, int Part, int Start>
inline Narrow<T, Part> part_of(Vec<T> v) {
    return part_lanes<T, Part, Start>(v, std::make_integer_sequence<int, Part>());
}

// One output row of each channel of a vector: 8 columns of outputs, of which `columns` exist.
template <class T>
inline void store_outputs(const WinogradOutput<T>& b, T* y, Index channels, Index columns,
                          Vec<T> (&v)[transposed_columns]) {
    constexpr int L = lanes<T>, part = L < transposed_columns ? L : transposed_columns;
    transpose_to_rows<T>(v);
    if (b.y_column_stride == 1 && columns == transposed_columns && channels == L && !b.accumulates) {
        FALTUNG_UNROLL for (int place = 0; place < L * transposed_columns; place += part) {
            const Vec<T> from = v[place / L];
            Narrow<T, part> piece;
            if constexpr (part == L) {
                piece = from;
            } else {
                piece = place % L == 0 ? part_of<T, part, 0>(from) : part_of<T, part, L - part>(from);
            }
            __builtin_memcpy(y + place / transposed_columns * b.y_channel_stride + place % transposed_columns,
                             &piece, sizeof piece);
        }
        return;
    }
    alignas(64) T values[L * transposed_columns];
    FALTUNG_UNROLL for (int i = 0; i < transposed_columns; ++i) store(values + i * L, v[i]);
    const T* row = values;
    for (Index oc = 0; oc < channels; ++oc, y += b.y_channel_stride, row += transposed_columns) {
        if (b.y_column_stride != 1) {
            for (Index column = 0; column < columns; ++column) {
                T& to = y[column * b.y_column_stride];
                to = b.accumulates ? to + row[column] : row[column];
            }
            continue;
        }
        for (Index column = 0; column < columns; column += part) {
            const unsigned mask = lanes_between<part>(0, columns - column);
            Narrow<T, part> sum = load_narrow<T, part>(row + column);
            if (b.accumulates) sum = load_lanes<T, part>(y + column, mask) + sum;
            store_lanes<T, part>(y + column, sum, mask);
        }
    }
}

// The tile's outputs for L channels, C columns from `first` on: to[row][column].
template <class T, int R, int C>
inline void tile_from_points(const T* m, Index m_pitch, Vec<T> bias, int first,
                             Vec<T> (&to)[R][transposed_columns]) {
    constexpr int NR = WinogradForm::points_for(R), NC = WinogradForm::points_for(C);
    Vec<T> half[R][NC];
    FALTUNG_UNROLL for (int j = 0; j < NC; ++j) {
        Vec<T> column[NR], y[R];
        FALTUNG_UNROLL for (int i = 0; i < NR; ++i) column[i] = load(m + (i * NC + j) * m_pitch);
        from_points<T, R>(column, y);
        FALTUNG_UNROLL for (int i = 0; i < R; ++i) half[i][j] = y[i];
    }
    FALTUNG_UNROLL for (int i = 0; i < R; ++i) {
        Vec<T> y[C];
        from_points<T, C>(half[i], y);
        FALTUNG_UNROLL for (int j = 0; j < C; ++j) to[i][first + j] = y[j] + bias;
    }
}

template <class T, int R, int C>
void transform_output(const WinogradOutput<T>& b) {
    constexpr int L = lanes<T>, tiles = transposed_columns / C;
    for (Index first = 0; first < b.channels; first += L) {
        const Index channels = min_index(L, b.channels - first);
        alignas(64) T bias_values[L] = {};
        if (b.bias)
            __builtin_memcpy(bias_values, b.bias + first, static_cast<std::size_t>(channels) * sizeof(T));
        const Vec<T> bias = load(bias_values);
        const T* tile_row = b.m + first;
        T* y_row = b.y + first * b.y_channel_stride;
        for (Index row = 0; row < b.rows; row += R, tile_row += b.tile_columns * vectors * L) {
            const Index rows = min_index(R, b.rows - row);
            for (Index tile = 0; tile < b.tile_columns; tile += tiles) {
                Vec<T> y[R][transposed_columns] = {};
                FALTUNG_UNROLL for (int t = 0; t < tiles; ++t) {
                    if (tile + t >= b.tile_columns) break;
                    tile_from_points<T, R, C>(tile_row + (tile + t) * vectors * L, b.m_pitch, bias, t * C, y);
                }
                const Index columns = min_index(transposed_columns, b.columns - tile * C);
                T* to = y_row + tile * C * b.y_column_stride;
                FALTUNG_UNROLL for (int i = 0; i < R; ++i) {
                    if (i < rows) store_outputs(b, to + i * b.y_row_stride, channels, columns, y[i]);
                }
            }
            y_row += R * b.y_row_stride;
        }
    }
}

template <class T, int R, int C>
WinogradKernel<T> kernel_for() {
    WinogradKernel<T> kernel;
    kernel.transform_input = transform_input<T, R, C>;
    kernel.multiply = multiply<T>;
    kernel.transform_output = transform_output<T, R, C>;
    kernel.transform_weight = winograd_weight_transform<T>({R, C});
    kernel.channel_block = vectors * lanes<T>;
    kernel.lanes = lanes<T>;
    return kernel;
}

}  // namespace

template <class T>
WinogradKernel<T> winograd_kernel(WinogradForm form) {
    if (form.rows == 4 && form.columns == 4) return kernel_for<T, 4, 4>();
    if (form.rows == 2 && form.columns == 2) return kernel_for<T, 2, 2>();
    if (form.rows == 4) return kernel_for<T, 4, 1>();
    return kernel_for<T, 1, 4>();
}

template WinogradKernel<float> winograd_kernel(WinogradForm);
template WinogradKernel<double> winograd_kernel(WinogradForm);

}  // namespace faltung::FALTUNG_ISA
