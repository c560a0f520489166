// The transposed correlation whose taps do not overlap: each phase of the stride is a 1x1 correlation. All of
// them read one panel, and their outputs are interleaved (a sub-pixel convolution).
#pragma once

#include "kernels/pointwise/pointwise.h"
#include "kernels/pointwise/position_blocks.h"
#include "kernels/transposed/phase_rows.h"

namespace faltung {

// Null if `problem` is one, else why not.
const char* why_not_shuffled(const Problem& problem);

template <class T>
class ShuffledPointwise : public Correlation {
  public:
    ShuffledPointwise(const Problem& problem, const PointwiseKernel<T>& kernel, const PhaseRows<T>& rows);

    static Index panel_bytes_for(const Problem& problem, const PointwiseKernel<T>& kernel);

    Index panel_bytes() const override { return max_index(thread_bytes(), one_.panel_bytes()); }
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    // One phase of each axis.
    struct Member {
        std::vector<const Phase*> axes;
        // Of its only tap in the weights, or of its first output.
        Index tap_offset(const Array& weight) const;
        Index first_offset(const Array& y) const;
    };
    struct Call;

    PositionBlocks blocks() const;
    bool is_interleaved(const Array& x, const Array& y) const;
    Index packed_pitch() const { return round_up(one_.packed_bytes(), workspace_alignment); }
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, kernel_.panel.channel_block); }
    Index panel_elements() const;
    Index scratch_pitch() const { return (kernel_.most_vectors + 1) * kernel_.lanes; }
    Index scratch_blocks() const;
    Index scratch_elements() const;
    Index thread_bytes() const { return (panel_elements() + scratch_elements()) * Index(sizeof(T)); }

    Problem problem_;
    PointwiseKernel<T> kernel_;
    PhaseRows<T> rows_;
    PointwiseCorrelation<T> one_;  // phase alone
    std::vector<Index> sizes_;     // of the input
    std::vector<Member> members_;  // those of the columns fastest
    Index column_phases_ = 1;
};

extern template class ShuffledPointwise<float>;
extern template class ShuffledPointwise<double>;
extern template class ShuffledPointwise<std::uint64_t>;

}  // namespace faltung
