// Depthwise register tiles: one vector wide and many rows high. The weights of some taps above one another
// stay in registers while the tile's input rows pass: each vector of cells is loaded once for all of them.
// Loads are what bounds such kernels: off the cache line's grid a wide one takes twice as long.
#include "kernels/depthwise/depthwise_tile.h"

#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_rows = 16;
constexpr bool has_pairs = true, has_masks = true;
#else
constexpr int most_rows = 8;
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
                                           int place, Index r, const T* from) {
    const Index count = r < tile.rows - 1 ? tile.columns : tile.columns_of_last_row;
    T* y = tile.y + on.y[place] + r * on.y_row_stride;
    for (Index i = 0; i < count; ++i) y[i * on.y_column_stride] = from[i];
}

template <class T>
__attribute__((noinline)) void gather_row(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile,
                                          int place, Index r, T* to) {
    const Index count = r < tile.rows - 1 ? tile.columns : tile.columns_of_last_row;
    const T* y = tile.y + on.y[place] + r * on.y_row_stride;
    for (Index i = 0; i < count; ++i) to[i] = y[i * on.y_column_stride];
}

// What y holds, taken up again.
template <class T, int R, bool IsPair>
inline void add_held(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile, Vec<T> (&sum)[R]) {
    alignas(FALTUNG_VECTOR_BYTES) T held[R][lanes<T>] = {};
    for (Index r = 0; r < tile.rows; ++r) {
        gather_row(on, tile, 0, r, held[r]);
        if (IsPair) gather_row(on, tile, 1, r, held[r] + lanes<T> / 2);
    }
    FALTUNG_UNROLL for (int r = 0; r < R; ++r) sum[r] = on.bias[0] ? load(held[r]) + sum[r] : load(held[r]);
}

template <class T, int R, bool IsPair>
inline void store_rows(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile, const Vec<T> (&sum)[R]) {
    constexpr int most = IsPair ? lanes<T> / 2 : lanes<T>;
    if (on.y_column_stride != 1) {
        alignas(FALTUNG_VECTOR_BYTES) T apart[R][lanes<T>];
        FALTUNG_UNROLL for (int r = 0; r < R; ++r) store(apart[r], sum[r]);
        for (Index r = 0; r < tile.rows; ++r) {
            scatter_row(on, tile, 0, r, apart[r]);
            if (IsPair) scatter_row(on, tile, 1, r, apart[r] + most);
        }
        return;
    }
    const Index rows = tile.rows, row_stride = on.y_row_stride;
    T* y = on.y[0] + tile.y;
    if (!IsPair && tile.columns_of_last_row == most) {
        FALTUNG_UNROLL for (int r = 0; r < R; ++r) if (r < rows) store(y + r * row_stride, sum[r]);
        return;
    }
    const Index apart = IsPair ? on.y[1] - on.y[0] : 0;
    FALTUNG_UNROLL for (int r = 0; r < R; ++r, y += row_stride) if (r < rows) {
        const Index count = r < rows - 1 ? tile.columns : tile.columns_of_last_row;
        store_some(y, sum[r], count);
        if (IsPair) store_some(y + apart, swap_halves<T>(sum[r]), count);
    }
}

enum class Reads { every_row, rows, rows_and_lanes };

