// The contract between the driver of grouped correlations and its kernels.
#pragma once

#include "core/index.h"

namespace faltung {

// Some vectors of outputs of one group, of several of its output channels. Vectors lie one pitch apart, in x
// and in y. Each output adds, in one chain, weight * cell over input channels, then taps.
template <class T>
struct GroupedBlock {
    const T* x;  // where the first lane of the first vector would meet tap 0; may lie outside the array
    Index x_channel_stride, x_pitch;
    const Index* place;  // of each tap, from that cell
    // Of each tap whether all lanes are read, then [vector][loads of a vector] the lanes to read, zero in the
    // others. A masked load costs three times what a whole one does.
    const std::uint16_t* mask;
    Index channels, taps;  // of the input; either may be 0

    const T* weight;  // [block of output channels][channel][tap][out channel of the block]
    Index weight_block;

    T* y;
    Index y_channel_stride, y_pitch;
    Index count, last;  // outputs of a vector, of the last one
    Index out_channels;

    const T* bias;  // of the first output channel, or null
    bool resumes;   // from the sums in y
};

template <class T>
struct GroupedKernel {
    using Tile = void (*)(const GroupedBlock<T>&);

    // For `width` output channels in each of `blocks` blocks of packed weights, by `vectors`; null where
    // there is none. `reads_all`: no lane lies outside, and there is no mask.
    Tile (*tile)(Index width, Index blocks, Index vectors, Index stride, bool reads_all) = nullptr;
    Index lanes = 0;  // 0: this instruction set has no such kernels

    static constexpr Index most_blocks(Index width) { return width == 4 ? 2 : 1; }
    static constexpr Index most_vectors(Index blocks) { return blocks == 2 ? 3 : 6; }
};

}  // namespace faltung
