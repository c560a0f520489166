// A correlation whose outputs' channels lie side by side, as a matrix product over pixels: each tile of
// pixels broadcasts the cells of its windows from where they lie. It reads the weights of `pointwise` and
// `unfold` and takes their sums in the same order.
#pragma once

#include "core/epilogue.h"
#include "core/layout.h"
#include "kernels/pixel_product/pixel_product_tile.h"

namespace faltung {

template <class T>
class PixelProduct {
  public:
    PixelProduct(const Problem& problem, const Layout& layout, const PixelKernel<T>& kernel);

    bool serves(const Array& x, const Array& y) const;
    Index workspace_bytes(int threads) const;
    void run(Index batch, const Array& x, const T* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const;

  private:
    struct Call;

    Index terms() const { return saturating_multiply(problem_.in_channels, taps_); }
    Index zeros_bytes() const;
    Index table_bytes() const;
    Index pass_channels(bool copies) const;
    Index copied_pitch() const;  // of the pixels of a panel
    Index panel_bytes() const;
    Index reach(Index pixels) const;
    Index padded_bytes_for(Index pixels) const;
    bool is_by_rows() const;
    Index kept_channels(bool copies) const;
    Index weights_bytes() const;
    Index worker_bytes() const;
    bool should_copy(const Array& x, Index column_stride) const;

    Problem problem_;
    Layout layout_;
    PixelKernel<T> kernel_;
    Index taps_, pixels_;
    bool reads_outside_;  // cells beyond the input
};

extern template class PixelProduct<float>;
extern template class PixelProduct<double>;
extern template class PixelProduct<std::uint64_t>;

}  // namespace faltung
