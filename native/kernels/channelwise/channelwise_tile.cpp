// Sums of a block of outputs of one row, a channel in each lane: cells and sums stay in registers, each tap
// is loaded once for all outputs that it serves. Taps over the padding cost nothing.
#include "kernels/channelwise/channelwise_tile.h"

#include "core/registers.h"
#include "core/transpose.h"
#include "core/vec.h"

namespace faltung::FALTUNG_ISA {

namespace {

template <class T, int W, int Shift>
inline __attribute__((always_inline)) void add_tap(const T* tap, const Vec<T> (&cell)[W], Vec<T> (&sum)[W]) {
    Vec<T> weight = load(tap);
    keep_in_register(weight);
    FALTUNG_UNROLL for (int o = 0; o < W; ++o) if (o + Shift >= 0 && o + Shift < W) sum[o] +=
        weight * cell[o + Shift];
}

// W: the width.
template <class T, int W>
void sum_row(const ChannelwiseSums<T>& on) {
    static_assert(W <= 8, "shifts of up to 7 cells are spelled out");
    constexpr Index L = lanes<T>;
    Vec<T> sum[W];
    const Vec<T> bias = load(on.bias);
    FALTUNG_UNROLL for (int o = 0; o < W; ++o) sum[o] = on.resumes ? load(on.sums + o * L) + bias : bias;
    const Index step = on.cell_step * L;
    for (const ChannelwiseRow* row = on.rows; row != on.rows_end; ++row) {
        const T* const cells = on.cells + Index(row->cells) * L;
        const T* const taps = on.taps + Index(row->taps) * L;
        for (const ChannelwiseRun* run = on.runs; run != on.runs_end; ++run) {
            const T* from = cells + Index(run->cell) * L;
            Vec<T> cell[W];
            FALTUNG_UNROLL for (int o = 0; o < W; ++o, from += step) {
                cell[o] = load(from);
                keep_in_register(cell[o]);
            }
            const T* tap = taps + Index(run->tap) * L;
            const Index tap_step = Index(run->tap_step) * L;
            int left = run->count;
            switch (run->first_shift) {
#define FALTUNG_SHIFT(S)                                              \
    case S:                                                           \
        if constexpr (S > -W && S < W) {                              \
            add_tap<T, W, (S > -W && S < W) ? S : 0>(tap, cell, sum); \
            if (--left == 0) break;                                   \
            tap += tap_step;                                          \
        }                                                             \
        [[fallthrough]];
                FALTUNG_SHIFT(-7)
                FALTUNG_SHIFT(-6)
                FALTUNG_SHIFT(-5)
                FALTUNG_SHIFT(-4)
                FALTUNG_SHIFT(-3)
                FALTUNG_SHIFT(-2)
                FALTUNG_SHIFT(-1)
                FALTUNG_SHIFT(0)
                FALTUNG_SHIFT(1)
                FALTUNG_SHIFT(2)
                FALTUNG_SHIFT(3)
                FALTUNG_SHIFT(4)
                FALTUNG_SHIFT(5)
                FALTUNG_SHIFT(6)
                FALTUNG_SHIFT(7)
#undef FALTUNG_SHIFT
                default:
                    break;
            }
        }
    }
    FALTUNG_UNROLL for (int o = 0; o < W; ++o) store(on.sums + o * L, sum[o]);
}

// Eight cells of the lanes' channels lie in a vector's worth of whole or half rows [lane][8 cells].
template <class T>
constexpr int part = lanes<T> < transposed_columns ? lanes<T> : transposed_columns;

template <class T>
struct PartOf {
    typedef T type __attribute__((vector_size(part<T> * sizeof(T))));
};

template <class T, int... I>
inline Vec<T> join_lanes(typename PartOf<T>::type a, typename PartOf<T>::type b,
                         std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, I...);
}

template <class T>
inline Vec<T> load_rows(T* const* channel, Index offset, int which) {
    using Part = typename PartOf<T>::type;
    constexpr int per_row = transposed_columns / part<T>;
    if constexpr (lanes<T> == 2 * part<T>) {
        Part a, b;
        __builtin_memcpy(&a, channel[2 * which] + offset, sizeof a);
        __builtin_memcpy(&b, channel[2 * which + 1] + offset, sizeof b);
        return join_lanes<T>(a, b, std::make_integer_sequence<int, lanes<T>>());
    } else {
        return load(channel[which / per_row] + offset + which % per_row * part<T>);
    }
}

template <class T>
inline void store_rows(T* const* channel, Index channels, Index offset, int which, Vec<T> v) {
    constexpr int per_row = transposed_columns / part<T>;
    if constexpr (lanes<T> == 2 * part<T>) {
        alignas(FALTUNG_VECTOR_BYTES) T parts[lanes<T>];
        store(parts, v);
        if (2 * which < channels) __builtin_memcpy(channel[2 * which] + offset, parts, sizeof v / 2);
        if (2 * which + 1 < channels)
            __builtin_memcpy(channel[2 * which + 1] + offset, parts + part<T>, sizeof v / 2);
    } else if (which / per_row < channels) {
        store(channel[which / per_row] + offset + which % per_row * part<T>, v);
    }
}

template <class T>
void gather(const ChannelwiseCells<T>& on) {
    constexpr Index L = lanes<T>, C = transposed_columns;
    if (on.are_neighbours) {
        for (Index i = 0; i < on.count; ++i)
            store(on.cells + i * L, load_some(on.channel[0] + i * on.step, on.channels));
        return;
    }
    if (on.step != 1 || on.count < C) {
        for (Index i = 0; i < on.count; ++i)
            for (Index lane = 0; lane < L; ++lane) on.cells[i * L + lane] = on.channel[lane][i * on.step];
        return;
    }
    for (Index i = 0; i < on.count; i += C) {
        if (i + C > on.count) i = on.count - C;
        Vec<T> v[C];
        FALTUNG_UNROLL for (int r = 0; r < C; ++r) v[r] = load_rows(on.channel, i, r);
        transpose_to_columns<T>(v);
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) store(on.cells + (i + c) * L, v[c]);
    }
}

