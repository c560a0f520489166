#include "kernels/winograd/tile_tasks.h"

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 4;

}  // namespace

TileBlock choose_tile_block(Index tile_rows, Index tile_columns, Index wanted) {
    TileBlock block;
    block.columns = even_pieces(tile_columns, wanted);
    block.rows = even_pieces(tile_rows, max_index(1, wanted / block.columns));
    if (block.rows == tile_rows && block.columns == tile_columns)
        block.units = max_index(1, wanted / block.tiles());
    return block;
}

TileTasks::TileTasks(const Layout& layout, Index groups, Index units, Index tile_rows, Index tile_columns,
                     Index channel_blocks, const TileBlock& most, int threads)
    : layout(layout),
      groups(groups),
      units(units),
      tile_rows(tile_rows),
      tile_columns(tile_columns),
      channel_blocks(channel_blocks),
      block(most) {
    block.units = min_index(block.units, units);
    unit_blocks = ceil_divide(units, block.units);
    for (std::size_t a = 0; a < layout.far_axes(); ++a) far_outputs *= layout.axes[a].out;
    row_blocks = ceil_divide(tile_rows, block.rows);
    column_blocks = ceil_divide(tile_columns, block.columns);
    channel_chunks = ceil_divide(channel_blocks, block.channel_blocks);
    if (threads > 1 && count() < tasks_per_thread * threads) {
        channel_chunks = min_index(channel_blocks, ceil_divide(tasks_per_thread * threads, tile_blocks()));
        block.channel_blocks = ceil_divide(channel_blocks, channel_chunks);
        channel_chunks = ceil_divide(channel_blocks, block.channel_blocks);
    }
    if (0 < count() && count() < threads) {  // few output channels: blocks of tiles are cut
        const Index cuts = row_blocks * ceil_divide(threads, count());
        block.rows = max_index(1, ceil_divide(tile_rows, cuts));
        row_blocks = ceil_divide(tile_rows, block.rows);
    }
}

TileTasks::Place TileTasks::at(Index tile_block) const {
    Place place;
    Index rest = tile_block;
    place.tiles = block;
    place.first_column = rest % column_blocks * block.columns;
    rest /= column_blocks;
    place.first_row = rest % row_blocks * block.rows;
    rest /= row_blocks;
    for (std::size_t a = layout.far_axes(); a-- > 0;) {
        place.far[a] = rest % layout.axes[a].out;
        rest /= layout.axes[a].out;
    }
    place.group = rest % groups;
    place.first_unit = rest / groups * block.units;
    place.tiles.units = min_index(block.units, units - place.first_unit);
    place.tiles.rows = min_index(block.rows, tile_rows - place.first_row);
    place.tiles.columns = min_index(block.columns, tile_columns - place.first_column);
    return place;
}

}  // namespace faltung
