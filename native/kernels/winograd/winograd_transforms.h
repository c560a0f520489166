// Winograd's minimal filtering of 3 taps along one axis: y = At ((G w) * (Bt d)) for M outputs from M + 2
// inputs. Points 0, 1, -1, 1/2, -2 and infinity for 4 outputs; 0, 1, -1 and infinity for 2. Beside 0, 1, -1 a
// point and its negated inverse round least (Barabasz, Anderson, Soodhalter & Gregg, "Error analysis and
// improving the accuracy of Winograd convolution for deep neural networks", ACM TOMS 46(4), 2020). Every line
// adds one product at most, so that a compiler has one way only to contract it. Internal linkage.
#pragma once

#include "core/vec.h"
#include "kernels/winograd/winograd_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Bt: N + 2 inputs, in place. A factor is a scalar of the vectors' element type.
template <class T, int M, class V>
inline void to_points(V (&d)[WinogradForm::points_for(M)]) {
    if constexpr (M == 4) {
        const V e = d[4] - d[2], f = d[3] - d[1];
        const V sum = d[2] + d[3], difference = d[3] - d[2];
        const V first = (d[0] - d[2]) + e, last = (d[5] - d[3]) - f;
        const V plus = e + f, minus = e - f;
        d[0] = first + f * T(1.5);
        d[1] = plus + sum * T(1.5);
        d[2] = minus + difference * T(1.5);
        d[3] = e + f * T(2);
        d[4] = e - f * T(0.5);
        d[5] = last + e * T(1.5);
    } else if constexpr (M == 2) {
        const V first = d[0] - d[2], last = d[3] - d[1];
        const V plus = d[1] + d[2], minus = d[2] - d[1];
        d[0] = first;
        d[1] = plus;
        d[2] = minus;
        d[3] = last;
    }
}

// At.
template <class T, int M, class V>
inline void from_points(const V (&m)[WinogradForm::points_for(M)], V (&y)[M]) {
    if constexpr (M == 4) {
        const V sum = m[1] + m[2], difference = m[1] - m[2];
        const V last = difference + m[5];
        const V first = (m[0] + sum) + (m[3] + m[4]);
        const V one = difference + m[3] * T(0.5);
        const V two = sum + m[3] * T(0.25);
        const V three = last + m[3] * T(0.125);
        y[0] = first;
        y[1] = one - m[4] * T(2);
        y[2] = two + m[4] * T(4);
        y[3] = three - m[4] * T(8);
    } else if constexpr (M == 2) {
        const V sum = m[1] + m[2], difference = m[1] - m[2];
        y[0] = m[0] + sum;
        y[1] = difference + m[3];
    } else {
        y[0] = m[0];
    }
}

// G. Doubling and quadrupling are exact, so that contracting changes nothing.
template <class T, int M>
inline void weight_to_points(const Vec<T> (&w)[WinogradForm::taps_for(M)],
                             Vec<T> (&u)[WinogradForm::points_for(M)]) {
    if constexpr (M == 4) {
        const Vec<T> ends = w[0] + w[2];
        const Vec<T> half = w[1] * T(2) + w[2], minus_two = w[0] - w[1] * T(2);
        u[0] = w[0];
        u[1] = (ends + w[1]) * T(1.0 / 3);
        u[2] = (ends - w[1]) * T(-1.0 / 3);
        u[3] = (w[0] * T(4) + half) * T(-4.0 / 15);
        u[4] = (w[2] * T(4) + minus_two) * T(1.0 / 15);
        u[5] = w[2];
    } else if constexpr (M == 2) {
        const Vec<T> ends = w[0] + w[2];
        u[0] = w[0];
        u[1] = (ends + w[1]) * T(0.5);
        u[2] = (ends - w[1]) * T(0.5);
        u[3] = w[2];
    } else {
        u[0] = w[0];
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
