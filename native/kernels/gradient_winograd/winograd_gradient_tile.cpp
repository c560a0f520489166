// Winograd's minimal filtering turned around: of y = At ((G w) * (Bt d)) the gradient with respect to w is
// Gt ((A g) * (Bt d)), for tiles of 4 outputs g and 6 cells d along one axis or two. Points 0, 1, -1, 1/2, -2
// and infinity as in kernels/winograd. Every line adds one product at most, so that a compiler has one way
// only to contract it.
#include "kernels/gradient_winograd/winograd_gradient_tile.h"

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int vectors = 2;
constexpr int outputs = 4, points = 6, taps = 3;  // of a tile, along an axis

// Bt.
template <class T, class V>
inline void cells_to_points(const V (&d)[points], V (&p)[points]) {
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
inline void grad_to_points(const V (&g)[outputs], V (&p)[points]) {
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
inline void points_to_taps(const V (&m)[points], V (&w)[taps]) {
    const V third = (m[1] - m[2]) * T(1.0 / 3), other = (m[1] + m[2]) * T(1.0 / 3);
    const V near = m[3] * T(-4.0 / 15), far = m[4] * T(1.0 / 15);
    w[0] = ((m[0] + third) + near * T(4)) + far;
    w[1] = (other + near * T(2)) - far * T(2);
    w[2] = ((third + near) + far * T(4)) + m[5];
}

// Along both axes, or one of them: R rows and C columns of cells or of outputs, 1 where there is nothing to
// do.
template <class T, int R, int C, class Transform>
void transform(const GradientTransform<T>& b, Index step, Transform to_points) {
    constexpr int L = lanes<T>, width = vectors * L;
    constexpr int rows = R > 1 ? points : 1, columns = C > 1 ? points : 1;
    for (int v = 0; v < (b.lanes > L ? 2 : 1); ++v)
        for (Index tile = 0; tile < b.tiles; ++tile) {
            const T* cells = b.cells + tile * step * width + v * L;
            alignas(64) Vec<T> lines[rows][C];
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
                if constexpr (R > 1) {
                    Vec<T> d[R], p[points];
                    FALTUNG_UNROLL for (int r = 0; r < R; ++r) d[r] =
                        load(cells + r * b.row_pitch + c * width);
                    to_points(d, p);
                    FALTUNG_UNROLL for (int r = 0; r < rows; ++r) lines[r][c] = p[r];
                } else {
                    lines[0][c] = load(cells + c * width);
                }
            }
            T* to = b.points + tile * width + v * L;
            FALTUNG_UNROLL for (int r = 0; r < rows; ++r) {
                if constexpr (C > 1) {
                    Vec<T> d[C], p[points];
                    FALTUNG_UNROLL for (int c = 0; c < C; ++c) d[c] = lines[r][c];
                    to_points(d, p);
                    FALTUNG_UNROLL for (int c = 0; c < columns; ++c, to += b.point_pitch) store(to, p[c]);
                } else {
                    store(to, lines[r][0]);
                    to += b.point_pitch;
                }
            }
        }
}

template <class T, bool R, bool C>
void transform_input(const GradientTransform<T>& b) {
    transform<T, R ? points : 1, C ? points : 1>(
        b, C ? outputs : 1, [](const Vec<T>(&d)[points], Vec<T>(&p)[points]) { cells_to_points<T>(d, p); });
}

template <class T, bool R, bool C>
void transform_grad(const GradientTransform<T>& b) {
    transform<T, R ? outputs : 1, C ? outputs : 1>(
        b, C ? outputs : 1, [](const Vec<T>(&g)[outputs], Vec<T>(&p)[points]) { grad_to_points<T>(g, p); });
}

template <class T, bool R, bool C>
void transform_sums(const T* sums, Index point_pitch, Index channels, T* to) {
    constexpr int L = lanes<T>, width = vectors * L;
    constexpr int rows = R ? points : 1, columns = C ? points : 1, row_taps = R ? taps : 1;
    for (int v = 0; v < (channels > L ? 2 : 1); ++v) {
        alignas(64) Vec<T> lines[row_taps][columns];
        FALTUNG_UNROLL for (int c = 0; c < columns; ++c) {
            const T* from = sums + c * point_pitch + v * L;
            if constexpr (R) {
                Vec<T> m[points], w[taps];
                FALTUNG_UNROLL for (int r = 0; r < rows; ++r) m[r] = load(from + r * columns * point_pitch);
                points_to_taps<T>(m, w);
                FALTUNG_UNROLL for (int r = 0; r < row_taps; ++r) lines[r][c] = w[r];
            } else {
                lines[0][c] = load(from);
            }
        }
        FALTUNG_UNROLL for (int r = 0; r < row_taps; ++r) {
            if constexpr (C) {
                Vec<T> w[taps];
                points_to_taps<T>(lines[r], w);
                FALTUNG_UNROLL for (int k = 0; k < taps; ++k)
                    store(to + (r * taps + k) * width + v * L, w[k]);
            } else {
                store(to + r * width + v * L, lines[r][0]);
            }
        }
    }
}

template <class T, bool R, bool C>
constexpr WinogradGradientKernel<T> kernel_along() {
    return {transform_input<T, R, C>, transform_grad<T, R, C>, transform_sums<T, R, C>};
}

}  // namespace

template <class T>
WinogradGradientKernel<T> winograd_gradient_kernel(bool along_rows, bool along_columns) {
    if (!along_rows) return kernel_along<T, false, true>();
    return along_columns ? kernel_along<T, true, true>() : kernel_along<T, true, false>();
}

template WinogradGradientKernel<float> winograd_gradient_kernel(bool, bool);
template WinogradGradientKernel<double> winograd_gradient_kernel(bool, bool);

}  // namespace faltung::FALTUNG_ISA
