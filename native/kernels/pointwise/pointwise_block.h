// The contract between the driver of a pointwise correlation and the kernels that compute one block of it:
// some positions by some output channels of a matrix product.
#pragma once

#include "kernels/correlation_block.h"
#include "kernels/pixel_product/pixel_product_tile.h"
#include "kernels/unfold/plane_unfolder.h"

namespace faltung {

// The cells that one tap reads: those of the first channel, and how far the next channel's lie from there.
template <class T>
struct PointwiseTap {
    const T* cells;
    Index channel_stride;
};

// Positions in the lanes. The first channels' sums read x where it lies and leave it in the panel for the
// rest.
template <class T>
struct PointwiseBlock {
    const T* x;  // [term], x_pitch apart, its positions behind one another
    Index x_pitch;
    const PointwiseTap<T>* tap = nullptr;  // instead of x, of each of `taps` terms of an input channel
    Index taps = 0;
    T* panel;  // [term][vectors of positions]; holds x already where is_packed; 64-byte aligned
    bool is_packed;
    const T* next_x = nullptr;  // what the next block reads, likewise: asked for meanwhile
    Index next_cells = 0;       // or, where not 0, so far behind the cells of each tap
    const T*
        weight;  // [channel block][term][channel_block], blocks weight_pitch apart, zero beyond the channels
    Index weight_pitch, terms;
    Index weight_row = 0;  // or, where not 0, [channel][term]: channels so far apart

    T* y;  // nothing is written outside positions x out_channels
    Index y_channel_stride;
    Index positions, out_channels;

    const T* bias;  // of the first output channel, or null
    bool resumes;   // from the sums in y

    // Of whole tiles with packed weights, by kernels that have `joins`: one position more, behind the others;
    // the cells that it reads, [term].
    const T* joined = nullptr;
};

// Few positions, anywhere: output channels in the lanes.
template <class T>
struct PointwiseColumns {
    static constexpr int most = 8;
    const T* panel;   // [term][columns]
    const T* weight;  // as above
    Index weight_pitch, terms;

    T* y[most];  // the first channel of each column
    Index y_channel_stride;
    int columns;
    Index out_channels;

    const T* bias;
    bool resumes;
};

// The cells that some positions of a block of rows read, from its panel (core/panel.h) to a panel of the
// product.
template <class T>
struct Patches {
    const T* cells;  // a vector more may be read behind them
    Index channel_pitch, channels;
    const std::int32_t* offset;  // [row][tap]
    Index taps;
    Index columns;           // of a row of outputs
    Index first, positions;  // row after row
    T* panel;                // [channel][tap][vectors of positions]; a vector more may be written behind it
};

template <class T>
struct PointwiseKernel {
    CorrelationKernel<T> panel;  // for arrays whose positions do not lie behind one another
    void (*multiply)(const PointwiseBlock<T>&) = nullptr;
    void (*multiply_columns)(const PointwiseColumns<T>&) = nullptr;
    void (*unfold)(const Patches<T>&) = nullptr;
    PlaneUnfolder<T> planes;
    PixelKernel<T> pixels;              // for outputs whose channels lie side by side; reads the same weights
    Index lanes = 1, most_vectors = 1;  // of positions in one block
    bool joins = false;                 // whether a block of so many vectors takes one position more
};

}  // namespace faltung
