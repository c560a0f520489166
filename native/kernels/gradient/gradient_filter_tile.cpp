// Weight gradient of few output channels a group, with columns in the vector lanes: one vector of partial
// sums for every output channel and pair; the driver adds its lanes up once, in the end.
#include "core/vec.h"
#include "kernels/gradient/gradient_block.h"

namespace faltung::FALTUNG_ISA {

namespace {

template <class T>
struct Mask;
template <>
struct Mask<float> {
    using Lane = std::int32_t;
};
template <>
struct Mask<double> {
    using Lane = std::int64_t;
};
template <>
struct Mask<std::uint64_t> {
    using Lane = std::int64_t;
};

template <class T, int C, int J>
void gradient_tile(const GradientBlock<T>& b, Index first_pair) {
    constexpr int L = lanes<T>;
    using Bits = Vec<typename Mask<T>::Lane>;
    const Index whole = b.columns / L * L;
    Bits is_inside;
    for (int lane = 0; lane < L; ++lane) is_inside[lane] = whole + lane < b.columns ? -1 : 0;
    const int channels = static_cast<int>(min_index(b.out_channels, C));
    const Index channel_pitch = b.rows * b.grad_pitch;

    const T* base[J];
    Index tap[J];
    FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
        base[j] = b.panel + (first_pair + j) / b.taps * b.channel_pitch;
        tap[j] = (first_pair + j) % b.taps;
    }
    Vec<T> sum[C][J];
    FALTUNG_UNROLL for (int c = 0; c < C; ++c) FALTUNG_UNROLL for (int j = 0; j < J; ++j) sum[c][j] =
        Vec<T>{};
    const std::int32_t* offset = b.offset;
    for (Index row = 0; row < b.rows; ++row, offset += b.taps) {
        const T* grad[C];
        FALTUNG_UNROLL for (int c = 0; c < C; ++c) grad[c] =
            b.grad + (c < channels ? c : 0) * channel_pitch + row * b.grad_pitch;
        const T* cell[J];
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) cell[j] = base[j] + offset[tap[j]];
        Vec<T> g[C];
        for (Index column = 0; column < whole; column += L) {
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) g[c] = load(grad[c] + column);
            FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
                const Vec<T> x = load(cell[j] + column);
                FALTUNG_UNROLL for (int c = 0; c < C; ++c) sum[c][j] += g[c] * x;
            }
        }
        if (whole < b.columns) {
            // grad is zero behind the last column, but the panel holds other cells there, perhaps inf.
            FALTUNG_UNROLL for (int c = 0; c < C; ++c) g[c] = load(grad[c] + whole);
            FALTUNG_UNROLL for (int j = 0; j < J; ++j) {
                const Vec<T> x = (Vec<T>)((Bits)load(cell[j] + whole) & is_inside);
                FALTUNG_UNROLL for (int c = 0; c < C; ++c) sum[c][j] += g[c] * x;
            }
        }
    }
    const Index pairs = b.last_pair - b.first_pair;
    FALTUNG_UNROLL for (int c = 0; c < C; ++c) if (c < channels) {
        T* sums = b.sums + (c * pairs + first_pair - b.first_pair) * L;
        FALTUNG_UNROLL for (int j = 0; j < J; ++j) store(sums + j * L, load(sums + j * L) + sum[c][j]);
    }
}

template <class T, int C, int J>
void gradient_block(const GradientBlock<T>& b) {
    Index pair = b.first_pair;
    for (; pair + J <= b.last_pair; pair += J) gradient_tile<T, C, J>(b, pair);
    for (; pair < b.last_pair; ++pair) gradient_tile<T, C, 1>(b, pair);
}

// To [channel][row][column], zero behind the last column.
template <class T>
void pack_grad(const GradientSource<T>& source, Index grad_pitch, T* packed) {
    for (Index oc = 0; oc < source.channels; ++oc)
        for (Index row = 0; row < source.rows; ++row, packed += grad_pitch) {
            const T* from = source.grad + oc * source.channel_stride + row * source.row_stride;
            if (source.column_stride == 1) {
                for (Index j = 0; j < source.columns; ++j) packed[j] = from[j];
            } else {
                for (Index j = 0; j < source.columns; ++j) packed[j] = from[j * source.column_stride];
            }
            for (Index j = source.columns; j < grad_pitch; ++j) packed[j] = T(0);
        }
}

}  // namespace

template <class T>
GradientKernel<T> gradient_filter_kernel(Index out_channels) {
#if FALTUNG_VECTOR_BYTES == 64
    constexpr int pairs_of_4 = 4, pairs_of_2 = 8;
#else
    constexpr int pairs_of_4 = 2, pairs_of_2 = 4;
#endif
    constexpr Index L = lanes<T>;
    if (out_channels > 2) return {4, L, L, true, gradient_block<T, 4, pairs_of_4>, pack_grad<T>};
    if (out_channels == 2) return {2, L, L, true, gradient_block<T, 2, pairs_of_2>, pack_grad<T>};
    return {1, L, L, true, gradient_block<T, 1, 8>, pack_grad<T>};
}

template GradientKernel<float> gradient_filter_kernel(Index);
template GradientKernel<double> gradient_filter_kernel(Index);
template GradientKernel<std::uint64_t> gradient_filter_kernel(Index);

}  // namespace faltung::FALTUNG_ISA
