// How a spectral correlation is cut into transforms: chosen by the sizes alone, by the least estimated cost.
#pragma once

#include "core/layout.h"

namespace faltung {

// A reason why the spectral kernels do not serve a problem, or null. Only what sizes that fit into memory may
// have.
const char* why_not_spectral(const Problem& problem, Type type);

// Rows of lines of cells are transformed along the columns and meet the rows of the kernel. Where there is
// one row only (1-D), it is folded: a row is a block of `outputs` columns, a row of the kernel a run of as
// many taps.
struct SpectralShape {
    bool rows_in_lanes = false;  // of one channel; else channels
    bool folds = false;
    Index size = 0, bins = 0;  // of a transform
    Index outputs = 0;         // columns of a block
    Index taps = 0;            // columns that a row of the kernel spans
    Index cells = 0;           // columns that a block reads, outputs + taps - 1
    Index column_blocks = 1;
    Index rows = 1;                            // of outputs
    Index row_taps = 1, row_dilation = 1;      // of the kernel
    Index bands = 1, band = 1;                 // rows computed together
    Index reach = 0;                           // rows of inputs beyond a band
    Index x_rows = 0, y_rows = 0;              // rows of spectra, whole vectors where rows are in the lanes
    Index x_bin = 0, y_bin = 0, w_bin = 0;     // elements of all rows at one frequency
    Index x_part = 0, y_part = 0, w_part = 0;  // from real to imaginary parts
    Index channel_units = 1;                   // channels, or vectors of them
    double cycles = 0, packing_cycles = 0;
    // An output errs by at most `rounding` units in the last place of the product of two norms: of the cells
    // that are transformed with its own, and of the kernel's taps (spectral_guard.cpp). Where these are at
    // most `norm_ratio` times the largest sum of |input||weight| at an output, `error_growth` over direct
    // summation holds.
    double rounding = 0, norm_ratio = 0, error_growth = 1;

    bool is_single() const { return row_taps == 1; }
    Index weight_elements() const { return bins * w_bin; }  // of one unit and output channel
    Index spectra_elements() const { return bins * (x_bin + y_bin); }
};

// A shape of size 0 where none is of reasonable size.
SpectralShape best_spectral_shape(const Problem& problem, const Layout& layout, Index lanes,
                                  Index element_bytes, Index row_tile);

// Taps of the kernel's rows that meet rows of x inside [begin, end) for the output rows first to first +
// count - 1.
struct TapRange {
    Index first, last;
};

static inline TapRange taps_that_meet(Index first, Index count, Index begin, Index end, Index taps,
                                      Index dilation) {
    const Index low = begin - first - (count - 1), high = end - first;
    if (begin >= end) return {0, 0};
    const Index from = low <= 0 ? 0 : ceil_divide(low, dilation);
    const Index to = high <= 0 ? 0 : min_index(taps, ceil_divide(high, dilation));
    return {min_index(from, to), to};
}

// Rows of x of a band that hold anything but zeros: [begin, end) of x_rows from the band's first on.
struct RowRange {
    Index begin, end;
};

RowRange rows_inside(const SpectralShape& shape, const Problem& problem, const Layout& layout,
                     Index first_row, Index rows);

}  // namespace faltung
