// The driver of dense weight gradients: for every tap a matrix product over positions. One side's channels
// are packed by blocks into the vector lanes, once for all taps; the other's are read where they lie, each
// tap only the positions whose cells are inside. No two tasks add to the same weight; sums run over batch,
// far positions, rows, columns.
#pragma once

#include "core/layout.h"
#include "core/operation.h"
#include "kernels/gradient_direct/gradient_product.h"
#include "kernels/gradient_direct/tap_segments.h"

namespace faltung {

template <class T>
class DirectGradient : public WeightGradient {
  public:
    DirectGradient(const Problem& problem, const GradientProductKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const GradientProductKernel<T>& kernel);

    Index panel_bytes() const override { return panel_bytes_for(problem_, kernel_); }
    Index workspace_bytes(int threads) const override;
    void run(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const override;

  private:
    struct Call;

    static constexpr Index few_channels = 4;  // too few sums of a tap for the multiplier's latency

    // Positions packed at once: they stay in L2, and what they meet in L1.
    static constexpr Index most_positions = 512, most_positions_of_few = 1024;

    Index block_positions() const { return joins_ ? most_positions_of_few : most_positions; }
    Index tap_limit() const;
    Index unit_limit() const;
    Index sums_elements() const;
    Index thread_bytes() const;
    // Tasks take whole units of scalar channels and whole pieces of tap rows, so that no sum depends on them.
    static Index units_of(const Problem& problem, const GradientProductKernel<T>& kernel);
    static bool may_join(const Problem& problem, const GradientProductKernel<T>& kernel);
    Index units() const { return units_of(problem_, kernel_); }
    Index first_channel(Index unit) const { return unit * problem_.in_channels / units(); }
    Index row_pieces() const { return ceil_divide(layout_.columns().kernel, tap_limit()); }
    Index pieces() const { return joins_ ? taps_ / layout_.columns().kernel * row_pieces() : taps_; }
    Index first_tap(Index piece) const;
    Index piece_end(Index tap) const;

    Problem problem_;  // with the packed side's channels as its out_channels
    Layout layout_;
    GradientProductKernel<T> kernel_;
    bool swaps_;  // whether the packed side is x
    bool joins_;  // whether taps of one row may be multiplied together
    Index taps_;
    std::vector<std::vector<Segment>> row_segments_, column_segments_;  // of each tap
};

extern template class DirectGradient<float>;
extern template class DirectGradient<double>;
extern template class DirectGradient<std::uint64_t>;

}  // namespace faltung
