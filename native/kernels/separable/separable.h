// Correlation with one input channel a group by kernels that are sums of outer products: the driver.
#pragma once

#include "core/layout.h"
#include "core/operation.h"
#include "kernels/separable/separable_tile.h"

namespace faltung {

// A reason why kernels for one input channel a group and stride 1 along the rows do not serve `problem`, or
// null.
const char* why_not_separable(const Problem& problem);

template <class T>
class SeparableCorrelation : public Correlation {
  public:
    SeparableCorrelation(const Problem& problem, const SeparableKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const SeparableKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

    Index factor_length() const override { return column_taps_ + row_taps_; }
    Index factors_bytes(Index rank) const override;
    void pack_factors(const Array& factors, Index rank, void* packed) const override;

  private:
    struct Call;
    struct Sizes;

    Problem problem_;
    Layout layout_;
    SeparableKernel<T> kernel_;
    Index column_taps_, row_taps_;
    std::vector<std::int32_t> place_;  // of the taps along a row
};

extern template class SeparableCorrelation<float>;
extern template class SeparableCorrelation<double>;
extern template class SeparableCorrelation<std::uint64_t>;

}  // namespace faltung
