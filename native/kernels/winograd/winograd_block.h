// The contract between the driver of a Winograd correlation and its kernels: transform tiles of the input,
// multiply point by point, transform back.
//
//   v[point][term][unit][tile row][tile column]   the transformed input; a term is one (tap outside the tile,
//                                                 input channel), a unit one (sample, phase of a dilation)
//   u[point][term][channel]                       the transformed weights of one block of output channels
//   m[point][tile][channel]                       their products, summed over the terms
#pragma once

#include <limits>

#include "core/lines.h"

namespace faltung {

constexpr Index absent_row = std::numeric_limits<Index>::min();

// Outputs of a tile along rows and columns: 4 or 2 (or 6, of 3 taps) where the kernel has so many `taps`
// there, 3 or 5; 1 where nothing is transformed.
struct WinogradForm {
    int rows, columns, taps = 3;

    static constexpr int taps_for(int outputs, int taps) { return outputs == 1 ? 1 : taps; }
    static constexpr int points_for(int outputs, int taps) { return outputs + taps_for(outputs, taps) - 1; }
    int row_taps() const { return taps_for(rows, taps); }
    int column_taps() const { return taps_for(columns, taps); }
    int row_points() const { return points_for(rows, taps); }
    int column_points() const { return points_for(columns, taps); }
    int points() const { return row_points() * column_points(); }
};

// Some channels of the tiles of one unit.
template <class T>
struct WinogradInput {
    const T* x;  // of the first channel
    Index channel_stride, channels;
    Index column_step = 1;  // 1 or 2 elements from column to column
    const Index*
        row;  // element offset of each input row's first column, which may lie outside, or absent_row
    Index begin, end;  // of a row's columns, those that lie inside; all others are zeros
    Index tile_rows, tile_columns;
    Index tile_pitch;  // from one row of tiles to the next, WinogradKernel::tile_pitch
    T* v;              // of the first term; columns of tiles up to tile_pitch are written too
    Index term_pitch, point_pitch;
    T* scratch;  // WinogradKernel::scratch_elements(), 64-byte aligned
};

// Some terms of one block of output channels; their taps may lie anywhere.
template <class T>
struct WinogradWeight {
    const T* weight;  // of the first term and channel
    Index channel_stride, term_stride, row_stride, column_stride;
    Index terms;
    Index channels, channel_block;  // those that there are, and those that are written
    T* u;                           // 64-byte aligned
    Index u_pitch;                  // from point to point
};

// Taps of one vector of channels, [term][tap][lane]: where the first one is, and from tap to tap.
template <class T>
struct TurnedTaps {
    const T* first;
    Index step;
};

// One point.
template <class T>
struct WinogradProduct {
    const T* u;              // 64-byte aligned
    Index u_term, u_vector;  // from term to term, and from one vector of the channels to the next
    int summands = 1;        // 1, 2 or 4: a weight is the sum of as many elements,
    Index summand[3] = {};   // the others so far from the first: a + row_factor * b of two,
    T row_factor = 1,
      column_factor = 1;  // (a + row_factor * b) + column_factor * (c + row_factor * d) of four
    const T* next;        // the weights that are wanted next
    Index next_pitch;     // elements of them to be fetched for each term
    const T* v;
    const T* next_v;  // the transformed input that is wanted next
    T* m;             // 64-byte aligned
    Index terms, term_pitch;
    Index tile_rows, tile_columns, tile_pitch;  // rows of all units
    Index channels;                             // of the block's output channels, those that there are
    bool continues;                             // the sums that stand in m, with further terms
};

// The tiles of one unit, for one block of output channels.
template <class T>
struct WinogradOutput {
    const T* m;
    Index m_pitch;
    Index tile_columns;
    T* y;  // nothing is written outside rows x columns x channels
    Index y_channel_stride, y_row_stride, y_column_stride;
    Index rows, columns, channels;
    const T* bias;  // of the first output channel, or null
    bool accumulates;
    const T* next_y = nullptr;  // what is written next, likewise; asked for with the columns before it
};

// Of so few terms that products are taken where they are transformed back, without m. Distances are known
// when the kernel is compiled, or finding places would take longer than multiplying.
template <class T>
struct WinogradFewTerms {
    static constexpr Index most = 4, v_term = 128;  // as many tiles, gaps between their rows included
    static constexpr Index u_point(Index terms, Index channel_block) {
        return terms * channel_block + line_elements<T>;
    }
    static constexpr Index v_point(Index terms) { return terms * v_term + line_elements<T>; }

    const T* u;
    const T* v;
    Index tile_pitch;
    Index terms;
};

template <class T>
struct WinogradKernel {
    void (*transform_input)(const WinogradInput<T>&) = nullptr;
    void (*multiply)(const WinogradProduct<T>&) = nullptr;
    void (*transform_output)(const WinogradOutput<T>&) = nullptr;
    void (*multiply_few_terms)(const WinogradOutput<T>&, const WinogradFewTerms<T>&) = nullptr;  // or null
    void (*transform_weight)(const WinogradWeight<T>&) = nullptr;
    Index channel_block = 1;  // output channels of a block
    Index lanes = 1;

    // Tiles of a row that are transformed together. Vectors of 64 bytes take nearly twice as long as others.
    static Index tile_vector(Index lanes, Index tile_columns) {
        Index vector = min_index(lanes, 4);
        for (; 2 * vector <= lanes; vector *= 2) {
            const Index wide_cost = 2 * vector * Index(sizeof(T)) == 64 ? 7 : 4;
            if (wide_cost * ceil_divide(tile_columns, 2 * vector) > 4 * ceil_divide(tile_columns, vector))
                break;
        }
        return vector;
    }
    // From row to row of tiles. A row that does not fill one vector is written over by the next one, the last
    // of a term goes over its end.
    Index tile_pitch(Index tile_columns) const {
        const Index vector = tile_vector(lanes, tile_columns);
        return tile_columns < vector ? tile_columns : round_up(tile_columns, vector);
    }
    Index term_pitch(Index tile_rows, Index tile_columns) const {
        const Index pitch = tile_pitch(tile_columns), vector = tile_vector(lanes, tile_columns);
        return saturating_add(saturating_multiply(tile_rows, pitch), max_index(0, vector - pitch));
    }

    // Rows of a tile, each its columns and what the last vector of tiles reads behind them.
    static Index scratch_pitch(int columns, Index tile_pitch) { return columns * (tile_pitch + 16) + 32; }
    // Likewise, with the tiles of all rows one behind another.
    static Index dense_pitch(int columns, Index tiles) { return columns * round_up(tiles, 16) + 32; }
    static Index tail_pitch(Index tiles) { return round_up(tiles + 3, 16); }  // vectors of 4 are written
    // Of a form of so many points and outputs along rows and columns.
    template <class Form>
    Index scratch_elements(const Form& form, Index tile_rows, Index tile_columns) const {
        const Index tiles = saturating_multiply(tile_rows, tile_columns), rows = form.row_points();
        const Index tails =
            rows * (form.column_points() - form.columns) + 1;  // and which tiles are a row's last
        return max_index(rows * scratch_pitch(form.columns, tile_pitch(tile_columns)),
                         rows * dense_pitch(form.columns, tiles) + tails * tail_pitch(tiles));
    }
};

}  // namespace faltung
