#include "kernels/dilated/dilated_tiling.h"

#include <algorithm>
#include <limits>

namespace faltung {

namespace {

// Each transformed weight takes as long to fetch as to multiply with so many tiles.
constexpr Index tiles_of_a_fetch = 24;

// Of a longer run only the rest is cut at best, after the largest tiles allowed.
constexpr Index longest_cut = 12;

// Phases of fewer lanes leave vectors empty, more tiles across than this a block too large.
constexpr Index most_tiles_across = 1024, most_taps = 3;

constexpr TileForm optional_forms[] = {TileForm::pair, TileForm::two, TileForm::three, TileForm::four};
constexpr unsigned form_choices = 1u << 4;

bool is_allowed(TileForm form, unsigned choice) {
    for (unsigned i = 0; i < 4; ++i)
        if (optional_forms[i] == form) return choice >> i & 1;
    return true;
}

// The outputs of a phase, and the first and last of their outputs + 2 cells that are inside.
struct Run {
    Index outputs, begin, end;

    bool operator==(const Run& other) const {
        return outputs == other.outputs && begin == other.begin && end == other.end;
    }
};

// A tile of a run.
struct Cut {
    TileForm form;
    Index output, first;
};

Cut tile_of_one(const Run& run, Index output) {
    const Index first = std::clamp<Index>(run.begin - output, 0, most_taps - 1);
    const Index last = std::clamp<Index>(run.end - output, first + 1, most_taps);
    return {static_cast<TileForm>(last - first - 1), output, first};
}

// Of the tiles that begin at `output`, those that may: form by form, each with its first cell.
template <class Take>
void for_each_tile(const Run& run, Index output, unsigned choice, Take&& take) {
    take(tile_of_one(run, output));
    const bool is_between_zeros = run.begin >= 1 && run.end <= run.outputs + 1;
    for (TileForm form : {TileForm::pair, TileForm::triple}) {
        const bool reaches = tile_outputs(form) >= run.outputs;
        if (is_between_zeros && reaches && output == 0 && is_allowed(form, choice)) take(Cut{form, 0, 1});
    }
    for (TileForm form : {TileForm::two, TileForm::three, TileForm::four})
        if (is_allowed(form, choice)) take(Cut{form, output, 0});
}

// The tiles that need the fewest products; of those, the fewest tiles.
void cut(const Run& run, unsigned choice, std::vector<Cut>& tiles) {
    Index start = 0;
    const TileForm longest = is_allowed(TileForm::four, choice)    ? TileForm::four
                             : is_allowed(TileForm::three, choice) ? TileForm::three
                             : is_allowed(TileForm::two, choice)   ? TileForm::two
                                                                   : TileForm::taps1;
    for (; run.outputs - start > longest_cut; start += tile_outputs(longest))
        tiles.push_back(longest == TileForm::taps1 ? tile_of_one(run, start) : Cut{longest, start, 0});
    const Index rest = run.outputs - start;
    Index cost[longest_cut + 1] = {};
    Cut best[longest_cut + 1];
    for (Index left = 1; left <= rest; ++left) {
        cost[left] = std::numeric_limits<Index>::max();
        for_each_tile(run, run.outputs - left, choice, [&](const Cut& tile) {
            const Index behind = max_index(0, left - tile_outputs(tile.form));
            const Index all = 16 * tile_points(tile.form) + 1 + cost[behind];
            if (all < cost[left]) cost[left] = all, best[left] = tile;
        });
    }
    for (Index left = rest; left > 0; left = max_index(0, left - tile_outputs(best[left].form)))
        tiles.push_back(best[left]);
}

// The first i with first + i * step >= position, 0 <= i <= most.
Index first_from(Index first, Index step, Index position, Index most) {
    return position <= first ? 0 : min_index(most, ceil_divide(position - first, step));
}

void add(AxisTiling& tiling, const Cut& tile, const Run& run, Index phase, Index phases) {
    std::size_t c = 0;
    while (c < tiling.classes.size() &&
           (tiling.classes[c].form != tile.form || tiling.classes[c].first != tile.first))
        ++c;
    if (c == tiling.classes.size()) {
        tiling.classes.push_back({tile.form, tile.first});
        tiling.pieces.emplace_back();
    }
    TilePiece piece;
    piece.phase = phase;
    piece.phases = phases;
    piece.output = tile.output;
    piece.outputs = min_index(tile_outputs(tile.form), run.outputs - tile.output);
    const Index cells = tile_cells(tile.form), first = tile.output + tile.first;
    piece.begin = std::clamp<Index>(run.begin - first, 0, cells);
    piece.end = std::clamp<Index>(run.end - first, piece.begin, cells);
    piece.tile = tiling.classes[c].tiles;
    tiling.classes[c].tiles += phases;
    tiling.pieces[c].push_back(piece);
}

AxisTiling tile_axis(const Axis& axis, unsigned choice) {
    AxisTiling tiling;
    const bool has_one_tap = axis.kernel == 1;
    tiling.apart = has_one_tap ? max_index(1, axis.out) : axis.dilation;
    const Index phases = min_index(tiling.apart, axis.out);
    const auto run_of = [&](Index phase) {
        const Index outputs = ceil_divide(axis.out - phase, tiling.apart);
        const Index cells = has_one_tap ? 1 : outputs + 2, first = phase - axis.before;
        const Index begin = first_from(first, tiling.apart, 0, cells);
        return Run{outputs, begin, max_index(begin, first_from(first, tiling.apart, axis.in, cells))};
    };
    for (Index phase = 0; phase < phases;) {
        const Run run = run_of(phase);
        Index last = phase + 1;
        while (last < phases && run_of(last) == run) ++last;
        std::vector<Cut> tiles;
        if (has_one_tap) {
            tiles.push_back({TileForm::taps1, 0, 0});
        } else {
            cut(run, choice, tiles);
        }
        for (const Cut& tile : tiles) add(tiling, tile, run, phase, last - phase);
        phase = last;
    }
    return tiling;
}

// Products of a channel pair, and weights to fetch.
Index cost_of(const DilatedTiling& tiling) {
    Index cost = 0;
    for (const TileClass& rows : tiling.rows.classes)
        for (const TileClass& columns : tiling.columns.classes) {
            const Index tiles = saturating_multiply(rows.tiles, columns.tiles);
            const Index points = tile_points(rows.form) * tile_points(columns.form);
            cost = saturating_add(cost, saturating_multiply(points, saturating_add(tiles, tiles_of_a_fetch)));
        }
    return cost;
}

}  // namespace

Index AxisTiling::tiles() const {
    Index sum = 0;
    for (const TileClass& one : classes) sum += one.tiles;
    return sum;
}

Index AxisTiling::points() const {
    Index sum = 0;
    for (const TileClass& one : classes) sum += one.tiles * tile_points(one.form);
    return sum;
}

const char* why_not_dilated(const Problem& problem, Type type) {
    if (type == Type::uint64) return "it rounds, and integers are to be exact";
    if (problem.border != Border::zeros && problem.border != Border::absent)
        return "it pads with zeros alone";
    const Layout layout(problem);
    if (layout.far_axes() > 0) return "there are more than two axes";
    bool has_three = false, is_dilated = false;
    for (const Axis& axis : layout.axes) {
        if (axis.stride != 1 || (axis.kernel != 1 && axis.kernel != most_taps))
            return "it needs 3 taps, or 1, with stride 1 along each axis";
        has_three |= axis.kernel == most_taps;
        is_dilated |= axis.kernel == most_taps && axis.dilation > 1;
    }
    if (!has_three || !is_dilated) return "no axis of 3 taps is dilated";
    if (problem.in_channels < 1 || outputs(problem.axes) < 1) return "there is nothing to multiply";
    if (layout.columns().out > most_tiles_across) return "rows are too long";
    return nullptr;
}

DilatedTiling dilated_tiling(const Problem& problem) {
    const Layout layout(problem);
    DilatedTiling best;
    Index least = saturated;
    for (unsigned choice = 0; choice < form_choices; ++choice) {
        const DilatedTiling tiling{tile_axis(layout.rows(), choice), tile_axis(layout.columns(), choice)};
        const Index cost = cost_of(tiling);
        if (choice == 0 || cost < least) best = tiling, least = cost;
    }
    return best;
}

}  // namespace faltung
