// Whole numbers as cells of each type, and back.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/problem.h"

namespace faltung {

// Bits of a significand that the type holds; a whole number past them is rounded to the nearest, ties to
// even.
inline std::int64_t rounded_to(std::int64_t value, int bits) {
    std::int64_t size = value < 0 ? -value : value, step = 1;
    while (size / step >= std::int64_t(1) << bits) step *= 2;
    const std::int64_t rest = size % step, below = size - rest;
    const bool is_up = 2 * rest > step || (2 * rest == step && below / step % 2 != 0);
    const std::int64_t nearest = below + (is_up ? step : 0);
    return value < 0 ? -nearest : nearest;
}

template <class T>
struct PlainCell {
    using Cell = T;
    using Sum = T;
    static T stored(std::int64_t value) { return static_cast<T>(value); }
    static double read(T cell) { return static_cast<double>(cell); }
    static double expected(std::int64_t value) { return static_cast<double>(static_cast<T>(value)); }
};

// Of 16 bits: `exponent` of them, and as many of the significand as are left.
template <int exponent>
struct HalfCell {
    using Cell = std::uint16_t;
    using Sum = float;
    static constexpr int fraction = 15 - exponent, bias = (1 << (exponent - 1)) - 1;

    static Cell stored(std::int64_t value) {
        if (value == 0) return 0;
        const std::int64_t size = rounded_to(value < 0 ? -value : value, fraction + 1);
        const int power = std::ilogb(static_cast<double>(size));
        const auto significand = static_cast<int>(std::ldexp(static_cast<double>(size), fraction - power));
        return static_cast<Cell>((value < 0 ? 0x8000 : 0) |
                                 (((power + bias) << fraction) + significand - (1 << fraction)));
    }
    static double read(Cell cell) {
        const int power = (cell & 0x7fff) >> fraction, significand = cell & ((1 << fraction) - 1);
        if (power == (1 << exponent) - 1) return NAN;
        const double size = power == 0 ? std::ldexp(significand, 1 - bias - fraction)
                                       : std::ldexp(significand + (1 << fraction), power - bias - fraction);
        return cell & 0x8000 ? -size : size;
    }
    static double expected(std::int64_t value) {
        return static_cast<double>(rounded_to(value, fraction + 1));
    }
};

}  // namespace faltung
