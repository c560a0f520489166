// Vectors shorter than those of the instruction set, loaded and stored lane by lane under a mask. Internal
// linkage.
#pragma once

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Whether lanes are loaded and stored under a mask without branches. Beside branches a compiler may move a
// product away from its sum, and then rounds both.
#if defined(__AVX512VL__)
constexpr bool has_masked_lanes = true;
#else
constexpr bool has_masked_lanes = false;
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

// Lanes Start ... of a whole vector.
template <class T, int Part, int Start, int... I>
inline Narrow<T, Part> part_lanes(Vec<T> v, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, v, (I + Start)...);
}

template <class T, int Part, int Start>
inline Narrow<T, Part> part_of(Vec<T> v) {
    return part_lanes<T, Part, Start>(v, std::make_integer_sequence<int, Part>());
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