template <class T>
void scatter(const ChannelwiseCells<T>& on) {
    constexpr Index L = lanes<T>, C = transposed_columns;
    if (on.are_neighbours) {
        for (Index i = 0; i < on.count; ++i)
            store_some(on.channel[0] + i * on.step, load(on.cells + i * L), on.channels);
        return;
    }
    if (on.step != 1 || on.count < C) {
        for (Index i = 0; i < on.count; ++i)
            for (Index lane = 0; lane < on.channels; ++lane)
                on.channel[lane][i * on.step] = on.cells[i * L + lane];
        return;
    }
    for (Index i = 0; i < on.count; i += C) {
        if (i + C > on.count) i = on.count - C;
        Vec<T> v[C];
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) v[c] = load(on.cells + (i + c) * L);
        transpose_to_rows<T>(v);
        FALTUNG_UNROLL for (int r = 0; r < C; ++r) store_rows(on.channel, on.channels, i, r, v[r]);
    }
}

}  // namespace

template <class T>
LaneKernel<T> lane_kernel();

template <class T>
ChannelwiseKernel<T> channelwise_kernel() {
    ChannelwiseKernel<T> kernel;
    kernel.channel_lanes = lane_kernel<T>();
    kernel.lanes = lanes<T>;
    kernel.widest =
        FALTUNG_VECTOR_BYTES == 64 ? 8 : 7;  // two vectors for each output, and the tap, in registers
    kernel.sum[4] = sum_row<T, 4>;
    kernel.sum[5] = sum_row<T, 5>;
    kernel.sum[6] = sum_row<T, 6>;
    kernel.sum[7] = sum_row<T, 7>;
#if FALTUNG_VECTOR_BYTES == 64
    kernel.sum[8] = sum_row<T, 8>;
#endif
    kernel.gather = gather<T>;
    kernel.scatter = scatter<T>;
    return kernel;
}

template ChannelwiseKernel<float> channelwise_kernel();
template ChannelwiseKernel<double> channelwise_kernel();
template ChannelwiseKernel<std::uint64_t> channelwise_kernel();

}  // namespace faltung::FALTUNG_ISA
