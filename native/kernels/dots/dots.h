// Correlations of bfloat16 numbers by the processor's dot products of pairs: a matrix product, summed in
// float32 and rounded once. Here with positions in the lanes: planes of a 1x1 correlation are read where they
// lie; for few output channels rows are packed with their padding in place, and the cells that some vectors
// of positions read are unfolded from there. All else: pixel_dots.h.
#pragma once

#include <memory>

#include "core/operation.h"
#include "core/panel.h"
#include "kernels/dots/dots_block.h"
#include "kernels/dots/pixel_dots.h"

namespace faltung {

// Null if this processor can, else why not.
const char* why_not_dots(Type type, Isa isa);

// For processors that have such products.
DotsKernel dots_kernel();

// With positions in the lanes for planes and for few output channels, else with output channels in them.
std::unique_ptr<Correlation> make_dots(const Problem& problem, Isa isa);
Index dots_panel_bytes(const Problem& problem);

class DotsCorrelation : public Correlation {
  public:
    DotsCorrelation(const Problem& problem, const DotsKernel& kernel, Isa isa);

    static Index panel_bytes_for(const Problem& problem);

    Index panel_bytes() const override {
        return max_index(rows_bytes() + patches_bytes(), pixels_ ? pixels_->panel_bytes() : 0);
    }
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    // x, y and the residual are bfloat16, the bias float32.
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Block;
    struct PlaneCall;
    struct RowsCall;

    static PanelRules rules();
    Index pairs() const { return ceil_divide(saturating_multiply(problem_.in_channels, taps_), 2); }
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, dots_channel_block); }
    // Output channels whose sums a thread holds at most.
    Index most_held_blocks() const;
    Index pass_channels() const;

    Index rows_bytes() const {
        return round_up((panel_.shape().elements + dots_lanes) * Index(sizeof(Half)), 64);
    }
    Index patches_bytes() const;
    Index tables_place() const { return rows_bytes(); }
    Index patches_place() const { return tables_place() + round_up(panel_.scratch_bytes(), 64); }
    Index sums_place() const { return patches_place() + patches_bytes(); }
    Index residual_place() const { return sums_place() + sums_bytes(); }
    Index sums_bytes() const {
        return most_held_blocks() * dots_channel_block * dots_tile * Index(sizeof(float));
    }
    Index thread_bytes() const { return residual_place() + sums_bytes(); }

    Problem problem_;
    Layout layout_;
    DotsKernel kernel_;
    HalfLoops halves_;
    Panel panel_;
    Index taps_;
    bool is_pointwise_;
    std::vector<Index> sizes_;
    std::unique_ptr<PixelDots> pixels_;  // reads the same packed weights
};

}  // namespace faltung
