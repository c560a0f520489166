// Signed 64-bit sizes and offsets, and the arithmetic on them that must not wrap.
#pragma once

#include <cstdint>

namespace faltung {

using Index = std::int64_t;

// Where a size stops being a number and only says "unreasonable".
constexpr Index saturated = Index(1) << 62;

static inline Index saturating_add(Index a, Index b) {  // both in [0, saturated]
    return a > saturated - b ? saturated : a + b;
}

static inline Index saturating_multiply(Index a, Index b) {  // both in [0, saturated]
    if (a == 0 || b == 0) return 0;
    return a > saturated / b ? saturated : a * b;
}

static inline Index ceil_divide(Index a, Index b) {
    return a / b + (a % b != 0);
}  // a >= 0, b > 0

static inline Index round_up(Index a, Index b) {
    return ceil_divide(a, b) * b;
}

static inline Index min_index(Index a, Index b) {
    return a < b ? a : b;
}

static inline Index max_index(Index a, Index b) {
    return a > b ? a : b;
}

}  // namespace faltung
