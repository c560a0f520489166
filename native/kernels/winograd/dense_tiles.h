// The input's transform with the tiles of all rows one behind another in the vector lanes, where one row of
// them leaves lanes empty. Internal linkage.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/winograd/load_tiles.h"
#include "kernels/winograd/winograd_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Whether rows of tiles lie without a gap and leave a quarter of their vectors' lanes empty.
template <class T>
inline bool are_dense_tiles_better(const WinogradInput<T>& b) {
    return b.tile_rows > 1 && b.tile_pitch == b.tile_columns &&
           4 * b.tile_columns <= 3 * WinogradKernel<T>::tile_vector(lanes<T>, b.tile_columns);
}

// One row of tiles of one channel, its rows only, in vectors of N columns from `first` on: store(column, d)
// takes the points of each.
template <class T, int N, int NR, class RowPoints, class Store>
inline void transform_columns(const WinogradInput<T>& b, const T* x, const Index* row, Index first,
                              Index last, RowPoints to_row_points, Store store) {
    const T* from[NR];
    unsigned present[NR];
    FALTUNG_UNROLL for (int i = 0; i < NR; ++i) {
        const bool is_present = row[i] != absent_row;
        from[i] = is_present ? x + row[i] : x;
        present[i] = is_present ? ~0u : 0u;
    }
    for (Index column = first; column < last; column += N) {
        Narrow<T, N> d[NR];
        load_columns<T, N, NR>(from, present, b.column_step, column, b.begin, b.end, d);
        to_row_points(d);
        store(column, d);
    }
}

// NR and NC points of R by C outputs. A tile's first inputs are those that follow the one before it but for
// the last tile of a row, whose last inputs, its tail, are kept apart.
template <class T, int N, int R, int NR, int C, int NC, class RowPoints, class ColumnPoints>
void transform_dense_tiles(const WinogradInput<T>& b, RowPoints to_row_points,
                           ColumnPoints to_column_points) {
    using Flag = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    constexpr int tails = NC - C, tail_lanes = 4;
    static_assert(tails <= C && tails <= tail_lanes, "the tail of one tile is not that of two");
    constexpr Index channels_ahead = 2, line = line_elements<T>;
    const Index tiles = b.tile_rows * b.tile_columns, width = b.tile_columns * C;
    const Index pitch = WinogradKernel<T>::dense_pitch(C, tiles),
                tail_pitch = WinogradKernel<T>::tail_pitch(tiles);
    T* const tail = b.scratch + NR * pitch;  // [row point][tail][tile]
    Flag* const is_last =
        reinterpret_cast<Flag*>(tail + NR * tails * tail_pitch);  // [tile], all bits or none
    std::memset(tail, 0, static_cast<std::size_t>((NR * tails + 1) * tail_pitch) * sizeof(T));
    for (Index tile = b.tile_columns - 1; tile < tiles; tile += b.tile_columns) is_last[tile] = ~Flag(0);
    const Index rows = b.tile_rows * R + (NR - R);

    const T* x = b.x;
    T* v = b.v;
    for (Index channel = 0; channel < b.channels; ++channel, x += b.channel_stride, v += b.term_pitch) {
        if (channel + channels_ahead < b.channels)
            for (Index row = 0; row < rows; ++row)
                if (b.row[row] != absent_row)
                    for (Index column = b.begin * b.column_step; column < b.end * b.column_step;
                         column += line)
                        __builtin_prefetch(x + channels_ahead * b.channel_stride + b.row[row] + column);
        for (Index tile_row = 0; tile_row < b.tile_rows; ++tile_row) {
            const Index* const row = b.row + tile_row * R;
            T* const to =
                b.scratch + tile_row * width;  // what is written behind its end, the next row overwrites
            transform_columns<T, N, NR>(b, x, row, 0, width, to_row_points, [&](Index column, auto& d) {
                FALTUNG_UNROLL for (int i = 0; i < NR; ++i)
                    __builtin_memcpy(to + i * pitch + column, &d[i], sizeof d[i]);
            });
            if (tails == 0 || b.end <= width) continue;
            const Index tile = (tile_row + 1) * b.tile_columns - 1;
            // Whole vectors are stored, or a compiler takes the lanes apart, and rounds them in another way.
            transform_columns<T, tail_lanes, NR>(
                b, x, row, width, width + 1, to_row_points, [&](Index, auto& d) {
                    T* to_tail = tail + tile;
                    FALTUNG_UNROLL for (int i = 0; i < NR; ++i) {
                        Narrow<T, tail_lanes> rest = d[i];
                        FALTUNG_UNROLL for (int t = 0; t < tails; ++t, to_tail += tail_pitch) {
                            __builtin_memcpy(to_tail, &rest, sizeof rest);
                            rest = followed_by<T, tail_lanes>(rest, T(0));
                        }
                    }
                });
        }
        for (Index tile = 0; tile < tiles; tile += N) {
            const unsigned mask = lanes_between<N>(0, tiles - tile);
            const bool is_whole = tile + N <= tiles;
            Narrow<Flag, N> last;
            __builtin_memcpy(&last, is_last + tile, sizeof last);
            const T *from = b.scratch + tile * C, *from_tail = tail + tile;
            T* to = v + tile;
            _Pragma("GCC unroll 1") for (int i = 0; i < NR; ++i, from += pitch) {
                Narrow<T, N> d[NC], inner[C];
                load_tiles<T, N, C, C>(from, inner);
                FALTUNG_UNROLL for (int j = 0; j < C; ++j) d[j] = inner[j];
                FALTUNG_UNROLL for (int j = C; j < NC; ++j, from_tail += tail_pitch) {
                    const Narrow<T, N> next = followed_by<T, N>(d[j - C], from[C * N + j - C]);
                    d[j] = last ? load_narrow<T, N>(from_tail) : next;
                }
                to_column_points(d);
                if (is_whole) {
                    FALTUNG_UNROLL for (int j = 0; j < NC; ++j, to += b.point_pitch)
                        __builtin_memcpy(to, &d[j], sizeof d[j]);
                } else {
                    FALTUNG_UNROLL for (int j = 0; j < NC; ++j, to += b.point_pitch)
                        store_lanes<T, N>(to, d[j], mask);
                }
            }
        }
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
