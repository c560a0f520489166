// The matrix product of a 1x1 correlation: many output channels by a few vectors of columns in registers.
#include "kernels/columns_tile.h"

namespace faltung::FALTUNG_ISA {

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr int channel_block = 8, most_vectors = 3;  // 24 sums of 32 registers
#else
constexpr int channel_block = 6, most_vectors = 2;  // 12 sums of 16 registers
#endif
constexpr Index panel_bytes = 256 << 10;
constexpr Index channel_bytes = 1024;  // of one column: longer sums pay for loading and storing them
constexpr Index l1_bytes = 24 << 10;   // every block of output channels reads the same cells again

template <class T, int C>
ColumnsTile<T> tile_for(Index vectors) {
    switch (vectors) {
        case 1:
            return columns_tile<T, C, 1>;
#if FALTUNG_VECTOR_BYTES == 64
        case 2:
            return columns_tile<T, C, 2>;
#endif
        default:
            return columns_tile<T, C, most_vectors>;
    }
}

template <class T>
void pointwise_block(const CorrelationBlock<T>& b) {
    if (b.out_channels > 4) {
        columns_block<T, most_vectors>(b, channel_block, tile_for<T, channel_block>);
    } else if (b.out_channels > 2) {
        columns_block<T, most_vectors>(b, channel_block, tile_for<T, 4>);
    } else {
        columns_block<T, most_vectors>(b, channel_block, tile_for<T, 2>);
    }
}

}  // namespace

template <class T>
CorrelationKernel<T> pointwise_kernel(Index) {
    CorrelationKernel<T> kernel;
    kernel.compute = pointwise_block<T>;
    kernel.channel_block = channel_block;
    kernel.column_tile = kernel.read_ahead = most_vectors * lanes<T>;
    kernel.column_multiple = lanes<T>;
    kernel.panel_bytes = panel_bytes;
    kernel.most_panel_channels = channel_bytes / Index(sizeof(T));
    kernel.most_channel_columns = l1_bytes / Index(sizeof(T));
    return kernel;
}

template CorrelationKernel<float> pointwise_kernel(Index);
template CorrelationKernel<double> pointwise_kernel(Index);
template CorrelationKernel<std::uint64_t> pointwise_kernel(Index);

}  // namespace faltung::FALTUNG_ISA
