// Weight gradients of small maps with one channel a group: a channel in each vector lane, positions one after
// the other. Which position of grad meets which cell is looked up, so that strides, dilations and borders
// cost nothing. Sums run over batch, then positions.
#pragma once

#include <cstdint>

#include "core/layout.h"
#include "core/operation.h"
#include "kernels/gradient_direct/gradient_product.h"

namespace faltung {

// Why it does not serve a problem; null if it does.
const char* why_not_channelwise_gradient(const Problem& problem);

template <class T>
class ChannelwiseGradient : public WeightGradient {
  public:
    ChannelwiseGradient(const Problem& problem, const GradientProductKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const GradientProductKernel<T>& kernel);

    Index panel_bytes() const override { return panel_bytes_for(problem_, kernel_); }
    Index workspace_bytes(int threads) const override;
    void run(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const override;

  private:
    struct Call;

    void add_pairs_of(Index tap);

    Problem problem_;
    Layout layout_;
    GradientProductKernel<T> kernel_;
    Index taps_, cells_, outputs_;
    std::vector<std::int32_t> pairs_;  // of each tap, one after the other: where in grad, where in the cells
    std::vector<Index> first_pair_;
};

extern template class ChannelwiseGradient<float>;
extern template class ChannelwiseGradient<double>;
extern template class ChannelwiseGradient<std::uint64_t>;

}  // namespace faltung
