// The driver of weight gradients that take every pair of an output and an input channel by itself, positions
// of a row in the vector lanes. A pair is one task, or some columns of its taps are; each sum runs over
// batch, far positions, rows, columns, the lanes are added up in the end.
#pragma once

#include "core/layout.h"
#include "core/operation.h"
#include "kernels/gradient_depthwise/depthwise_gradient_tile.h"

namespace faltung {

template <class T>
class DepthwiseGradient : public WeightGradient {
  public:
    DepthwiseGradient(const Problem& problem, const DepthwiseGradientKernel<T>& kernel);

    static Index panel_bytes_for(const Problem& problem, const DepthwiseGradientKernel<T>& kernel);

    Index panel_bytes() const override { return panel_bytes_for(problem_, kernel_); }
    Index workspace_bytes(int threads) const override;
    void run(Index batch, const Array& x, const Array& grad, const Array& gw, int threads) const override;

  private:
    struct Call;

    // Where rows are copied with their border in place: [row][phase of the columns modulo their stride].
    struct Scratch {
        Index rows = 1, columns = 1;  // outputs of a block
        Index cell_rows = 1;
        Index phase_cells = 1, row_pitch = 1, grad_pitch = 1;
        Index cells = 0, grads = 0;  // elements, saturating

        Scratch(const Layout& layout, Index lanes);
    };

    // Rows of outputs and of taps fall into classes within which they are evenly spaced: row q of the
    // outputs' class and m of the taps' meet the cells of row q + m, `step` rows apart.
    struct Classes {
        Index outputs = 1, taps = 1, step = 1;

        explicit Classes(const Axis& rows);
    };

    static Index sums_elements(const Problem& problem, Index lanes);
    Index thread_bytes() const;
    void make_tables();
    void add_zeros(const T* grad_plane, const std::vector<Index>& strides, T* sums) const;

    Problem problem_;
    Layout layout_;
    DepthwiseGradientKernel<T> kernel_;
    Scratch scratch_;
    Classes classes_;
    Index taps_;
    bool folds_;      // one row: its vectors stand for rows
    Index fold_ = 0;  // columns of taps after which they read a vector further on, or 0
    std::vector<std::int32_t> place_, scratch_place_;  // of each column of taps
    // Of the strips, vectors of output columns, which table of lanes they read under where rows lie in place:
    // the first table is that of all lanes, the second, for copied rows, that of the columns left over.
    std::vector<std::int32_t> table_;
    std::vector<std::uint32_t> lanes_;  // [table][column of taps]
};

extern template class DepthwiseGradient<float>;
extern template class DepthwiseGradient<double>;
extern template class DepthwiseGradient<std::uint64_t>;

}  // namespace faltung
