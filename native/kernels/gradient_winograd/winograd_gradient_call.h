// One call of a Winograd weight gradient. Included by the sources of that operation alone.
#pragma once

#include "kernels/gradient_winograd/winograd_gradient.h"

namespace faltung {

// Tiles are in the order sample, plane, phase and row of tiles, phase of the columns, piece: a unit each, in
// memory [point][unit][far position][tile][channel of a block].
template <class T>
struct WinogradGradient<T>::Call {
    const WinogradGradient& op;
    const Array &x, &grad, &gw;
    T *points = nullptr, *sums = nullptr, *scratch = nullptr;  // sums: of all products, or null
    Index most_units = 1;                                      // of a block
    Index g = 0, first_unit = 0, units = 0;

    Index unit_elements(bool is_grad) const {
        return (is_grad ? op.form_.far_outputs : op.form_.far_cells) * op.form_.piece * op.product_.block;
    }
    T* grad_points(Index block) const {
        return points + block * op.form_.points() * most_units * unit_elements(true);
    }
    T* x_points(Index block) const {
        return grad_points(op.out_blocks()) + block * op.form_.points() * most_units * unit_elements(false);
    }
    T* scratch_of(int worker) const { return scratch + worker * op.thread_elements(); }
    T* sums_of(Index product) const { return sums + product * op.sums_elements(); }

    Index transforms() const {
        return units * (op.out_blocks() * op.form_.far_outputs + op.in_blocks() * op.form_.far_cells);
    }
    void transform(Index task, int worker) const;
    void multiply(Index product, Index first_point, Index last_point, T* to) const;
    void transform_back(Index product, const T* from, T* taps) const;

  private:
    struct Line;  // positions along one axis that a tile's cells lie on
    void pack_unit(bool is_grad, Index unit, Index far, Index channel, Index channels, T* cells) const;
    void pack_row(const Line& columns, const T* from, Index channel_stride, Index column_stride,
                  Index channels, T* cells) const;
};

}  // namespace faltung
