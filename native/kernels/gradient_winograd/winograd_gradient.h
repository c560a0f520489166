// The driver of Winograd weight gradients: blocks of tiles of both sides are transformed, each channel once,
// then every point is a matrix product over tiles, for each far tap; where one block has all tiles, the sums
// of a pair of channel blocks are transformed back as soon as they are there, else in the end. Blocks follow
// from the sizes alone, and every sum runs over tiles in their order: the same bits for any threads.
#pragma once

#include "core/operation.h"
#include "kernels/gradient_direct/gradient_product.h"
#include "kernels/gradient_winograd/winograd_gradient_form.h"
#include "kernels/gradient_winograd/winograd_gradient_tile.h"

namespace faltung {

template <class T>
class WinogradGradient : public WeightGradient {
  public:
    WinogradGradient(const Problem& problem, const WinogradGradientForm& form,
                     const GradientProductKernel<T>& product, const WinogradGradientKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    void run(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const override;

  private:
    struct Call;

    Index in_blocks() const { return ceil_divide(problem_.in_channels, product_.block); }
    Index out_blocks() const { return ceil_divide(problem_.out_channels, product_.block); }
    Index row_pitch() const;
    Index block_units() const;  // units that are transformed together
    Index points_elements(Index units) const;
    Index products() const;  // pairs of channel blocks, each with every far tap
    Index sums_elements() const { return form_.points() * product_.block * product_.block; }
    Index thread_elements() const;

    Problem problem_;
    WinogradGradientForm form_;
    GradientProductKernel<T> product_;
    WinogradGradientKernel<T> kernel_;
    std::vector<std::vector<FarRun>> runs_;  // of each far tap
};

extern template class WinogradGradient<float>;
extern template class WinogradGradient<double>;

}  // namespace faltung
