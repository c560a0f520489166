// Both passes hold sums in registers over all taps. Down the columns a vector of cells is loaded once for the
// rows of the tile that meet it; along a row vectors are loaded at every offset, and where there are more
// taps than lanes each is used for two taps, a vector's length apart.
#include "kernels/separable/separable_tile.h"

#include "core/registers.h"
#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_rows = 8;
constexpr int row_vectors = 8;
#else
constexpr int most_rows = 4;
constexpr int row_vectors = 4;
#endif
constexpr int column_vectors = 2;
constexpr int chunk = 4;  // taps whose weights are held at once

template <class T, int V, bool IsWhole>
inline Vec<T> load_cells(const T* row, Index count, int v) {
    if (IsWhole) return load(row + v * lanes<T>);
    const Index left = count - v * lanes<T>;
    return left >= lanes<T> ? load(row + v * lanes<T>) : load_some(row + v * lanes<T>, left > 0 ? left : 0);
}

// Taps [first, first + K) of one far tap, for R rows whose cells overlap.
template <class T, int R, int V, int K, bool IsWhole>
inline void add_shared(const T* const* rows, Index at, Index count, const T* weight, Vec<T> (&sum)[R][V]) {
    Vec<T> w[K];
    FALTUNG_UNROLL for (int k = 0; k < K; ++k) w[k] = broadcast(weight[k]);
    FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i) {
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            Vec<T> cell = load_cells<T, V, IsWhole>(rows[i] + at, count, v);
            keep_in_register(cell);
            FALTUNG_UNROLL for (int k = 0; k < K; ++k) {
                if (i - k >= 0 && i - k < R) sum[i - k][v] += w[k] * cell;
            }
        }
    }
}

template <class T, int R, int V, bool IsWhole>
inline void add_apart(const SeparableColumns<T>& on, const T* const* rows, Index at, Index count,
                      const T* weight, Vec<T> (&sum)[R][V]) {
    for (Index k = 0; k < on.taps; ++k) {
        const Vec<T> w = broadcast(weight[k]);
        FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
            const T* row = rows[r * on.row_step + k * on.tap_step] + at;
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[r][v] +=
                w * load_cells<T, V, IsWhole>(row, count, v);
        }
    }
}

// `Rest` is the number of taps modulo the chunk, or -1 where rows share no cells.
template <class T, int R, int V, int Rest, bool IsWhole>
inline void compute_tile(const SeparableColumns<T>& on, Index first_row, Index at, Index count) {
    Vec<T> sum[R][V] = {};
    const T* weight = on.weight;
    for (Index far = 0; far < on.far_taps; ++far, weight += on.taps) {
        const T* const* rows = on.cell_rows + far * on.far_pitch + first_row * on.row_step;
        if constexpr (Rest < 0) {
            add_apart<T, R, V, IsWhole>(on, rows, at, count, weight, sum);
        } else {
            Index k = 0;
            for (; k + chunk <= on.taps; k += chunk)
                add_shared<T, R, V, chunk, IsWhole>(rows + k, at, count, weight + k, sum);
            if constexpr (Rest > 0) add_shared<T, R, V, Rest, IsWhole>(rows + k, at, count, weight + k, sum);
        }
    }
    FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
        T* to = on.to + (first_row + r) * on.to_pitch + at;
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            if (IsWhole || v * lanes<T> < count) store(to + v * lanes<T>, sum[r][v]);
        }
    }
}

template <class T, int R, int Rest>
void compute_rows(const SeparableColumns<T>& on, Index first_row) {
    constexpr Index step = column_vectors * lanes<T>;
    Index at = on.first;
    for (; at + step <= on.last; at += step)
        compute_tile<T, R, column_vectors, Rest, true>(on, first_row, at, step);
    for (; at < on.last; at += lanes<T>) compute_tile<T, R, 1, Rest, false>(on, first_row, at, on.last - at);
}

template <class T, int Rest>
void compute_columns(const SeparableColumns<T>& on) {
    Index row = 0;
    if constexpr (most_rows == 8) {
        for (; row + 8 <= on.rows; row += 8) compute_rows<T, 8, Rest>(on, row);
    }
    for (; row + 4 <= on.rows; row += 4) compute_rows<T, 4, Rest>(on, row);
    for (; row + 2 <= on.rows; row += 2) compute_rows<T, 2, Rest>(on, row);
    for (; row < on.rows; ++row) compute_rows<T, 1, Rest>(on, row);
}

