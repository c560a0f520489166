// The contract between the driver of depthwise correlations and the kernels that fill the scratch rows and
// compute register tiles from them.
#pragma once

#include "kernels/channel_lanes/channel_lanes_tile.h"

namespace faltung {

// Some columns of taps by `taps` rows of taps whose cells lie `DepthwiseChannels::pitch` apart, as the output
// rows of a tile do: so a vector of cells, loaded once, serves up to `taps` of them.
struct DepthwiseSegment {
    std::int32_t taps;
    std::int32_t far, slot;  // of the first row of taps
    std::int32_t weight;     // in a channel's packed weights: [column][row]
    std::int32_t place;      // in `DepthwiseChannels::places`, of the first column
    std::int32_t columns;
    Index first_tap, tap_step;  // of the weights: tap of the first column, distance of the rows
};

// How a tile reads its cells.
enum class DepthwiseReads {
    all,            // every row of every segment, all lanes
    lanes,          // every row, the lanes of `lanes_used`
    some,           // the rows of `rows_used`, the lanes of `lanes_used`
    two_columns,    // `some` rows, two columns of taps at a time, each with all its rows, from scratch rows
    alternating,    // likewise, from x, where cells for consecutive outputs lie two apart
    three_columns,  // the only three columns of taps at a time, from scratch rows
    alternating_three  // likewise, from x
};

template <class T>
struct DepthwiseTile;

// Segments of so many taps ask for the cells and the outputs that are wanted next themselves, line by line: a
// core has few requests under way, and waits when it has no more.
constexpr int fetching_taps = 5;

struct DepthwiseAhead {
    const char *x, *y;
    Index x_step, y_step;  // a cache line, or 0

    void fetch(bool is_x) {
        const char*& next = is_x ? x : y;
        __builtin_prefetch(next, 0, 2);
        next += is_x ? x_step : y_step;
    }
};

// The one or two channels that a tile is computed for, and all that their tiles share.
template <class T>
struct DepthwiseChannels {
    const T* cells[2];  // of the tile at the block's origin
    const T* weight[2];
    const T* bias[2];  // of the channel, or null (both)
    T* y[2];

    const DepthwiseSegment* segments;  // in descending order of taps
    Index segment_count;
    const Index* segment_cells;  // of each segment, where its first row of cells lies
    const std::int32_t* places;  // of each column of taps: where its cell for output column 0 lies
    Index pitch;                 // from the cells of one row of a tile to those of the next
    Index y_row_stride, y_column_stride;
    Index cells_step, y_step;  // from a tile to its repeat on the right
    DepthwiseAhead* ahead;
    bool resumes;
};

// A register tile: up to `most_rows` rows of outputs, a vector wide. Each output starts from its bias and/or
// what y holds and adds weight * cell over the segments, their columns (or some at a time),
// then their rows, in one chain. A tile may be shared by two channels, each with half of the lanes.
template <class T>
struct DepthwiseTile {
    using Compute = void (*)(const DepthwiseChannels<T>&, const DepthwiseTile&);

    Compute compute;                 // for one channel
    Compute compute_pair;            // for two, or null: one after the other
    Index cells, y;                  // element offsets from the block's origin
    const std::uint32_t* rows_used;  // of each segment: bit i, whether the cells i * pitch on take part
    // Of each column of taps the cells to read, others are zeros; null: all.
    const std::uint32_t* lanes_used;
    Index first_column, last_column;  // of taps
    Index rows;
    Index repeats;                       // tiles like this one side by side
    Index columns, columns_of_last_row;  // of each channel
};

constexpr Index depthwise_absent = -(Index(1) << 62);

// Stored columns of one phase: `length` from the element `start` of the row on.
struct DepthwiseRun {
    Index start, length;
    Index begin, end;     // those inside the input
    Index source;         // element offset of the first inside
    const Index* border;  // element offsets of those before `begin`, then of those from `end` on; or
                          // depthwise_absent
};

// Rows of input copied into scratch rows.
template <class T>
struct DepthwiseCopy {
    const T* x;
    const Index* row;  // element offset of each, or depthwise_absent
    Index rows;
    const DepthwiseRun* runs;
    Index run_count;
    Index step;        // elements between consecutive cells of a run
    bool wraps;        // cells outside repeat cells inside; else they are zeros
    bool keeps_zeros;  // absent rows are filled with zeros; else nobody reads them
    T* cells;
    Index row_pitch;
};

template <class T>
struct DepthwiseKernel {
    Index lanes = 1, most_rows = 1;
    int most_taps = 1;        // of a segment
    bool pairs = false;       // whether there are tiles of two channels
    bool masks = false;       // whether tiles heed `lanes_used`
    bool neighbours = false;  // whether tiles read two or three columns of taps at a time, each segment of
                              // at most four taps
    LaneKernel<T> channel_lanes;  // for channels that lie side by side
    void (*copy)(const DepthwiseCopy<T>&) = nullptr;
    // The lowest tile of at least `rows` rows for segments that all have `of_taps` taps, if those are five or
    // seven; else of at most four.
    typename DepthwiseTile<T>::Compute (*tile)(Index rows, int of_taps, DepthwiseReads reads,
                                               bool is_pair) = nullptr;
};

}  // namespace faltung
