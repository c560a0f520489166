// One output channel, some rows by some vectors of columns at once: a vector of cells, loaded once, serves
// every row that reads it. Image filters and depthwise layers are bound by loads; this saves most of them.
// Internal linkage.
#pragma once

#include "kernels/columns_tile.h"

namespace faltung::FALTUNG_ISA {

namespace {

// All column taps of one step, for the rows whose bit is set in Users.
template <class T, int V, int Users>
__attribute__((always_inline)) inline void add_step(const RowStep& step, const T* cells, const T* weight,
                                                    const std::int32_t* place, Index column_taps,
                                                    Vec<T> (&sum)[RowStep::most_rows][V]) {
    const T* row_weight[RowStep::most_rows];
    FALTUNG_UNROLL for (int r = 0; r < RowStep::most_rows; ++r) row_weight[r] = weight + step.tap[r];
    for (Index k = 0; k < column_taps; ++k) {
        const T* from = cells + (place[k] - place[0]);
        Vec<T> x[V];
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) x[v] = load(from + v * lanes<T>);
        FALTUNG_UNROLL for (int r = 0; r < RowStep::most_rows; ++r) if (Users >> r & 1) {
            const Vec<T> w = broadcast(row_weight[r][k]);
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[r][v] += w * x[v];
        }
    }
}

template <class T, int V>
void rows_tile(const CorrelationBlock<T>& b, Index row, Index column, Index count) {
    constexpr int L = lanes<T>, R = RowStep::most_rows;
    const OutputRow<T> first{b.y + row * b.y_row_stride + column * b.y_column_stride, b.y_column_stride,
                             count - (V - 1) * L};
    Vec<T> sum[R][V];
    FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
        OutputRow<T> out = first;
        out.y += r * b.y_row_stride;
        start_row<T, V>(b, 0, out, sum[r]);
    }
    const RowStep* const begin = b.steps[row / R];
    const RowStep* const end = b.steps[row / R + 1];
    const T* weight = b.weight;
    const T* panel = b.panel + column;
    for (Index ic = 0; ic < b.channels; ++ic, panel += b.channel_pitch, weight += b.taps)
        for (const RowStep* step = begin; step != end; ++step) {
            const T* cells = panel + step->cells;
#define FALTUNG_USERS(users)                                                       \
    case users:                                                                    \
        add_step<T, V, users>(*step, cells, weight, b.offset, b.column_taps, sum); \
        break;
            switch (step->users) {
                FALTUNG_USERS(1)
                FALTUNG_USERS(2)
                FALTUNG_USERS(3)
                FALTUNG_USERS(4)
                FALTUNG_USERS(5)
                FALTUNG_USERS(6)
                FALTUNG_USERS(7)
                FALTUNG_USERS(8)
                FALTUNG_USERS(9)
                FALTUNG_USERS(10)
                FALTUNG_USERS(11)
                FALTUNG_USERS(12)
                FALTUNG_USERS(13)
                FALTUNG_USERS(14)
                FALTUNG_USERS(15)
            }
#undef FALTUNG_USERS
        }
    FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
        OutputRow<T> out = first;
        out.y += r * b.y_row_stride;
        store_row<T, V>(out, sum[r]);
    }
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
