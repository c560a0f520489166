// The contract between the driver of Winograd weight gradients and the transforms: channels in the lanes,
// [position][channel] there, [point][tile][channel] or [point][pair of channels] behind.
#pragma once

#include "core/index.h"

namespace faltung {

// A row of tiles of one block of channels.
template <class T>
struct GradientTransform {
    const T* cells;  // [row][column][channel]
    Index row_pitch;
    Index tiles;
    Index lanes;  // channels that are wanted
    T* points;    // of the first tile: [tile][channel], 64-byte aligned
    Index point_pitch;
};

// Tiles of 4 outputs along the axes that are transformed, of 1 along the other: they read 6 cells or 1, and
// have as many points.
template <class T>
struct WinogradGradientKernel {
    void (*transform_input)(const GradientTransform<T>&) = nullptr;
    void (*transform_grad)(const GradientTransform<T>&) = nullptr;
    // The sums of one channel's points, `point_pitch` apart, to [tap][channel].
    void (*transform_sums)(const T* sums, Index point_pitch, Index lanes, T* taps) = nullptr;
};

}  // namespace faltung
