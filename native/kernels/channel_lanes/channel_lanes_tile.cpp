// Tiles of outputs with a channel in each lane, cells and outputs where they lie.
#include "kernels/channel_lanes/channel_lanes_tile.h"

#include <type_traits>

#include "core/transpose.h"
#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr int tile_rows = 4;  // by 4 columns: 16 sums of 32 registers, beside the weights of 7 taps
#else
constexpr int tile_rows = 2;  // 8 of 16
#endif
constexpr int tile_columns = 4;

// Of a segment, where so many columns are taken at a time.
constexpr int most_taps_of(int together) {
    return together == 3 ? 2 : together == 2 ? 4 : 7;
}

template <class T>
using Sums = Vec<T>[tile_rows][tile_columns];

template <class T, bool IsPart>
inline Vec<T> load_channels(const T* from, Index channels) {
    return IsPart ? load_some(from, channels) : load(from);
}

// C columns of taps next to one another, of K taps each. Where IsWhole, every cell is there.
template <class T, int K, int C, bool IsWhole, bool IsPart>
inline __attribute__((always_inline)) void add_columns(const LaneTile<T>& b, const LaneSegment& segment,
                                                       std::uint32_t rows_used, Index column, const T* cells,
                                                       const T* weight, Index channels, Sums<T>& sum) {
    constexpr int R = tile_rows, W = tile_columns;
    Vec<T> w[C][K];
    FALTUNG_UNROLL for (int c = 0; c < C; ++c) FALTUNG_UNROLL for (int k = 0; k < K; ++k) w[c][k] =
        load(weight + ((column + c) * segment.column_step + k * segment.tap_step) * lanes<T>);
    const T* first = cells + column * b.tap_pitch;
    const std::uint32_t* used = b.columns_used + segment.used_columns + column;
    std::uint32_t used_columns[C] = {};
    if (!IsWhole)
        for (int c = 0; c < C; ++c) used_columns[c] = used[c];
    FALTUNG_UNROLL for (int j = 0; j < W; ++j) {
        const T* from = first + j * b.column_pitch;
        FALTUNG_UNROLL for (int i = 0; i < R + K - 1; ++i, from += b.row_pitch) {
            if (!IsWhole && (rows_used >> i & 1) == 0) continue;
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) {
                if (!IsWhole && (used_columns[c] >> j & 1) == 0) continue;
                const Vec<T> x = load_channels<T, IsPart>(from + c * b.tap_pitch, channels);
                FALTUNG_UNROLL for (int k = K - 1; k >= 0; --k) if (i - k >= 0 && i - k < R) sum[i - k][j] +=
                    w[c][k] * x;
            }
        }
    }
}

template <class T, int K, bool IsWhole, bool IsPart, int Together>
inline __attribute__((always_inline)) void add_segment(const LaneTile<T>& b, const LaneSegment& segment,
                                                       std::uint32_t rows_used, const T* x, const T* weight,
                                                       Index channels, Sums<T>& sum) {
    if (!IsWhole && rows_used == 0) return;
    const T* cells = x + segment.cells;
    weight += segment.weight * lanes<T>;
    Index column = 0;
    if constexpr (Together > 1)
        for (; column + Together <= segment.columns; column += Together)
            add_columns<T, K, Together, IsWhole, IsPart>(b, segment, rows_used, column, cells, weight,
                                                         channels, sum);
    for (; column < segment.columns; ++column)
        add_columns<T, K, 1, IsWhole, IsPart>(b, segment, rows_used, column, cells, weight, channels, sum);
}

