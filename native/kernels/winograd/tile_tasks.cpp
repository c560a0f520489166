#include "kernels/winograd/tile_tasks.h"

#include <algorithm>

namespace faltung {

namespace {

// Tasks a thread should have to choose from, so that a delayed thread does not delay the call.
constexpr Index tasks_per_thread = 4;

// Of weights that no cache of the core's own keeps, or none at all.
constexpr double l3_bytes_a_cycle = 12, memory_bytes_a_cycle = 5;
constexpr Index l2_bytes = Index(1) << 19, l3_bytes = Index(12) << 20;

// What cutting chooses from: rows of tiles, or whole units where a block has several.
struct Lines {
    Index planes;
    Index chains, length;  // lines of a chain may share a block
    Index most;            // lines of a block
    bool are_units;
    Index column_blocks;

    Lines(const Layout& layout, const TileWork& work)
        : planes(work.groups), are_units(work.block.units > 1 && work.units > 1) {
        for (std::size_t a = 0; a < layout.far_axes(); ++a) planes *= layout.axes[a].out;
        column_blocks = ceil_divide(work.tile_columns, work.block.columns);
        chains = planes * (are_units ? 1 : work.units * column_blocks);
        length = are_units ? work.units : work.tile_rows;
        most = are_units ? work.block.units : work.block.rows;
    }
};

struct Tasks {
    std::vector<TileTask> tasks;
    std::vector<Index> starts;  // of each thread's
    Index blocks = 0;           // of tiles

    Index count() const { return static_cast<Index>(tasks.size()); }
};

class Sharing {
  public:
    Sharing(const TileWork& work, const Lines& lines) : work_(work), lines_(lines) {}

    // `parts` of the lines, each for several threads with a share of the channels. Where `splits`, parts may
    // end within a line.
    void share(Index threads, Index parts, bool splits) {
        const Index channels = work_.channel_blocks, sharers = threads / parts;
        const Index all = lines_.chains * lines_.length * channels;
        for (Index part = 0; part < parts; ++part) {
            const auto cut = [&](Index at) {
                if (splits) return at * all / parts;
                return at * (all / channels) / parts * channels;
            };
            for (Index sharer = 0; sharer < sharers; ++sharer) {
                begin_thread();
                take(cut(part), cut(part + 1), sharer * channels / sharers,
                     (sharer + 1) * channels / sharers);
                longest = std::max(longest, cycles_);
            }
        }
    }

    Tasks found;
    double longest = 0;  // of the threads

  private:
    void begin_thread() {
        found.starts.push_back(found.count());
        cycles_ = 0;
    }

    // Of lines and, where these are cut, channels: [begin, end), numbered line by line.
    void take(Index begin, Index end, Index first_channel, Index end_channel) {
        const Index channels = work_.channel_blocks;
        Index line = begin / channels, last = end / channels;
        if (begin % channels) {
            const Index until = line == last ? end % channels : channels;
            take_block(line, 1, begin % channels, until);
            if (line++ == last) return;
        }
        // Blocks of about the same size.
        for (Index place = line; place < last;) {
            const Index run = min_index(last, (place / lines_.length + 1) * lines_.length);
            const Index count = ceil_divide(run - place, lines_.most), all = run - place;
            for (Index b = 0; b < count; ++b)
                take_block(place + b * all / count, (b + 1) * all / count - b * all / count, first_channel,
                           end_channel);
            place = run;
        }
        if (end % channels) take_block(last, 1, 0, end % channels);
    }

