// The products of a depthwise tile: vectors of cells, read in several ways, times the weights of some taps
// above one another, which stay in registers. Included by depthwise_tile.cpp alone. Internal linkage.
#pragma once

#include "core/registers.h"
#include "core/vec.h"
#include "kernels/depthwise/depthwise_tile.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr bool has_masks = true;
#else
constexpr bool has_masks = false;
#endif

template <class T>
struct HalfOf {
    typedef T type __attribute__((vector_size(FALTUNG_VECTOR_BYTES / 2)));
};

template <class T, int... I>
inline Vec<T> join_lanes(typename HalfOf<T>::type a, typename HalfOf<T>::type b,
                         std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, I...);
}

template <class T>
inline typename HalfOf<T>::type load_half(const T* from) {
    typename HalfOf<T>::type v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

// The lanes of a bit mask, zero in the others; reads nothing there.
template <class T>
inline Vec<T> load_masked(const T* from, std::uint32_t mask) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
        return (Vec<T>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(mask), from);
    } else {
        return (Vec<T>)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask), from);
    }
#else
    static_cast<void>(mask);
    return load(from);
#endif
}

template <class T>
inline typename HalfOf<T>::type load_half_masked(const T* from, std::uint32_t mask) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
        return (typename HalfOf<T>::type)_mm256_maskz_loadu_epi32(static_cast<__mmask8>(mask), from);
    } else {
        return (typename HalfOf<T>::type)_mm256_maskz_loadu_epi64(static_cast<__mmask8>(mask), from);
    }
#else
    static_cast<void>(mask);
    return load_half(from);
#endif
}

// The first half of the lanes from `a`, the other from `b`.
template <class T>
inline Vec<T> join_halves(typename HalfOf<T>::type low, typename HalfOf<T>::type high) {
    return join_lanes<T>(low, high, std::make_integer_sequence<int, lanes<T>>());
}

template <class T>
inline Vec<T> broadcast_halves(T a, T b) {
    typename HalfOf<T>::type low = a - typename HalfOf<T>::type{}, high = b - typename HalfOf<T>::type{};
    return join_lanes<T>(low, high, std::make_integer_sequence<int, lanes<T>>());
}

template <class T, int... I>
inline Vec<T> swap_lanes(Vec<T> v, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, v, ((I + lanes<T> / 2) % lanes<T>)...);
}

template <class T>
inline Vec<T> swap_halves(Vec<T> v) {
    return swap_lanes<T>(v, std::make_integer_sequence<int, lanes<T>>());
}

// N weights behind one another, of one channel or of two.
template <class T, int N, bool IsPair>
inline __attribute__((always_inline)) void load_weights(const T* weight, Index apart, Vec<T> (&w)[N]) {
    FALTUNG_UNROLL for (int k = 0; k < N; ++k) {
        w[k] = IsPair ? broadcast_halves(weight[k], weight[k + apart]) : broadcast(weight[k]);
        keep_in_register(w[k]);
    }
}

// The rows of cells that take part: they lie behind one another.
struct UsedRows {
    unsigned first = 0, count = 0;

    UsedRows() = default;
    explicit UsedRows(std::uint32_t bits)
        : first(bits ? static_cast<unsigned>(__builtin_ctz(bits)) : 0),
          count(bits ? 32 - static_cast<unsigned>(__builtin_clz(bits)) - first : 0) {}
    bool has(int row) const { return static_cast<unsigned>(row) - first < count; }
};

template <class T>
inline std::uint32_t lanes_of(const DepthwiseTile<T>& tile, Index column) {
    return tile.lanes_used ? tile.lanes_used[column] : ~std::uint32_t(0);
}

