// The transforms of phases: of the input with consecutive tiles of a row in the vector lanes, of weights and
// outputs with output channels there.
#include "kernels/winograd_phases/phase_tiles.h"

#include <cstring>

#include "core/strided_copy.h"
#include "core/transpose.h"
#include "kernels/winograd/channels_store.h"
#include "kernels/winograd/dense_tiles.h"
#include "kernels/winograd/load_tiles.h"
#include "kernels/winograd/turn_channels.h"
#include "kernels/winograd_phases/phase_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

// One row of tiles of one channel, its rows only: to[point][column], columns [begin, end) and zeros up to a
// vector.
template <class T, int M, int K>
inline void transform_rows(const T* x, Index column_step, const Index* row, Index begin, Index end, T* to,
                           Index pitch) {
    constexpr int N = lanes<T> < 8 ? lanes<T> : 8, points = M + K - 1;
    using V = Narrow<T, N>;
    const T* from[points];
    unsigned present[points];
    bool is_whole = true;
    FALTUNG_UNROLL for (int i = 0; i < points; ++i) {
        const bool is_present = row[i] != absent_row;
        is_whole &= is_present;
        from[i] = is_present ? x + row[i] : x;
        present[i] = is_present ? ~0u : 0u;
    }
    for (Index column = begin; column < end; column += N) {
        V d[points];
        if (is_whole && column + N + column_step - 1 <= end) {
            load_whole_columns<T, N, points>(from, column_step, column, d);
        } else {
            load_columns<T, N, points>(from, present, column_step, column, begin, end, d);
        }
        phase_to_points<T, M, K>(d);
        FALTUNG_UNROLL for (int i = 0; i < points; ++i)
            __builtin_memcpy(to + i * pitch + column, &d[i], sizeof d[i]);
    }
}

template <class T, int M>
inline void prefetch_rows(const T* x, const Index* row, Index begin, Index end) {
    constexpr Index line = line_elements<T>;
    FALTUNG_UNROLL for (int i = 0; i < M; ++i) if (row[i] != absent_row) for (Index column = begin;
                                                                              column < end; column += line)
        __builtin_prefetch(x + row[i] + column);
}

template <class T, int N, int M, int KR, int MC, int KC>
void transform_tiles(const WinogradInput<T>& b) {
    constexpr int row_points = M + KR - 1, column_points = MC + KC - 1;
    constexpr Index channels_ahead = 2;
    const Index tile_pitch = b.tile_pitch, point_pitch = b.point_pitch;
    const Index pitch = WinogradKernel<T>::scratch_pitch(MC, tile_pitch);
    const Index begin = b.begin, end = min_index(b.end, b.tile_columns * MC + (KC - 1));
    std::memset(b.scratch, 0, static_cast<std::size_t>(row_points * pitch) * sizeof(T));
    const T* x = b.x;
    for (Index channel = 0; channel < b.channels; ++channel, x += b.channel_stride) {
        T* v = b.v + channel * b.term_pitch;
        for (Index tile_row = 0; tile_row < b.tile_rows; ++tile_row, v += tile_pitch) {
            const Index* row = b.row + tile_row * M;
            if (channel + channels_ahead < b.channels)
                prefetch_rows<T, M>(x + channels_ahead * b.channel_stride, row, begin * b.column_step,
                                    end * b.column_step);
            transform_rows<T, M, KR>(x, b.column_step, row, begin, end, b.scratch, pitch);
            for (Index tile = 0; tile < tile_pitch; tile += N) {
                const T* from = b.scratch + tile * MC;
                T* to = v + tile;
                _Pragma("GCC unroll 1") for (int i = 0; i < row_points; ++i, from += pitch) {
                    Narrow<T, N> d[column_points];
                    load_tiles<T, N, MC>(from, d);
                    phase_to_points<T, MC, KC>(d);
                    FALTUNG_UNROLL for (int j = 0; j < column_points; ++j, to += point_pitch)
                        __builtin_memcpy(to, &d[j], sizeof d[j]);
                }
            }
        }
    }
}

