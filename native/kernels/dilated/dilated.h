// Dilated correlations of 3 taps, phase by phase, on tiles that know the zeros around small maps: outputs
// that lie a dilation apart take 16 products for 9 where a map is three dilations wide, 9 for 4 where it is
// two. Tiles of one form are transformed, multiplied with the weights transformed for it, and transformed
// back.
#pragma once

#include "core/operation.h"
#include "core/workspace.h"
#include "kernels/dilated/dilated_block.h"

namespace faltung {

template <class T>
class DilatedCorrelation : public Correlation {
  public:
    DilatedCorrelation(const Problem& problem, const DilatedKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;

    // Tiles of one form along each axis.
    struct Part {
        std::size_t rows, columns;  // classes of the tiling
        Index points;
        Index across;       // tiles of a row of tiles
        Index units;        // rows of tiles of a sample
        Index block_units;  // transformed and multiplied together, at most
        Index first_point;  // of the packed weights
    };

    const TileClass& rows_of(const Part& part) const { return tiling_.rows.classes[part.rows]; }
    const TileClass& columns_of(const Part& part) const { return tiling_.columns.classes[part.columns]; }
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, kernel_.channel_block); }
    // Of one point and block of channels. A line more: points a power of two apart would share a few sets of
    // L1.
    Index packed_panel() const { return terms() * kernel_.channel_block + line_elements<T>; }
    Index packed_block() const { return points_ * packed_panel(); }
    Index terms() const { return problem_.in_channels; }
    Index v_pitch(Index tiles) const;  // of a point
    Index m_pitch(Index tiles) const;
    Index block_bytes(const Part& part, Index units) const;    // of its transformed input
    Index product_bytes(const Part& part, Index units) const;  // of one block of channels
    void transform_weights(const Array& weight, Index group, Index channel_block, T* packed) const;

    Problem problem_;
    Layout layout_;
    DilatedTiling tiling_;
    DilatedKernel<T> kernel_;
    std::vector<Part> parts_;
    Index points_ = 0;         // of all parts
    Index input_bytes_ = 0;    // of what is transformed before it is multiplied, at most
    Index product_bytes_ = 0;  // of a thread
};

extern template class DilatedCorrelation<float>;
extern template class DilatedCorrelation<double>;

}  // namespace faltung
