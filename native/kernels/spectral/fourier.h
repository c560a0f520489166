// The complex Fourier transform of sequences side by side in the lanes: every step is made of whole vectors,
// nothing is shuffled. Forward by decimation in frequency, back by decimation in time, in place; the order of
// frequencies between the two is that of the digits reversed. Internal linkage.
#pragma once

#include "core/vec.h"
#include "kernels/spectral/spectral_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

template <class T>
inline void rotate_back(Vec<T>& re, Vec<T>& im) {  // times -i
    const Vec<T> old = re;
    re = im;
    im = -old;
}

// The transforms of R numbers, sign -1 in the exponent.
template <class T, int R>
struct Butterfly;

template <class T>
struct Butterfly<T, 2> {
    static inline void apply(Vec<T> (&re)[2], Vec<T> (&im)[2]) {
        const Vec<T> r = re[0] - re[1], i = im[0] - im[1];
        re[0] += re[1];
        im[0] += im[1];
        re[1] = r;
        im[1] = i;
    }
};

template <class T>
struct Butterfly<T, 3> {
    static inline void apply(Vec<T> (&re)[3], Vec<T> (&im)[3]) {
        const T half = T(0.5), sine = T(0.866025403784438646763723170752936183L);
        const Vec<T> sum_re = re[1] + re[2], sum_im = im[1] + im[2];
        const Vec<T> turn_re = sine * (im[1] - im[2]), turn_im = sine * (re[2] - re[1]);
        const Vec<T> mean_re = re[0] - half * sum_re, mean_im = im[0] - half * sum_im;
        re[0] += sum_re;
        im[0] += sum_im;
        re[1] = mean_re + turn_re;
        im[1] = mean_im + turn_im;
        re[2] = mean_re - turn_re;
        im[2] = mean_im - turn_im;
    }
};

template <class T>
inline void butterfly4(Vec<T>& r0, Vec<T>& r1, Vec<T>& r2, Vec<T>& r3, Vec<T>& i0, Vec<T>& i1, Vec<T>& i2,
                       Vec<T>& i3) {
    const Vec<T> ar = r0 + r2, ai = i0 + i2, br = r0 - r2, bi = i0 - i2;
    const Vec<T> cr = r1 + r3, ci = i1 + i3, dr = r1 - r3, di = i1 - i3;
    r0 = ar + cr;
    i0 = ai + ci;
    r2 = ar - cr;
    i2 = ai - ci;
    r1 = br + di;
    i1 = bi - dr;
    r3 = br - di;
    i3 = bi + dr;
}

template <class T>
struct Butterfly<T, 4> {
    static inline void apply(Vec<T> (&re)[4], Vec<T> (&im)[4]) {
        butterfly4<T>(re[0], re[1], re[2], re[3], im[0], im[1], im[2], im[3]);
    }
};

template <class T>
struct Butterfly<T, 5> {
    static inline void apply(Vec<T> (&re)[5], Vec<T> (&im)[5]) {
        const T c1 = T(0.309016994374947424102293417182819059L),
                c2 = T(-0.809016994374947424102293417182819059L);
        const T s1 = T(0.951056516295153572116439333379382143L),
                s2 = T(0.587785252292473129168705954639072769L);
        const Vec<T> a_re = re[1] + re[4], a_im = im[1] + im[4], b_re = re[2] + re[3], b_im = im[2] + im[3];
        const Vec<T> c_re = re[1] - re[4], c_im = im[1] - im[4], d_re = re[2] - re[3], d_im = im[2] - im[3];
        const Vec<T> m1_re = re[0] + c1 * a_re + c2 * b_re, m1_im = im[0] + c1 * a_im + c2 * b_im;
        const Vec<T> m2_re = re[0] + c2 * a_re + c1 * b_re, m2_im = im[0] + c2 * a_im + c1 * b_im;
        const Vec<T> n1_re = s1 * c_re + s2 * d_re, n1_im = s1 * c_im + s2 * d_im;
        const Vec<T> n2_re = s2 * c_re - s1 * d_re, n2_im = s2 * c_im - s1 * d_im;
        re[0] += a_re + b_re;
        im[0] += a_im + b_im;
        re[1] = m1_re + n1_im;
        im[1] = m1_im - n1_re;
        re[4] = m1_re - n1_im;
        im[4] = m1_im + n1_re;
        re[2] = m2_re + n2_im;
        im[2] = m2_im - n2_re;
        re[3] = m2_re - n2_im;
        im[3] = m2_im + n2_re;
    }
};

