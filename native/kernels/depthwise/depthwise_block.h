// The tables of one block of outputs: what it reads, and its tiles. The same for every channel.
#pragma once

#include "kernels/depthwise/depthwise_tile.h"

namespace faltung {

template <class T>
struct DepthwiseBlock {
    // Entries of the tables below.
    struct Sizes {
        Index far_taps, slots, border, phases, segments, row_tiles, column_tiles, column_taps;
    };

    Index index = -1;
    Index first_row = 0, first_column = 0, rows = 0, columns = 0;  // of outputs
    Index y_offset = 0;
    Index first_used = 0, last_used = 0;  // slots inside the input, where cells outside are skipped
    Index tile_count = 0;

    Index* far;     // element offset of each far tap, or depthwise_absent
    Index* slot;    // [far tap][slot], likewise
    Index* border;  // of the runs
    DepthwiseRun* runs;
    Index* segment_cells;       // in x
    DepthwiseTile<T>* tiles;    // [row tile][column tile]
    std::uint32_t* rows_used;   // [row tile][segment]
    std::uint32_t* lanes_used;  // [column tile][column tap]

    static Index bytes_for(const Sizes& n) {
        const Index indices = n.far_taps + n.slots + n.border + n.segments;
        const Index tiles = n.row_tiles * n.column_tiles;
        const Index words = n.row_tiles * n.segments + n.column_tiles * n.column_taps;
        return round_up(indices * Index(sizeof(Index)) + n.phases * Index(sizeof(DepthwiseRun)) +
                            tiles * Index(sizeof(DepthwiseTile<T>)) + words * Index(sizeof(std::uint32_t)),
                        64);
    }

    DepthwiseBlock() = default;
    DepthwiseBlock(const Sizes& n, char* memory) {
        far = reinterpret_cast<Index*>(memory);
        slot = far + n.far_taps;
        border = slot + n.slots;
        segment_cells = border + n.border;
        runs = reinterpret_cast<DepthwiseRun*>(segment_cells + n.segments);
        tiles = reinterpret_cast<DepthwiseTile<T>*>(runs + n.phases);
        rows_used = reinterpret_cast<std::uint32_t*>(tiles + n.row_tiles * n.column_tiles);
        lanes_used = rows_used + n.row_tiles * n.segments;
    }
};

}  // namespace faltung
