// The 1x1 correlation: on arrays whose spatial axes lie behind one another it is one matrix product a batch
// member.
#pragma once

#include "kernels/panel_correlation.h"
#include "kernels/pixel_product/pixel_product.h"
#include "kernels/pointwise/product_weights.h"

namespace faltung {

// Null if `problem` is one, else why not.
const char* why_not_pointwise(const Problem& problem);

template <class T>
class PointwiseCorrelation : public Correlation {
  public:
    PointwiseCorrelation(const Problem& problem, const PointwiseKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const PointwiseKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override { return saturating_add(head_bytes(), flat_.packed_bytes()); }
    std::vector<Index> packed_layout() const override { return flat_.packed_layout(); }
    void pack(const Array& weight, void* packed, int threads) const override;
    Index borrowed_bytes() const override { return head_bytes(); }
    void borrow(const Array& weight, void* packed) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;

    static Index product_bytes_for(const Problem& problem, const PointwiseKernel<T>& kernel);
    static Index panel_elements_for(const Problem& problem, const PointwiseKernel<T>& kernel);
    Index head_bytes() const { return packed_head_bytes(problem_.axes.size()); }
    Index panel_elements() const { return panel_elements_for(problem_, kernel_); }
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, kernel_.panel.channel_block); }

    Problem problem_;
    Layout layout_;
    PointwiseKernel<T> kernel_;
    std::vector<Index> sizes_;
    PanelCorrelation<T> flat_;     // all positions as one axis, of any stride
    PanelCorrelation<T> general_;  // any strides
    PixelProduct<T> pixels_;       // channels side by side
};

extern template class PointwiseCorrelation<float>;
extern template class PointwiseCorrelation<double>;
extern template class PointwiseCorrelation<std::uint64_t>;

}  // namespace faltung
