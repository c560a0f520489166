// y = activation(y + residual) on vectors. SiLU and sigmoid are within 2 units in the last
// place where they are no denormals.
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/epilogue.h"
#include "core/float_state.h"
#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

template <class T>
using Signed = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
template <class T>
using Unsigned = std::make_unsigned_t<Signed<T>>;

template <class T>
struct ExpOf;

// exp is 1 + r + r**2 / 2! + ... up to `degree` for |r| <= ln(2) / 2, times a power of two.
template <>
struct ExpOf<float> {
    static constexpr int mantissa = 23, bias = 127, degree = 7;
    static constexpr float limit = 110;  // exp(-limit) is 0
    static constexpr float ln2_high = 0.693359375f,
                           ln2_low = -2.12194440e-4f;  // multiples of the first are exact
};

template <>
struct ExpOf<double> {
    static constexpr int mantissa = 52, bias = 1023, degree = 13;
    static constexpr double limit = 760;
    static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
};

template <class T>
Vec<T> power_of_two(Vec<Signed<T>> exponent) {
    typedef typename VecOf<Unsigned<T>>::type Bits;
    return (Vec<T>)(((Bits)exponent + Unsigned<T>(ExpOf<T>::bias)) << ExpOf<T>::mantissa);
}

// exp(a) = (1 + q) * 2**n for |a| <= limit.
template <class T>
struct Exponential {
    Vec<T> q;
    Vec<Signed<T>> n;
};

template <class T>
Exponential<T> exponential(Vec<T> a) {
    using E = ExpOf<T>;
    // Adding 1.5 * 2**mantissa rounds to a whole number, in the lowest bits.
    const Vec<T> shift = broadcast<T>(T(3) * T(Index(1) << (E::mantissa - 1)));
    const Vec<T> shifted = a * T(1.44269504088896340736) + shift;
    const Vec<T> whole = shifted - shift;
    const Vec<T> r = (a - whole * E::ln2_high) - whole * E::ln2_low;
    T factor = 1;
    for (int k = 2; k <= E::degree; ++k) factor /= T(k);
    Vec<T> sum = broadcast<T>(factor);
    FALTUNG_UNROLL
    for (int k = E::degree; k > 2; --k) {
        factor *= T(k);
        sum = sum * r + factor;
    }
    return {r + r * r * sum, (Vec<Signed<T>>)shifted - (Vec<Signed<T>>)shift};
}

// y / (1 + exp(-x)). The denominator is kept to twice the precision, and divided by 2**half so that it does
// not overflow where the quotient is small.
template <class T>
Vec<T> logistic(Vec<T> x, Vec<T> y) {
    using E = ExpOf<T>;
    const Vec<T> limit = broadcast<T>(E::limit), zero{};
    const auto [q, n] = exponential<T>(x < -limit ? limit : x > limit ? -limit : -x);
    const Vec<Signed<T>> half = n >> 1;
    const Vec<T> one = power_of_two<T>(-half), scale = power_of_two<T>(n - half);
    const Vec<T> e = scale + scale * q, e_low = (scale - e) + scale * q;
    const Vec<T> larger = one > e ? one : e, smaller = one > e ? e : one;
    const Vec<T> d = larger + smaller, d_low = (smaller - (d - larger)) + e_low;
    const Vec<T> inverse = T(1) / d, quotient = y * inverse;
    const Vec<T> rest = (y - quotient * d) - quotient * d_low;
    const Vec<T> result = (quotient + rest * inverse) * one;
    return x > limit ? y : x < -limit ? y * zero : result;
}

template <class T>
Vec<T> sigmoid(Vec<T> x) {
    const Vec<T> one = broadcast<T>(T(1));
    return x == x ? logistic<T>(x, one) : x;
}

// x / 2 * (1 + erf(x / sqrt(2))), in float32 with a quotient of polynomials (that of Eigen's and XLA's erf)
// up to 4, where erf is 1 in float32: within 3 eps |x|.
template <class T>
Vec<T> gelu(Vec<T> x) {
    if constexpr (sizeof(T) == 8) {
        Vec<T> result;
        for (int lane = 0; lane < lanes<T>; ++lane)
            result[lane] = x[lane] * T(0.5) * T(std::erfc(-x[lane] * T(0.70710678118654752440)));
        return result;
    } else {
        constexpr T above[] = {T(-2.72614225801306e-10), T(2.77068142495902e-08),  T(-2.10102402082508e-06),
                               T(-5.69250639462346e-05), T(-7.34990630326855e-04), T(-2.95459980854025e-03),
                               T(-1.60960333262415e-02)};
        constexpr T below[] = {T(-1.45660718464996e-05), T(-2.13374055278905e-04), T(-1.68282697438203e-03),
                               T(-7.37332916720468e-03), T(-1.42647390514189e-02)};
        const Vec<T> one = broadcast<T>(T(1)), four = broadcast<T>(T(4));
        const Vec<T> z = x * T(0.70710678118654752440), square = z * z;
        Vec<T> p = broadcast<T>(above[0]), q = broadcast<T>(below[0]);
        FALTUNG_UNROLL
        for (int k = 1; k < 7; ++k) p = p * square + above[k];
        FALTUNG_UNROLL
        for (int k = 1; k < 5; ++k) q = q * square + below[k];
        const Vec<T> erf = z * p / q;
        return x * T(0.5) * (one + (z >= four ? one : z <= -four ? -one : erf));
    }
}

