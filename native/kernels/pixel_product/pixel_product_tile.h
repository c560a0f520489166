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
    const T* weight;  // [channel block][channel][tap][channel_block], blocks weight_pitch apart, zero beyond
                      // the channels
    Index weight_pitch;

    T* const* y;  // of each pixel, the first channel
    Index pixels, out_channels;

    const T* bias;  // of the first output channel, or null
    bool resumes;   // from the sums in y
};

template <class T>
struct PixelKernel {
    Index channel_block = 1;  // of the packed weights
    Index tile_channels = 1;  // output channels computed at once
    Index most_pixels = 1;
    void (*multiply)(const PixelTile<T>&) = nullptr;
    Index (*width)(Index pixels) = nullptr;  // of the table of cells, at least `pixels`
};

}  // namespace faltung
