// Vectors of output channels, one a column, stored as rows of columns. Internal linkage.
#pragma once

#include "core/narrow.h"
#include "core/transpose.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Columns of one channel that vectors hold together, once they are transposed.
template <class T>
constexpr int piece_columns = lanes<T> < transposed_columns ? lanes<T> : transposed_columns;

// From `place` on: column `place` % 8 of channel `place` / 8.
template <class T>
inline Narrow<T, piece_columns<T>> piece_at(const Vec<T> (&v)[transposed_columns], int place) {
    constexpr int L = lanes<T>, part = piece_columns<T>;
    const Vec<T> from = v[place / L];
    if constexpr (part == L) {
        return from;
    } else {
        return place % L == 0 ? part_of<T, part, 0>(from) : part_of<T, part, L - part>(from);
    }
}

// One row of outputs of each channel of a vector: 8 columns of outputs, of which `columns` exist.
template <class T>
inline void store_channels(T* y, Index channel_stride, Index column_stride, bool accumulates, Index channels,
                           Index columns, Vec<T> (&v)[transposed_columns]) {
    constexpr int L = lanes<T>, part = piece_columns<T>;
    transpose_to_rows<T>(v);
    if (column_stride == 1 && columns == transposed_columns && channels == L && !accumulates) {
        FALTUNG_UNROLL for (int place = 0; place < L * transposed_columns; place += part) {
            const Narrow<T, part> piece = piece_at<T>(v, place);
            __builtin_memcpy(y + place / transposed_columns * channel_stride + place % transposed_columns,
                             &piece, sizeof piece);
        }
        return;
    }
    alignas(64) T values[L * transposed_columns];
    FALTUNG_UNROLL for (int i = 0; i < transposed_columns; ++i) store(values + i * L, v[i]);
    const T* row = values;
    for (Index oc = 0; oc < channels; ++oc, y += channel_stride, row += transposed_columns) {
        if (column_stride != 1) {
            for (Index column = 0; column < columns; ++column) {
                T& to = y[column * column_stride];
                to = accumulates ? to + row[column] : row[column];
            }
            continue;
        }
        for (Index column = 0; column < columns; column += part) {
            const unsigned mask = lanes_between<part>(0, columns - column);
            Narrow<T, part> sum = load_narrow<T, part>(row + column);
            if (accumulates) sum = load_lanes<T, part>(y + column, mask) + sum;
            store_lanes<T, part>(y + column, sum, mask);
        }
    }
}
}  // namespace

}  // namespace faltung::FALTUNG_ISA
