// How a run of output positions is cut into tiles of a matrix product.
#pragma once

#include "core/index.h"

namespace faltung {

// The blocks of positions of one run: whole vectors, then a rest too small for one.
struct PositionBlocks {
    Index lanes, most_vectors;
    Index positions, vectors, tiles, rest;
    bool joins = false;  // the last tile takes the rest along

    PositionBlocks(Index all, Index vector_lanes, Index tile_vectors)
        : lanes(vector_lanes), most_vectors(tile_vectors), positions(all) {
        // Up to half a vector is faster with channels in the lanes.
        rest = all % lanes <= lanes / 2 ? all % lanes : 0;
        vectors = ceil_divide(all - rest, lanes);
        tiles = ceil_divide(vectors, most_vectors);
    }

    // The same where the last vector takes the rest in.
    static PositionBlocks whole(Index all, Index vector_lanes, Index tile_vectors) {
        PositionBlocks blocks(all, vector_lanes, tile_vectors);
        blocks.rest = 0;
        blocks.vectors = ceil_divide(all, vector_lanes);
        blocks.tiles = ceil_divide(blocks.vectors, tile_vectors);
        return blocks;
    }

    // Where a tile of the most vectors may take one position along, whose weights are then read once only.
    void join_rest() {
        joins = rest == 1 && tiles > 0 && vectors - (tiles - 1) * vectors / tiles == most_vectors;
    }

    Index count() const { return tiles + (rest > 0 && !joins); }
    bool is_rest(Index block) const { return block == tiles; }
    // Tiles of about the same number of vectors.
    Index first(Index block) const {
        return is_rest(block) ? positions - rest : block * vectors / tiles * lanes;
    }
    Index size(Index block) const {
        if (is_rest(block)) return rest;
        return min_index((block + 1) * vectors / tiles * lanes, positions - rest) - first(block) +
               joined(block);
    }
    // Of these, what a block takes along.
    Index joined(Index block) const { return joins && block == tiles - 1 ? rest : 0; }
};

}  // namespace faltung
