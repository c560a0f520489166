// The driver of Winograd weight gradients: blocks of tiles of both sides are transformed, each channel once,
// then every point is a matrix product over tiles; where one block has all tiles, the sums of a pair of
// channel blocks are transformed back as soon as they are there, else in the end. Blocks follow from the
// sizes alone, and every sum runs over tiles in their order: the same bits for any threads.
#pragma once

#include "core/layout.h"
#include "core/operation.h"
#include "kernels/gradient_direct/gradient_product.h"
#include "kernels/gradient_winograd/winograd_gradient_tile.h"

namespace faltung {

// Null if the last two axes have 3 taps, stride and dilation 1, and zeros around, and there are no others.
const char* why_not_winograd_gradient(const Problem& problem, Type type);

template <class T>
class WinogradGradient : public WeightGradient {
  public:
    WinogradGradient(const Problem& problem, const GradientProductKernel<T>& product,
                     const WinogradGradientKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    void run(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const override;

  private:
    struct Call;

    Index tile_rows() const { return ceil_divide(layout_.rows().out, gradient_tile); }
    Index tile_columns() const { return ceil_divide(layout_.columns().out, gradient_tile); }
    Index in_blocks() const { return ceil_divide(problem_.in_channels, product_.block); }
    Index out_blocks() const { return ceil_divide(problem_.out_channels, product_.block); }
    Index row_pitch() const { return (gradient_tile * tile_columns() + 2) * product_.block; }
    Index block_rows() const;  // rows of tiles that are transformed together
    Index tile_elements() const { return block_rows() * tile_columns() * product_.block; }  // of a point
    Index points_elements() const;                              // of all channels, a block of tiles
    Index pairs() const { return out_blocks() * in_blocks(); }  // of channel blocks
    Index sums_elements() const;                                // of a pair of channel blocks
    Index thread_elements() const;

    Problem problem_;
    Layout layout_;
    GradientProductKernel<T> product_;
    WinogradGradientKernel<T> kernel_;
};

extern template class WinogradGradient<float>;
extern template class WinogradGradient<double>;

}  // namespace faltung