// R rows of outputs and K rows of taps; which of the cells are read.
template <class T, int R, int K, bool IsPair, Reads reads>
inline __attribute__((always_inline)) void add_columns(const DepthwiseChannels<T>& on,
                                                       const DepthwiseTile<T>& tile,
                                                       const DepthwiseSegment& segment, const T* cells,
                                                       std::uint32_t used, Vec<T> (&sum)[R]) {
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
        const std::uint32_t mask = reads == Reads::rows_and_lanes ? tile.lanes_used[column] : 0;
        FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += pitch) {
            if (reads != Reads::every_row && !(used >> i & 1)) continue;
            Vec<T> x;
            if constexpr (reads == Reads::rows_and_lanes) {
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
                                                          std::uint32_t used, Index column,
                                                          Vec<T> (&sum)[R]) {
    const T* weight = on.weight[0] + segment.weight + column * K;
    const std::int32_t* place = on.places + segment.place + column;
    const Index cells_apart = IsPair ? on.cells[1] - on.cells[0] : 0;
    const Index weights_apart = IsPair ? on.weight[1] - on.weight[0] : 0;
    Vec<T> w[C * K];
    FALTUNG_UNROLL for (int k = 0; k < C * K; ++k) {
        w[k] = IsPair ? broadcast_halves(weight[k], weight[k + weights_apart]) : broadcast(weight[k]);
        keep_in_register(w[k]);
    }
    const std::uint32_t mask = Alternates ? tile.lanes_used[column] : 0;
    const T* from = cells + place[0];
    const Index next = C == 2 ? place[C - 1] - place[0] : 0;
    FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += on.pitch) {
        if (!(used >> i & 1)) continue;
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
                                                              std::uint32_t used, Vec<T> (&sum)[R]) {
    const Index last = min_index(tile.last_column, segment.columns);
    for (Index column = tile.first_column / 2 * 2; column < last; column += 2) {
        if (column + 1 < segment.columns)
            add_neighbours<T, R, K, IsPair, 2, Alternates>(on, tile, segment, cells, used, column, sum);
        else
            add_neighbours<T, R, K, IsPair, 1, Alternates>(on, tile, segment, cells, used, column, sum);
    }
}

template <class T, int R, int K, bool IsPair>
inline __attribute__((always_inline)) void add_segment(const DepthwiseChannels<T>& on,
                                                       const DepthwiseTile<T>& tile, Index which,
                                                       Vec<T> (&sum)[R]) {
    constexpr std::uint32_t all = (std::uint32_t(1) << (R + K - 1)) - 1;
    const DepthwiseSegment& segment = on.segments[which];
    const std::uint32_t used = tile.rows_used[which];
    const T* cells = on.cells[0] + tile.cells + on.segment_cells[which];
    if (used == 0) return;
    if constexpr (has_masks)
        if (on.by_two_columns)
            return on.alternates
                       ? add_by_two_columns<T, R, K, IsPair, true>(on, tile, segment, cells, used, sum)
                       : add_by_two_columns<T, R, K, IsPair, false>(on, tile, segment, cells, used, sum);
    if constexpr (has_masks)
        if (tile.lanes_used)
            return add_columns<T, R, K, IsPair, Reads::rows_and_lanes>(on, tile, segment, cells, used, sum);
    if (used == all)
        add_columns<T, R, K, IsPair, Reads::every_row>(on, tile, segment, cells, used, sum);
    else
        add_columns<T, R, K, IsPair, Reads::rows>(on, tile, segment, cells, used, sum);
}

// Rows far apart are too many streams for the processor to foresee.
template <class T>
inline void fetch_ahead(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile) {
    constexpr Index vectors_ahead = 3;
    const T* cells = on.cells[0] + tile.cells + on.segment_cells[0] + vectors_ahead * lanes<T>;
    const Index rows = tile.rows + on.segments[0].taps - 1;
    for (Index r = 0; r < rows; ++r, cells += on.pitch) __builtin_prefetch(cells);
}

// For segments of `First` taps, then, unless they are uniform, of any fewer.
template <class T, int R, int First, bool IsUniform, bool IsPair>
void compute_tile(const DepthwiseChannels<T>& on, const DepthwiseTile<T>& tile) {
    Vec<T> sum[R];
    const Vec<T> start = !on.bias[0] ? Vec<T>{}
                         : IsPair    ? broadcast_halves(*on.bias[0], *on.bias[1])
                                     : broadcast(*on.bias[0]);
    FALTUNG_UNROLL for (int r = 0; r < R; ++r) sum[r] = start;
    if (on.fetches_ahead) fetch_ahead(on, tile);
    if (on.resumes) add_held<T, R, IsPair>(on, tile, sum);

    Index which = 0;
#define FALTUNG_SEGMENTS(K)                                                   \
    for (; which < on.segment_count && on.segments[which].taps == K; ++which) \
        add_segment<T, R, K, IsPair>(on, tile, which, sum);
    FALTUNG_SEGMENTS(First)
    if constexpr (!IsUniform && First > 3) FALTUNG_SEGMENTS(3)
    if constexpr (!IsUniform && First > 2) FALTUNG_SEGMENTS(2)
    if constexpr (!IsUniform && First > 1) FALTUNG_SEGMENTS(1)
#undef FALTUNG_SEGMENTS

    store_rows<T, R, IsPair>(on, tile, sum);
}

template <class T, int R, bool IsPair>
typename DepthwiseTile<T>::Compute tile_of_rows(int most_taps, bool is_uniform) {
    if (most_taps == 5) return compute_tile<T, R, 5, true, IsPair>;
    if (most_taps == 3 && is_uniform) return compute_tile<T, R, 3, true, IsPair>;
    if (most_taps <= 2) return compute_tile<T, R, 2, false, IsPair>;
    return compute_tile<T, R, 4, false, IsPair>;
}

template <class T, bool IsPair>
typename DepthwiseTile<T>::Compute tile_of(Index rows, int most_taps, bool is_uniform) {
    if (rows <= 4) return tile_of_rows<T, 4, IsPair>(most_taps, is_uniform);
#if FALTUNG_VECTOR_BYTES == 64
    if (rows > 8) return tile_of_rows<T, 16, IsPair>(most_taps, is_uniform);
#endif
    return tile_of_rows<T, 8, IsPair>(most_taps, is_uniform);
}

template <class T>
typename DepthwiseTile<T>::Compute find_tile(Index rows, int most_taps, bool is_uniform, bool is_pair) {
    if constexpr (has_pairs)
        if (is_pair) return tile_of<T, true>(rows, most_taps, is_uniform);
    return tile_of<T, false>(rows, most_taps, is_uniform);
}

}  // namespace

template <class T>
void copy_depthwise_rows(const DepthwiseCopy<T>& copy);

template <class T>
DepthwiseKernel<T> depthwise_kernel() {
    return {lanes<T>, most_rows, has_pairs, has_masks, copy_depthwise_rows<T>, find_tile<T>};
}

template DepthwiseKernel<float> depthwise_kernel();
template DepthwiseKernel<double> depthwise_kernel();
template DepthwiseKernel<std::uint64_t> depthwise_kernel();

}  // namespace faltung::FALTUNG_ISA
