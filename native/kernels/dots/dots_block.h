// The contract between the driver of bfloat16 dot products and the kernels that compute one block of them.
//
// Two consecutive terms of a sum are a pair, 32 bits, the first one in the lower half. The processor adds to
// a sum the product of the second terms, then that of the first ones, each rounded to float32.
#pragma once

#include <cstdint>

#include "core/half.h"
#include "core/panel.h"

namespace faltung {

using Pair = std::uint32_t;

constexpr int dots_channel_block = 8;   // output channels of a block of packed weights
constexpr Index dots_lanes = 16;        // positions of a vector
constexpr Index dots_most_vectors = 3;  // of positions in one block
constexpr Index dots_most_columns = 8;  // positions computed with channels in the lanes
constexpr Index dots_tile = dots_lanes * dots_most_vectors;

// Positions in the lanes.
struct DotsBlock {
    const Half*
        x;  // [term], x_pitch apart, its positions behind one another; null where the panel holds them
    Index x_pitch, terms;
    Pair* panel;  // [pair][vectors of positions], 64-byte aligned; left for other channels where x is read
    const Pair* weight;  // [channel block][pair][channel], blocks weight_pitch apart
    Index weight_pitch;

    float* sums;  // [channel][dots_tile], 64-byte aligned; of whole vectors, read where it resumes
    Half* y;  // rounded sums are written here, nothing beyond positions x out_channels; or null: to `sums`
    Index y_channel_stride;
    Index positions, out_channels;

    const float* bias;  // of the first output channel, or null
    bool resumes;
};

// Few positions: output channels in the lanes.
struct DotsColumns {
    const Pair* panel;  // [pair][column]
    const Pair* weight;
    Index weight_pitch, pairs;
    float* sums;  // [channel][dots_tile], whole blocks of channels
    int columns;
    Index out_channels;
    const float* bias;
    bool resumes;
};

// The cells that some positions of a block of rows read, from its panel (core/panel.h) to a panel of pairs.
struct DotsPatches {
    const Half* cells;  // a vector more may be read behind them
    Index channel_pitch, channels;
    const std::int32_t* offset;  // [row][tap]
    Index taps;
    Index columns;           // of a row of outputs
    Index first, positions;  // row after row
    Pair* panel;             // [pair][vectors of positions]; a vector more may be written behind it
};

struct DotsKernel {
    void (*multiply)(const DotsBlock&) = nullptr;
    void (*multiply_columns)(const DotsColumns&) = nullptr;
    void (*unfold)(const DotsPatches&) = nullptr;
    StridedCopy<Half> copy = nullptr;  // of cells to the panel of rows
    // Runs so many rounds of products, and returns how many floating-point operations that was.
    double (*burst)(Index rounds, float* sink) = nullptr;
};

}  // namespace faltung
