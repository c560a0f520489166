// Winograd's minimal filtering of K taps along one axis: y = At ((G w) * (Bt d)) for M outputs from M + K - 1
// inputs, as many as points. 4 points: 0, 1, -1 and infinity; 6: 1/2 and -2 too, for beside 0, 1, -1 a point
// and its negated inverse round least (Barabasz, Anderson, Soodhalter & Gregg, "Error analysis and improving
// the accuracy of Winograd convolution for deep neural networks", ACM TOMS 46(4), 2020); 8: 1/2, -1/2, 2 and
// -2 instead; 7: 1/4, 13/16, 2 and their negatives, which round less without 0 and 1. Every line adds one
// product at most, so that a compiler has one way only to contract it, unless the product is exact. Internal
// linkage.
#pragma once

#include "core/vec.h"
#include "kernels/winograd/winograd_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

// What `make` makes for the numbers of a form, each a constant of its type.
template <class Make>
inline auto for_form(WinogradForm form, Make make) {
    constexpr std::integral_constant<int, 1> one{};
    constexpr std::integral_constant<int, 2> two{};
    constexpr std::integral_constant<int, 3> three{};
    constexpr std::integral_constant<int, 4> four{};
    constexpr std::integral_constant<int, 5> five{};
    constexpr std::integral_constant<int, 6> six{};
    const bool has_five = form.taps == 5;
    if (form.rows == 6) return make(six, six, three);
    if (form.rows == 2) return has_five ? make(two, two, five) : make(two, two, three);
    if (form.columns == 1) return has_five ? make(four, one, five) : make(four, one, three);
    if (form.rows == 1) return has_five ? make(one, four, five) : make(one, four, three);
    return has_five ? make(four, four, five) : make(four, four, three);
}

// Of 7 points.
template <class T>
struct SevenPoints {
    static constexpr T a = T(0.25), b = T(0.8125), c = T(2);
};

// Cells from `first` on, every second, by x^4 - (p^2 + q^2) x^2 + p^2 q^2, which is zero at p, -p, q and -q.
template <class T, class V>
inline V away_from(const V (&d)[7], int first, T p, T q) {
    const V high = d[first + 4] - d[first + 2] * (p * p + q * q);
    return high + d[first] * (p * p * q * q);
}

// Bt, in place. A factor is a scalar of the vectors' element type.
template <class T, int P, class V>
inline void to_points(V (&d)[P]) {
    if constexpr (P == 8) {
        const V inner_even = d[2] - d[4], inner_odd = d[3] - d[5];
        const V first = d[6] - d[0], last = d[7] - d[1];
        const V even = d[6] + d[2], even_half = d[6] + d[2] * T(4), even_two = d[6] + d[2] * T(0.25);
        const V odd = d[1] + d[5], twice = d[1] * T(2), twice_last = d[5] * T(2);
        const V odd_half = twice + d[5] * T(0.5), odd_two = twice_last + d[1] * T(0.5);
        const V one = even - d[4] * T(4.25), minus_one = odd - d[3] * T(4.25);
        const V half = even_half - d[4] * T(5), minus_half = odd_half - d[3] * T(2.5);
        const V two = even_two - d[4] * T(1.25), minus_two = odd_two - d[3] * T(2.5);
        d[0] = first + inner_even * T(5.25);
        d[1] = one + minus_one;
        d[2] = one - minus_one;
        d[3] = half + minus_half;
        d[4] = half - minus_half;
        d[5] = two + minus_two;
        d[6] = two - minus_two;
        d[7] = last + inner_odd * T(5.25);
    } else if constexpr (P == 7) {
        constexpr T a = SevenPoints<T>::a, b = SevenPoints<T>::b, c = SevenPoints<T>::c;
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
    } else if constexpr (P == 6) {
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
    } else if constexpr (P == 4) {
        const V first = d[0] - d[2], last = d[3] - d[1];
        const V plus = d[1] + d[2], minus = d[2] - d[1];
        d[0] = first;
        d[1] = plus;
        d[2] = minus;
        d[3] = last;
    }
}

