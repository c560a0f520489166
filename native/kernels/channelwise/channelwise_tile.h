// The contract between the driver of channelwise correlations and the kernels that sum rows of outputs, one
// channel in each lane.
#pragma once

#include "kernels/channel_lanes/channel_lanes_tile.h"

namespace faltung {

// Taps that shift the same cells by one output more each: output o of a block takes cell o + shift.
struct ChannelwiseRun {
    std::int32_t cell;         // of the row, the first of the block
    std::int32_t first_shift;  // -(width - 1) ... width - 1
    std::int32_t count;
    std::int32_t tap, tap_step;  // of the row of taps
};

// A row of cells that a row of outputs takes, and the row of taps between them; offsets in vectors.
struct ChannelwiseRow {
    std::int32_t cells, taps;
};

// `width` outputs of one row, beside one another: sum over the rows, then the runs, then their taps.
template <class T>
struct ChannelwiseSums {
    const ChannelwiseRow *rows, *rows_end;
    const ChannelwiseRun *runs, *runs_end;
    Index cell_step;  // vectors from a cell of a block to the next
    const T* cells;   // [cell][lane]
    const T* taps;    // [tap][lane]
    const T* bias;    // [lane]
    T* sums;          // [output][lane]
    bool resumes;     // from what `sums` holds
};

// Cells of one vector's channels, in arrays of any strides, and one vector for each cell.
template <class T>
struct ChannelwiseCells {
    T* const* channel;    // of each lane, the first cell
    Index channels;       // the first so many lanes
    Index count;          // of cells
    Index step;           // elements between cells
    bool are_neighbours;  // the channels of one cell, in memory
    T* cells;             // [cell][lane]
};

template <class T>
struct ChannelwiseKernel {
    using Sum = void (*)(const ChannelwiseSums<T>&);

    static constexpr Index least_width = 4, most_width = 8;

    Index lanes = 1, widest = 1;
    LaneKernel<T> channel_lanes;                            // where x and y both have channels side by side
    Sum sum[most_width + 1] = {};                           // by width
    void (*gather)(const ChannelwiseCells<T>&) = nullptr;   // into `cells`; lanes without channels: anything
    void (*scatter)(const ChannelwiseCells<T>&) = nullptr;  // from them
};

}  // namespace faltung
