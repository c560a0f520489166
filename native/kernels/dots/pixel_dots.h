// Correlations of bfloat16 numbers by dot products of pairs, output channels in the lanes: of inputs whose
// channels lie together, where they lie or copied so; all phases of a transposed correlation together.
#pragma once

#include "core/layout.h"
#include "core/operation.h"
#include "kernels/dots/dots_block.h"
#include "kernels/dots/pixel_axis.h"
#include "kernels/dots/pixel_panel.h"

namespace faltung {

class PixelDots : public Correlation {
  public:
    PixelDots(const Problem& problem, const DotsKernel& kernel, Isa isa);

    static Index panel_bytes_for(const Problem& problem);

    Index panel_bytes() const override { return cells_bytes(); }
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    // x, y and the residual are bfloat16, the bias float32.
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;

    // Pairs that are multiplied for all pixels of a segment, so that their weights stay in L1 or L2.
    struct Pass {
        Index run, runs, pair, pairs;
    };
    struct Runs {
        std::vector<DotsRun> runs;
        std::vector<Pass> passes;
        // `pair` is the first one's place among the member's.
        void add(Index offset, Index pairs, Index pair);
    };
    // One phase of each axis.
    struct Member {
        std::vector<const Phase*> phases;
        Index taps = 1, pairs = 0;
        Index first_pair = 0;  // among those of all members
        // In the panel, [kind of row][kind of column]: taps in a padding of zeros are left out.
        std::vector<Runs> runs = {};
        std::vector<int> kind_of_row = {}, kind_of_column = {};
        int column_kinds = 1;
    };

    static std::vector<PixelAxis> axes_of(const Problem& problem, const Layout& layout);
    Index vectors() const { return ceil_divide(problem_.out_channels, dots_pixel_lanes); }
    bool leaves_out_columns(const Phase& phase) const;
    void make_runs(Member& member) const;
    // Whether a run crosses taps that lie together.
    bool merges() const;
    template <class Visit>
    void each_tap(const Member& member, Visit visit) const;
    // As a member's, of an input whose channels lie together, read where it lies.
    Runs runs_in_place(const Member& member, const std::vector<Index>& stride) const;

    Index cells_bytes() const;
    Index sums_place() const { return cells_bytes(); }
    Index residual_place() const { return sums_place() + sums_bytes; }
    Index thread_bytes() const { return residual_place() + sums_bytes; }
    static constexpr Index sums_bytes = dots_most_pixels * dots_pixel_channels * Index(sizeof(float));

    Problem problem_;
    Layout layout_;  // of phases, the outputs of the longest one
    DotsKernel kernel_;
    HalfLoops halves_;
    std::vector<PixelAxis> axes_;
    PixelPanel panel_;
    std::vector<Member> members_;  // those of the columns fastest
    Index pairs_ = 0;              // of all members
    Index row_members_ = 1, column_members_ = 1;
    bool can_stay_ = false;  // inputs may be read where they lie
};

}  // namespace faltung
