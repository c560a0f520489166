// The contract between the driver of correlations with large kernels of few channels and its kernels. A term
// is one input channel at one phase of the strides and one piece of the taps: a correlation of stride 1 with
// `taps` taps along rows and columns, of which some may be zero. All terms add to the same products:
//
//   v[column point][term][row point][tile], u[column point][term][row point][channel]
#pragma once

#include "core/index.h"

namespace faltung {

constexpr int stem_outputs = 4;  // of a tile, along rows and columns
constexpr int most_stem_taps = 4;
constexpr int most_stem_points = stem_outputs + most_stem_taps - 1;
constexpr int stem_points(int taps) {
    return stem_outputs + taps - 1;
}

constexpr Index absent_stem_row = -saturated;

// The rows of one channel at one phase and piece of the rows.
template <class T>
struct StemInput {
    const T* x;
    Index column_step;            // from cell to cell
    Index row[most_stem_points];  // where each begins, or absent
    Index begin, end;             // the columns that lie in the input
    Index pieces;                 // of the columns
    T* v;                         // of the first term of the channel
    Index point_pitch;
    T* scratch;  // of `scratch_elements`
};

template <class T>
struct StemWeight {
    const T* taps;  // [row][column][lane]
    T* u;
    Index point_pitch, row_pitch;  // from column point to column point, and from row point to row point
};

template <class T>
struct StemProduct {
    const T* v;
    const T* u;
    Index v_pitch, u_pitch;  // from column point to column point
    Index terms, tiles;
    T* h;  // transformed back along rows: [tile][column point][row][channel], of an even number of tiles
};

template <class T>
struct StemOutput {
    const T* h;
    Index tiles, rows, columns, channels;  // that exist
    const T* bias;                         // of the channels, or null
    T* y;
    Index channel_stride, row_stride, column_stride;
    bool accumulates;
};

// For one number of taps and one stride of the columns.
template <class T>
struct StemKernel {
    int lanes = 0;          // tiles of a block
    int channel_block = 0;  // output channels
    void (*transform_input)(const StemInput<T>&) = nullptr;
    void (*transform_weight)(const StemWeight<T>&) = nullptr;  // of a vector of channels
    void (*multiply)(const StemProduct<T>&) = nullptr;
    void (*transform_output)(const StemOutput<T>&) = nullptr;

    static Index row_elements(Index lanes, Index taps, Index stride, Index pieces) {
        const Index cells = (pieces - 1) * taps + stem_outputs * lanes + stem_outputs - 1;
        return round_up(cells * stride, lanes);
    }
    // Rows as they lie, where they are copied, and transformed.
    static Index scratch_elements(Index lanes, Index taps, Index stride, Index pieces) {
        return (stem_points(static_cast<int>(taps)) + 1) * row_elements(lanes, taps, stride, pieces);
    }
};

}  // namespace faltung
