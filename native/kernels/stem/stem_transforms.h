// Winograd's minimal filtering of K taps with tiles of 4 outputs: y = At ((G w) * (Bt d)). 3 taps: as
// kernels/winograd. 4 taps: points 1/4, 13/16 and 2, their negatives and infinity. Without 0 and 1 they round
// less than any with them, and all but the last factors of the weights are exact. Every line adds one product
// at most that is not exact, so that a compiler has one way only to contract it. Internal linkage.
#pragma once

#include "kernels/stem/stem_block.h"
#include "kernels/winograd/winograd_transforms.h"

namespace faltung::FALTUNG_ISA {

namespace {

// The points of 4 taps.
template <class T>
struct StemPoints {
    static constexpr T a = T(0.25), b = T(0.8125), c = T(2);
};

// Cells from `first` on, every second, by x^4 - (p^2 + q^2) x^2 + p^2 q^2, which is zero at p, -p, q and -q.
template <class T, class V>
inline V away_from(const V (&d)[7], int first, T p, T q) {
    const V high = d[first + 4] - d[first + 2] * (p * p + q * q);
    return high + d[first] * (p * p * q * q);
}

// Bt, in place.
template <class T, int K, class V>
inline void stem_to_points(V (&d)[stem_points(K)]) {
    if constexpr (K == 3) {
        to_points<T, stem_points(3)>(d);
    } else {
        constexpr T a = StemPoints<T>::a, b = StemPoints<T>::b, c = StemPoints<T>::c;
        const V a_even = away_from<T>(d, 0, b, c), a_odd = away_from<T>(d, 1, b, c);
        const V b_even = away_from<T>(d, 0, a, c), b_odd = away_from<T>(d, 1, a, c);
        const V c_even = away_from<T>(d, 0, a, b), c_odd = away_from<T>(d, 1, a, b);
        const V last = away_from<T>(d, 2, a, b);  // less c^2 times those two cells before
        d[0] = a_odd + a_even * a;
        d[1] = a_odd - a_even * a;
        d[2] = b_odd + b_even * b;
        d[3] = b_odd - b_even * b;
        d[4] = c_odd + c_even * c;
        d[5] = c_odd - c_even * c;
        d[6] = last - c_even * (c * c);
    }
}

// At.
template <class T, int K, class V>
inline void stem_from_points(const V (&m)[stem_points(K)], V (&y)[stem_outputs]) {
    if constexpr (K == 3) {
        from_points<T, stem_outputs, stem_points(3)>(m, y);
    } else {
        constexpr T a = StemPoints<T>::a, b = StemPoints<T>::b, c = StemPoints<T>::c;
        const V a_sum = m[0] + m[1], a_difference = m[0] - m[1];
        const V b_sum = m[2] + m[3], b_difference = m[2] - m[3];
        const V c_sum = m[4] + m[5], c_difference = m[4] - m[5];
        const V one = a_difference * a + c_difference * c;
        const V two = a_sum * (a * a) + c_sum * (c * c);
        const V three = (a_difference * (a * a * a) + m[6]) + c_difference * (c * c * c);
        y[0] = (a_sum + b_sum) + c_sum;
        y[1] = one + b_difference * b;
        y[2] = two + b_sum * (b * b);
        y[3] = three + b_difference * (b * b * b);
    }
}

// G at a point and its negative.
template <class T>
inline void at_point(const Vec<T> (&w)[4], T point, double factor, Vec<T>& plus, Vec<T>& minus) {
    const Vec<T> even = w[0] + w[2] * (point * point), odd = w[1] + w[3] * (point * point);
    const Vec<T> sum = even + odd * point, difference = even - odd * point;
    plus = sum * T(factor);
    minus = difference * T(-factor);
}

// G. Factors are 1 / (2 p (p^2 - q^2) (p^2 - r^2)).
template <class T, int K>
inline void stem_weight_to_points(const Vec<T> (&w)[K], Vec<T> (&u)[stem_points(K)]) {
    if constexpr (K == 3) {
        weight_to_points<T, 3, stem_points(3)>(w, u);
    } else {
        constexpr double a = StemPoints<double>::a, b = StemPoints<double>::b, c = StemPoints<double>::c;
        at_point<T>(w, T(a), 1 / (2 * a * (a * a - b * b) * (a * a - c * c)), u[0], u[1]);
        at_point<T>(w, T(b), 1 / (2 * b * (b * b - a * a) * (b * b - c * c)), u[2], u[3]);
        at_point<T>(w, T(c), 1 / (2 * c * (c * c - a * a) * (c * c - b * b)), u[4], u[5]);
        u[6] = w[3];
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
