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

// Where a block of channels begins in packed weights.
inline Index dots_weight_place(Index block, Index pitch, Index step) {
    const Index shared = step / dots_channel_block;
    return block / shared * pitch + block % shared * dots_channel_block;
}

// Positions in the lanes.
struct DotsBlock {
    const Half*
        x;  // [term], x_pitch apart, its positions behind one another; null where the panel holds them
    Index x_pitch, terms;
    Pair* panel;  // [pair][vectors of positions], 64-byte aligned; left for other channels where x is read
    // [channel block][pair][channel], blocks weight_pitch apart, and pairs weight_step; where that is twice a
    // block, two of them share their pairs.
    const Pair* weight;
    Index weight_pitch, weight_step;

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
    Index weight_pitch, weight_step, pairs;
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

// Channels in the lanes: output positions one by one ("pixels"), each read as runs of cells that lie
// together.
constexpr Index dots_pixel_lanes = 16;  // output channels of a vector, and of a block of packed weights
constexpr Index dots_most_channel_vectors = 4;  // computed at once
constexpr Index dots_pixel_channels = dots_pixel_lanes * dots_most_channel_vectors;
constexpr Index dots_most_pixels = 64;  // of a segment

// Consecutive cells, two a pair, at the same distance from each pixel's place.
struct DotsRun {
    Index offset, pairs;
};

struct DotsPixels {
    const Half* cells;
    const Index* place;  // of each pixel
    Index pixels;
    const DotsRun* runs;
    Index run_count;

    const Pair* weight;         // [vector of channels][pair][16], vectors weight_pitch apart
    Index weight_pitch, ahead;  // what is multiplied next lies so far behind
    int vectors;

    float* sums;        // [slot][dots_pixel_channels], 64-byte aligned
    const Index* slot;  // of each pixel
    // Where rounded sums are written instead, and only `channels` of each pixel; or null.
    Half* y;
    const Index* y_place;  // of each pixel
    Index channels;
    const float* bias;  // of all vectors' lanes, or null
    bool resumes;
};

// Planes of numbers, one a channel, to pixels whose channels lie together; the inverse for sums.
struct DotsTurn {
    const Half* planes;
    Index channel_stride, channels, pixels;
    Half* to;
    Index pitch;
    Index step, kept;  // of every `step` pixels the first `kept` are wanted
};

struct DotsStore {
    const float* sums;  // [pixel][dots_pixel_channels]
    Index pixels, channels;
    Half* y;
    Index stride;        // of channels, or of pixels; the others lie together
    bool has_denormals;  // or may have
};

// Weights of at most 16 output channels, whose terms are [tap of the array], [input channel] in any order of
// memory with unit stride along one of taps and output channels.
struct DotsWeights {
    const Half* from;
    Index out_stride, in_stride;  // of channels; taps lie together
    Index outs, ins, all_taps;    // `ins` is even
    const Index* taps;            // those wanted, in order
    Index tap_count;
    Pair* to;         // [tap][pair of input channels][16]
    Index tap_pitch;  // in `to`
};

struct DotsKernel {
    void (*multiply)(const DotsBlock&) = nullptr;
    void (*multiply_columns)(const DotsColumns&) = nullptr;
    void (*unfold)(const DotsPatches&) = nullptr;
    StridedCopy<Half> copy = nullptr;  // of cells to the panel of rows
    void (*multiply_pixels)(const DotsPixels&) = nullptr;
    void (*turn)(const DotsTurn&) = nullptr;
    void (*store_planes)(const DotsStore&) = nullptr;  // stride: of channels
    void (*store_pixels)(const DotsStore&) = nullptr;  // stride: of pixels
    void (*pack)(const DotsWeights&) = nullptr;
    // Runs so many rounds of products, and returns how many floating-point operations that was.
    double (*burst)(Index rounds, float* sink) = nullptr;
};

}  // namespace faltung
