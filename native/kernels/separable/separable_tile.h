// The contract between the driver of separable correlations and its kernels: a pass down the columns of some
// rows, into scratch rows, and a pass along each of these.
#pragma once

#include "core/index.h"

namespace faltung {

// Cells [first, last) of `rows` scratch rows. Row r adds weight * cell over the taps, in order; tap k of far
// tap f reads cell_rows[f * far_pitch + r * row_step + k * tap_step].
template <class T>
struct SeparableColumns {
    const T* const* cell_rows;  // each from cell 0 on; nothing behind the last is read
    Index far_taps, far_pitch;
    Index taps, tap_step, row_step;
    const T* weight;  // [far tap][tap]
    T* to;            // up to a vector behind the last cell is written
    Index to_pitch;
    Index rows, first, last;
};

// One row of outputs, each of which adds weight * cell over the taps, in one order, to its bias and what y
// holds.
template <class T>
struct SeparableRow {
    const T* cells;             // of column 0 and tap 0; a tile of columns behind the last may be read
    const std::int32_t* place;  // of each tap
    Index taps;
    bool is_dense;  // place[k] is k
    const T* weight;
    T* y;
    Index y_column_stride, columns;
    T bias;
    bool resumes;  // from what y holds
};

template <class T>
struct SeparableKernel {
    void (*columns)(const SeparableColumns<T>&) = nullptr;
    void (*row)(const SeparableRow<T>&) = nullptr;
    Index lanes = 1;
    Index most_rows = 1;   // that one call of `columns` shares loads among
    Index read_ahead = 1;  // elements
};

}  // namespace faltung
