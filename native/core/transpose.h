// Turns vectors of channels, one a column, into rows of columns, one a channel, and back.
#pragma once

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

// 8 vectors v[column][lane] to and from [lane][8 columns]: three rounds of zipping.
constexpr int transposed_columns = 8;

template <class T>
static inline void transpose_to_rows(Vec<T> (&v)[transposed_columns]) {
    FALTUNG_UNROLL for (int distance = 4; distance > 0; distance /= 2) {
        Vec<T> zipped[transposed_columns];
        FALTUNG_UNROLL for (int i = 0; i < 4; ++i) {
            zipped[2 * i] = zip<T, 0>(v[i], v[i + 4]);
            zipped[2 * i + 1] = zip<T, 1>(v[i], v[i + 4]);
        }
        FALTUNG_UNROLL for (int i = 0; i < transposed_columns; ++i) v[i] = zipped[i];
    }
}

template <class T>
static inline void transpose_to_columns(Vec<T> (&v)[transposed_columns]) {
    FALTUNG_UNROLL for (int distance = 4; distance > 0; distance /= 2) {
        Vec<T> unzipped[transposed_columns];
        FALTUNG_UNROLL for (int i = 0; i < 4; ++i) {
            unzipped[i] = unzip<T, 0>(v[2 * i], v[2 * i + 1]);
            unzipped[i + 4] = unzip<T, 1>(v[2 * i], v[2 * i + 1]);
        }
        FALTUNG_UNROLL for (int i = 0; i < transposed_columns; ++i) v[i] = unzipped[i];
    }
}

// As many vectors as each has lanes: v[i][lane] becomes v[lane][i].
template <class T>
static inline void transpose_square(Vec<T> (&v)[lanes<T>]) {
    constexpr int L = lanes<T>;
    FALTUNG_UNROLL for (int distance = L / 2; distance > 0; distance /= 2) {
        Vec<T> zipped[L];
        FALTUNG_UNROLL for (int i = 0; i < L / 2; ++i) {
            zipped[2 * i] = zip<T, 0>(v[i], v[i + L / 2]);
            zipped[2 * i + 1] = zip<T, 1>(v[i], v[i + L / 2]);
        }
        FALTUNG_UNROLL for (int i = 0; i < L; ++i) v[i] = zipped[i];
    }
}

}  // namespace faltung::FALTUNG_ISA
