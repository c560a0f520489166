// Depthwise register tiles: one vector wide and many rows high. The weights of some taps above one another
// stay in registers while the tile's input rows pass: each vector of cells is loaded once for all of them.
// Loads are what bounds such kernels: off the cache line's grid a wide one takes twice as long.
#include "kernels/depthwise/depthwise_tile.h"

#include <type_traits>

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_rows = 16, most_taps = 7;
constexpr bool has_pairs = true, has_masks = true;
#else
constexpr int most_rows = 8, most_taps = 5;
constexpr bool has_pairs = false, has_masks = false;
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

// Without this the compiler reads a vector of cells from memory once for every product.
template <class V>
inline void keep_in_register(V& v) {
#if defined(__x86_64__)
    asm("" : "+v"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#else
    static_cast<void>(v);
#endif
}

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
    const Index last = min_index(tile.last_column, segment.columns);
    const T* weight = on.weight[0] + segment.weight + tile.first_column * K;
    const std::int32_t* place = on.places + segment.place;
    const Index cells_apart = IsPair ? on.cells[1] - on.cells[0] : 0;
    const Index weights_apart = IsPair ? on.weight[1] - on.weight[0] : 0;
    const Index pitch = on.pitch;
    for (Index column = tile.first_column; column < last; ++column, weight += K) {
        Vec<T> w[K];
        FALTUNG_UNROLL for (int k = 0; k < K; ++k) {
            w[k] = IsPair ? broadcast_halves(weight[k], weight[k + weights_apart]) : broadcast(weight[k]);
            keep_in_register(w[k]);
        }
        const T* from = cells + place[column];
        const std::uint32_t mask = is_masked ? lanes_of(tile, column) : 0;
        FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += pitch) {
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
    FALTUNG_UNROLL for (int k = 0; k < C * K; ++k) {
        w[k] = IsPair ? broadcast_halves(weight[k], weight[k + weights_apart]) : broadcast(weight[k]);
        keep_in_register(w[k]);
    }
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
    else
        add_columns<T, R, K, IsPair, reads>(on, tile, segment, cells, used, sum);
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

template <class T, int R, bool IsPair, DepthwiseReads reads>
typename DepthwiseTile<T>::Compute tile_of_rows(int most_taps, bool is_uniform) {
#if FALTUNG_VECTOR_BYTES == 64
    if (most_taps == 7) return compute_tile<T, R, 7, true, IsPair, reads>;
#endif
    if (most_taps == 5) return compute_tile<T, R, 5, true, IsPair, reads>;
    if (most_taps == 3 && is_uniform) return compute_tile<T, R, 3, true, IsPair, reads>;
    if (most_taps <= 2) return compute_tile<T, R, 2, false, IsPair, reads>;
    return compute_tile<T, R, 4, false, IsPair, reads>;
}

// The lowest tile of at least so many rows. Each height is code of its own, so rare kinds have fewer.
template <class T>
constexpr int height_of(Index rows, DepthwiseReads reads) {
    constexpr bool is_wide = FALTUNG_VECTOR_BYTES == 64;
    if (std::is_integral_v<T> || reads == DepthwiseReads::two_columns) return is_wide && rows > 8 ? 16 : 8;
    if (rows <= 4) return 4;
    if (is_wide && sizeof(T) == 4 && (rows == 7 || rows == 13 || rows == 14)) return rows == 7 ? 7 : 14;
    return is_wide && rows > 8 ? 16 : 8;
}

template <class T, bool IsPair, DepthwiseReads reads, int R = 16>
typename DepthwiseTile<T>::Compute tile_of(Index rows, int most_taps, bool is_uniform) {
    if constexpr (R > 3) {
        if constexpr (height_of<T>(R, reads) == R)
            if (height_of<T>(rows, reads) == R)
                return tile_of_rows<T, R, IsPair, reads>(most_taps, is_uniform);
        return tile_of<T, IsPair, reads, R - 1>(rows, most_taps, is_uniform);
    } else {
        return nullptr;
    }
}

template <class T, bool IsPair>
typename DepthwiseTile<T>::Compute tile_reading(DepthwiseReads reads, Index rows, int most_taps,
                                                bool is_uniform) {
    const bool is_exact = !std::is_integral_v<T> && height_of<T>(rows, reads) == rows;
    if (!is_exact && (reads == DepthwiseReads::all || reads == DepthwiseReads::lanes))
        reads = DepthwiseReads::some;
    switch (reads) {
        case DepthwiseReads::all:
            if constexpr (!std::is_integral_v<T>)
                return tile_of<T, IsPair, DepthwiseReads::all>(rows, most_taps, is_uniform);
            break;
        case DepthwiseReads::lanes:
            if constexpr (has_masks && !std::is_integral_v<T>)
                return tile_of<T, IsPair, DepthwiseReads::lanes>(rows, most_taps, is_uniform);
            break;
        case DepthwiseReads::two_columns:
            if constexpr (has_masks)
                return tile_of<T, IsPair, DepthwiseReads::two_columns>(rows, most_taps, is_uniform);
            break;
        case DepthwiseReads::alternating:
            if constexpr (has_masks)
                return tile_of<T, IsPair, DepthwiseReads::alternating>(rows, most_taps, is_uniform);
            break;
        case DepthwiseReads::some:
            break;
    }
    return tile_of<T, IsPair, DepthwiseReads::some>(rows, most_taps, is_uniform);
}

template <class T>
typename DepthwiseTile<T>::Compute find_tile(Index rows, int most_taps, bool is_uniform, DepthwiseReads reads,
                                             bool is_pair) {
    if constexpr (has_pairs && !std::is_integral_v<T>)
        if (is_pair) return tile_reading<T, true>(reads, rows, most_taps, is_uniform);
    return tile_reading<T, false>(reads, rows, most_taps, is_uniform);
}

}  // namespace

template <class T>
void copy_depthwise_rows(const DepthwiseCopy<T>& copy);

template <class T>
LaneKernel<T> lane_kernel();

template <class T>
DepthwiseKernel<T> depthwise_kernel() {
    return {lanes<T>,
            most_rows,
            most_taps,
            has_pairs && !std::is_integral_v<T>,
            has_masks,
            lane_kernel<T>(),
            copy_depthwise_rows<T>,
            find_tile<T>};
}

template DepthwiseKernel<float> depthwise_kernel();
template DepthwiseKernel<double> depthwise_kernel();
template DepthwiseKernel<std::uint64_t> depthwise_kernel();

}  // namespace faltung::FALTUNG_ISA
