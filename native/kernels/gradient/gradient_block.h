// The contract between the driver of a weight gradient and the kernels that sum up one block of outputs.
#pragma once

#include "core/index.h"

namespace faltung {

// A pair is an (input channel, tap), numbered channel * taps + tap. To the running sum of every pair in
// [first_pair, last_pair) and every output channel a kernel adds the block's sum of grad * cell.
template <class T>
struct GradientBlock {
    const T* panel;  // see core/panel.h; `read_ahead` more elements may be read behind it
    Index channel_pitch;
    const std::int32_t* offset;  // [row][tap]
    Index taps, first_pair, last_pair;

    const T*
        grad;  // columns in lanes: [channel][row][column], zero behind the last; else [row][column][channel]
    Index grad_pitch;  // columns of a packed row
    Index rows, columns, out_channels;

    T* sums;  // columns in lanes: [channel][pair - first_pair][sum_lanes]; else [pair - first_pair][channel]
};

// Some rows by columns of grad of some output channels, with any strides.
template <class T>
struct GradientSource {
    const T* grad;
    Index channel_stride, row_stride, column_stride;
    Index rows, columns, channels;
};

template <class T>
struct GradientKernel {
    Index channel_block;  // output channels computed at once
    Index sum_lanes;  // partial sums that the driver adds up in the end; 1 unless columns are in the lanes
    Index read_ahead;
    bool has_column_lanes;
    void (*compute)(const GradientBlock<T>&);
    void (*pack_grad)(const GradientSource<T>&, Index grad_pitch, T* packed);
};

}  // namespace faltung
