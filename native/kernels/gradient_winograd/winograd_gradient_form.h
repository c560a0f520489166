// How a weight gradient is tiled: which axes are transformed, which outputs a tile has, where its cells lie.
//
// The last axis is the columns; it has 3 taps and is transformed, or one tap in place. The rows are the last
// axis before it that has 3 taps, or none. All others are far: with one tap each, their outputs are planes of
// their own; else all of them are transformed together, and every far tap is a product of those that meet.
// A dilation makes phases: outputs that lie so far apart are an undilated problem.
#pragma once

#include "core/problem.h"

namespace faltung {

constexpr Index gradient_taps = 3, gradient_outputs = 4;  // of a transformed axis, of a tile

// An axis of tiles.
struct TiledAxis {
    Axis axis{1, 1, 1, 1, 1, 0};
    int origin = -1;  // the problem's axis; -1 for an added one of size 1

    bool is_transformed() const { return axis.kernel == gradient_taps; }
    Index tile() const { return is_transformed() ? gradient_outputs : 1; }
    Index cells() const { return tile() + axis.kernel - 1; }  // and points of a tile
    Index phases() const { return min_index(axis.dilation, axis.out); }
    Index phase_outputs(Index phase) const { return ceil_divide(axis.out - phase, phases()); }
    Index tiles() const { return ceil_divide(phase_outputs(0), tile()); }  // of a phase
};

// Far outputs first, first + 1, ... that meet cells cell, cell + step, ... of those that are transformed.
struct FarRun {
    Index first, cell, count, step;
};

struct WinogradGradientForm {
    TiledAxis rows, columns;
    std::vector<Axis> far;
    std::vector<int> far_origin;
    Index pieces = 1;       // of a row of tiles
    Index piece = 1;        // tiles of one
    Index planes = 1;       // of a sample
    Index far_outputs = 1;  // transformed together
    Index far_cells = 1;    // likewise
    Index far_taps = 1;

    explicit WinogradGradientForm(const Problem& problem);

    Index points() const { return rows.cells() * columns.cells(); }
    Index taps() const { return rows.axis.kernel * columns.axis.kernel; }  // of a far tap
    // Pieces of rows of tiles of all phases and planes of a sample.
    Index units() const { return saturating_multiply(planes, plane_units()); }
    Index plane_units() const {
        return saturating_multiply(rows.phases() * rows.tiles(), columns.phases() * pieces);
    }
    // Element offset of far output or tap `number`, all axes in order.
    Index far_offset(Index number, bool is_tap, const std::vector<Index>& stride) const;
    // Of the far cell that output and tap meet among all cells, or `outside`.
    Index far_cell(Border border, Index output, Index tap) const;
    Index cell_offset(Index cell, const std::vector<Index>& stride) const;
    std::vector<FarRun> runs(Border border, Index tap) const;
};

// Null if the axes are as above and arrays of numbers that may be rounded.
const char* why_not_winograd_gradient(const Problem& problem, Type type);

}  // namespace faltung