template <class T>
void separable_columns(const SeparableColumns<T>& on) {
    if (on.tap_step != 1 || on.row_step != 1) return compute_columns<T, -1>(on);
    switch (on.taps % chunk) {
        case 0:
            return compute_columns<T, 0>(on);
        case 1:
            return compute_columns<T, 1>(on);
        case 2:
            return compute_columns<T, 2>(on);
        default:
            return compute_columns<T, 3>(on);
    }
}

template <class T, int V>
inline void along(const SeparableRow<T>& on, const T* cells, Vec<T> (&sum)[V]) {
    constexpr Index L = lanes<T>;
    if (!on.is_dense) {
        for (Index k = 0; k < on.taps; ++k) {
            const Vec<T> w = broadcast(on.weight[k]);
            const T* from = cells + on.place[k];
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] += w * load(from + v * L);
        }
        return;
    }
    Index first = 0;
    for (; on.taps - first > L; first += 2 * L) {
        const Index both = min_index(L, on.taps - first - L);  // taps with a second one a vector further
        const T* weight = on.weight + first;
        const T* from = cells + first;
        for (Index k = 0; k < both; ++k) {
            const Vec<T> w = broadcast(weight[k]), next = broadcast(weight[k + L]);
            FALTUNG_UNROLL for (int v = 0; v <= V; ++v) {
                Vec<T> cell = load(from + k + v * L);
                keep_in_register(cell);
                if (v > 0) sum[v - 1] += next * cell;
                if (v < V) sum[v] += w * cell;
            }
        }
        for (Index k = both; k < L; ++k) {
            const Vec<T> w = broadcast(weight[k]);
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] += w * load(from + k + v * L);
        }
    }
    for (Index k = first; k < on.taps; ++k) {
        const Vec<T> w = broadcast(on.weight[k]);
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] += w * load(cells + k + v * L);
    }
}

template <class T>
inline Vec<T> load_held(const T* y, Index step, Index count) {
    if (step == 1) return count >= lanes<T> ? load(y) : load_some(y, count);
    Vec<T> held{};
    for (Index lane = 0; lane < min_index(count, lanes<T>); ++lane) held[lane] = y[lane * step];
    return held;
}

template <class T, int V>
inline void compute_outputs(const SeparableRow<T>& on, Index column) {
    constexpr Index L = lanes<T>;
    T* y = on.y + column * on.y_column_stride;
    const Index count = on.columns - column;
    Vec<T> sum[V];
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
        sum[v] = broadcast(on.bias);
        if (on.resumes)
            sum[v] += load_held(y + v * L * on.y_column_stride, on.y_column_stride, count - v * L);
    }
    along<T, V>(on, on.cells + column, sum);
    if (on.y_column_stride != 1) {
        alignas(FALTUNG_VECTOR_BYTES) T apart[V * L];
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) store(apart + v * L, sum[v]);
        for (Index i = 0; i < min_index(count, V * L); ++i) y[i * on.y_column_stride] = apart[i];
    } else if (V == 1 && count < L) {
        store_some(y, sum[0], count);
    } else {
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) store(y + v * L, sum[v]);
    }
}

template <class T>
void separable_row(const SeparableRow<T>& on) {
    constexpr Index L = lanes<T>;
    Index column = 0;
    for (; column + row_vectors * L <= on.columns; column += row_vectors * L)
        compute_outputs<T, row_vectors>(on, column);
    for (; column < on.columns; column += L) compute_outputs<T, 1>(on, column);
}

}  // namespace

template <class T>
SeparableKernel<T> separable_kernel() {
    SeparableKernel<T> kernel;
    kernel.columns = separable_columns<T>;
    kernel.row = separable_row<T>;
    kernel.lanes = lanes<T>;
    kernel.most_rows = most_rows;
    kernel.read_ahead = 2 * lanes<T>;
    return kernel;
}

template SeparableKernel<float> separable_kernel();
template SeparableKernel<double> separable_kernel();
template SeparableKernel<std::uint64_t> separable_kernel();

}  // namespace faltung::FALTUNG_ISA