// At.
template <class T, int M, int P, class V>
inline void from_points(const V (&m)[P], V (&y)[M]) {
    if constexpr (P == 8) {
        const V sum = m[1] + m[2], half_sum = m[3] + m[4], two_sum = m[5] + m[6];
        const V difference = m[1] - m[2], half = m[3] - m[4], two = m[5] - m[6];
        y[0] = (m[0] + sum) + (half_sum + two_sum);
        T factor = 1, inverse = 1;
        FALTUNG_UNROLL for (int i = 1; i < M; ++i) {
            factor *= T(2);
            inverse *= T(0.5);
            const V rest = (i % 2 ? difference : sum) + (i % 2 ? half : half_sum) * inverse;
            y[i] = rest + (i % 2 ? two : two_sum) * factor;
        }
        y[M - 1] = y[M - 1] + m[7];
    } else if constexpr (P == 7) {
        static_assert(M == 4);
        constexpr T a = SevenPoints<T>::a, b = SevenPoints<T>::b, c = SevenPoints<T>::c;
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
    } else if constexpr (P == 6) {
        const V sum = m[1] + m[2], difference = m[1] - m[2];
        const V first = (m[0] + sum) + (m[3] + m[4]);
        y[0] = first;
        if constexpr (M == 4) {
            const V last = difference + m[5];
            const V one = difference + m[3] * T(0.5);
            const V two = sum + m[3] * T(0.25);
            const V three = last + m[3] * T(0.125);
            y[1] = one - m[4] * T(2);
            y[2] = two + m[4] * T(4);
            y[3] = three - m[4] * T(8);
        } else {
            const V last = difference + m[5];
            const V one = last + m[3] * T(0.5);
            y[1] = one - m[4] * T(2);
        }
    } else if constexpr (P == 4) {
        const V sum = m[1] + m[2], difference = m[1] - m[2];
        y[0] = m[0] + sum;
        y[1] = difference + m[3];
    } else {
        y[0] = m[0];
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

// G. Powers of two are exact, so that contracting them changes nothing.
template <class T, int K, int P>
inline void weight_to_points(const Vec<T> (&w)[K], Vec<T> (&u)[P]) {
    if constexpr (P == 8) {
        Vec<T> even = w[0] + w[2], odd = w[1], half = w[0] * T(4) + w[2], half_odd = w[1] * T(2);
        Vec<T> two = w[2] * T(4) + w[0], two_odd = half_odd;
        T half_factor = T(8.0 / 45);
        if constexpr (K == 5) {
            even = even + w[4];
            odd = odd + w[3];
            half = half * T(4) + w[4];
            half_odd = w[1] * T(8) + w[3] * T(2);
            two = two + w[4] * T(16);
            two_odd = two_odd + w[3] * T(8);
            half_factor = T(2.0 / 45);
        }
        u[0] = -w[0];
        u[1] = (even + odd) * T(-2.0 / 9);
        u[2] = (even - odd) * T(-2.0 / 9);
        u[3] = (half + half_odd) * half_factor;
        u[4] = (half - half_odd) * half_factor;
        u[5] = (two + two_odd) * T(1.0 / 90);
        u[6] = (two - two_odd) * T(1.0 / 90);
        u[7] = w[K - 1];
    } else if constexpr (P == 7) {  // factors are 1 / (2 p (p^2 - q^2) (p^2 - r^2))
        static_assert(K == 4);
        constexpr double a = SevenPoints<double>::a, b = SevenPoints<double>::b, c = SevenPoints<double>::c;
        at_point<T>(w, T(a), 1 / (2 * a * (a * a - b * b) * (a * a - c * c)), u[0], u[1]);
        at_point<T>(w, T(b), 1 / (2 * b * (b * b - a * a) * (b * b - c * c)), u[2], u[3]);
        at_point<T>(w, T(c), 1 / (2 * c * (c * c - a * a) * (c * c - b * b)), u[4], u[5]);
        u[6] = w[3];
    } else if constexpr (P == 6 && K == 5) {
        const Vec<T> even = (w[0] + w[2]) + w[4], odd = w[1] + w[3];
        const Vec<T> half_even = (w[0] * T(4) + w[2]) * T(4) + w[4], half_odd = w[1] * T(8) + w[3] * T(2);
        const Vec<T> two_even = (w[4] * T(4) + w[2]) * T(4) + w[0], two_odd = w[3] * T(8) + w[1] * T(2);
        u[0] = w[0];
        u[1] = (even + odd) * T(1.0 / 3);
        u[2] = (even - odd) * T(-1.0 / 3);
        u[3] = (half_even + half_odd) * T(-1.0 / 15);
        u[4] = (two_even - two_odd) * T(1.0 / 15);
        u[5] = w[4];
    } else if constexpr (P == 6) {
        const Vec<T> ends = w[0] + w[2];
        const Vec<T> half = w[1] * T(2) + w[2], minus_two = w[0] - w[1] * T(2);
        u[0] = w[0];
        u[1] = (ends + w[1]) * T(1.0 / 3);
        u[2] = (ends - w[1]) * T(-1.0 / 3);
        u[3] = (w[0] * T(4) + half) * T(-4.0 / 15);
        u[4] = (w[2] * T(4) + minus_two) * T(1.0 / 15);
        u[5] = w[2];
    } else if constexpr (P == 4) {
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
