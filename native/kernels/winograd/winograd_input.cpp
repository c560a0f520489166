// The input's transform: consecutive tiles of a row in the vector lanes.
#include <cstddef>

#include "kernels/winograd/dense_tiles.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

// One row of tiles of one channel, its rows only: scratch[point][column].
template <class T, int N, int R, int K>
inline void transform_rows(const WinogradInput<T>& b, const T* x, const Index* row, Index width,
                           Index pitch) {
    constexpr int NR = WinogradForm::points_for(R, K);
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
        to_points<T, NR>(d);
        FALTUNG_UNROLL for (int i = 0; i < NR; ++i) __builtin_memcpy(scratch + i * pitch, &d[i], sizeof d[i]);
    }
}

template <class T, int R, int K>
inline void prefetch_rows(const WinogradInput<T>& b, const T* x, const Index* row, Index width) {
    constexpr Index line = line_elements<T>;
    for (int i = WinogradForm::taps_for(R, K) - 1; i < WinogradForm::points_for(R, K); ++i)
        if (row[i] != absent_row)
            for (Index column = b.begin; column < min_index(b.end, width); column += line)
                __builtin_prefetch(x + row[i] + column);
}

template <class T, int N, int R, int C, int K>
void transform_tiles(const WinogradInput<T>& b) {
    constexpr int NR = WinogradForm::points_for(R, K), NC = WinogradForm::points_for(C, K);
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
                prefetch_rows<T, R, K>(b, x + channels_ahead * b.channel_stride, row, width);
            transform_rows<T, N, R, K>(b, x, row, width, pitch);
            for (Index tile = 0; tile < tile_pitch; tile += N) {
                const T* from = b.scratch + tile * C;
                T* to = v + tile;
                // Unrolled, it would keep more addresses than there are registers.
                _Pragma("GCC unroll 1") for (int i = 0; i < NR; ++i, from += pitch) {
                    Narrow<T, N> d[NC];
                    load_tiles<T, N, C, NC>(from, d);
                    to_points<T, NC>(d);
                    FALTUNG_UNROLL for (int j = 0; j < NC; ++j, to += point_pitch)
                        __builtin_memcpy(to, &d[j], sizeof d[j]);
                }
            }
        }
    }
}

template <class T, int R, int C, int K>
void transform_input(const WinogradInput<T>& b) {
    constexpr int L = lanes<T>;
    constexpr int NR = WinogradForm::points_for(R, K), NC = WinogradForm::points_for(C, K);
    if constexpr (has_masked_lanes && NC - C <= C) {
        if (are_dense_tiles_better(b)) {
            return transform_dense_tiles<T, L, R, NR, C, NC>(
                b, [](auto& d) { to_points<T, NR>(d); }, [](auto& d) { to_points<T, NC>(d); });
        }
    }
    const Index vector = WinogradKernel<T>::tile_vector(L, b.tile_columns);
    if constexpr (L >= 16) {
        if (vector == 16) return transform_tiles<T, 16, R, C, K>(b);
    }
    if constexpr (L >= 8) {
        if (vector == 8) return transform_tiles<T, 8, R, C, K>(b);
    }
    transform_tiles<T, (L < 4 ? L : 4), R, C, K>(b);
}
}  // namespace

template <class T>
void (*winograd_input_transform(WinogradForm form))(const WinogradInput<T>&) {
    return for_form(form, [](auto rows, auto columns, auto taps) {
        return transform_input<T, decltype(rows)::value, decltype(columns)::value, decltype(taps)::value>;
    });
}

template void (*winograd_input_transform(WinogradForm))(const WinogradInput<float>&);
template void (*winograd_input_transform(WinogradForm))(const WinogradInput<double>&);

}  // namespace faltung::FALTUNG_ISA
