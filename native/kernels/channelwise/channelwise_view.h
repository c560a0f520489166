// Which cells, as the kernels find them in scratch, make up each output.
#pragma once

#include <vector>

#include "core/layout.h"
#include "kernels/channel_lanes/channel_lanes.h"
#include "kernels/channelwise/channelwise_tile.h"

namespace faltung {

// Scratch rows hold the map as it is, taps outside left out, or with all cells around it that taps meet.
struct ChannelwiseView {
    std::vector<Index> stored, before;  // of each axis: cells, and those before the map's first
    Index rows = 1, row_cells = 0;      // of scratch, all axes but the last as rows
    std::vector<ChannelwiseRow> row_list;
    std::vector<Index> first_row;  // in the list, of each row of outputs; and its end
    std::vector<ChannelwiseRun> run_list;
    std::vector<Index> first_run;  // likewise, of each block of columns

    ChannelwiseView() = default;
    ChannelwiseView(const Layout& layout, bool pads, Index width);

    Index cells() const { return saturating_multiply(rows, row_cells); }

  private:
    void list_runs(const Axis& axis, Index width);
    void list_rows(const Layout& layout);
};

// Outputs of a block that waste the fewest of a row's, out of the kernels' widths.
Index channelwise_width(Index columns, Index widest);

// The order in which the kernels take the sums: row by row of taps, then by the phase of the stride.
LaneOrder channelwise_order(const Layout& layout);

// Null if there is one input channel a group and its map is of a size for scratch, else why not.
const char* why_not_channelwise(const Problem& problem);

}  // namespace faltung
