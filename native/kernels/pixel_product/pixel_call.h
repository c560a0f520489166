// One call of a product over pixels. Included by the sources of that operation alone.
#pragma once

#include "kernels/call_arrays.h"
#include "kernels/pixel_product/pixel_product.h"

namespace faltung {

// One call's arrays and its division into tasks; the division never touches the order of a sum.
template <class T>
struct PixelProduct<T>::Call : CallArrays {
    const PixelProduct& op;
    const T* packed;
    bool copies;                            // the cells of a tile, for they would contend for the cache
    bool lists_terms = false;               // offsets are there for all terms, in order
    std::vector<Index> tap_offset = {};     // of each tap, from a window's first cell
    std::vector<Index> panel_offset = {};   // the same of copied cells
    std::vector<Index> padded_offset = {};  // the same of padded ones
    std::vector<Index> row_shift = {};      // of each row of taps along the axes but the last

    Index tiles = 1, chunks = 1;  // of pixels, and tasks that share them
    bool is_by_rows = false;      // so that no tile goes over the end of a row
    Index row_tiles = 1;
    std::vector<Index> row_start = {};             // of each tile in a row, and the end
    Index channel_groups = 1, group_channels = 1;  // whose weights are read together
    Index passes = 1, pass_tiles = 1;              // over the input channels, of so many tiles at a time

    static constexpr Index most_tile_pixels = 16;
    static constexpr std::size_t most_axes = 8;

    void share_out(Index batch, int threads);
    Index task_count(Index batch) const { return batch * op.problem_.groups * channel_groups * chunks; }
    void operator()(Index task, int worker) const;

  private:
    void divide_pixels();
    void divide_channels(Index groups);
    void list_offsets();
    void list_padded_offsets();

    struct Tile {
        Index row, column, pixels, width;  // all rows count as one where tiles go over their ends
        T* y[most_tile_pixels];
        const T* origin[most_tile_pixels];  // of each pixel, the cell of its first tap, be it outside
        Index step;                         // from one to the next, where they are evenly apart
        bool is_even;                       // and all inside, as many as the width
        bool is_padded;                     // its cells were copied, with the zeros around them
        const T** cells;
        T* panel;
    };
    // A row of pixels, in its position along every axis but the last.
    struct Row {
        Index position[most_axes];  // of the first tap of its first pixel
        Index x, y;                 // offsets
        bool is_inside;
    };
    void place(Tile& tile, Index number) const;
    void locate(Row& row, Index number) const;
    bool locate_evenly(Tile& tile, const T* x_group, T* y_group) const;
    void locate(Tile& tile, const T* x_group, T* y_group) const;
    void pad(const Tile& tile, const Index* position, const T* x_group) const;
    void copy_cells(const Tile& tile, Index channels) const;
    void locate_border(Tile& tile, Index pixel, const Index* position, const T* x_group) const;
    bool find_row(Index row, const Index* position, Index& offset) const;
    void finish(const Tile& tile, Index channels) const;
};

}  // namespace faltung
