// Correlation of few output channels a group: depthwise, image filters, small groups.
#include "core/row_copy.h"
#include "kernels/filter/rows_tile.h"

namespace faltung::FALTUNG_ISA {

template <class T>
PixelKernel<T> pixel_kernel();

namespace {

#if FALTUNG_VECTOR_BYTES == 64
constexpr int most_vectors = 4;
#else
constexpr int most_vectors = 2;
#endif
constexpr Index panel_bytes = 32 << 10;  // of L1: every cell is loaded many times

template <class T, int C>
ColumnsTile<T> tile_for(Index vectors) {
    switch (vectors) {
        case 1:
            return columns_tile<T, C, 1>;
#if FALTUNG_VECTOR_BYTES == 64
        case 2:
            return columns_tile<T, C, 2>;
        case 3:
            return columns_tile<T, C, 3>;
#endif
        default:
            return columns_tile<T, C, most_vectors>;
    }
}

template <class T, int C>
void filter_block(const CorrelationBlock<T>& b) {
    columns_block<T, most_vectors>(b, C, tile_for<T, C>);
}

template <class T>
using RowsTile = void (*)(const CorrelationBlock<T>&, Index, Index, Index);

template <class T>
RowsTile<T> rows_tile_for(Index vectors) {
    switch (vectors) {
        case 1:
            return rows_tile<T, 1>;
#if FALTUNG_VECTOR_BYTES == 64
        case 2:
            return rows_tile<T, 2>;
        case 3:
            return rows_tile<T, 3>;
#endif
        default:
            return rows_tile<T, most_vectors>;
    }
}

template <class T>
void single_filter_block(const CorrelationBlock<T>& b) {
    constexpr Index R = RowStep::most_rows;
    const Index whole = b.steps ? b.rows / R * R : 0;
    each_column_tile<T, most_vectors>(b.columns, [&](Index vectors, Index first, Index count) {
        const RowsTile<T> compute = rows_tile_for<T>(vectors);
        for (Index row = 0; row < whole; row += R) compute(b, row, first, count);
        const ColumnsTile<T> compute_row = tile_for<T, 1>(vectors);
        for (Index row = whole; row < b.rows; ++row) compute_row(b, 1, row, first, count);
    });
}

}  // namespace

template <class T>
CorrelationKernel<T> filter_kernel(Index out_channels) {
    CorrelationKernel<T> kernel;
    kernel.copy = panel_copy<T>();
    kernel.column_tile = kernel.column_multiple = kernel.read_ahead = most_vectors * lanes<T>;
    kernel.panel_bytes = panel_bytes;
    kernel.few_columns = lanes<T>;
    if (out_channels > 2) {
        kernel.compute = filter_block<T, 4>;
        kernel.channel_block = 4;
        kernel.pixels = pixel_kernel<T>();
    } else if (out_channels == 2) {
        kernel.compute = filter_block<T, 2>;
        kernel.channel_block = 2;
    } else {
        kernel.compute = single_filter_block<T>;
        kernel.row_tile = RowStep::most_rows;
    }
    return kernel;
}

template CorrelationKernel<float> filter_kernel(Index);
template CorrelationKernel<double> filter_kernel(Index);
template CorrelationKernel<std::uint64_t> filter_kernel(Index);

}  // namespace faltung::FALTUNG_ISA
