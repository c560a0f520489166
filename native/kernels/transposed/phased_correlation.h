// The driver of transposed correlations: all phases of the stride from one panel, their outputs interleaved.
#pragma once

#include "core/operation.h"
#include "core/panel.h"
#include "kernels/correlation_block.h"
#include "kernels/transposed/phase_rows.h"

namespace faltung {

template <class T>
class PhasedCorrelation : public Correlation {
  public:
    PhasedCorrelation(const Problem& problem, const CorrelationKernel<T>& kernel, const PhaseRows<T>& rows);

    static Index panel_bytes_for(const Problem& problem, const CorrelationKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    // One phase of each axis: a correlation of stride 1.
    struct Member {
        std::vector<const Phase*> axes;    // of the layout
        Index taps, first_tap;             // the latter among those of all members
        std::vector<std::int32_t> offset;  // [row][tap] into the panel
    };
    struct Call;

    static PanelRules rules_for(const Problem& problem, const CorrelationKernel<T>& kernel);
    void make_members();
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, kernel_.channel_block); }
    Index packed_block() const { return problem_.in_channels * taps_ * kernel_.channel_block; }
    Index scratch_bytes() const;
    Index thread_bytes() const {
        return panel_bytes() + round_up(panel_.scratch_bytes(), 64) + scratch_bytes();
    }

    Problem problem_;
    Layout layout_;  // of a correlation whose taps cover those of every phase
    CorrelationKernel<T> kernel_;
    PhaseRows<T> rows_;
    Panel panel_;
    std::vector<std::vector<Phase>> phases_;  // for each axis of the layout
    std::vector<Member> members_;             // those of the columns fastest
    Index taps_ = 0;                          // of all members
    Index column_phases_ = 1;
    Index scratch_rows_ = 1, scratch_pitch_ = 0;  // of outputs of one phase, before they are interleaved
};

extern template class PhasedCorrelation<float>;
extern template class PhasedCorrelation<double>;
extern template class PhasedCorrelation<std::uint64_t>;

}  // namespace faltung
