// The contract between the drivers of filters and their loops, for sums in T. Cells of T lie side by side.
#pragma once

#include "kernels/stencil/stencil.h"

namespace faltung {

// Symmetric: weight[k] = weight[size - 1 - k], whose cells are added before they are multiplied;
// antisymmetric alike. Other sums begin with the last tap and go on from the first. As SciPy sums.
enum class Symmetry { none, symmetric, antisymmetric };

template <class T>
struct StencilTaps {
    const T* weight;
    Index size;
    Symmetry symmetry;
};

template <class T>
struct StencilLoops {
    // to[r * pitch + c] = the sum over k of weight[k] * rows[r + k][c]; r < outputs, c < count. Reads and
    // writes nothing else.
    void (*across)(const T* const* rows, Index outputs, Index count, const StencilTaps<T>& taps, T* to,
                   Index pitch);
    // to[c] = the sum over k of weight[k] * cells[c + k * step], c < count. Reads up to `slack` cells more.
    void (*along)(const T* cells, Index step, Index count, const StencilTaps<T>& taps, T* to);
    // to[c] = the mean over k < size of cells[c + k * step], c < count: cells are added two, four, eight ...
    // at a time. Changes the cells, and writes up to `slack` behind both.
    void (*mean)(T* cells, Index step, Index size, Index count, T* to);
    // to[c] = the sum over the taps of weight[t] * cells[t][c], c < count, in order. Reads up to `slack`
    // cells more.
    void (*footprint)(const T* const* cells, const T* weight, Index taps, Index count, T* to);
    Index slack;
};

// Between cells of an array and cells of T.
template <class T>
struct CellLoops {
    void (*load)(const void* from, Index step, Index count, T* to);
    void (*store)(const T* from, Index count, void* to, Index step);
};

// Whether one of the numbers is at most this far from a whole one, or no number.
using NearWhole = bool (*)(const double* from, Index count, double distance);

}  // namespace faltung
