// Winograd's minimal filtering of 1 to 4 taps along one axis: y = At ((G w) * (Bt d)) for M outputs from M +
// K - 1 inputs. 3 and 4 taps: as kernels/winograd. 2 taps: points 0, 1 and infinity for 2 outputs; 0, 1,
// -1/2, -2 and infinity for 4, of all with such numbers those that round least. 1 tap: nothing is
// transformed. Every line adds one product at most, so that a compiler has one way only to contract it.
// Weights of 2 taps are multiplied by powers of two alone, so that summing them where they are wanted gives
// the same bits; outputs by the rest. Internal linkage.
#pragma once

#include "kernels/winograd/winograd_transforms.h"
#include "kernels/winograd_phases/phase_tiles.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Bt, in place.
template <class T, int M, int K, class V>
inline void phase_to_points(V (&d)[M + K - 1]) {
    if constexpr (K >= 3) {
        to_points<T, M + K - 1>(d);
    } else if constexpr (K == 2 && M == 4) {
        const V first = d[0] - d[3], last = d[4] - d[1];
        const V low = d[1] - d[2], high = d[3] - d[2];
        const V outer = d[3] + d[1], upper = d[3] + d[2], lower = d[1] + d[2];
        const V middle = d[2], second = d[1], third = d[3];
        d[0] = first + low * T(1.5);
        d[1] = outer + middle * T(2.5);
        d[2] = upper - second * T(2);
        d[3] = third - lower * T(0.5);
        d[4] = last + high * T(1.5);
    } else if constexpr (K == 2 && M == 2) {
        d[0] = d[0] - d[1];
        d[2] = d[2] - d[1];
    }
}

// At.
template <class T, int M, int K, class V>
inline void phase_from_points(const V (&m)[M + K - 1], V (&y)[M]) {
    if constexpr (K >= 3) {
        from_points<T, M, M + K - 1>(m, y);
    } else if constexpr (K == 2 && M == 4) {
        const V zero = m[1] + m[2] * T(4), one = m[1] - m[2] * T(2);
        const V two = m[1] + m[2], three = m[1] - m[2] * T(0.5);
        const V first = zero - m[3] * T(0.5), second = one + m[3];
        const V third = two - m[3] * T(2), last = three + m[3] * T(4);
        y[0] = m[0] + first * T(2.0 / 9);
        y[1] = second * T(2.0 / 9);
        y[2] = third * T(2.0 / 9);
        y[3] = m[4] + last * T(2.0 / 9);
    } else if constexpr (K == 2 && M == 2) {
        y[0] = m[0] + m[1];
        y[1] = m[1] + m[2];
    } else {
        FALTUNG_UNROLL for (int i = 0; i < M; ++i) y[i] = m[i];
    }
}

// G.
template <class T, int M, int K>
inline void phase_weight_to_points(const Vec<T> (&w)[K], Vec<T> (&u)[M + K - 1]) {
    if constexpr (K >= 3) {
        weight_to_points<T, K, M + K - 1>(w, u);
    } else if constexpr (K == 2 && M == 4) {
        u[0] = w[0];
        u[1] = w[0] + w[1];
        u[2] = w[0] - w[1] * T(0.5);
        u[3] = w[0] - w[1] * T(2);
        u[4] = w[1];
    } else if constexpr (K == 2 && M == 2) {
        u[0] = w[0];
        u[1] = w[0] + w[1];
        u[2] = w[1];
    } else {
        FALTUNG_UNROLL for (int i = 0; i < M; ++i) u[i] = w[0];
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
