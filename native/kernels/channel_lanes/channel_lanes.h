// Correlation with one input channel a group on arrays whose channels lie side by side: a channel in each
// lane, cells read and outputs written where they lie. Families that order their sums in different ways share
// it, so each takes its sums in one order however its arrays lie.
#pragma once

#include "core/epilogue.h"
#include "core/layout.h"
#include "kernels/channel_lanes/channel_lanes_tile.h"

namespace faltung {

// Columns of taps by `taps` taps along the rows of a tile; offsets in cells, from an output's first.
struct LaneTaps {
    Index taps, columns;
    Index far;                            // number of the taps of all axes but the last two
    Index row, column;                    // of the first tap
    Index weight, column_step, tap_step;  // place of the first in the weights, and of the others
};

// In what order taps are summed. The rows of a tile are outputs `classes` apart along the last but one axis,
// its columns neighbours along the last; or, where it `is_turned`, the other way round.
struct LaneOrder {
    bool is_turned = false;
    Index classes = 1, pitch = 1;  // of outputs and of their cells, from one row of a tile to the next
    Index columns_at_a_time = 1;
    std::vector<LaneTaps> segments = {};
};

template <class T>
class ChannelLanes {
  public:
    ChannelLanes(const Problem& problem, const Layout& layout, LaneOrder order, const LaneKernel<T>& kernel);

    // Of arrays; `skips`: cells outside the input contribute nothing.
    bool serves(const Array& x, const Array& y, bool skips) const;
    Index workspace_bytes(int threads) const;
    // Of all weights, as `run` takes them where it `turns`.
    Index turned_bytes() const;
    // `weights` [vector of channels][place][lane], or [channel][place], which it `turns` first.
    void run(Index batch, const Array& x, const T* weights, bool turns, const Epilogue& epilogue,
             const Array& y, bool accumulate, int threads) const;

  private:
    struct Call;

    const Axis& rows() const { return layout_.axes[row_axis_]; }
    const Axis& columns() const { return layout_.axes[column_axis_]; }
    Index vectors() const { return ceil_divide(problem_.groups, kernel_.lanes); }
    Index table_bytes() const;

    Problem problem_;
    Layout layout_;
    LaneOrder order_;
    LaneKernel<T> kernel_;
    std::size_t row_axis_, column_axis_;
    Index taps_, tap_columns_ = 0;  // all, and those of all segments
};

extern template class ChannelLanes<float>;
extern template class ChannelLanes<double>;
extern template class ChannelLanes<std::uint64_t>;

}  // namespace faltung
