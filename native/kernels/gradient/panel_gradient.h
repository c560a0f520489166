// The driver of weight gradients that read their input through a panel. No two tasks add to the same weight;
// within a task the blocks of outputs follow one another in the order batch, far position, rows, columns.
#pragma once

#include "core/operation.h"
#include "core/panel.h"
#include "kernels/gradient/gradient_block.h"

namespace faltung {

template <class T>
class PanelGradient : public WeightGradient {
  public:
    PanelGradient(const Problem& problem, const GradientKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const GradientKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    void run(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const override;

  private:
    struct Call;

    static PanelRules rules_for(const Problem& problem);
    Index pairs() const { return problem_.in_channels * panel_.tap_count(); }
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, kernel_.channel_block); }
    Index grad_pitch() const { return round_up(panel_.shape().columns, kernel_.sum_lanes); }
    Index grad_elements() const {
        return round_up(panel_.shape().rows * grad_pitch() * kernel_.channel_block, 16);
    }
    Index sum_elements(Index pairs, Index blocks) const {
        return round_up(pairs * blocks * kernel_.channel_block * kernel_.sum_lanes, 16);
    }
    Index most_pairs() const { return min_index(pairs(), panel_.shape().channels * panel_.tap_count()); }
    Index thread_bytes() const;

    Problem problem_;
    Layout layout_;
    GradientKernel<T> kernel_;
    Panel panel_;
};

extern template class PanelGradient<float>;
extern template class PanelGradient<double>;
extern template class PanelGradient<std::uint64_t>;

}  // namespace faltung
