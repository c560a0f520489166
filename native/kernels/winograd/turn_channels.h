// Numbers that lie together for each channel, turned so that channels lie together for each number. Internal
// linkage.
#pragma once

#include "core/transpose.h"

namespace faltung::FALTUNG_ISA {

namespace {

// [number][lane] from `count` channels of `numbers` contiguous numbers each; other lanes are zero. Whole
// vectors of numbers are written.
template <class T>
void turn_channels(const T* from, Index channel_stride, Index count, Index numbers, T* to) {
    constexpr int L = lanes<T>;
    for (Index first = 0; first < numbers; first += L, from += L, to += L * L) {
        const Index some = min_index(L, numbers - first);
        Vec<T> v[L];
        if (some == L && count == L) {
            FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) v[lane] = load(from + lane * channel_stride);
        } else {
            FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) v[lane] =
                lane < count ? load_some(from + lane * channel_stride, some) : Vec<T>{};
        }
        transpose_square<T>(v);
        FALTUNG_UNROLL for (int i = 0; i < L; ++i) store(to + i * L, v[i]);
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