template <class T>
struct Butterfly<T, 8> {
    static inline void apply(Vec<T> (&re)[8], Vec<T> (&im)[8]) {
        const T root = T(0.707106781186547524400844362104849039L);
        butterfly4<T>(re[0], re[2], re[4], re[6], im[0], im[2], im[4], im[6]);
        butterfly4<T>(re[1], re[3], re[5], re[7], im[1], im[3], im[5], im[7]);
        const Vec<T> r3 = root * (re[3] + im[3]), i3 = root * (im[3] - re[3]);
        const Vec<T> r7 = root * (im[7] - re[7]), i7 = root * (-im[7] - re[7]);
        const Vec<T> r5 = im[5], i5 = -re[5];
        const Vec<T> even_re[4] = {re[0], re[2], re[4], re[6]}, even_im[4] = {im[0], im[2], im[4], im[6]};
        const Vec<T> odd_re[4] = {re[1], r3, r5, r7}, odd_im[4] = {im[1], i3, i5, i7};
        FALTUNG_UNROLL for (int k = 0; k < 4; ++k) {
            re[k] = even_re[k] + odd_re[k];
            im[k] = even_im[k] + odd_im[k];
            re[k + 4] = even_re[k] - odd_re[k];
            im[k + 4] = even_im[k] - odd_im[k];
        }
    }
};

template <class T>
inline void turn(Vec<T>& re, Vec<T>& im, const T* factor) {
    const Vec<T> old = re;
    re = old * factor[0] - im * factor[1];
    im = im * factor[0] + old * factor[1];
}

// One level for `blocks` sequences behind one another. Re and Im say which part lies first: exchanged, the
// transform goes back.
template <class T, int R, bool Forward>
void level(T* z, Index blocks, Index rest, const T* twiddle) {
    constexpr int L = lanes<T>;
    constexpr int Re = Forward ? 0 : L, Im = Forward ? L : 0;
    const Index apart = rest * 2 * L;
    for (Index block = 0; block < blocks; ++block, z += (R - 1) * apart) {
        const T* factors = twiddle;
        for (Index j = 0; j < rest; ++j, z += 2 * L) {
            Vec<T> re[R], im[R];
            FALTUNG_UNROLL for (int q = 0; q < R; ++q) {
                re[q] = load(z + q * apart + Re);
                im[q] = load(z + q * apart + Im);
            }
            if constexpr (!Forward) {
                if (rest > 1) {
                    FALTUNG_UNROLL for (int q = 1; q < R; ++q) turn<T>(re[q], im[q], factors + 2 * (q - 1));
                }
            }
            Butterfly<T, R>::apply(re, im);
            if constexpr (Forward) {
                if (rest > 1) {
                    FALTUNG_UNROLL for (int q = 1; q < R; ++q) turn<T>(re[q], im[q], factors + 2 * (q - 1));
                }
            }
            FALTUNG_UNROLL for (int q = 0; q < R; ++q) {
                store(z + q * apart + Re, re[q]);
                store(z + q * apart + Im, im[q]);
            }
            factors += 2 * (R - 1);
        }
    }
}

template <class T, bool Forward>
void run_level(const FourierPlan<T>& plan, int number, T* z, Index blocks) {
    const Index rest = plan.rest[number];
    const T* twiddle = plan.twiddle[number];
    switch (plan.radix[number]) {
        case 2:
            return level<T, 2, Forward>(z, blocks, rest, twiddle);
        case 3:
            return level<T, 3, Forward>(z, blocks, rest, twiddle);
        case 4:
            return level<T, 4, Forward>(z, blocks, rest, twiddle);
        case 5:
            return level<T, 5, Forward>(z, blocks, rest, twiddle);
        default:
            return level<T, 8, Forward>(z, blocks, rest, twiddle);
    }
}

constexpr Index l1_sequence_bytes = 16 << 10;

// From level `number` on, of one sequence; parts that fit into L1 one after the other.
template <class T>
void transform_forward(const FourierPlan<T>& plan, int number, T* z) {
    const Index size = number == 0 ? plan.size : plan.rest[number - 1];
    const Index bytes = 2 * lanes<T> * Index(sizeof(T));
    if (size * bytes <= l1_sequence_bytes) {
        for (int n = number; n < plan.levels; ++n)
            run_level<T, true>(plan, n, z, n == number ? 1 : size / plan.rest[n - 1]);
        return;
    }
    run_level<T, true>(plan, number, z, 1);
    for (int q = 0; q < plan.radix[number]; ++q)
        transform_forward(plan, number + 1, z + q * plan.rest[number] * 2 * lanes<T>);
}

template <class T>
void transform_back(const FourierPlan<T>& plan, int number, T* z) {
    const Index size = number == 0 ? plan.size : plan.rest[number - 1];
    const Index bytes = 2 * lanes<T> * Index(sizeof(T));
    if (size * bytes <= l1_sequence_bytes) {
        for (int n = plan.levels - 1; n >= number; --n)
            run_level<T, false>(plan, n, z, n == number ? 1 : size / plan.rest[n - 1]);
        return;
    }
    for (int q = 0; q < plan.radix[number]; ++q)
        transform_back(plan, number + 1, z + q * plan.rest[number] * 2 * lanes<T>);
    run_level<T, false>(plan, number, z, 1);
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
