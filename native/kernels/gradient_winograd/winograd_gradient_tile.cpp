// Winograd's minimal filtering turned around: of y = At ((G w) * (Bt d)) the gradient with respect to w is
// Gt ((A g) * (Bt d)), for tiles of 4 by 4 outputs g and 6 by 6 cells d. Points 0, 1, -1, 1/2, -2 and
// infinity as in kernels/winograd. Every line adds one product at most, so that a compiler has one way only
// to contract it.
#include "kernels/gradient_winograd/winograd_gradient_tile.h"

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int vectors = 2;

// Bt.
template <class T, class V>
inline void cells_to_points(const V (&d)[6], V (&p)[6]) {
    const V e = d[4] - d[2], f = d[3] - d[1];
    const V sum = d[2] + d[3], difference = d[3] - d[2];
    const V first = (d[0] - d[2]) + e, last = (d[5] - d[3]) - f;
    const V plus = e + f, minus = e - f;
    p[0] = first + f * T(1.5);
    p[1] = plus + sum * T(1.5);
    p[2] = minus + difference * T(1.5);
    p[3] = e + f * T(2);
    p[4] = e - f * T(0.5);
    p[5] = last + e * T(1.5);
}

// A: the polynomial with coefficients g at the points.
template <class T, class V>
inline void grad_to_points(const V (&g)[4], V (&p)[6]) {
    const V even = g[0] + g[2], odd = g[1] + g[3];
    const V half_odd = g[1] + g[3] * T(0.25), half_even = g[0] + g[2] * T(0.25);
    const V two_odd = g[1] + g[3] * T(4), two_even = g[0] + g[2] * T(4);
    p[0] = g[0];
    p[1] = even + odd;
    p[2] = even - odd;
    p[3] = half_even + half_odd * T(0.5);
    p[4] = two_even - two_odd * T(2);
    p[5] = g[3];
}

// Gt.
template <class T, class V>
inline void points_to_taps(const V (&m)[6], V (&w)[3]) {
    const V third = (m[1] - m[2]) * T(1.0 / 3), other = (m[1] + m[2]) * T(1.0 / 3);
    const V near = m[3] * T(-4.0 / 15), far = m[4] * T(1.0 / 15);
    w[0] = ((m[0] + third) + near * T(4)) + far;
    w[1] = (other + near * T(2)) - far * T(2);
    w[2] = ((third + near) + far * T(4)) + m[5];
}

template <class T, int N, class Transform>
void transform(const GradientTransform<T>& b, Transform to_points) {
    constexpr int L = lanes<T>, width = vectors * L;
    for (int v = 0; v < (b.lanes > L ? 2 : 1); ++v)
        for (Index tile = 0; tile < b.tiles; ++tile) {
            const T* cells = b.cells + tile * gradient_tile * width + v * L;
            alignas(64) Vec<T> rows[gradient_cells][N];
            FALTUNG_UNROLL for (int c = 0; c < N; ++c) {
                Vec<T> d[N], p[gradient_cells];
                FALTUNG_UNROLL for (int r = 0; r < N; ++r) d[r] = load(cells + r * b.row_pitch + c * width);
                to_points(d, p);
                FALTUNG_UNROLL for (int r = 0; r < gradient_cells; ++r) rows[r][c] = p[r];
            }
            T* points = b.points + tile * width + v * L;
            FALTUNG_UNROLL for (int r = 0; r < gradient_cells; ++r) {
                Vec<T> d[N], p[gradient_cells];
                FALTUNG_UNROLL for (int c = 0; c < N; ++c) d[c] = rows[r][c];
                to_points(d, p);
                FALTUNG_UNROLL for (int c = 0; c < gradient_cells; ++c, points += b.point_pitch)
                    store(points, p[c]);
            }
        }
}

template <class T>
void transform_input(const GradientTransform<T>& b) {
    transform<T, 6>(b, [](const Vec<T>(&d)[6], Vec<T>(&p)[6]) { cells_to_points<T>(d, p); });
}

template <class T>
void transform_grad(const GradientTransform<T>& b) {
    transform<T, 4>(b, [](const Vec<T>(&d)[4], Vec<T>(&p)[6]) { grad_to_points<T>(d, p); });
}

template <class T>
void transform_sums(const T* sums, Index point_pitch, Index channels, T* taps) {
    constexpr int L = lanes<T>, width = vectors * L;
    for (int v = 0; v < (channels > L ? 2 : 1); ++v) {
        alignas(64) Vec<T> rows[3][6];
        FALTUNG_UNROLL for (int c = 0; c < 6; ++c) {
            Vec<T> m[6], w[3];
            FALTUNG_UNROLL for (int r = 0; r < 6; ++r) m[r] = load(sums + (r * 6 + c) * point_pitch + v * L);
            points_to_taps<T>(m, w);
            FALTUNG_UNROLL for (int r = 0; r < 3; ++r) rows[r][c] = w[r];
        }
        FALTUNG_UNROLL for (int r = 0; r < 3; ++r) {
            Vec<T> w[3];
            points_to_taps<T>(rows[r], w);
            FALTUNG_UNROLL for (int k = 0; k < 3; ++k) store(taps + (r * 3 + k) * width + v * L, w[k]);
        }
    }
}

}  // namespace

template <class T>
WinogradGradientKernel<T> winograd_gradient_kernel() {
    return {transform_input<T>, transform_grad<T>, transform_sums<T>};
}

template WinogradGradientKernel<float> winograd_gradient_kernel();
template WinogradGradientKernel<double> winograd_gradient_kernel();

}  // namespace faltung::FALTUNG_ISA
