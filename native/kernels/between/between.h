// What stands between the convolutions of a network: the largest numbers of windows, and means and variances
// over the channels. Both read and write strided arrays (N, C, *size).
#pragma once

#include "core/cpu.h"
#include "core/problem.h"

namespace faltung {

struct PoolWindow {
    Index kernel[2], stride[2], before[2];
};

// y (N, C, *O) = the largest number of each window of x (N, C, *I), cells beyond the border left out; NaN
// where there is one. Each window has a cell.
void max_pool(Type type, Isa isa, const Array& x, const std::vector<Index>& x_size, const Array& y,
              const std::vector<Index>& y_size, const PoolWindow& window, int threads);

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias along the channels of x and y (N, C, P). Weight
// and bias (C) are contiguous, or null.
void normalise_channels(Type type, Isa isa, const Array& x, const Array& y, const std::vector<Index>& size,
                        const void* weight, const void* bias, double epsilon, int threads);

// Of one instruction set, for one element type.
struct PoolLoops {
    Index (*scratch_cells)(Index width, const PoolWindow& window);
    // Some rows [first, last) of the result from one plane of `size`.
    void (*rows)(const void* x, const Index* size, const Index* x_stride, void* y, Index width,
                 const Index* y_stride, const PoolWindow& window, Index first, Index last, void* scratch);
};

struct NormaliseLoop {
    Index block;  // positions that are read together
    // `count` <= block positions.
    void (*run)(const void* x, Index x_channel, Index x_step, void* y, Index y_channel, Index y_step,
                Index channels, Index count, const void* weight, const void* bias, double epsilon);
};

}  // namespace faltung
