// The division into tasks of a call that transforms tiles: blocks of tiles and chunks of output channels. It
// never touches the order of a sum.
#pragma once

#include <vector>

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

// What a call has to do. Cycles are those of one core; only their ratios matter.
struct TileWork {
    Index groups, units, tile_rows, tile_columns, channel_blocks;
    TileBlock block;
    double row_cycles;      // to transform a row of a block's tiles
    double product_cycles;  // of a tile with a block of output channels
    double weight_cycles;   // to have a block of output channels' weights, whatever the tiles they are for
};

// Cycles until a block of transformed weights of `bytes` is there, of `all_bytes` that every block of tiles
// asks for.
double fetching_cycles(Index bytes, Index all_bytes);

struct TileTask {
    Index block;  // its number: tasks of the same one share transformed tiles
    Index plane;  // group, and outputs along the far axes
    Index first_unit, first_row, first_column, first_channel_block;
    TileBlock tiles;
};

// Each thread begins with about as much as any other. Those that take the same tiles with other channels
// transform them again, those that take other tiles bring the same weights: of the ways to share out, the one
// that should take the least time.
class TileTasks {
  public:
    TileTasks(const Layout& layout, const TileWork& work, int threads);

    Index count() const { return static_cast<Index>(tasks_.size()); }
    const TileTask& task(Index number) const { return tasks_[static_cast<std::size_t>(number)]; }
    // Where each thread begins; null for fewer threads.
    const Index* starts(int threads) const {
        return static_cast<std::size_t>(threads) == starts_.size() ? starts_.data() : nullptr;
    }

    struct Place {
        static constexpr std::size_t axes_limit = 64;
        Index first_unit, group, first_row, first_column;  // rows and columns of tiles
        Index far[axes_limit];
        TileBlock tiles;
    };
    Place at(const TileTask& task) const;

  private:
    const Layout& layout_;
    std::vector<TileTask> tasks_;
    std::vector<Index> starts_;
};

// Blocks that one thread makes of the tiles.
Index tile_blocks(const Layout& layout, const TileWork& work);

}  // namespace faltung