// R rows of outputs and K rows of taps.
template <class T, int R, int K, bool IsPair, DepthwiseReads reads>
inline __attribute__((always_inline)) void add_columns(const DepthwiseChannels<T>& on,
                                                       const DepthwiseTile<T>& tile,
                                                       const DepthwiseSegment& segment, const T* cells,
                                                       UsedRows used, Vec<T> (&sum)[R]) {
    constexpr bool is_masked = has_masks && reads != DepthwiseReads::all;
    constexpr int rows_a_line = K >= 7 ? 5 : 3;  // all columns ask for a line of x and of y for each row
    const Index last = min_index(tile.last_column, segment.columns);
    const T* weight = on.weight[0] + segment.weight + tile.first_column * K;
    const std::int32_t* place = on.places + segment.place;
    const Index cells_apart = IsPair ? on.cells[1] - on.cells[0] : 0;
    const Index weights_apart = IsPair ? on.weight[1] - on.weight[0] : 0;
    const Index pitch = on.pitch;
    for (Index column = tile.first_column; column < last; ++column, weight += K) {
        Vec<T> w[K];
        load_weights<T, K, IsPair>(weight, weights_apart, w);
        const T* from = cells + place[column];
        const std::uint32_t mask = is_masked ? lanes_of(tile, column) : 0;
        FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += pitch) {
            if (K >= fetching_taps && i % rows_a_line == 2) on.ahead->fetch(i / rows_a_line % 2 == 0);
            if (reads == DepthwiseReads::some && !used.has(i)) continue;
            Vec<T> x;
            if constexpr (is_masked) {
                x = IsPair ? join_halves<T>(load_half_masked(from, mask),
                                            load_half_masked(from + cells_apart, mask))
                           : load_masked(from, mask);
            } else {
                x = IsPair ? join_halves<T>(load_half(from), load_half(from + cells_apart)) : load(from);
            }
            keep_in_register(x);
            FALTUNG_UNROLL for (int k = K - 1; k >= 0; --k) if (i - k >= 0 && i - k < R) sum[i - k] +=
                w[k] * x;
        }
    }
}

// The same for C columns next to one another, 1 or 2, whose cells alternate in x or lie apart in scratch
// rows.
template <class T, int R, int K, bool IsPair, int C, bool Alternates>
inline __attribute__((always_inline)) void add_neighbours(const DepthwiseChannels<T>& on,
                                                          const DepthwiseTile<T>& tile,
                                                          const DepthwiseSegment& segment, const T* cells,
                                                          UsedRows used, Index column, Vec<T> (&sum)[R]) {
    const T* weight = on.weight[0] + segment.weight + column * K;
    const std::int32_t* place = on.places + segment.place + column;
    const Index cells_apart = IsPair ? on.cells[1] - on.cells[0] : 0;
    const Index weights_apart = IsPair ? on.weight[1] - on.weight[0] : 0;
    Vec<T> w[C * K];
    load_weights<T, C * K, IsPair>(weight, weights_apart, w);
    const std::uint32_t mask = Alternates ? lanes_of(tile, column) : 0;
    const T* from = cells + place[0];
    const Index next = C == 2 ? place[C - 1] - place[0] : 0;
    FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += on.pitch) {
        if (!used.has(i)) continue;
        Vec<T> x[C];
        if constexpr (Alternates) {
            const Vec<T> low = load_masked(from, mask);
            const Vec<T> high = IsPair ? load_masked(from + cells_apart, mask)
                                       : load_masked(from + lanes<T>, mask >> lanes<T>);
            x[0] = unzip<T, 0>(low, high);
            if constexpr (C == 2) x[1] = unzip<T, 1>(low, high);
        } else {
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
                const T* at = from + c * next;
                x[c] = IsPair ? join_halves<T>(load_half(at), load_half(at + cells_apart)) : load(at);
            }
        }
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
            keep_in_register(x[c]);
            FALTUNG_UNROLL for (int k = K - 1; k >= 0; --k) if (i - k >= 0 && i - k < R) sum[i - k] +=
                w[c * K + k] * x[c];
        }
    }
}

template <class T, int R, int K, bool IsPair, bool Alternates>
inline __attribute__((always_inline)) void add_by_two_columns(const DepthwiseChannels<T>& on,
                                                              const DepthwiseTile<T>& tile,
                                                              const DepthwiseSegment& segment, const T* cells,
                                                              UsedRows used, Vec<T> (&sum)[R]) {
    const Index last = min_index(tile.last_column, segment.columns);
    for (Index column = tile.first_column / 2 * 2; column < last; column += 2) {
        if (column + 1 < segment.columns)
            add_neighbours<T, R, K, IsPair, 2, Alternates>(on, tile, segment, cells, used, column, sum);
        else
            add_neighbours<T, R, K, IsPair, 1, Alternates>(on, tile, segment, cells, used, column, sum);
    }
}

// Cells one place further on: lane 0, and of a pair the first of the second half, from `edge`.
template <class T, bool IsPair, int... I>
inline Vec<T> shift_in(Vec<T> v, Vec<T> edge, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, edge,
                                   (I == 0 || (IsPair && I == lanes<T> / 2) ? lanes<T> + I : I - 1)...);
}

