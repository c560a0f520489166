// The driver of every correlation that reads its input through a panel: blocks, tasks, threads, packed
// weights.
#pragma once

#include <optional>

#include "core/operation.h"
#include "core/panel.h"
#include "kernels/correlation_block.h"
#include "kernels/pixel_product/pixel_product.h"

namespace faltung {

template <class T>
class PanelCorrelation : public Correlation {
  public:
    PanelCorrelation(const Problem& problem, const CorrelationKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const CorrelationKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;

    static PanelRules rules_for(const Problem& problem, const CorrelationKernel<T>& kernel);
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, kernel_.channel_block); }
    Index packed_block() const { return problem_.in_channels * panel_.tap_count() * kernel_.channel_block; }
    Index thread_bytes() const { return panel_bytes() + round_up(panel_.scratch_bytes(), 64); }

    bool keeps_order() const { return layout_.origin == packed_layout_.origin; }
    void make_steps();
    Index pixel_weights() const;
    bool serves_pixels(Index batch, const Array& x, const Array& y) const;
    void run_pixels(Index batch, const Array& x, const T* packed, const Epilogue& epilogue, const Array& y,
                    bool accumulate, int threads) const;

    Problem problem_;
    Layout packed_layout_;  // of the weights: their taps are in the order in which they are summed
    Layout layout_;
    CorrelationKernel<T> kernel_;
    Panel panel_;
    std::vector<RowStep> steps_;  // of every whole tile of rows of a block
    std::vector<const RowStep*> step_starts_;
    std::optional<PixelProduct<T>> pixels_;  // channels side by side
};

extern template class PanelCorrelation<float>;
extern template class PanelCorrelation<double>;
extern template class PanelCorrelation<std::uint64_t>;

}  // namespace faltung
