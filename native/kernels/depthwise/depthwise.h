// Correlation with one input channel a group: the driver.
#pragma once

#include <optional>

#include "core/operation.h"
#include "kernels/channel_lanes/channel_lanes.h"
#include "kernels/depthwise/depthwise_block.h"
#include "kernels/depthwise/depthwise_shape.h"
#include "kernels/depthwise/depthwise_tile.h"

namespace faltung {

template <class T>
struct DepthwiseCall;

template <class T>
class DepthwiseCorrelation : public Correlation {
  public:
    DepthwiseCorrelation(const Problem& problem, const DepthwiseKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const DepthwiseKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

    // Of those who take the sums in the same order, from the same packed weights.
    bool has_rows() const { return !shape_.folds; }  // outputs of a tile are those of several rows
    const std::vector<DepthwiseSegment>& segments() const { return segments_; }
    int most_taps() const { return segments_.empty() ? 1 : segments_.front().taps; }
    bool takes_neighbours() const;
    Index columns_at_a_time() const;
    Index taps() const { return taps_; }
    static bool are_finite(const void* packed);
    static const T* weights(const void* packed);  // [channel][tap, as the segments have them]

    static constexpr Index most_kept_blocks = 16;

  private:
    friend struct DepthwiseCall<T>;

    void make_places();
    void make_segments();
    // Taps `first + i * apart` of the rows (or, folded, of the columns) as segments whose cells are one pitch
    // apart.
    struct Chain {
        Index far, row, column;             // of the first tap
        Index length, row_step, fold_step;  // taps, and from one to the next
        Index columns;                      // of taps
        Index slot;
    };
    void add_chain(const Chain& chain, Index only);
    LaneOrder lane_order() const;

    static Index tile_rows(const Problem& problem, const DepthwiseKernel<T>& kernel);
    Index tile_rows() const { return tile_rows(problem_, kernel_); }
    bool reads_in_place(const std::vector<Index>& stride) const;
    typename DepthwiseBlock<T>::Sizes table_sizes() const;
    Index kept_blocks() const;
    Index tables_bytes() const;
    Index thread_bytes() const { return panel_bytes() + tables_bytes(); }

    Problem problem_;
    Layout layout_;
    DepthwiseKernel<T> kernel_;
    DepthwiseShape shape_;
    Index taps_;
    std::vector<std::int32_t> places_,
        places_in_x_;                  // of the column taps, in scratch rows or contiguous ones
    std::vector<Index> phase_starts_;  // of column 0
    std::vector<DepthwiseSegment> segments_;
    std::vector<Index> segment_cells_;  // of each, in scratch rows
    std::vector<Index> tap_order_;      // of the packed weights
    std::optional<ChannelLanes<T>> channel_lanes_;
};

extern template class DepthwiseCorrelation<float>;
extern template class DepthwiseCorrelation<double>;
extern template class DepthwiseCorrelation<std::uint64_t>;

}  // namespace faltung
