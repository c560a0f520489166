// Correlation with one input channel a group and a channel in each lane: the driver.
#pragma once

#include "core/operation.h"
#include "kernels/channel_lanes/channel_lanes.h"
#include "kernels/channelwise/channelwise_view.h"

namespace faltung {

// The maps of a vector's channels are turned into scratch, a vector for each cell, summed block by block, and
// their outputs turned back.
template <class T>
class ChannelwiseCorrelation : public Correlation {
  public:
    ChannelwiseCorrelation(const Problem& problem, const ChannelwiseKernel<T>& kernel);

    // Of the larger way to lay out the map.
    static Index panel_bytes_for(const Problem& problem, const ChannelwiseKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;
    struct Lanes;

    Index channels() const { return problem_.groups * problem_.out_channels; }
    Index blocks() const { return ceil_divide(channels(), kernel_.lanes); }
    Index out_row_cells() const { return round_up(layout_.columns().out, width_); }

    Problem problem_;
    Layout layout_;
    ChannelwiseKernel<T> kernel_;
    Index width_, taps_;
    Index out_rows_ = 1;
    bool may_pad_, may_skip_;
    ChannelwiseView padded_, skipping_;
    ChannelLanes<T> channel_lanes_;
};

extern template class ChannelwiseCorrelation<float>;
extern template class ChannelwiseCorrelation<double>;
extern template class ChannelwiseCorrelation<std::uint64_t>;

}  // namespace faltung
