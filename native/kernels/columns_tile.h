// Correlation with columns in the vector lanes: a register tile is some output channels by some vectors of
// columns; every step loads the vectors of cells and broadcasts one weight a channel. Included by the
// families that differ only in the shape of that tile. Internal linkage.
#pragma once

#include "core/vec.h"
#include "kernels/correlation_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Where one row of V vectors of outputs lies; the last vector may be partial.
template <class T>
struct OutputRow {
    T* y;
    Index column_stride;
    Index last;  // columns in the last vector
};

template <class T, int V>
inline void load_row(const OutputRow<T>& row, Vec<T> (&v)[V]) {
    constexpr int L = lanes<T>;
    FALTUNG_UNROLL for (int i = 0; i < V; ++i) {
        const Index count = i < V - 1 ? Index(L) : row.last;
        if (row.column_stride == 1) {
            v[i] = count == L ? load(row.y + i * L) : load_some(row.y + i * L, count);
        } else {
            v[i] = Vec<T>{};
            for (Index lane = 0; lane < count; ++lane) v[i][lane] = row.y[(i * L + lane) * row.column_stride];
        }
    }
}

template <class T, int V>
inline void store_row(const OutputRow<T>& row, const Vec<T> (&v)[V]) {
    constexpr int L = lanes<T>;
    FALTUNG_UNROLL for (int i = 0; i < V; ++i) {
        const Index count = i < V - 1 ? Index(L) : row.last;
        if (row.column_stride != 1) {
            for (Index lane = 0; lane < count; ++lane) row.y[(i * L + lane) * row.column_stride] = v[i][lane];
        } else if (count == L) {
            store(row.y + i * L, v[i]);
        } else {
            store_some(row.y + i * L, v[i], count);
        }
    }
}

// The sums of one output channel's row before the first product.
template <class T, int V>
inline void start_row(const CorrelationBlock<T>& b, int channel, const OutputRow<T>& row, Vec<T> (&sum)[V]) {
    const Vec<T> bias = b.bias ? broadcast(b.bias[channel]) : Vec<T>{};
    if (!b.resumes) {
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] = bias;
        return;
    }
    load_row<T, V>(row, sum);
    if (b.bias) {
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] += bias;
    }
}

template <class T, int C, int V>
void columns_tile(const CorrelationBlock<T>& b, Index channel_block, Index row, Index column, Index count) {
    constexpr int L = lanes<T>;
    const int channels = static_cast<int>(min_index(b.out_channels, C));
    OutputRow<T> out{b.y + row * b.y_row_stride + column * b.y_column_stride, b.y_column_stride,
                     count - (V - 1) * L};
    Vec<T> sum[C][V];
    FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
        if (c < channels) {
            OutputRow<T> own = out;
            own.y += c * b.y_channel_stride;
            start_row<T, V>(b, c, own, sum[c]);
            // The sums are stored long after; the lines to hold them can arrive meanwhile.
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) __builtin_prefetch(own.y + v * L, 1);
        } else {
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[c][v] = Vec<T>{};
        }
    }

    const T* weight = b.weight;
    const T* panel = b.panel + column;
    const std::int32_t* offset = b.offset + row * b.taps;
    auto add_products = [&](const T* cells) {
        Vec<T> x[V];
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) x[v] = load(cells + v * L);
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
            const Vec<T> w = broadcast(weight[c]);
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[c][v] += w * x[v];
        }
        weight += channel_block;
    };
    if (b.taps == 1) {  // a loop in a loop of one step costs a tenth of a 1x1 layer
        panel += offset[0];
        for (Index ic = 0; ic < b.channels; ++ic, panel += b.channel_pitch) add_products(panel);
    } else {
        for (Index ic = 0; ic < b.channels; ++ic, panel += b.channel_pitch)
            for (Index tap = 0; tap < b.taps; ++tap) add_products(panel + offset[tap]);
    }

    FALTUNG_UNROLL for (int c = 0; c < C; ++c) if (c < channels) {
        store_row<T, V>(out, sum[c]);
        out.y += b.y_channel_stride;
    }
}

template <class T>
using ColumnsTile = void (*)(const CorrelationBlock<T>&, Index, Index, Index, Index);

// Tiles of at most V vectors, of about the same number each: visit(vectors, first column, columns).
template <class T, int V, class Visit>
void each_column_tile(Index columns, Visit visit) {
    constexpr int L = lanes<T>;
    const Index all = ceil_divide(columns, L), tiles = ceil_divide(all, V);
    for (Index i = 0; i < tiles; ++i) {
        const Index first = i * all / tiles, end = (i + 1) * all / tiles;
        visit(end - first, first * L, min_index(end * L, columns) - first * L);
    }
}

// tile(vectors) gives the kernel for that many vectors of columns; V is the most.
template <class T, int V, class Tile>
void columns_block(const CorrelationBlock<T>& b, Index channel_block, Tile tile) {
    each_column_tile<T, V>(b.columns, [&](Index vectors, Index first, Index count) {
        const ColumnsTile<T> compute = tile(vectors);
        for (Index row = 0; row < b.rows; ++row) compute(b, channel_block, row, first, count);
    });
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
