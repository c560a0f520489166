// The sums, for the instruction set and the rules of contraction of the file that includes this: floats are
// multiplied and added in one step, doubles are rounded in between, as SciPy rounds.
#pragma once

#include "core/registers.h"
#include "core/vec.h"
#include "kernels/stencil/stencil_loops.h"

namespace faltung::FALTUNG_ISA {

namespace {

constexpr int rows_together = 4, taps_together = 4;
#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_pairs = 4;  // whose cells are in registers together
#else
constexpr int most_pairs = 1;
#endif

template <class T, bool IsWhole>
inline Vec<T> load_cells(const T* from, Index count) {
    if constexpr (IsWhole) return load(from);
    return load_some(from, count);
}

template <Symmetry S, class T>
inline Vec<T> pair_of(Vec<T> low, Vec<T> high) {
    if constexpr (S == Symmetry::symmetric) return low + high;
    return low - high;
}

// Pairs [k, k + P) of taps, from the outermost on, for R rows whose cells overlap.
template <class T, Symmetry S, int R, int P, bool IsWhole>
inline void add_pairs(const T* const* low, const T* const* high, Index at, Index count, const T* weight,
                      Vec<T> (&sum)[R][1]) {
    Vec<T> below[R + P - 1], above[R + P - 1];
    FALTUNG_UNROLL for (int i = 0; i < R + P - 1; ++i) {
        below[i] = load_cells<T, IsWhole>(low[i] + at, count);
        above[i] = load_cells<T, IsWhole>(high[i - (P - 1)] + at, count);
    }
    FALTUNG_UNROLL for (int p = 0; p < P; ++p) {
        const Vec<T> w = broadcast(weight[p]);
        FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
            sum[r][0] += pair_of<S, T>(below[r + p], above[r + P - 1 - p]) * w;
        }
    }
}

// Taps [0, P) for V vectors of R rows whose cells overlap.
template <class T, int R, int V, int P, bool IsWhole>
inline void add_taps(const T* const* rows, Index at, Index count, const T* weight, Vec<T> (&sum)[R][V]) {
    Vec<T> w[P];
    FALTUNG_UNROLL for (int p = 0; p < P; ++p) w[p] = broadcast(weight[p]);
    FALTUNG_UNROLL for (int i = 0; i < R + P - 1; ++i) {
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            const Vec<T> cells = load_cells<T, IsWhole>(rows[i] + at + v * lanes<T>, count);
            FALTUNG_UNROLL for (int p = 0; p < P; ++p) {
                if (i - p >= 0 && i - p < R) sum[i - p][v] += cells * w[p];
            }
        }
    }
}

template <class T, Symmetry S, int R, int V, bool IsWhole>
inline void across_tile(const T* const* rows, Index at, Index count, const StencilTaps<T>& taps, T* to,
                        Index pitch) {
    Vec<T> sum[R][V];
    const Index half = taps.size / 2;
    const Index first = S == Symmetry::none ? taps.size - 1 : half;
    const Vec<T> w = broadcast(taps.weight[first]);
    FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            sum[r][v] = load_cells<T, IsWhole>(rows[first + r] + at + v * lanes<T>, count) * w;
        }
    }
    if constexpr (S == Symmetry::none) {
        Index k = 0;
        for (; k + taps_together < taps.size; k += taps_together)
            add_taps<T, R, V, taps_together, IsWhole>(rows + k, at, count, taps.weight + k, sum);
        for (; k < taps.size - 1; ++k)
            add_taps<T, R, V, 1, IsWhole>(rows + k, at, count, taps.weight + k, sum);
    } else {
        const T* const* high = rows + taps.size - 1;
        Index k = 0;
        if constexpr (most_pairs > 1) {
            for (; k + most_pairs <= half; k += most_pairs)
                add_pairs<T, S, R, most_pairs, IsWhole>(rows + k, high - k, at, count, taps.weight + k, sum);
        }
        for (; k < half; ++k)
            add_pairs<T, S, R, 1, IsWhole>(rows + k, high - k, at, count, taps.weight + k, sum);
    }
    FALTUNG_UNROLL for (int r = 0; r < R; ++r) {
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
            if constexpr (IsWhole) {
                store(to + r * pitch + at + v * lanes<T>, sum[r][v]);
            } else {
                store_some(to + r * pitch + at, sum[r][v], count);
            }
        }
    }
}