template <class T, int M, int KR, int MC, int KC>
void transform_input(const WinogradInput<T>& b) {
    constexpr int L = lanes<T>;
    if constexpr (has_masked_lanes && sizeof(T) == 4) {  // wide vectors are those that stay empty
        if (are_dense_tiles_better(b)) {
            return transform_dense_tiles<T, L, M, M + KR - 1, MC, MC + KC - 1>(
                b, [](auto& d) { phase_to_points<T, M, KR>(d); },
                [](auto& d) { phase_to_points<T, MC, KC>(d); });
        }
    }
    const Index vector = WinogradKernel<T>::tile_vector(L, b.tile_columns);
    if constexpr (L >= 16) {
        if (vector == 16) return transform_tiles<T, 16, M, KR, MC, KC>(b);
    }
    if constexpr (L >= 8) {
        if (vector == 8) return transform_tiles<T, 8, M, KR, MC, KC>(b);
    }
    transform_tiles<T, (L < 4 ? L : 4), M, KR, MC, KC>(b);
}

template <class T, int M, int KR, int MC, int KC>
void transform_weight(const PhaseWeight<T>& b) {
    constexpr int L = lanes<T>, taps = KR * KC;
    // One tap is the same at all points.
    constexpr int row_points = KR == 1 ? 1 : M + KR - 1, column_points = KC == 1 ? 1 : MC + KC - 1;
    Index place[taps];
    FALTUNG_UNROLL for (int k = 0; k < taps; ++k) place[k] = b.number[k] * b.step;
    const Index u_pitch = b.u_pitch;
    for (Index term = 0; term < b.terms; ++term)
        for (Index vector = 0; vector < b.vectors; ++vector) {
            const T* const turned = b.turned + term * b.turned_term + vector * b.turned_vector;
            Vec<T> half[row_points][KC];
            FALTUNG_UNROLL for (int j = 0; j < KC; ++j) {
                Vec<T> w[KR], points[M + KR - 1];
                FALTUNG_UNROLL for (int i = 0; i < KR; ++i) w[i] = load(turned + place[i * KC + j]);
                phase_weight_to_points<T, M, KR>(w, points);
                FALTUNG_UNROLL for (int i = 0; i < row_points; ++i) half[i][j] = points[i];
            }
            T* u = b.u + term * b.u_term + vector * L;
            FALTUNG_UNROLL for (int i = 0; i < row_points; ++i) {
                Vec<T> points[MC + KC - 1];
                phase_weight_to_points<T, MC, KC>(half[i], points);
                FALTUNG_UNROLL for (int j = 0; j < column_points; ++j, u += u_pitch) store(u, points[j]);
            }
        }
}

template <class T, int M, int KR, int MC, int KC>
inline void tile_from_points(const T* m, Index m_pitch, Vec<T> bias, Index first,
                             Vec<T> (&to)[M][transposed_columns]) {
    constexpr int row_points = M + KR - 1, column_points = MC + KC - 1;
    Vec<T> half[M][column_points];
    FALTUNG_UNROLL for (int j = 0; j < column_points; ++j) {
        Vec<T> column[row_points], y[M];
        FALTUNG_UNROLL for (int i = 0; i < row_points; ++i) column[i] =
            load(m + (i * column_points + j) * m_pitch);
        phase_from_points<T, M, KR>(column, y);
        FALTUNG_UNROLL for (int i = 0; i < M; ++i) half[i][j] = y[i];
    }
    FALTUNG_UNROLL for (int i = 0; i < M; ++i) {
        Vec<T> y[MC];
        phase_from_points<T, MC, KC>(half[i], y);
        FALTUNG_UNROLL for (int j = 0; j < MC; ++j) to[i][first + j] = y[j] + bias;
    }
}