// Lane 0 of a column's cells, where it is inside, row by row.
template <class T>
struct EdgeCells {
    const T* from;
    Index pitch;

    EdgeCells(const T* cells, bool is_inside, Index row_pitch, const T* zero)
        : from(is_inside ? cells : zero), pitch(is_inside ? row_pitch : 0) {}
};

// All three columns of taps at once. Where cells alternate in x, those of the last two columns come from two
// vectors, and those of the first are those of the last, shifted.
template <class T, int R, int K, bool IsPair, bool Alternates>
inline __attribute__((always_inline)) void add_three_columns(const DepthwiseChannels<T>& on,
                                                             const DepthwiseTile<T>& tile,
                                                             const DepthwiseSegment& segment, const T* cells,
                                                             UsedRows used, Vec<T> (&sum)[R]) {
    constexpr int C = 3;
    static constexpr T zero = 0;
    const T* weight = on.weight[0] + segment.weight;
    const std::int32_t* place = on.places + segment.place;
    const Index cells_apart = IsPair ? on.cells[1] - on.cells[0] : 0;
    const Index weights_apart = IsPair ? on.weight[1] - on.weight[0] : 0;
    Vec<T> w[C * K];
    load_weights<T, C * K, IsPair>(weight, weights_apart, w);
    const std::uint32_t mask = Alternates ? lanes_of(tile, 1) : 0;
    const bool has_edge = Alternates && (lanes_of(tile, 0) & 1) != 0;
    const T* from = cells + place[Alternates ? 1 : 0];
    const Index next[C] = {0, place[1] - place[0], place[2] - place[0]};
    EdgeCells<T> edge(cells + place[0], has_edge, on.pitch, &zero);
    const Index edges_apart = has_edge ? cells_apart : 0;
    FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += on.pitch, edge.from += edge.pitch) {
        if (!used.has(i)) continue;
        Vec<T> x[C];
        if constexpr (Alternates) {
            const Vec<T> low = load_masked(from, mask);
            const Vec<T> high = IsPair ? load_masked(from + cells_apart, mask)
                                       : load_masked(from + lanes<T>, mask >> lanes<T>);
            const Vec<T> first =
                IsPair ? broadcast_halves(edge.from[0], edge.from[edges_apart]) : broadcast(edge.from[0]);
            x[1] = unzip<T, 0>(low, high);
            x[2] = unzip<T, 1>(low, high);
            x[0] = shift_in<T, IsPair>(x[2], first, std::make_integer_sequence<int, lanes<T>>());
        } else {
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
                const T* at = from + next[c];
                x[c] = IsPair ? join_halves<T>(load_half(at), load_half(at + cells_apart)) : load(at);
            }
        }
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
            keep_in_register(x[c]);
            FALTUNG_UNROLL for (int k = K - 1; k >= 0; --k) if (i - k >= 0 && i - k < R) sum[i - k] +=
                w[c * K + k] * x[c];
        }
    }
}

template <class T, int R, int K, bool IsPair, DepthwiseReads reads>
inline __attribute__((always_inline)) void add_segment(const DepthwiseChannels<T>& on,
                                                       const DepthwiseTile<T>& tile, Index at, Index which,
                                                       Vec<T> (&sum)[R]) {
    const DepthwiseSegment& segment = on.segments[which];
    const T* cells = on.cells[0] + at + on.segment_cells[which];
    UsedRows used;
    if constexpr (reads != DepthwiseReads::all && reads != DepthwiseReads::lanes) {
        used = UsedRows(tile.rows_used[which]);
        if (used.count == 0) return;
    }
    if constexpr (reads == DepthwiseReads::two_columns)
        add_by_two_columns<T, R, K, IsPair, false>(on, tile, segment, cells, used, sum);
    else if constexpr (reads == DepthwiseReads::alternating)
        add_by_two_columns<T, R, K, IsPair, true>(on, tile, segment, cells, used, sum);
    else if constexpr (reads == DepthwiseReads::three_columns)
        add_three_columns<T, R, K, IsPair, false>(on, tile, segment, cells, used, sum);
    else if constexpr (reads == DepthwiseReads::alternating_three)
        add_three_columns<T, R, K, IsPair, true>(on, tile, segment, cells, used, sum);
    else
        add_columns<T, R, K, IsPair, reads>(on, tile, segment, cells, used, sum);
}

}  // namespace

}  // namespace faltung::FALTUNG_ISA