template <class T, Activation A>
Vec<T> activated(Vec<T> v) {
    const Vec<T> zero{}, six = broadcast<T>(T(6));
    if constexpr (A == Activation::silu) return logistic<T>(v, v);
    if constexpr (A == Activation::sigmoid) return sigmoid<T>(v);
    if constexpr (A == Activation::gelu) return gelu<T>(v);
    if constexpr (A == Activation::hardsigmoid || A == Activation::hardswish) {
        Vec<T> gate = v + T(3);
        gate = gate < zero ? zero : gate;
        gate = (gate > six ? six : gate) * T(1.0 / 6);
        return A == Activation::hardsigmoid ? gate : v * gate;
    }
    // In this order NaN stays.
    if constexpr (A == Activation::relu || A == Activation::relu6) v = v < zero ? zero : v;
    if constexpr (A == Activation::relu6) v = v > six ? six : v;
    return v;
}

// One line of outputs; `residual` may be null.
template <class T, Activation A>
void finish_line(T* y, Index y_step, const T* residual, Index residual_step, Index count) {
    constexpr Index width = lanes<T>;
    if (y_step == 1 && (!residual || residual_step == 1)) {
        Index i = 0;
        for (; i + width <= count; i += width) {
            const Vec<T> v = load(y + i);
            store(y + i, activated<T, A>(residual ? v + load(residual + i) : v));
        }
        if (i == count) return;
        const Vec<T> v = load_some(y + i, count - i);
        store_some(y + i, activated<T, A>(residual ? v + load_some(residual + i, count - i) : v), count - i);
        return;
    }
    for (Index i = 0; i < count; i += width) {
        const Index some = min_index(width, count - i);
        T cells[width] = {};
        for (Index lane = 0; lane < some; ++lane) {
            cells[lane] = y[(i + lane) * y_step];
            if (residual) cells[lane] += residual[(i + lane) * residual_step];
        }
        store(cells, activated<T, A>(load(cells)));
        for (Index lane = 0; lane < some; ++lane) y[(i + lane) * y_step] = cells[lane];
    }
}

template <class T, Activation A>
void finish_block(const EpilogueBlock& block) {
    struct Axis {
        Index size, y_step, residual_step;
    };
    const auto axis = [&](int a) { return Axis{block.size[a], block.y_stride[a], block.residual_stride[a]}; };
    const auto is_run = [](const Axis& a) { return a.y_step == 1 && a.residual_step == 1; };
    const auto follow = [](const Axis& outer, const Axis& inner) {
        return outer.y_step == inner.size * inner.y_step &&
               outer.residual_step == inner.size * inner.residual_step;
    };
    Axis outer = axis(0), middle = axis(1), inner = axis(2);
    if (!is_run(inner) || inner.size == 1) {
        if (is_run(outer)) {
            std::swap(outer, inner);
        } else if (is_run(middle)) {
            std::swap(middle, inner);
        }
    }
    if (follow(middle, inner)) {
        inner.size *= middle.size;
        middle = {1, 0, 0};
        if (follow(outer, inner)) {
            inner.size *= outer.size;
            outer = {1, 0, 0};
        }
    }
    T* const y = static_cast<T*>(block.y);
    const T* const residual = static_cast<const T*>(block.residual);
    for (Index i = 0; i < outer.size; ++i)
        for (Index j = 0; j < middle.size; ++j)
            finish_line<T, A>(
                y + i * outer.y_step + j * middle.y_step, inner.y_step,
                residual ? residual + i * outer.residual_step + j * middle.residual_step : nullptr,
                inner.residual_step, inner.size);
}

// Of activations whose results may be denormal where their arguments are far from it: these are kept.
template <class T, Activation A>
void finish_tail(const EpilogueBlock& block) {
    const FloatState counting(usual_float_control(false));
    finish_block<T, A>(block);
}

template <class T>
EpilogueLoop loop_of(Activation activation) {
    switch (activation) {
        case Activation::none:
            return finish_block<T, Activation::none>;
        case Activation::relu:
            return finish_block<T, Activation::relu>;
        case Activation::relu6:
            return finish_block<T, Activation::relu6>;
        case Activation::silu:
            if constexpr (std::is_floating_point_v<T>) return finish_tail<T, Activation::silu>;
            break;
        case Activation::sigmoid:
            if constexpr (std::is_floating_point_v<T>) return finish_tail<T, Activation::sigmoid>;
            break;
        case Activation::hardsigmoid:
            if constexpr (std::is_floating_point_v<T>) return finish_block<T, Activation::hardsigmoid>;
            break;
        case Activation::hardswish:
            if constexpr (std::is_floating_point_v<T>) return finish_block<T, Activation::hardswish>;
            break;
        case Activation::gelu:
            if constexpr (std::is_floating_point_v<T>) return finish_tail<T, Activation::gelu>;
    }
    return nullptr;
}

}  // namespace

EpilogueLoop epilogue_loop_for(Activation activation, Type type, bool is_signed) {
    switch (type) {
        case Type::float32:
            return loop_of<float>(activation);
        case Type::float64:
            return loop_of<double>(activation);
        case Type::uint64:
            return is_signed ? loop_of<std::int64_t>(activation) : loop_of<std::uint64_t>(activation);
        default:  // half precision is finished before it is rounded
            break;
    }
    return nullptr;
}

}  // namespace faltung::FALTUNG_ISA
