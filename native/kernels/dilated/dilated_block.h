// The contract between the driver of a dilated correlation and its kernels; products are those of
// kernels/winograd.
//
//   v[point][term][tile]       the transformed input; a term is an input channel
//   u[point][term][channel]    the transformed weights of one block of output channels
//   m[point][tile][channel]    their products, summed over the terms
//
// A point is one of the rows' points and one of the columns', the latter faster.
#pragma once

#include "kernels/dilated/dilated_tiling.h"
#include "kernels/winograd/winograd_block.h"

namespace faltung {

// Some channels of the tiles of consecutive phases along the columns, one row of tiles.
template <class T>
struct DilatedInput {
    TileForm rows, columns;
    const T* x;  // of the first channel
    Index channel_stride, channels;
    Index following;                                      // channels that will be wanted, these included
    Index row[most_tile_cells], column[most_tile_cells];  // element offsets of cells, or absent_row
    Index tiles, tile_stride;                             // from a tile's cell to the next tile's
    T* v;
    Index term_pitch, point_pitch;
};

// From taps that were turned: [term][tap][lane], of one vector of channels.
template <class T>
struct DilatedWeight {
    TileForm rows, columns;
    const T* taps;                // of the first term, those that meet the first cell
    Index term_step;              // from term to term of these
    Index row_step, column_step;  // from tap to tap
    Index terms;
    T* u;  // 64-byte aligned
    Index u_term, u_point;
};

// The outputs of tiles of consecutive phases.
template <class T>
struct DilatedOutput {
    TileForm rows, columns;
    const T* m;
    Index m_pitch;
    Index tiles;
    T* y;  // nothing is written outside row_outputs x column_outputs x tiles x channels
    Index channel_stride, row_stride, column_stride, tile_stride;
    Index row_outputs, column_outputs, channels;
    const T* bias;  // of the first output channel, or null
    bool accumulates;
};

template <class T>
struct DilatedKernel {
    void (*transform_input)(const DilatedInput<T>&) = nullptr;
    void (*transform_weight)(const DilatedWeight<T>&) = nullptr;
    void (*transform_output)(const DilatedOutput<T>&) = nullptr;
    // Taps of `count` channels, some terms of them, to [term][tap][lane]: where the first is, and from tap to
    // tap.
    TurnedTaps<T> (*turn_taps)(const WinogradWeight<T>&, Index row_taps, Index column_taps,
                               T* turned) = nullptr;
    void (*multiply)(const WinogradProduct<T>&) = nullptr;
    Index channel_block = 1, lanes = 1;
};

}  // namespace faltung