    void take_block(Index line, Index count, Index first_channel, Index end_channel) {
        if (count == 0 || first_channel == end_channel) return;
        const Index chain = line / lines_.length, first = line % lines_.length;
        TileTask task{};
        task.block = found.blocks++;
        task.tiles.columns = work_.block.columns;
        if (lines_.are_units) {
            task.plane = chain;
            task.first_unit = first;
            task.tiles.units = count;
            task.tiles.rows = work_.tile_rows;
        } else {
            const Index column_block = chain % lines_.column_blocks, rest = chain / lines_.column_blocks;
            task.first_column = column_block * work_.block.columns;
            task.tiles.columns = min_index(work_.block.columns, work_.tile_columns - task.first_column);
            task.plane = rest % lines_.planes;
            task.first_unit = rest / lines_.planes;
            task.first_row = first;
            task.tiles.rows = count;
        }
        const Index tiles = task.tiles.units * task.tiles.tiles(), channels = end_channel - first_channel;
        cycles_ += work_.row_cycles * double(task.tiles.units * task.tiles.rows) +
                   double(channels) * std::max(work_.product_cycles * double(tiles), work_.weight_cycles);
        task.first_channel_block = first_channel;
        task.tiles.channel_blocks = channels;
        found.tasks.push_back(task);
    }

    const TileWork& work_;
    const Lines& lines_;
    double cycles_ = 0;
};

// Tasks cut by channels, so that there are some to choose from and products of one have room.
Tasks cut(const Tasks& whole, Index most, int threads) {
    Tasks found;
    for (std::size_t t = 0; t < whole.starts.size(); ++t) {
        const Index end = t + 1 < whole.starts.size() ? whole.starts[t + 1] : whole.count();
        const Index own = end - whole.starts[t];
        found.starts.push_back(found.count());
        for (Index i = whole.starts[t]; i < end; ++i) {
            TileTask task = whole.tasks[static_cast<std::size_t>(i)];
            const Index first = task.first_channel_block, channels = task.tiles.channel_blocks;
            const Index wanted = threads > 1 ? ceil_divide(tasks_per_thread, own) : 1;
            const Index pieces = min_index(channels, max_index(wanted, ceil_divide(channels, most)));
            for (Index piece = 0; piece < pieces; ++piece) {
                task.first_channel_block = first + piece * channels / pieces;
                task.tiles.channel_blocks =
                    first + (piece + 1) * channels / pieces - task.first_channel_block;
                found.tasks.push_back(task);
            }
        }
    }
    return found;
}

}  // namespace

double fetching_cycles(Index bytes, Index all_bytes) {
    if (all_bytes <= l2_bytes) return 0;
    return double(bytes) / (all_bytes > l3_bytes ? memory_bytes_a_cycle : l3_bytes_a_cycle);
}

TileBlock choose_tile_block(Index tile_rows, Index tile_columns, Index wanted) {
    TileBlock block;
    block.columns = even_pieces(tile_columns, wanted);
    block.rows = even_pieces(tile_rows, max_index(1, wanted / block.columns));
    if (block.rows == tile_rows && block.columns == tile_columns)
        block.units = max_index(1, wanted / block.tiles());
    return block;
}

Index tile_blocks(const Layout& layout, const TileWork& work) {
    const Lines lines(layout, work);
    return lines.chains * ceil_divide(lines.length, lines.most);
}

TileTasks::TileTasks(const Layout& layout, const TileWork& work, int threads) : layout_(layout) {
    const Lines lines(layout, work);
    Tasks best;
    double least = -1;
    const auto consider = [&](Index parts, bool splits) {
        Sharing sharing(work, lines);
        sharing.share(threads, parts, splits);
        if (least >= 0 && sharing.longest >= least) return;
        least = sharing.longest;
        best = std::move(sharing.found);
    };
    consider(threads, false);
    if (threads > 1) consider(threads, true);
    for (Index parts = threads / 2; parts > 0; --parts)
        if (threads % parts == 0) consider(parts, false);
    best = cut(best, work.block.channel_blocks, threads);
    tasks_ = std::move(best.tasks);
    starts_ = std::move(best.starts);
}

TileTasks::Place TileTasks::at(const TileTask& task) const {
    Place place;
    place.tiles = task.tiles;
    place.first_unit = task.first_unit;
    place.first_row = task.first_row;
    place.first_column = task.first_column;
    Index rest = task.plane;
    for (std::size_t a = layout_.far_axes(); a-- > 0;) {
        place.far[a] = rest % layout_.axes[a].out;
        rest /= layout_.axes[a].out;
    }
    place.group = rest;
    return place;
}

}  // namespace faltung
