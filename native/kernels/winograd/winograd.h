// Winograd's minimal filtering: fewer multiplications than a direct correlation for kernels of 3 or 5 taps,
// stride 1. Blocks of tiles are transformed, multiplied with transformed weights, and transformed back, all
// in the cache.
#pragma once

#include "core/borrowed.h"
#include "core/layout.h"
#include "core/operation.h"
#include "kernels/winograd/tile_tasks.h"
#include "kernels/winograd/winograd_block.h"
#include "kernels/winograd/winograd_memory.h"

namespace faltung {

// Null if some form serves `problem` in elements of `type`, else why not.
const char* why_not_winograd(const Problem& problem, Type type);

// Likewise for tiles of 6 by 6 outputs, which round more and are taken where they are asked for alone.
const char* why_not_winograd6(const Problem& problem, Type type);

// Only where there is no reason against it. Depends on the sizes alone.
WinogradForm winograd_form(const Layout& layout);

template <class T>
class WinogradCorrelation : public Correlation {
  public:
    WinogradCorrelation(const Problem& problem, WinogradForm form, const WinogradKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    Index borrowed_bytes() const override { return head_bytes(); }
    void borrow(const Array& weight, void* packed) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;

    static constexpr Index channels_gathered =
        16;  // together, where they lie side by side: a line of the cache

    // Where the parts of a thread's workspace begin, in bytes.
    struct Parts {
        Index v, m, u, scratch, gathered, tables, end;
    };

    Index row_taps() const { return form_.rows > 1 ? 1 : layout_.rows().kernel; }
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, kernel_.channel_block); }
    // Of one point and block of channels. A line more: points a power of two apart would share a few sets of
    // L1.
    bool has_few_terms() const;
    Index packed_panel() const { return WinogradFewTerms<T>::u_point(terms_, kernel_.channel_block); }
    Index v_term(const TileBlock& block) const;  // from term to term of the transformed input
    Index packed_block() const { return form_.points() * packed_panel(); }
    Index head_bytes() const { return packed_head_bytes(problem_.axes.size()); }
    Index transformed_bytes() const {
        return problem_.groups * channel_blocks() * packed_block() * Index(sizeof(T));
    }
    // Outputs that lie a dilation apart are an undilated problem of their own.
    Index row_phases() const { return form_.rows > 1 ? phases_of(layout_.rows()) : 1; }
    Index column_phases() const { return form_.columns > 1 ? phases_of(layout_.columns()) : 1; }
    static Index phases_of(const Axis& axis) { return min_index(axis.dilation, axis.out); }
    Index row_step() const { return form_.rows > 1 ? layout_.rows().dilation : 1; }  // within a phase
    Index column_step() const { return form_.columns > 1 ? layout_.columns().dilation : 1; }
    Index phases() const { return row_phases() * column_phases(); }
    Index tile_rows() const { return ceil_divide(ceil_divide(layout_.rows().out, row_phases()), form_.rows); }
    Index tile_columns() const {
        return ceil_divide(ceil_divide(layout_.columns().out, column_phases()), form_.columns);
    }
    Index block_slots(const TileBlock& block) const;    // input rows of a block
    Index block_columns(const TileBlock& block) const;  // input columns of a block
    Index v_pitch(const TileBlock& block) const;        // of a point
    Index v_bytes(const TileBlock& block) const;
    Index m_pitch(const TileBlock& block) const;
    Index terms_at_once() const;  // of weights that are transformed when they are wanted
    Index u_pitch() const;        // of a point of those
    // `transforms`: weights are transformed when they are wanted.
    Parts parts(const TileBlock& block, bool transforms) const;
    TileWork tile_work(Index batch, bool transforms) const;
    void transform_weights(const Array& weight, Index group, Index channel_block, Index first_term,
                           Index last_term, T* u, Index pitch) const;
    void transform_weights(const Array& weight, T* packed, int threads) const;
    Index workspace_limit() const { return winograd_workspace_limit(problem_, sizeof(T)); }
    void choose_block();

    Problem problem_;
    Layout layout_;
    WinogradForm form_;
    WinogradKernel<T> kernel_;
    Index far_taps_ = 1;  // with the taps of rows that are not transformed
    Index terms_ = 0;
    TileBlock block_;
};

extern template class WinogradCorrelation<float>;
extern template class WinogradCorrelation<double>;

}  // namespace faltung
