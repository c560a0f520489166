// The contract between the driver of depthwise correlations of bfloat16 numbers and the kernels that compute
// register tiles of them.
#pragma once

#include "core/epilogue.h"
#include "core/half.h"
#include "kernels/depthwise/depthwise_tile.h"

namespace faltung {

constexpr Index bfloat16_tile_rows = 8, bfloat16_vector_cells = 32;

// Rows of outputs, up to `bfloat16_tile_rows` of them, of one channel, or of two that share vectors, computed
// a vector of cells at a time, which are read where they lie. Sums are those of `DepthwiseTile`: in float32,
// in the same order, rounded once, after the epilogue.
struct Bfloat16DepthwiseTile {
    const Half* cells[2];  // of each channel: what output 0 and tap 0 meet, inside the input or not
    const float* weight[2];
    const float* bias[2];  // of the channel, or null (both)
    Half* y[2];
    const Half* residual[2];  // beside y, or null (both)
    EpilogueLoop loop;        // or null

    const DepthwiseSegment* segments;
    Index segment_count;
    Index columns_of_taps;  // that are added at a time, with stride 2: 2 or 3
    Index cells_row_stride, y_row_stride;
    Index row_stride;                // rows of cells from one row of outputs to the next
    Index rows, columns;             // of outputs; of two channels at most half a vector's
    Index cells_above, cells_below;  // from `cells` on, where the input begins and ends: rows,
    Index cells_left, cells_right;   // and columns; may be negative
};

struct Bfloat16DepthwiseKernel {
    using Compute = void (*)(const Bfloat16DepthwiseTile&);

    // As `DepthwiseKernel::tile`, with neighbours; `has_all_rows`: all rows of cells lie inside the input.
    // The stride of the columns is 1 or 2.
    Compute (*tile)(Index rows, int of_taps, bool has_all_rows, Index stride, Index columns,
                    bool is_pair) = nullptr;
    // Of kernels of 3x3 with the same stride, 1 or 2, along both axes: any number of rows.
    Compute (*strip)(Index stride, Index columns, bool is_pair) = nullptr;
};

namespace avx512bf16 {
// Where the processor and the build have instructions for bfloat16 (`has_bfloat16_dots`).
Bfloat16DepthwiseKernel bfloat16_depthwise_kernel();
}  // namespace avx512bf16

}  // namespace faltung
