// Vectors of the instruction set that this translation unit is compiled for (FALTUNG_ISA,
// FALTUNG_VECTOR_BYTES). Everything lives in a namespace of that instruction set: no symbol of one may be
// linked in place of another's.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <utility>

#include "core/index.h"

namespace faltung::FALTUNG_ISA {

template <class T>
struct VecOf {
    typedef T type __attribute__((vector_size(FALTUNG_VECTOR_BYTES)));
};

template <class T>
using Vec = typename VecOf<T>::type;

template <class T>
constexpr int lanes = FALTUNG_VECTOR_BYTES / static_cast<int>(sizeof(T));

template <class T>
static inline Vec<T> load(const T* from) {
    Vec<T> v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

template <class T>
static inline void store(T* to, Vec<T> v) {
    __builtin_memcpy(to, &v, sizeof v);
}

template <class T>
static inline Vec<T> broadcast(T value) {
    return value - Vec<T>{};  // minus, for -0.0 + 0.0 would be +0.0
}

// The first `count` lanes, 0 <= count <= lanes.
template <class T>
static inline void store_some(T* to, Vec<T> v, Index count) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
        _mm512_mask_storeu_epi32(to, static_cast<__mmask16>((1u << count) - 1), (__m512i)v);
    } else {
        _mm512_mask_storeu_epi64(to, static_cast<__mmask8>((1u << count) - 1), (__m512i)v);
    }
#else
    for (Index lane = 0; lane < count; ++lane) to[lane] = v[lane];
#endif
}

// Zero in the other lanes; reads nothing there.
template <class T>
static inline Vec<T> load_some(const T* from, Index count) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
        return (Vec<T>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << count) - 1), from);
    } else {
        return (Vec<T>)_mm512_maskz_loadu_epi64(static_cast<__mmask8>((1u << count) - 1), from);
    }
#else
    Vec<T> v{};
    for (Index lane = 0; lane < count; ++lane) v[lane] = from[lane];
    return v;
#endif
}

// a0 b0 a1 b1 ... of the lower (0) or upper (1) halves.
template <class T, int Half, int... I>
static inline Vec<T> zip_lanes(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (I % 2 * lanes<T> + Half * lanes<T> / 2 + I / 2)...);
}

template <class T, int Half>
static inline Vec<T> zip(Vec<T> a, Vec<T> b) {
    return zip_lanes<T, Half>(a, b, std::make_integer_sequence<int, lanes<T>>());
}

// The inverse: the even (0) or odd (1) lanes of a, then of b.
template <class T, int Odd, int... I>
static inline Vec<T> unzip_lanes(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I + Odd)...);
}

template <class T, int Odd>
static inline Vec<T> unzip(Vec<T> a, Vec<T> b) {
    return unzip_lanes<T, Odd>(a, b, std::make_integer_sequence<int, lanes<T>>());
}

#define FALTUNG_UNROLL _Pragma("GCC unroll 32")

}  // namespace faltung::FALTUNG_ISA
