// The one map from a position on the infinitely extended signal to an input cell.
// Internal linkage: kernels of several instruction sets include this.
#pragma once

#include "core/problem.h"

namespace faltung {

constexpr Index outside = -1;

static inline Index floor_modulo(Index value, Index period) {
    Index rest = value % period;
    return rest < 0 ? rest + period : rest;
}

static inline Index border_cell(Border border, Index position, Index size) {
    if (position >= 0 && position < size) return position;
    if (size == 0) return outside;
    switch (border) {
        case Border::zeros:
        case Border::absent:
            return outside;
        case Border::circular:
            return floor_modulo(position, size);
        case Border::replicate:
            return position < 0 ? 0 : size - 1;
        case Border::reflect: {
            if (size == 1) return 0;
            Index rest = floor_modulo(position, 2 * (size - 1));
            return rest < size ? rest : 2 * (size - 1) - rest;
        }
        case Border::symmetric: {
            Index rest = floor_modulo(position, 2 * size);
            return rest < size ? rest : 2 * size - 1 - rest;
        }
    }
    return outside;
}

}  // namespace faltung
