// Every second, fourth or eighth of consecutive cells: the columns of one phase of a strided correlation.
// Internal linkage.
#pragma once

#include <cstring>

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

// from[S * lane], of the first `limit` elements; the others are not read where AVX-512 can mask them, else
// all are.
template <class T, int S, bool IsWhole>
inline Vec<T> every(const T* from, [[maybe_unused]] Index limit) {
    if constexpr (S > 1) {
        constexpr Index half = S / 2 * lanes<T>;
        return unzip<T, 0>(every<T, S / 2, IsWhole>(from, limit),
                           every<T, S / 2, IsWhole>(from + half, limit - half));
    } else if constexpr (IsWhole) {
        return load(from);
    } else {
        return load_some(from, max_index(0, min_index(limit, lanes<T>)));
    }
}

template <class T, int S>
void copy_every(const T* from, Index count, T* to) {
    constexpr Index L = lanes<T>;
    Index i = 0;
    // A whole vector of cells ends S - 1 behind the last that is wanted, and must not end behind the array.
    for (; i + L < count; i += L) store(to + i, every<T, S, true>(from + S * i, 0));
#if defined(__AVX512F__)
    store_some(to + i, every<T, S, false>(from + S * i, S * (count - 1 - i) + 1), count - i);
#else
    for (; i < count; ++i) to[i] = from[S * i];
#endif
}

// count > 0.
template <class T>
void strided_copy(const T* from, Index step, Index count, T* to) {
    switch (step) {
        case 1:
            std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
            return;
        case 2:
            return copy_every<T, 2>(from, count, to);
        case 4:
            return copy_every<T, 4>(from, count, to);
        case 8:
            return copy_every<T, 8>(from, count, to);
        default:
            for (Index i = 0; i < count; ++i) to[i] = from[step * i];
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
