// The division into tasks of a call that transforms tiles: blocks of tiles and chunks of output channels. It
// never touches the order of a sum.
#pragma once

#include "core/layout.h"

namespace faltung {

// One task's tiles, at most.
struct TileBlock {
    Index rows = 1, columns = 1;  // of tiles
    Index units = 1;              // samples, or phases of samples
    Index channel_blocks = 1;

    Index tiles() const { return rows * columns; }
};

// `all` in pieces of about the same size, each of at most `most`.
inline Index even_pieces(Index all, Index most) {
    return ceil_divide(all, ceil_divide(all, most));
}

// Of about `wanted` tiles, and of several units where these have fewer.
TileBlock choose_tile_block(Index tile_rows, Index tile_columns, Index wanted);

struct TileTasks {
    const Layout& layout;
    Index groups, units, tile_rows, tile_columns, channel_blocks;
    TileBlock block;

    Index far_outputs = 1, unit_blocks = 1, row_blocks = 1, column_blocks = 1, channel_chunks = 1;

    // Blocks no larger than `block`.
    TileTasks(const Layout& layout, Index groups, Index units, Index tile_rows, Index tile_columns,
              Index channel_blocks, const TileBlock& block, int threads);

    Index tile_blocks() const { return unit_blocks * groups * far_outputs * row_blocks * column_blocks; }
    Index count() const { return tile_blocks() * channel_chunks; }

    struct Place {
        static constexpr std::size_t axes_limit = 64;
        Index first_unit, group, first_row, first_column;  // rows and columns of tiles
        Index far[axes_limit];
        TileBlock tiles;
    };
    Place at(Index tile_block) const;
};

}  // namespace faltung