template <class T, Symmetry S, int R>
void across_rows(const T* const* rows, Index count, const StencilTaps<T>& taps, T* to, Index pitch) {
    Index at = 0;
    if constexpr (S == Symmetry::none) {  // whose sums have nothing else to wait for each other with
        for (; at + 2 * lanes<T> <= count; at += 2 * lanes<T>)
            across_tile<T, S, R, 2, true>(rows, at, 2 * lanes<T>, taps, to, pitch);
    }
    for (; at + lanes<T> <= count; at += lanes<T>)
        across_tile<T, S, R, 1, true>(rows, at, lanes<T>, taps, to, pitch);
    if (at < count) across_tile<T, S, R, 1, false>(rows, at, count - at, taps, to, pitch);
}

template <class T, Symmetry S>
void across_of(const T* const* rows, Index outputs, Index count, const StencilTaps<T>& taps, T* to,
               Index pitch) {
    Index r = 0;
    for (; r + rows_together <= outputs; r += rows_together)
        across_rows<T, S, rows_together>(rows + r, count, taps, to + r * pitch, pitch);
    for (; r < outputs; ++r) across_rows<T, S, 1>(rows + r, count, taps, to + r * pitch, pitch);
}

template <class T>
void sum_across(const T* const* rows, Index outputs, Index count, const StencilTaps<T>& taps, T* to,
                Index pitch) {
    switch (taps.symmetry) {
        case Symmetry::none:
            return across_of<T, Symmetry::none>(rows, outputs, count, taps, to, pitch);
        case Symmetry::symmetric:
            return across_of<T, Symmetry::symmetric>(rows, outputs, count, taps, to, pitch);
        case Symmetry::antisymmetric:
            return across_of<T, Symmetry::antisymmetric>(rows, outputs, count, taps, to, pitch);
    }
}

// What is stored of V vectors of outputs.
template <class T, int V>
inline void store_outputs(T* to, const Vec<T> (&sum)[V], Index count) {
    if (V == 1 && count < lanes<T>) return store_some(to, sum[0], count);
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) store(to + v * lanes<T>, sum[v]);
}

template <class T, Symmetry S, int V>
inline void along_tile(const T* cells, Index step, Index count, const StencilTaps<T>& taps, T* to) {
    constexpr Index L = lanes<T>;
    Vec<T> sum[V];
    const Index half = taps.size / 2;
    const Index first = S == Symmetry::none ? taps.size - 1 : half;
    const Vec<T> w = broadcast(taps.weight[first]);
    FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] = load(cells + first * step + v * L) * w;
    if constexpr (S == Symmetry::none) {
        for (Index k = 0; k < taps.size - 1; ++k) {
            const Vec<T> weight = broadcast(taps.weight[k]);
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] += load(cells + k * step + v * L) * weight;
        }
    } else {
        const T* low = cells;
        const T* high = cells + (taps.size - 1) * step;
        for (Index k = 0; k < half; ++k, low += step, high -= step) {
            const Vec<T> weight = broadcast(taps.weight[k]);
            FALTUNG_UNROLL for (int v = 0; v < V; ++v) {
                sum[v] += pair_of<S, T>(load(low + v * L), load(high + v * L)) * weight;
            }
        }
    }
    store_outputs<T, V>(to, sum, count);
}

template <class T, Symmetry S>
void along_of(const T* cells, Index step, Index count, const StencilTaps<T>& taps, T* to) {
    constexpr int V = 4;
    Index at = 0;
    for (; at + V * lanes<T> <= count; at += V * lanes<T>)
        along_tile<T, S, V>(cells + at, step, V * lanes<T>, taps, to + at);
    for (; at < count; at += lanes<T>) along_tile<T, S, 1>(cells + at, step, count - at, taps, to + at);
}

