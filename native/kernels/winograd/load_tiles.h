// Rows of the input, taken apart into tiles. Internal linkage.
#pragma once

#include "core/narrow.h"

namespace faltung::FALTUNG_ISA {

namespace {

// The P inputs of each of N consecutive tiles, C apart, from a row of columns: d[i][tile] = row[tile * C +
// i].
template <class T, int N, int C, int P>
inline void load_tiles(const T* row, Narrow<T, N> (&d)[P]) {
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
    } else if constexpr (C == 2) {
        const V a = load_narrow<T, N>(row), b = load_narrow<T, N>(row + N);
        d[0] = every_second<T, N, 0>(a, b);
        d[1] = every_second<T, N, 1>(a, b);
    } else if constexpr (C == 1) {
        d[0] = load_narrow<T, N>(row);
    } else {
        T turned[C][N];
        for (int tile = 0; tile < N; ++tile)
            FALTUNG_UNROLL for (int i = 0; i < C; ++i) turned[i][tile] = row[tile * C + i];
        FALTUNG_UNROLL for (int i = 0; i < C; ++i) d[i] = load_narrow<T, N>(turned[i]);
    }
    FALTUNG_UNROLL for (int i = C; i < P; ++i) d[i] = followed_by<T, N>(d[i - C], row[C * N + i - C]);
}

// P rows of columns that lie `step` elements apart, 1 or, where lanes are masked, 2, from `column` on; zeros
// but for [begin, end) and for rows that are not `present`, which are not read.
template <class T, int N, int P>
inline void load_columns(const T* const (&row)[P], const unsigned (&present)[P], Index step, Index column,
                         Index begin, Index end, Narrow<T, N> (&d)[P]) {
    if (!has_masked_lanes || step == 1) {
        const unsigned mask = lanes_between<N>(begin - column, end - column);
        FALTUNG_UNROLL for (int i = 0; i < P; ++i) d[i] =
            load_lanes<T, N>(row[i] + column, mask & present[i]);
        return;
    }
    const Index first = 2 * (begin - column),
                last = 2 * (end - column) - 1;  // what follows the last is not read
    const unsigned mask = lanes_between<N>(first, last), next_mask = lanes_between<N>(first - N, last - N);
    FALTUNG_UNROLL for (int i = 0; i < P; ++i) {
        const T* const from = row[i] + 2 * column;
        const auto a = load_lanes<T, N>(from, mask & present[i]);
        const auto b = load_lanes<T, N>(from + N, next_mask & present[i]);
        d[i] = every_second<T, N, 0>(a, b);
    }
}

// All of them within the rows.
template <class T, int N, int P>
inline void load_whole_columns(const T* const (&row)[P], Index step, Index column, Narrow<T, N> (&d)[P]) {
    if (!has_masked_lanes || step == 1) {
        FALTUNG_UNROLL for (int i = 0; i < P; ++i) d[i] = load_narrow<T, N>(row[i] + column);
        return;
    }
    FALTUNG_UNROLL for (int i = 0; i < P; ++i) {
        const T* const from = row[i] + 2 * column;
        d[i] = every_second<T, N, 0>(load_narrow<T, N>(from), load_narrow<T, N>(from + N));
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
