// The contract between the driver of a panel correlation and the kernels that compute one block of outputs.
#pragma once

#include "core/panel.h"
#include "kernels/pixel_product/pixel_product_tile.h"

namespace faltung {

// A step of a tile of rows: one slot of the panel, the rows of the tile that read it, and for each of those
// the tap that meets the slot's first column. In step order every row meets its taps in order.
struct RowStep {
    static constexpr int most_rows = 4;
    std::int32_t cells;  // the slot's place in a channel of the panel
    std::int32_t users;  // bit r: row r of the tile reads the slot
    std::int32_t tap[most_rows];
};

// Some rows by columns of outputs, of at most `channel_block` output channels. Each output starts from its
// bias and/or what y holds and adds, in one chain, weight * cell over channels, then taps, in order.
template <class T>
struct CorrelationBlock {
    const T* panel;  // see core/panel.h; `read_ahead` more elements may be read behind it
    Index channel_pitch;
    const std::int32_t* offset;   // [row][tap]
    const RowStep* const* steps;  // [row / row_tile], and the end of the last; of kernels with row_tile > 1
                                  // where taps lie in the order in which they are summed, else null
    Index column_taps;            // taps that share a row of the kernel
    const T* weight;       // [channel][tap][channel_block], zero beyond out_channels; 64-byte aligned rows
    Index channels, taps;  // of the input; either may be 0

    T* y;  // no alignment; nothing is written outside rows x columns x out_channels
    Index y_channel_stride, y_row_stride, y_column_stride;
    Index rows, columns, out_channels;

    const T* bias;  // of the first output channel, or null
    bool resumes;   // from the sums in y
};

template <class T>
struct CorrelationKernel {
    void (*compute)(const CorrelationBlock<T>&) = nullptr;
    PanelCopy<T> copy = {};          // of cells to the panel
    Index channel_block = 1;         // output channels of a block of packed weights
    Index column_tile = 1;           // columns computed at once
    Index column_multiple = 1;       // to which a block's columns are rounded where there are several blocks
    Index row_tile = 1;              // rows computed at once, at most RowStep::most_rows
    Index few_columns = 4;           // fewer leave most of a tile empty
    Index read_ahead = 0;            // elements
    Index panel_bytes = 0;           // the panel is to stay in a cache this large
    Index whole_panel_bytes = 0;     // so large it may be where that spares a second block of input channels
    Index most_terms = 0;            // summed at once, of those in the panel; 0: all
    Index most_panel_channels = 0;   // 0: whatever fits that cache
    Index most_channel_columns = 0;  // columns times channels of the panel, but at least a tile; 0: likewise
    PixelKernel<T> pixels = {};      // for outputs whose channels lie side by side, if it has `multiply`
};

}  // namespace faltung
