// Weights as their transforms want them. In memory a channel's taps lie together, term after term, and the
// products want channels together: vectors of taps, one a channel, are turned into vectors of channels, one a
// tap. Internal linkage.
#pragma once

#include "kernels/winograd/turn_channels.h"
#include "kernels/winograd/winograd_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr Index terms_turned_at_once = 16;

// Numbers that `turn_taps` writes for so many taps.
template <class T>
constexpr Index turned_numbers(Index taps) {
    return (terms_turned_at_once * taps + lanes<T>)*lanes<T>;
}

// [term][tap][lane] from taps of any strides.
template <class T>
inline void take_channels(const WinogradWeight<T>& b, const T* from, Index count, Index terms, Index row_taps,
                          Index column_taps, T* to) {
    constexpr int L = lanes<T>;
    for (Index term = 0; term < terms; ++term, from += b.term_stride)
        for (Index i = 0; i < row_taps; ++i)
            for (Index j = 0; j < column_taps; ++j, to += L) {
                const T* tap = from + i * b.row_stride + j * b.column_stride;
                Vec<T> v{};
                for (int lane = 0; lane < count; ++lane) v[lane] = tap[lane * b.channel_stride];
                store(to, v);
            }
}

// At most `terms_turned_at_once` terms of the taps of at most a vector of channels, from `from` on.
template <class T>
inline TurnedTaps<T> turn_taps(const WinogradWeight<T>& b, const T* from, Index count, Index terms,
                               Index row_taps, Index column_taps, T* turned) {
    constexpr int L = lanes<T>;
    const Index taps = row_taps * column_taps;
    const bool is_forward =
        (row_taps == 1 || b.row_stride == column_taps) && (column_taps == 1 || b.column_stride == 1);
    const bool is_backward =
        (row_taps == 1 || b.row_stride == -column_taps) && (column_taps == 1 || b.column_stride == -1);
    const bool is_reversed = !is_forward && is_backward;
    if (is_forward && b.term_stride == taps) {
        turn_channels(from, b.channel_stride, count, terms * taps, turned);
    } else if (is_forward || is_backward) {
        for (Index t = 0; t < terms; ++t)
            turn_channels(from + t * b.term_stride - (is_reversed ? taps - 1 : 0), b.channel_stride, count,
                          taps, turned + t * taps * L);
    } else {
        take_channels(b, from, count, terms, row_taps, column_taps, turned);
    }
    return {turned + (is_reversed ? (taps - 1) * L : 0), is_reversed ? -L : L};
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
