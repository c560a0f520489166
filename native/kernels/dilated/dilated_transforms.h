// The transforms of one axis: y = At ((G w) * (Bt d)), for each form of a tile. `pair` is Karatsuba's
// product, two outputs between zeros; `triple` three of them by four products: a kernel of 3 taps between
// zeros is a tridiagonal matrix, w0 L + w1 I + w2 U, and the four symmetric vectors below span the rank-one
// matrices that make it up (two pairs of points on the conic w1^2 = 2 w0 w2, here those with 3/2 and 1/2,
// which round least). `two` and `four` are those of kernels/winograd; `three` has the points 0, 1, -1, 2 and
// infinity. Every line adds one product at most, so that a compiler has one way only to contract it. Internal
// linkage.
#pragma once

#include "kernels/dilated/dilated_tiling.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

template <class T, TileForm F>
inline void cells_to_points(const Vec<T> (&d)[tile_cells(F)], Vec<T> (&p)[tile_points(F)]) {
    if constexpr (F == TileForm::pair) {
        p[0] = d[0] + d[1];
        p[1] = d[1];
        p[2] = d[0];
    } else if constexpr (F == TileForm::triple) {
        const Vec<T> even = d[0] + d[2], odd = d[0] - d[2];
        p[0] = even + d[1] * T(1.5);
        p[1] = even - d[1] * T(1.5);
        p[2] = odd + d[1] * T(0.5);
        p[3] = odd - d[1] * T(0.5);
    } else if constexpr (F == TileForm::three) {
        const Vec<T> odd = d[3] - d[1], even = d[0] - d[2];
        const Vec<T> one = d[3] - d[2], minus_one = d[1] - d[2], last = d[4] - d[2];
        p[0] = odd + even * T(2);
        p[1] = one - d[1] * T(2);
        p[2] = one + minus_one * T(2);
        p[3] = odd;
        p[4] = last - odd * T(2);
    } else {
        for (int i = 0; i < tile_cells(F); ++i) p[i] = d[i];
        if constexpr (F == TileForm::two || F == TileForm::four) to_points<T, tile_points(F)>(p);
    }
}

template <class T, TileForm F>
inline void taps_to_points(const Vec<T> (&w)[tile_taps(F)], Vec<T> (&u)[tile_points(F)]) {
    if constexpr (F == TileForm::pair) {
        u[0] = w[1];
        u[1] = w[2] - w[1];
        u[2] = w[0] - w[1];
    } else if constexpr (F == TileForm::triple) {
        const Vec<T> even = w[2] + w[0], odd = w[2] - w[0];
        const Vec<T> plus = even + w[1] * T(1.5), minus = w[1] * T(1.5) - even;
        const Vec<T> third = odd + w[1] * T(0.5), fourth = w[1] * T(0.5) - odd;
        u[0] = plus * T(1.0 / 6);
        u[1] = minus * T(1.0 / 6);
        u[2] = third * T(0.5);
        u[3] = fourth * T(0.5);
    } else if constexpr (F == TileForm::three) {
        const Vec<T> ends = w[0] + w[2], two = w[0] + w[1] * T(2);
        u[0] = w[0] * T(0.5);
        u[1] = (ends + w[1]) * T(-0.5);
        u[2] = (ends - w[1]) * T(-1.0 / 6);
        u[3] = (two + w[2] * T(4)) * T(1.0 / 6);
        u[4] = w[2];
    } else if constexpr (F == TileForm::two || F == TileForm::four) {
        weight_to_points<T, 3, tile_points(F)>(w, u);
    } else {
        for (int i = 0; i < tile_taps(F); ++i) u[i] = w[i];
    }
}

template <class T, TileForm F>
inline void points_to_outputs(const Vec<T> (&m)[tile_points(F)], Vec<T> (&y)[tile_outputs(F)]) {
    if constexpr (F == TileForm::pair) {
        y[0] = m[0] + m[1];
        y[1] = m[0] + m[2];
    } else if constexpr (F == TileForm::triple) {
        const Vec<T> even = m[0] + m[1], odd = m[2] + m[3];
        const Vec<T> inner = m[0] - m[1], outer = m[2] - m[3];
        const Vec<T> one = inner * T(1.5);
        y[0] = even + odd;
        y[1] = one - outer * T(0.5);
        y[2] = even - odd;
    } else if constexpr (F == TileForm::three) {
        const Vec<T> sum = m[1] + m[2], difference = m[1] - m[2], last = sum + m[4];
        y[0] = (m[0] + m[3]) + sum;
        y[1] = difference + m[3] * T(2);
        y[2] = last + m[3] * T(4);
    } else if constexpr (F == TileForm::two || F == TileForm::four) {
        from_points<T, tile_outputs(F), tile_points(F)>(m, y);
    } else {
        y[0] = m[0];
        for (int i = 1; i < tile_points(F); ++i) y[0] += m[i];
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
