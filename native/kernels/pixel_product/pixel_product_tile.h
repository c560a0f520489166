// The contract between the driver of products over pixels and the kernels that compute one tile of them: a
// few output positions whose channels lie side by side, output channels in the lanes.
#pragma once

#include "core/index.h"

namespace faltung {

// Each output starts from its bias and/or what y holds and adds, in one chain, weight * cell over channels,
// then taps, in order.
template <class T>
struct PixelTile {
    // The first channel of each cell, [tap][pixel], with every pixel of the kernel's width; or null, where
    // the pixels fill that width and lie `pixel_step` apart: then the first pixel's window begins at
    // `origin`.
    const T* const* cells;
    const T* origin;
    Index pixel_step;
    const Index* tap_offset;  // of each tap, from a window's first cell
    Index taps, channels;     // of the input
    Index channel_step;       // elements between the channels of a cell
    const T* weight;          // in panels, zero beyond the channels

    T* const* y;  // of each pixel, the first channel
    Index pixels, out_channels;

    const T* bias;  // of the first output channel, or null
    bool resumes;   // from the sums in y
};

// Weights are multiplied in panels of a tile's channels, [term][channel], that follow on one another.
template <class T>
struct PixelKernel {
    Index channel_block = 1;  // of the packed weights, [channel block][channel][tap][channel_block]
    Index tile_channels = 1;  // output channels computed at once
    Index most_pixels = 1;
    // Panels of so many terms, from blocks of packed weights that lie `pitch` apart.
    void (*arrange)(const T* packed, Index pitch, Index blocks, Index terms, T* panels) = nullptr;
    // The first so many channels of each cell, to places `pitch` apart.
    void (*copy)(const T* const* cells, Index count, Index channels, T* to, Index pitch) = nullptr;
    void (*multiply)(const PixelTile<T>&) = nullptr;
    Index (*width)(Index pixels) = nullptr;  // of the table of cells, at least `pixels`
};

}  // namespace faltung
