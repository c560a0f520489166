// How the outputs of a dilated correlation are cut into tiles. Outputs that lie a dilation apart, a phase,
// are an undilated problem; on small maps a phase has few outputs, and zeros on both sides.
#pragma once

#include <vector>

#include "core/layout.h"

namespace faltung {

// What a tile computes along one axis of 3 taps (`taps1` alone along one of 1): one output from those of its
// taps that meet the input; two or three between zeros, which cost 3 and 4 products; two, three or four by
// Winograd's minimal filtering.
enum class TileForm { taps1, taps2, taps3, pair, triple, two, three, four };
constexpr int tile_forms = 8;
constexpr int most_tile_outputs = 4, most_tile_cells = 6, most_tile_points = 6;

constexpr int tile_outputs(TileForm form) {
    constexpr int outputs[] = {1, 1, 1, 2, 3, 2, 3, 4};
    return outputs[static_cast<int>(form)];
}

constexpr int tile_cells(TileForm form) {
    constexpr int cells[] = {1, 2, 3, 2, 3, 4, 5, 6};
    return cells[static_cast<int>(form)];
}

constexpr int tile_points(TileForm form) {
    constexpr int points[] = {1, 2, 3, 3, 4, 4, 5, 6};
    return points[static_cast<int>(form)];
}

// Taps of the axis that take part.
constexpr int tile_taps(TileForm form) {
    return form == TileForm::taps1 ? 1 : form == TileForm::taps2 ? 2 : 3;
}

// Tiles of one form, which share their transformed weights.
struct TileClass {
    TileForm form;
    Index first;  // the tap that meets a tile's first cell at its first output
    Index tiles = 0;
};

// Alike tiles of consecutive phases.
struct TilePiece {
    Index phase, phases;
    Index output, outputs;  // of the phase
    Index begin, end;       // of the tile's cells, those inside
    Index tile;             // their first number among the tiles of their class
};

struct AxisTiling {
    Index apart = 1;  // outputs of a phase
    std::vector<TileClass> classes;
    std::vector<std::vector<TilePiece>> pieces;  // of each class

    Index tiles() const;
    Index points() const;  // of all tiles
};

struct DilatedTiling {
    AxisTiling rows, columns;
};

// Null if `problem` in elements of `type` can be cut into tiles, else why not.
const char* why_not_dilated(const Problem& problem, Type type);

// Only where there is no reason against it. Depends on the sizes alone.
DilatedTiling dilated_tiling(const Problem& problem);

}  // namespace faltung
