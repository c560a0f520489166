// Depthwise correlations of bfloat16 numbers that are read and written where they lie, summed in float32 in
// the order of `DepthwiseCorrelation<float>` and rounded once: the driver.
#pragma once

#include "core/workspace.h"
#include "kernels/converted/converted.h"
#include "kernels/depthwise/bfloat16_depthwise_tile.h"
#include "kernels/depthwise/depthwise.h"

namespace faltung {

class Bfloat16Depthwise : public Correlation {
  public:
    // `family` is that of depthwise correlations.
    Bfloat16Depthwise(const Problem& problem, const CorrelationFamily& family,
                      const DepthwiseKernel<float>& summed, const Bfloat16DepthwiseKernel& kernel, Isa isa);

    // Whether it computes such correlations, of arrays with columns side by side.
    static bool serves(const Problem& problem, const DepthwiseKernel<float>& summed);

    Index panel_bytes() const override { return converted_.panel_bytes(); }
    Index workspace_bytes(int threads) const override { return converted_.workspace_bytes(threads); }
    Index packed_bytes() const override { return saturating_add(weights_place(), summed_.packed_bytes()); }
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    // x, y and the residual are bfloat16, the bias float32.
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;

    Index weights_place() const { return round_up(converted_.packed_bytes(), workspace_alignment); }

    Problem problem_;
    Isa isa_;
    Bfloat16DepthwiseKernel kernel_;
    ConvertedCorrelation converted_;      // for all other arrays
    DepthwiseCorrelation<float> summed_;  // whose order and whose packed weights are taken
};

}  // namespace faltung