// Eight columns of each channel of a vector, or added to what stands there.
template <class T>
inline void store_columns(Vec<T> (&v)[transposed_columns], bool adds, T* to, Index channel_pitch) {
    constexpr int L = lanes<T>, part = piece_columns<T>;
    transpose_to_rows<T>(v);
    FALTUNG_UNROLL for (int place = 0; place < L * transposed_columns; place += part) {
        Narrow<T, part> piece = piece_at<T>(v, place);
        T* const at = to + place / transposed_columns * channel_pitch + place % transposed_columns;
        if (adds) piece = load_narrow<T, part>(at) + piece;
        __builtin_memcpy(at, &piece, sizeof piece);
    }
}

template <class T, int M, int KR, int MC, int KC>
void transform_output(const PhaseOutput<T>& b) {
    constexpr int L = lanes<T>, tiles = transposed_columns / MC;
    alignas(64) T bias_values[L] = {};
    if (b.bias)
        std::memcpy(bias_values, b.bias, static_cast<std::size_t>(min_index(b.channels, L)) * sizeof(T));
    const Vec<T> bias = load(bias_values);
    for (Index tile = 0; tile < b.tiles; tile += tiles) {
        Vec<T> y[M][transposed_columns] = {};
        const Index present = min_index(tiles, b.tiles - tile);
        // Neither is unrolled: the registers suffice for one.
        _Pragma("GCC unroll 1") for (Index t = 0; t < present; ++t)
            tile_from_points<T, M, KR, MC, KC>(b.m + (tile + t) * b.tile_pitch, b.m_pitch, bias, t * MC, y);
        _Pragma("GCC unroll 1") for (Index i = 0; i < M; ++i)
            store_columns<T>(y[i], b.adds, b.to + i * b.row_pitch + tile * MC, b.channel_pitch);
    }
}

template <class T, int M, int KR, int MC, int KC>
PhaseKernel<T> kernel_for() {
    PhaseKernel<T> kernel;
    kernel.transform_input = transform_input<T, M, KR, MC, KC>;
    kernel.transform_weight = transform_weight<T, M, KR, MC, KC>;
    kernel.transform_output = transform_output<T, M, KR, MC, KC>;
    kernel.turn = turn_channels<T>;
    kernel.copy = strided_copy<T>;
    kernel.reads_every_second = has_masked_lanes;
    return kernel;
}

template <class T, int M, int KR, int MC>
PhaseKernel<T> kernel_for(int column_taps) {
    if (column_taps == 1) return kernel_for<T, M, KR, MC, 1>();
    if (column_taps == 2) return kernel_for<T, M, KR, MC, 2>();
    if constexpr (MC == 4) {
        if (column_taps == 4) return kernel_for<T, M, KR, MC, 4>();
    }
    return kernel_for<T, M, KR, MC, 3>();
}

template <class T, int M, int MC>
PhaseKernel<T> kernel_for(int row_taps, int column_taps) {
    if (row_taps == 1) return kernel_for<T, M, 1, MC>(column_taps);
    if (row_taps == 2) return kernel_for<T, M, 2, MC>(column_taps);
    if constexpr (M == 4) {
        if (row_taps == 4) return kernel_for<T, M, 4, MC>(column_taps);
    }
    return kernel_for<T, M, 3, MC>(column_taps);
}

// Rows alone.
template <class T>
PhaseKernel<T> kernel_for_rows(int row_taps) {
    if (row_taps == 1) return kernel_for<T, 4, 1, 1, 1>();
    if (row_taps == 2) return kernel_for<T, 4, 2, 1, 1>();
    if (row_taps == 4) return kernel_for<T, 4, 4, 1, 1>();
    return kernel_for<T, 4, 3, 1, 1>();
}

}  // namespace

template <class T>
PhaseKernel<T> phase_kernel(PhaseForm form) {
    if (form.rows == 1) return kernel_for<T, 1, 1, 4>(form.column_taps);
    if (form.columns == 1) return kernel_for_rows<T>(form.row_taps);
    if (form.rows == 2) return kernel_for<T, 2, 2>(form.row_taps, form.column_taps);
    return kernel_for<T, 4, 4>(form.row_taps, form.column_taps);
}

template PhaseKernel<float> phase_kernel(PhaseForm);
template PhaseKernel<double> phase_kernel(PhaseForm);

}  // namespace faltung::FALTUNG_ISA
