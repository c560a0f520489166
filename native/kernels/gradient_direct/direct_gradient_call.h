// One call of a dense weight gradient. Included by the sources of that operation alone.
#pragma once

#include "core/ahead.h"
#include "kernels/gradient_direct/direct_gradient.h"

namespace faltung {

template <class T>
struct DirectGradient<T>::Call {
    const DirectGradient& op;
    Index batch;
    const Array &x, &grad, &gw;  // the packed side is grad
    std::vector<Index> x_spatial, grad_spatial;
    std::vector<Index> tap_offset;  // in gw
    bool has_adjacent_taps;
    char* workspace;
    Index blocks, unit_ranges, tap_ranges;

    // A part of the outputs, of several samples where it is all of them.
    struct Block {
        Index samples;
        Index first_row, rows, first_column, columns;
        const T* packed;
        const T* next_grad = nullptr;  // what the block after it packs, unless there is none
        Index x_ahead = 0;             // from its cells to those of that block
        RowsAhead grad_rows = {};      // of that block, asked for between the products
    };
    struct Work {
        Index first_unit, last_unit, first_channel, channels, first_tap, last_tap, lanes;
        T* sums;
    };

    void operator()(Index task, int worker) const;
    void add_block(Block& block, const Work& work, const T* x_sample, Index far) const;
    void add_tap(const Block& block, const T* x_channels, Index near_tap, Index first_column,
                 Index last_column, GradientProduct<T> product) const;
    void add_taps(const Block& block, const T* x_channels, Index first_tap, Index last_tap,
                  const GradientProduct<T>& product, Index taps) const;
    void add_zeros(const Block& block, const Work& work, Index far) const;
    void look_ahead(Block& block, const Work& work, const T* grad_sample, bool is_last) const;
    bool locate(Index far, Index far_tap, Index& offset) const;
    void finish(const Work& work, Index g, Index block) const;
};

}  // namespace faltung
