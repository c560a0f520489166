// Depthwise register tiles: one vector wide and many rows high. The weights of some taps above one another
// stay in registers while the tile's input rows pass: each vector of cells is loaded once for all of them.
// Loads are what bounds such kernels: off the cache line's grid a wide one takes twice as long.
#include "kernels/depthwise/depthwise_tile.h"

#include <type_traits>

#include "kernels/depthwise/depthwise_products.h"

namespace faltung::FALTUNG_ISA {

namespace {

// Each kind of tile is code of its own, so there are only those that gain: products of integers take three
// times as long as the loads that the others save, and maps of at most four columns of double precision are
// rare.
#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_rows = 16;
template <class T>
constexpr int most_taps = std::is_integral_v<T> ? 4 : 7;
template <class T>
constexpr bool has_pairs = std::is_same_v<T, float>;
#else
constexpr int most_rows = 8;
template <class T>
constexpr int most_taps = std::is_integral_v<T> ? 4 : 5;
template <class T>
constexpr bool has_pairs = false;
#endif
template <class T>
constexpr bool has_neighbours = has_masks && !std::is_integral_v<T>;

// Row `r` of the outputs of the tile's channel `place`, where they lie apart.
template <class T>
__attribute__((noinline)) void scatter_row(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile,
                                           int place, Index at, Index r, const T* from) {
    const Index count = r < tile.rows - 1 ? tile.columns : tile.columns_of_last_row;
    T* y = on.y[place] + at + r * on.y_row_stride;
    for (Index i = 0; i < count; ++i) y[i * on.y_column_stride] = from[i];
}

template <class T>
__attribute__((noinline)) void gather_row(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile,
                                          int place, Index at, Index r, T* to) {
    const Index count = r < tile.rows - 1 ? tile.columns : tile.columns_of_last_row;
    const T* y = on.y[place] + at + r * on.y_row_stride;
    for (Index i = 0; i < count; ++i) to[i] = y[i * on.y_column_stride];
}

// What y holds, taken up again.
template <class T, int R, bool IsPair>
inline void add_held(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile, Index at,
                     Vec<T> (&sum)[R]) {
    alignas(FALTUNG_VECTOR_BYTES) T held[R][lanes<T>] = {};
    for (Index r = 0; r < tile.rows; ++r) {
        gather_row(on, tile, 0, at, r, held[r]);
        if (IsPair) gather_row(on, tile, 1, at, r, held[r] + lanes<T> / 2);
    }
    FALTUNG_UNROLL for (int r = 0; r < R; ++r) sum[r] = on.bias[0] ? load(held[r]) + sum[r] : load(held[r]);
}

template <class T, int R, bool IsPair>
inline void store_rows(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile, Index at,
                       const Vec<T> (&sum)[R]) {
    constexpr int most = IsPair ? lanes<T> / 2 : lanes<T>;
    if (on.y_column_stride != 1) {
        alignas(FALTUNG_VECTOR_BYTES) T apart[R][lanes<T>];
        FALTUNG_UNROLL for (int r = 0; r < R; ++r) store(apart[r], sum[r]);
        for (Index r = 0; r < tile.rows; ++r) {
            scatter_row(on, tile, 0, at, r, apart[r]);
            if (IsPair) scatter_row(on, tile, 1, at, r, apart[r] + most);
        }
        return;
    }
    const Index rows = tile.rows, row_stride = on.y_row_stride;
    T* y = on.y[0] + at;
    if (!IsPair && tile.columns_of_last_row == most) {
        if (rows == R) {
            FALTUNG_UNROLL for (int r = 0; r < R; ++r, y += row_stride) store(y, sum[r]);
        } else {
            FALTUNG_UNROLL for (int r = 0; r < R; ++r, y += row_stride) if (r < rows) store(y, sum[r]);
        }
        return;
    }
    const Index apart = IsPair ? on.y[1] - on.y[0] : 0;
    FALTUNG_UNROLL for (int r = 0; r < R; ++r, y += row_stride) if (r < rows) {
        const Index count = r < rows - 1 ? tile.columns : tile.columns_of_last_row;
        store_some(y, sum[r], count);
        if (IsPair) store_some(y + apart, swap_halves<T>(sum[r]), count);
    }
}

// For segments of `First` taps, then, unless they are uniform, of any fewer.
template <class T, int R, int First, bool IsUniform, bool IsPair, DepthwiseReads reads>
void compute_tile(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile) {
    const Vec<T> start = !on.bias[0] ? Vec<T>{}
                         : IsPair    ? broadcast_halves(*on.bias[0], *on.bias[1])
                                     : broadcast(*on.bias[0]);
    Index cells = tile.cells, y = tile.y;
    for (Index left = tile.repeats; left > 0; --left, cells += on.cells_step, y += on.y_step) {
        Vec<T> sum[R];
        FALTUNG_UNROLL for (int r = 0; r < R; ++r) sum[r] = start;
        if (on.resumes) add_held<T, R, IsPair>(on, tile, y, sum);

        Index which = 0;
#define FALTUNG_SEGMENTS(K)                                                   \
    for (; which < on.segment_count && on.segments[which].taps == K; ++which) \
        add_segment<T, R, K, IsPair, reads>(on, tile, cells, which, sum);
        if constexpr (IsUniform) {
            for (; which < on.segment_count; ++which)
                add_segment<T, R, First, IsPair, reads>(on, tile, cells, which, sum);
        } else {
            FALTUNG_SEGMENTS(First)
            if constexpr (First > 3) FALTUNG_SEGMENTS(3)
            if constexpr (First > 2) FALTUNG_SEGMENTS(2)
            if constexpr (First > 1) FALTUNG_SEGMENTS(1)
        }
#undef FALTUNG_SEGMENTS

        store_rows<T, R, IsPair>(on, tile, y, sum);
    }
}

constexpr bool is_by_neighbours(DepthwiseReads reads) {
    return reads == DepthwiseReads::two_columns || reads == DepthwiseReads::alternating;
}

template <class T, int R, bool IsPair, DepthwiseReads reads>
typename DepthwiseTile<T>::Compute tile_of_rows(int of_taps) {
    if constexpr (reads == DepthwiseReads::three_columns || reads == DepthwiseReads::alternating_three) {
        return compute_tile<T, R, 2, false, IsPair, reads>;
    } else {
        if constexpr (most_taps<T> >= 7 && !is_by_neighbours(reads))
            if (of_taps == 7) return compute_tile<T, R, 7, true, IsPair, reads>;
        if constexpr (most_taps<T> >= 5 && !is_by_neighbours(reads))
            if (of_taps == 5) return compute_tile<T, R, 5, true, IsPair, reads>;
        return compute_tile<T, R, 4, false, IsPair, reads>;
    }
}

// The lowest tile of at least so many rows.
template <class T>
constexpr int height_of(Index rows, DepthwiseReads reads) {
    constexpr bool is_wide = FALTUNG_VECTOR_BYTES == 64;
    if (std::is_integral_v<T> || is_by_neighbours(reads) || reads == DepthwiseReads::three_columns)
        return is_wide && rows > 8 ? 16 : 8;
    if (rows <= 4) return 4;
    if (is_wide && sizeof(T) == 4 && (rows == 7 || rows == 13 || rows == 14)) return rows == 7 ? 7 : 14;
    return is_wide && rows > 8 ? 16 : 8;
}

template <class T, bool IsPair, DepthwiseReads reads, int R = 16>
typename DepthwiseTile<T>::Compute tile_of(Index rows, int of_taps) {
    if constexpr (R > 3) {
        if constexpr (height_of<T>(R, reads) == R)
            if (height_of<T>(rows, reads) == R) return tile_of_rows<T, R, IsPair, reads>(of_taps);
        return tile_of<T, IsPair, reads, R - 1>(rows, of_taps);
    } else {
        return nullptr;
    }
}

template <class T, bool IsPair>
typename DepthwiseTile<T>::Compute tile_reading(DepthwiseReads reads, Index rows, int of_taps) {
    const bool is_exact = !std::is_integral_v<T> && height_of<T>(rows, reads) == rows;
    if (!is_exact && (reads == DepthwiseReads::all || reads == DepthwiseReads::lanes))
        reads = DepthwiseReads::some;
    // Two channels that are not read where they lie are rare.
    if (IsPair && reads == DepthwiseReads::all) reads = DepthwiseReads::lanes;
    switch (reads) {
        case DepthwiseReads::all:
            if constexpr (!IsPair && !std::is_integral_v<T>)
                return tile_of<T, IsPair, DepthwiseReads::all>(rows, of_taps);
            break;
        case DepthwiseReads::lanes:
            if constexpr (has_masks && !std::is_integral_v<T>)
                return tile_of<T, IsPair, DepthwiseReads::lanes>(rows, of_taps);
            break;
        case DepthwiseReads::two_columns:
            if constexpr (has_neighbours<T>)
                return tile_of<T, IsPair, DepthwiseReads::two_columns>(rows, of_taps);
            break;
        case DepthwiseReads::alternating:
            if constexpr (has_neighbours<T>)
                return tile_of<T, IsPair, DepthwiseReads::alternating>(rows, of_taps);
            break;
        case DepthwiseReads::three_columns:
            if constexpr (has_neighbours<T>)
                return tile_of<T, IsPair, DepthwiseReads::three_columns>(rows, of_taps);
            break;
        case DepthwiseReads::alternating_three:
            if constexpr (has_neighbours<T>)
                return tile_of<T, IsPair, DepthwiseReads::alternating_three>(rows, of_taps);
            break;
        case DepthwiseReads::some:
            break;
    }
    return tile_of<T, IsPair, DepthwiseReads::some>(rows, of_taps);
}

template <class T>
typename DepthwiseTile<T>::Compute find_tile(Index rows, int of_taps, DepthwiseReads reads, bool is_pair) {
    if constexpr (has_pairs<T>)
        if (is_pair) return tile_reading<T, true>(reads, rows, of_taps);
    return tile_reading<T, false>(reads, rows, of_taps);
}

}  // namespace

template <class T>
void copy_depthwise_rows(const DepthwiseCopy<T>& copy);

template <class T>
LaneKernel<T> lane_kernel();

template <class T>
DepthwiseKernel<T> depthwise_kernel() {
    return {lanes<T>,          most_rows,        most_taps<T>,           has_pairs<T>, has_masks,
            has_neighbours<T>, lane_kernel<T>(), copy_depthwise_rows<T>, find_tile<T>};
}

template DepthwiseKernel<float> depthwise_kernel();
template DepthwiseKernel<double> depthwise_kernel();
template DepthwiseKernel<std::uint64_t> depthwise_kernel();

}  // namespace faltung::FALTUNG_ISA
