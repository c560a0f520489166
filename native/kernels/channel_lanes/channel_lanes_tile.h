// The contract between the driver of correlations with one input channel a group, on arrays whose channels
// lie side by side, and the kernels that compute a tile of outputs for all channels.
#pragma once

#include "core/index.h"

namespace faltung {

// Some columns of taps by `taps` taps along the axis of a tile's rows, whose cells lie as far apart as those
// of its outputs do: so a vector of cells, loaded once, serves up to `taps` of them.
struct LaneSegment {
    static constexpr int most_taps = 7;
    Index taps, columns;
    Index weight, column_step, tap_step;  // of a vector's weights: the first, and from one to the next
    Index cells;                          // of the first tap, in elements from a tile's first cell
    Index used_columns;                   // in `LaneTile::columns_used`, of the first column
};

// A few outputs along two axes. Each starts from its bias and/or what y holds and adds weight * cell over the
// segments, their columns (or some at a time), then their taps, in one chain.
template <class T>
struct LaneTile {
    const T* x;  // the cell that tap 0 of output 0 would meet, first channel
    T* y;
    Index row_pitch, column_pitch, tap_pitch;  // elements from an output's cell to the next output's; or the
                                               // next tap's of a row
    Index y_row_pitch, y_column_pitch;
    Index rows, columns;
    const LaneSegment *segments, *segments_end;
    const std::uint32_t* rows_used;  // of each segment: bit i, whether the cells i * row_pitch on lie inside
    const std::uint32_t* columns_used;  // of each column of taps: bit j, likewise of the outputs' columns
    bool is_whole;                      // all outputs of a kernel's tile are there, all cells lie inside

    Index channels;
    const T* weight;      // [vector of channels][place][lane]
    Index vector_weight;  // elements of a vector's weights
    const T* bias;        // of the first channel, or null
    bool resumes;         // from the sums in y
};

// Numbers of some channels, [channel][count], to [count][lane]; lanes without channels are zeros.
template <class T>
struct LaneTurn {
    const T* from;
    Index channels, count;
    T* to;
};

template <class T>
struct LaneKernel {
    Index lanes = 1, rows = 1, columns = 1;  // of a tile
    static constexpr Index most_columns = 3;
    void (*compute[most_columns + 1])(const LaneTile<T>&) = {};  // by columns of taps at a time
    void (*turn)(const LaneTurn<T>&) = nullptr;
};

}  // namespace faltung
