// The contract between the drivers of weight gradients and the kernels that multiply: sums over positions of
// packed wide vectors, a block of channels each, with scalars of a few other channels, read where they lie.
#pragma once

#include <cstdint>

#include "core/index.h"

namespace faltung {

// sums[channel][lane] += sum over samples, rows, columns of wide[sample][row][column][lane] *
// scalar[channel][sample][row][column].
template <class T>
struct GradientProduct {
    const T* wide;  // 64-byte aligned
    Index wide_row, wide_column;
    const T* scalar;
    Index channel_stride, row_stride, column_stride;
    Index rows, columns;
    Index samples = 1, wide_sample = 0, scalar_sample = 0;
    Index channels;  // of the scalars
    Index lanes;     // of the wide block, those that are wanted
    T* sums;         // 64-byte aligned
    Index sums_pitch;

    // Asked for meanwhile, line by line: the scalars so many elements further on, unless 0, and rows that
    // will be packed.
    Index scalars_ahead = 0;
    const T* next = nullptr;
    Index next_stride = 0, next_rows = 0, next_sample = 0;
};

// Positions of up to a block of channels, to [position][lane], zero in the lanes without a channel.
template <class T>
struct GradientPack {
    const T* from;
    Index channel_stride, row_stride, column_stride;
    Index rows, columns, channels;
    T* to;
};

// sums[lane] += sum over pairs of grad[pair[0] + lane] * cells[pair[1] + lane].
template <class T>
struct GradientPairs {
    const T *grad, *cells;
    const std::int32_t* pairs;
    Index count;
    Index lanes;  // those that are wanted
    T* sums;
};

template <class T>
struct GradientProductKernel {
    Index block = 1;     // lanes of the wide side
    Index channels = 1;  // scalars that are multiplied at once
    void (*multiply)(const GradientProduct<T>&) = nullptr;
    // Returns whether all is finite.
    bool (*pack)(const GradientPack<T>&) = nullptr;
    // to[lane * lane_stride + i * stride] = from[i * block + lane] for lanes that there are.
    void (*store)(const T* from, Index count, Index lanes, T* to, Index lane_stride, Index stride) = nullptr;
    void (*multiply_pairs)(const GradientPairs<T>&) = nullptr;
};

}  // namespace faltung
