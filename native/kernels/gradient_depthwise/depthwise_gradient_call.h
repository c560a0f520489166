// One call of a depthwise weight gradient: its arrays, and how a plane of cells and one of grad are summed
// up.
#pragma once

#include "core/border.h"
#include "kernels/gradient_depthwise/depthwise_gradient.h"

namespace faltung {

// Where the cells and the rows of grad of one block of outputs are.
template <class T>
struct DepthwiseGradientBlock {
    const T *cells, *grad;  // of the block's first row and column, whichever cell that is
    Index cell_pitch, grad_pitch;
    Index first_row, rows, first_column, columns;  // of outputs
    Index cells_ahead, grad_ahead;  // from this plane to the next, where it lies in place, else 0
    bool is_copied;
};

template <class T>
struct DepthwiseGradient<T>::Call {
    const DepthwiseGradient& op;
    Index batch;
    const Array &x, &grad, &gw;
    std::vector<Index> x_spatial, grad_spatial, gw_spatial;
    std::vector<Index> tap_rows;  // offsets in gw
    bool copies_cells, copies_grad;
    Index splits;
    char* workspace;

    struct Memory {
        T *sums, *totals, *cells, *grad;
    };

    void operator()(Index task, int worker) const;
    void add_plane(const T* x_plane, const T* grad_plane, T* sums, Index first, Index last, Index x_ahead,
                   Index grad_ahead, const Memory& memory) const;
    void copy_cells(const T* x_plane, const DepthwiseGradientBlock<T>& block, T* to) const;
    void copy_grad(const T* grad_plane, const DepthwiseGradientBlock<T>& block, T* to) const;
    void add_rows(const DepthwiseGradientBlock<T>& block, T* sums, Index first, Index last) const;
    void add_folded(const DepthwiseGradientBlock<T>& block, T* sums, Index first, Index last) const;
    void compute(const DepthwiseGradientTile<T>& tile, Index columns) const {
        (columns <= op.kernel_.narrow_lanes ? op.kernel_.compute_narrow : op.kernel_.compute)(tile);
    }
    const std::uint32_t* lanes_of(const DepthwiseGradientBlock<T>& block, Index strip, Index count) const {
        const Index table =
            block.is_copied
                ? count < op.kernel_.lanes
                : op.table_[static_cast<std::size_t>(block.first_column / op.kernel_.lanes + strip)];
        return op.lanes_.data() + table * op.layout_.columns().kernel;
    }
};

}  // namespace faltung