template <class T>
void sum_along(const T* cells, Index step, Index count, const StencilTaps<T>& taps, T* to) {
    switch (taps.symmetry) {
        case Symmetry::none:
            return along_of<T, Symmetry::none>(cells, step, count, taps, to);
        case Symmetry::symmetric:
            return along_of<T, Symmetry::symmetric>(cells, step, count, taps, to);
        case Symmetry::antisymmetric:
            return along_of<T, Symmetry::antisymmetric>(cells, step, count, taps, to);
    }
}

// sum / size, rounded as a division is (P. Markstein, "Computation of elementary functions on the IBM RISC
// System/6000 processor", 1990, theorem 8), in a fraction of its time. What is left where sum is infinite is
// not a number, and not added.
template <class T>
struct Quotient {
    Vec<T> size, reciprocal;

    explicit Quotient(Index whole)
        : size(broadcast(static_cast<T>(whole))), reciprocal(broadcast(T(1) / static_cast<T>(whole))) {}

    Vec<T> of(Vec<T> sum) const {
#if defined(__AVX512F__)
        const Vec<T> near = sum * reciprocal;
        if constexpr (sizeof(T) == 4) {
            const __m512 left = _mm512_fnmadd_ps((__m512)near, (__m512)size, (__m512)sum);
            const __mmask16 is_number = _mm512_cmp_ps_mask(left, left, _CMP_ORD_Q);
            return (Vec<T>)_mm512_mask3_fmadd_ps(left, (__m512)reciprocal, (__m512)near, is_number);
        } else {
            const __m512d left = _mm512_fnmadd_pd((__m512d)near, (__m512d)size, (__m512d)sum);
            const __mmask8 is_number = _mm512_cmp_pd_mask(left, left, _CMP_ORD_Q);
            return (Vec<T>)_mm512_mask3_fmadd_pd(left, (__m512d)reciprocal, (__m512d)near, is_number);
        }
#else
        return sum / size;
#endif
    }
};

// The sums of 1, 2, 4 ... cells stand where the first of them stood. A window is put together from those that
// its size has as binary digits, the shortest first.
template <class T>
void mean_of(T* cells, Index step, Index size, Index count, T* to) {
    constexpr Index L = lanes<T>;
    Index have = count + (size - 1) * step, done = 0;
    const Quotient<T> mean(size);
    for (Index digit = 1;; digit *= 2) {
        if (size & digit) {
            const T* const from = cells + done * step;
            const bool is_last = 2 * digit > size;
            for (Index c = 0; c < count; c += L) {
                Vec<T> sum = load(from + c);
                if (done) sum += load(to + c);
                store(to + c, is_last ? mean.of(sum) : sum);
            }
            done += digit;
            if (is_last) return;
        }
        have -= digit * step;
        for (Index c = 0; c < have; c += L)
            store(cells + c, load(cells + c) + load(cells + c + digit * step));
    }
}

template <class T, int V>
inline void footprint_tile(const T* const* cells, const T* weight, Index taps, Index at, Index count, T* to) {
    Vec<T> sum[V] = {};
    for (Index t = 0; t < taps; ++t) {
        const Vec<T> w = broadcast(weight[t]);
        const T* const from = cells[t] + at;
        FALTUNG_UNROLL for (int v = 0; v < V; ++v) sum[v] += load(from + v * lanes<T>) * w;
    }
    store_outputs<T, V>(to + at, sum, count);
}

template <class T>
void sum_footprint(const T* const* cells, const T* weight, Index taps, Index count, T* to) {
    constexpr int V = 8;
    Index at = 0;
    for (; at + V * lanes<T> <= count; at += V * lanes<T>)
        footprint_tile<T, V>(cells, weight, taps, at, V * lanes<T>, to);
    for (; at < count; at += lanes<T>) footprint_tile<T, 1>(cells, weight, taps, at, count - at, to);
}

template <class T>
StencilLoops<T> loops_of() {
    return {sum_across<T>, sum_along<T>, mean_of<T>, sum_footprint<T>, 2 * lanes<T>};
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
