// The contract between the driver of phases by Winograd's filtering and its kernels. Each phase of a
// transposed correlation is one of stride 1 and few taps; products are summed as in
// kernels/winograd/winograd_block.h.
#pragma once

#include "core/panel.h"
#include "kernels/winograd/winograd_block.h"

namespace faltung {

// Of one phase: outputs of a tile, and taps, along rows and columns. An axis of one tap is not transformed:
// its points are its cells.
struct PhaseForm {
    int rows, row_taps, columns, column_taps;

    int row_points() const { return rows + row_taps - 1; }
    int column_points() const { return columns + column_taps - 1; }
    int points() const { return row_points() * column_points(); }
    int taps() const { return row_taps * column_taps; }
    // A weight of one tap is the same at all points of an axis.
    int weight_row_points() const { return row_taps == 1 ? 1 : row_points(); }
    int weight_column_points() const { return column_taps == 1 ? 1 : column_points(); }
    int weight_points() const { return weight_row_points() * weight_column_points(); }
    int weight_point(int point) const {
        const int row = row_taps == 1 ? 0 : point / column_points();
        return row * weight_column_points() + (column_taps == 1 ? 0 : point % column_points());
    }

    // Whether the weight at every point is a tap, or one and a multiple of another, along each axis.
    bool sums_taps() const { return row_taps <= 2 && column_taps <= 2; }
};

// The weight at one point of an axis of 1 or 2 taps, as `phase_weight_to_points` has it: tap `first`, and
// where there are two of them the second one times `factor`.
struct TapSum {
    int first, count;
    double factor;
};

inline TapSum tap_sum(int taps, int point, int points) {
    constexpr double at_two_outputs[] = {0, 1}, at_four_outputs[] = {0, 1, -0.5, -2};
    if (taps == 1 || point == 0) return {0, 1, 0};
    if (point == points - 1) return {1, 1, 0};
    return {0, 2, (points == 3 ? at_two_outputs : at_four_outputs)[point]};
}

constexpr int most_phase_taps = 4;  // with tiles of four outputs, else 3

// Some terms of one block of output channels.
template <class T>
struct PhaseWeight {
    const T* turned;  // [vector of channels][number][lane]
    Index turned_vector, turned_term;
    const Index* number;  // of each tap, row by row
    Index step;           // from number to number
    Index terms, vectors;
    T* u;
    Index u_term, u_pitch;  // from term to term and from point to point
};

// One row of tiles, of a vector of output channels.
template <class T>
struct PhaseOutput {
    const T* m;
    Index m_pitch, tile_pitch;  // from point to point and from tile to tile
    Index tiles;
    const T* bias;  // or null
    Index channels;
    bool adds;  // to what stands there
    T* to;      // [channel][row][column], whole vectors of channels, whole eights of columns
    Index channel_pitch, row_pitch;
};

// For one form.
template <class T>
struct PhaseKernel {
    void (*transform_input)(const WinogradInput<T>&) = nullptr;
    void (*transform_weight)(const PhaseWeight<T>&) = nullptr;
    void (*transform_output)(const PhaseOutput<T>&) = nullptr;
    // to[number][lane] from `channels` channels of contiguous numbers; other lanes are zero. Whole vectors of
    // numbers are written.
    void (*turn)(const T* from, Index channel_stride, Index channels, Index numbers, T* to) = nullptr;

    StridedCopy<T> copy = nullptr;
    bool reads_every_second = false;  // column of the input, where column_step is 2

    static constexpr int column_block = 8;  // of outputs
};

}  // namespace faltung
