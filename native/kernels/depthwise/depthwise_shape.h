// How a depthwise correlation is cut into blocks of outputs, and what each reads.
#pragma once

#include "core/layout.h"

namespace faltung {

// One row of scratch holds, for each phase of the columns modulo their stride, the cells that some tap reads.
// The rows of a block are dilation apart in the input, those of its outputs `row_class` apart.
struct DepthwiseShape {
    bool folds;  // a register tile's rows are vectors of one output row, else rows of outputs
    Index row_classes = 1, row_stride = 1, row_step = 1;
    Index rows = 1, columns = 1;  // outputs of a block
    Index channels = 1;           // input channels of a block
    Index far_taps = 1;
    Index slots = 0;  // rows of a far tap
    Index phases = 1;
    Index phase_pitch = 0, row_pitch = 0, channel_pitch = 0;
    Index elements = 0;  // of all scratch rows, saturating
    Index fold = 0;      // columns of taps before those that read a vector further on, where it folds

    // `pairs`: whether two channels can share a tile.
    DepthwiseShape(const Problem& problem, const Layout& layout, Index element_bytes, Index lanes,
                   Index tile_rows, bool pairs);

  private:
    void measure(const Layout& layout, Index element_bytes, Index lanes);
};

// Null if there is one input channel a group, else why not.
const char* why_not_depthwise(const Problem& problem);

}  // namespace faltung
