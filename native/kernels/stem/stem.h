// Correlations with large kernels of few input channels, the first layers of networks: the phases of the
// strides and pieces of 3 or 4 taps of them are correlations of stride 1, which Winograd's filtering takes as
// so many more channels; their products are summed before they are transformed back.
#pragma once

#include "core/layout.h"
#include "core/operation.h"
#include "core/workspace.h"
#include "kernels/stem/stem_block.h"

namespace faltung {

// Null if `problem` is served in elements of `type`, else why not.
const char* why_not_stem(const Problem& problem, Type type);

// The pieces along rows and columns, of so many taps each.
struct StemForm {
    Index taps, row_pieces, column_pieces;
};

StemForm stem_form(const Layout& layout);

template <class T>
class StemCorrelation : public Correlation {
  public:
    StemCorrelation(const Problem& problem, const StemKernel<T>& kernel);

    Index panel_bytes() const override;
    Index workspace_bytes(int threads) const override;
    Index packed_bytes() const override;
    std::vector<Index> packed_layout() const override;
    void pack(const Array& weight, void* packed, int threads) const override;
    void run(Index batch, const Array& x, const void* packed, const Epilogue& epilogue, const Array& y,
             bool accumulate, int threads) const override;

  private:
    struct Call;

    // Of a thread, in bytes from its first.
    struct Parts {
        Index v, h, scratch, end;
    };

    const Axis& rows() const { return layout_.rows(); }
    const Axis& columns() const { return layout_.columns(); }
    Index points() const { return stem_points(static_cast<int>(form_.taps)); }
    Index channel_blocks() const { return ceil_divide(problem_.out_channels, kernel_.channel_block); }
    Index row_terms() const { return form_.row_pieces * rows().stride; }
    Index column_terms() const { return form_.column_pieces * columns().stride; }
    Index terms() const { return row_terms() * column_terms() * problem_.in_channels; }
    Index term(Index row_term, Index channel) const {
        return (row_term * problem_.in_channels + channel) * column_terms();
    }
    Index v_pitch() const { return terms() * points() * kernel_.lanes; }          // of a column point
    Index u_pitch() const { return terms() * points() * kernel_.channel_block; }  // likewise
    Index packed_block() const { return points() * u_pitch(); }
    Index tile_rows() const { return ceil_divide(rows().out, stem_outputs); }
    Index tile_columns() const { return ceil_divide(columns().out, stem_outputs); }
    // Of an axis, the first tap of one of its terms, phase by phase of each piece.
    Index first_tap(Index term, const Axis& axis) const {
        return term / axis.stride * form_.taps * axis.stride + term % axis.stride;
    }
    void turn_taps(const Array& weight, const T* from, Index channels, Index row_term, Index column_term,
                   T* turned) const;
    void pack_block(const Array& weight, Index group, Index channel_block, T* to) const;
    Parts parts() const;

    Problem problem_;
    Layout layout_;  // of rows and columns alone
    StemForm form_;
    StemKernel<T> kernel_;
};

extern template class StemCorrelation<float>;
extern template class StemCorrelation<double>;

}  // namespace faltung
