// A correlation as a matrix product: the cells that some vectors of positions read are unfolded, one row of
// the product's panel for each input channel and tap. They are read where they lie if planes are in one
// piece; else rows of the input are packed first, with their padding in place.
#pragma once

#include "core/operation.h"
#include "core/panel.h"
#include "kernels/pixel_product/pixel_product.h"
#include "kernels/pointwise/product_weights.h"
#include "kernels/unfold/planes.h"

namespace faltung {

template <class T>
class UnfoldCorrelation : public Correlation {
  public:
    UnfoldCorrelation(const Problem& problem, const PointwiseKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const PointwiseKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    Index borrowed_bytes() const override { return planes_.serves() ? head_bytes() : 0; }
    void borrow(const Array& weight, void* packed) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;
    struct PlaneCall;

    static PanelRules rules_for(const PointwiseKernel<T>& kernel);
    Index head_bytes() const { return packed_head_bytes(problem_.axes.size()); }
    Index width() const { return kernel_.panel.channel_block; }
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, width()); }
    Index terms() const { return problem_.in_channels * panel_.tap_count(); }
    Index tile_positions() const { return kernel_.most_vectors * kernel_.lanes; }
    // Input channels that are unfolded together, of those in a panel of rows.
    Index pass_channels() const;

    // One thread's memory, in bytes from its start.
    Index tables_place() const { return rows_bytes(); }
    Index patches_place() const { return tables_place() + round_up(panel_.scratch_bytes(), 64); }
    Index outputs_place() const { return patches_place() + patches_bytes(); }
    Index thread_bytes() const;
    Index rows_bytes() const {
        return round_up((panel_.shape().elements + kernel_.lanes) * Index(sizeof(T)), 64);
    }
    Index patches_bytes() const;

    // The same where planes lie in one piece.
    Index plane_pass_channels() const;
    Index plane_passes() const {
        return max_index(1, ceil_divide(problem_.in_channels, plane_pass_channels()));
    }
    Index most_plane_vectors() const { return tile_positions() + kernel_.most_vectors; }
    Index patches_bytes_of_planes() const;
    Index rest_bytes() const;
    Index plane_thread_bytes() const;

    Problem problem_;
    Layout layout_;
    PointwiseKernel<T> kernel_;
    Panel panel_;
    typename PlaneUnfolder<T>::Unfold unfold_;  // null where rows are packed first
    Planes planes_;
    PixelProduct<T> pixels_;  // channels side by side
};

extern template class UnfoldCorrelation<float>;
extern template class UnfoldCorrelation<double>;
extern template class UnfoldCorrelation<std::uint64_t>;

}  // namespace faltung