// One vector of channels, or where IsPart the first few of its lanes.
template <class T, bool IsWhole, bool IsPart, int Together>
inline __attribute__((always_inline)) void compute_channels(const LaneTile<T>& b, Index channel,
                                                            Index channels) {
    const Vec<T> start = b.bias ? load_channels<T, IsPart>(b.bias + channel, channels) : Vec<T>{};
    T* const y = b.y + channel;
    Sums<T> sum;
    FALTUNG_UNROLL for (int r = 0; r < tile_rows; ++r) FALTUNG_UNROLL for (int j = 0; j < tile_columns; ++j) {
        sum[r][j] = start;
        if (!IsWhole && (r >= b.rows || j >= b.columns)) continue;
        T* const out = y + r * b.y_row_pitch + j * b.y_column_pitch;
        if (b.resumes) {
            const Vec<T> held = load_channels<T, IsPart>(out, channels);
            sum[r][j] = b.bias ? held + start : held;
        } else {
            __builtin_prefetch(out, 1);
        }
    }
    const T* const x = b.x + channel;
    const T* const weight = b.weight + channel / lanes<T> * b.vector_weight;
    const std::uint32_t* rows_used = b.rows_used;
    for (const LaneSegment* segment = b.segments; segment != b.segments_end; ++segment, ++rows_used) {
        const std::uint32_t used = IsWhole ? 0 : *rows_used;
        switch (segment->taps) {
#define FALTUNG_TAPS(K)                                                                                \
    case K:                                                                                            \
        if constexpr (K <= most_taps_of(Together))                                                     \
            add_segment<T, K, IsWhole, IsPart, Together>(b, *segment, used, x, weight, channels, sum); \
        break;
            FALTUNG_TAPS(1)
            FALTUNG_TAPS(2)
            FALTUNG_TAPS(3)
            FALTUNG_TAPS(4)
            FALTUNG_TAPS(5)
            FALTUNG_TAPS(7)
#undef FALTUNG_TAPS
            default:
                break;
        }
    }
    FALTUNG_UNROLL for (int r = 0; r < tile_rows; ++r) FALTUNG_UNROLL for (int j = 0; j < tile_columns; ++j) {
        if (!IsWhole && (r >= b.rows || j >= b.columns)) continue;
        T* const out = y + r * b.y_row_pitch + j * b.y_column_pitch;
        if constexpr (IsPart) {
            store_some(out, sum[r][j], channels);
        } else {
            store(out, sum[r][j]);
        }
    }
}

template <class T, bool IsWhole, int Together>
__attribute__((noinline)) void compute_vectors(const LaneTile<T>& b, Index whole) {
    for (Index channel = 0; channel < whole; channel += lanes<T>)
        compute_channels<T, IsWhole, false, Together>(b, channel, lanes<T>);
}

template <class T, int Together>
__attribute__((noinline)) void compute_rest(const LaneTile<T>& b, Index whole) {
    compute_channels<T, false, true, Together>(b, whole, b.channels - whole);
}

template <class T, int Together>
void compute(const LaneTile<T>& b) {
    const Index whole = b.channels / lanes<T> * lanes<T>;
    if constexpr (!std::is_integral_v<T>) {
        if (b.is_whole) {
            compute_vectors<T, true, Together>(b, whole);
        } else {
            compute_vectors<T, false, Together>(b, whole);
        }
    } else {
        compute_vectors<T, false, Together>(b, whole);
    }
    if (whole < b.channels) compute_rest<T, Together>(b, whole);
}

template <class T>
void turn(const LaneTurn<T>& b) {
    constexpr Index L = lanes<T>;
    Index i = 0;
    if constexpr (L >= transposed_columns) {
        if (b.channels == L)
            for (; i + L <= b.count; i += L) {
                Vec<T> v[L];
                FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) v[lane] =
                    load(b.from + lane * b.count + i);
                transpose_square<T>(v);
                FALTUNG_UNROLL for (int lane = 0; lane < L; ++lane) store(b.to + (i + lane) * L, v[lane]);
            }
    }
    for (; i < b.count; ++i)
        for (Index lane = 0; lane < L; ++lane)
            b.to[i * L + lane] = lane < b.channels ? b.from[lane * b.count + i] : T(0);
}

}  // namespace

template <class T>
LaneKernel<T> lane_kernel() {
    LaneKernel<T> kernel{lanes<T>, tile_rows, tile_columns};
    kernel.turn = turn<T>;
    // The order matters to rounding alone; only `depthwise` on AVX-512 takes several columns at a time.
    constexpr bool knows_orders = FALTUNG_VECTOR_BYTES == 64 && !std::is_integral_v<T>;
    kernel.compute[1] = compute<T, 1>;
    kernel.compute[2] = compute < T, knows_orders ? 2 : 1 > ;
    kernel.compute[3] = compute < T, knows_orders ? 3 : 1 > ;
    return kernel;
}

template LaneKernel<float> lane_kernel();
template LaneKernel<double> lane_kernel();
template LaneKernel<std::uint64_t> lane_kernel();

}  // namespace faltung::FALTUNG_ISA
