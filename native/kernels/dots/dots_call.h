// Calls of bfloat16 dot products. Included by dots.cpp alone.
#pragma once

#include "kernels/dots/dots.h"
#include "kernels/pointwise/position_blocks.h"

namespace faltung {

// Pairs that are multiplied at once, so that their panel stays in L2 beside the weights.
constexpr Index most_dots_pairs = 2560;

// Output channels whose sums are finished together where that is not done in registers.
constexpr Index finished_channels = 64;

// What sharing out reckons with, in cycles of one core; only their ratios matter.
constexpr double dots_row_start_cycles = 40, dots_row_cell_cycles = 0.8, dots_unfold_cycles = 3.5,
                 dots_task_cycles = 400;
constexpr double dots_rest_start = 0.075, dots_rest_position = 0.07;  // of a vector of positions
constexpr double dots_weight_cycles = 0.05;  // of a byte that does not stay in L2 until the next tile
constexpr Index dots_kept_weight_bytes = 512 << 10;
constexpr double dots_uneven_turns = 0.3;  // of a task: what a thread waits for another at the end
constexpr Index dots_most_row_splits = 12, dots_most_channel_chunks = 8;
constexpr Index dots_tasks_per_thread = 12, dots_least_task_multiply_adds = 1 << 17;

// Some positions by some output channels: what both kinds of calls compute.
struct DotsCorrelation::Block {
    const DotsCorrelation& op;
    const Epilogue& epilogue;
    bool accumulates;
    Index y_channel_stride, y_column_stride;
    float *sums, *residual;  // held by the thread
    Index out_channels;

    struct Run {  // positions that lie y_column_stride apart in y
        Index place, length;
        Half* y;
    };
    Run runs[dots_tile];
    int run_count = 0;

    // A product of all of a tile's terms, or some of them; `product.y` and `product.sums` are set here.
    void multiply(DotsBlock product, bool is_columns, bool is_first, bool is_last) const {
        product.resumes = accumulates || !is_first;
        const bool is_whole = is_first && is_last;
        if (is_whole && product.terms > 0 && !accumulates && !is_columns && !epilogue.loop() &&
            run_count == 1 && y_column_stride == 1) {
            product.y = runs[0].y;
            product.y_channel_stride = y_channel_stride;
            product.sums = sums;
            product.out_channels = out_channels;
            return op.kernel_.multiply(product);
        }
        const Index group = is_whole ? finished_channels : out_channels;
        product.y = nullptr;
        product.sums = sums;
        for (Index oc = 0; oc < out_channels; oc += group) {
            product.out_channels = min_index(group, out_channels - oc);
            if (accumulates && is_first) take_up(oc, product.out_channels);
            if (is_columns) {
                op.kernel_.multiply_columns({product.panel, product.weight, product.weight_pitch,
                                             ceil_divide(product.terms, 2), sums,
                                             static_cast<int>(product.positions), product.out_channels,
                                             product.bias, product.resumes});
            } else {
                op.kernel_.multiply(product);
            }
            if (is_last) finish(oc, product.out_channels, product.positions);
            product.x = nullptr;
            product.weight += group / dots_channel_block * product.weight_pitch;
            if (product.bias) product.bias += group;
        }
    }

    // What y holds, where sums are added to it.
    void take_up(Index first_channel, Index channels) const {
        for (int i = 0; i < run_count; ++i)
            op.halves_.widen(
                runs[i].y + first_channel * y_channel_stride, sums + runs[i].place,
                {0, 0, channels, runs[i].length, y_channel_stride, y_column_stride, dots_tile, 1});
    }

    void finish(Index first_channel, Index channels, Index positions) const {
        if (const EpilogueLoop loop = epilogue.loop()) {
            bool adds = false;
            for (int i = 0; i < run_count; ++i) {
                const Half* const y = runs[i].y + first_channel * y_channel_stride;
                const Half* const added = static_cast<const Half*>(epilogue.residual_of(y));
                if (!added) break;
                adds = true;
                op.halves_.widen(
                    added, residual + runs[i].place,
                    {0, 0, channels, runs[i].length, y_channel_stride, y_column_stride, dots_tile, 1});
            }
            loop({sums,
                  adds ? residual : nullptr,
                  {channels, 1, positions},
                  {dots_tile, 0, 1},
                  {dots_tile, 0, 1}});
        }
        for (int i = 0; i < run_count; ++i) {
            Half* const y = runs[i].y + first_channel * y_channel_stride;
            if (y_channel_stride == 1 && channels > 1) {
                op.halves_.narrow(sums + runs[i].place, y,
                                  {0, 0, runs[i].length, channels, 1, dots_tile, y_column_stride, 1});
            } else {
                op.halves_.narrow(
                    sums + runs[i].place, y,
                    {0, 0, channels, runs[i].length, dots_tile, 1, y_channel_stride, y_column_stride});
            }
        }
    }
};

// Of 1x1 correlations whose planes lie as they are read.
struct DotsCorrelation::PlaneCall {
    const DotsCorrelation& op;
    const Array &x, &y;
    const Pair* packed;
    const Epilogue& epilogue;
    bool accumulates;
    Index y_step;
    PositionBlocks blocks;

    Index batch = 0, samples = 1;  // that share a block
    Index sample_blocks = 1, channel_chunks = 1, chunk_blocks = 1;
    char* workspace = nullptr;
    std::vector<Index> panel_of_worker = {};  // which panel each worker holds

    void share_out(Index all, int threads) {
        batch = all;
        if (blocks.tiles == 0) samples = max_index(1, min_index(batch, dots_most_columns / blocks.rest));
        sample_blocks = ceil_divide(batch, samples);
        chunk_blocks = min_index(op.channel_blocks(), op.most_held_blocks());
        channel_chunks = ceil_divide(op.channel_blocks(), chunk_blocks);
        if (threads == 1) return;
        const Index work = saturating_multiply(batch, multiply_adds(op.problem_));
        const Index wanted = min_index(dots_tasks_per_thread * threads,
                                       max_index(threads, work / dots_least_task_multiply_adds));
        const Index panels = task_count(batch) / channel_chunks;
        const Index chunks =
            max_index(channel_chunks, min_index(op.channel_blocks(), ceil_divide(wanted, panels)));
        chunk_blocks = ceil_divide(op.channel_blocks(), chunks);
        channel_chunks = ceil_divide(op.channel_blocks(), chunk_blocks);
    }

    Index task_count(Index) const {
        return op.problem_.groups * sample_blocks * blocks.count() * channel_chunks;
    }

    void operator()(Index task, int worker) {
        const Problem& problem = op.problem_;
        const Index chunk = task % channel_chunks, panel_task = task / channel_chunks;
        Index rest = panel_task;
        const Index block_number = rest % blocks.count();
        rest /= blocks.count();
        const Index sample = rest % sample_blocks * samples, g = rest / sample_blocks;
        const Index held_samples = min_index(samples, batch - sample);
        const bool is_rest = blocks.is_rest(block_number);
        const Index positions = blocks.size(block_number), all = held_samples * positions;
        const Index first_channel = chunk * chunk_blocks * dots_channel_block;

        char* const own = workspace + worker * op.thread_bytes();
        Block block{op,
                    epilogue,
                    accumulates,
                    y.stride[2],
                    y_step,
                    reinterpret_cast<float*>(own + op.sums_place()),
                    reinterpret_cast<float*>(own + op.residual_place()),
                    min_index(chunk_blocks * dots_channel_block, problem.out_channels - first_channel),
                    {}};
        Half* const y_plane = static_cast<Half*>(y.data) + sample * y.stride[0] + g * y.stride[1] +
                              blocks.first(block_number) * y_step + first_channel * y.stride[2];
        for (Index s = 0; s < held_samples; ++s)
            block.runs[block.run_count++] = {s * positions, positions, y_plane + s * y.stride[0]};
        const Half* const x_plane = static_cast<const Half*>(x.data) + sample * x.stride[0] +
                                    g * x.stride[1] + blocks.first(block_number);
        const float* const bias = static_cast<const float*>(epilogue.bias);

        constexpr Index most_terms = 2 * most_dots_pairs;
        Index& held = panel_of_worker[static_cast<std::size_t>(worker)];
        const bool is_held = held == panel_task && problem.in_channels <= most_terms;
        held = panel_task;

        DotsBlock product{};
        product.x_pitch = x.stride[2];
        product.panel = reinterpret_cast<Pair*>(own + op.patches_place());
        product.weight_pitch = op.pairs() * dots_channel_block;
        product.positions = all;
        Index term = 0;
        do {  // at least once: without input channels there is still the bias
            product.terms = min_index(most_terms, problem.in_channels - term);
            const Half* const first = x_plane + term * x.stride[2];
            product.x = is_held || is_rest ? nullptr : first;
            if (is_rest && !is_held) gather(first, product.terms, positions, all, product.panel);
            product.weight = packed +
                             (g * op.channel_blocks() + chunk * chunk_blocks) * product.weight_pitch +
                             term / 2 * dots_channel_block;
            product.bias = bias && term == 0 ? bias + g * problem.out_channels + first_channel : nullptr;
            block.multiply(product, is_rest, term == 0, term + most_terms >= problem.in_channels);
            term += most_terms;
        } while (term < problem.in_channels);
    }

    // The cells of a few positions, to [pair][column].
    void gather(const Half* from, Index terms, Index positions, Index columns, Pair* panel) const {
        for (Index j = 0; j < columns; ++j) {
            const Half* cell = from + j / positions * x.stride[0] + j % positions;
            for (Index term = 0; term < terms; term += 2) {
                const Pair upper = term + 1 < terms ? cell[(term + 1) * x.stride[2]] : 0;
                panel[term / 2 * columns + j] = upper << 16 | cell[term * x.stride[2]];
            }
        }
    }
};

// Of all others, by rows packed into panels.
struct DotsCorrelation::RowsCall {
    const DotsCorrelation& op;
    const Array &x, &y;
    const Pair* packed;
    const Epilogue& epilogue;
    bool accumulates;
    std::vector<Index> x_spatial, y_spatial;

    char* workspace = nullptr;
    Index far_outputs = 1, row_blocks = 1, rows = 1, column_blocks = 1, channel_chunks = 1, chunk_blocks = 1;
    std::vector<Index> panel_of_worker = {};  // which rows each worker packed last

    // Of a task.
    struct Rows {
        Half* cells;
        Pair* panel;
        Index rows, columns;
        Half* y;  // of the first position and channel
        Index y_row_stride;
        const Pair* weight;
        const float* bias;
    };

    void share_out(Index batch, int threads) {
        const PanelShape& shape = op.panel_.shape();
        for (std::size_t a = 0; a < op.layout_.far_axes(); ++a) far_outputs *= op.layout_.axes[a].out;
        column_blocks = ceil_divide(op.layout_.columns().out, shape.columns);
        rows = shape.rows;
        const Index all_rows = op.layout_.rows().out, blocks = op.channel_blocks();
        chunk_blocks = min_index(blocks, op.most_held_blocks());
        const Index least_chunks = ceil_divide(blocks, chunk_blocks);
        const Index panels = batch * op.problem_.groups * far_outputs * column_blocks;
        const bool is_whole = shape.channels >= op.problem_.in_channels;
        const double row_cycles = double(op.problem_.in_channels) *
                                  (dots_row_start_cycles + dots_row_cell_cycles * double(shape.row_pitch));
        const bool weights_stay = op.packed_bytes() <= dots_kept_weight_bytes;
        const Index most_splits = threads > 1 ? dots_most_row_splits : 1;
        const Index most_chunks = max_index(least_chunks, threads > 1 ? dots_most_channel_chunks : 1);
        const double pairs = double(op.pairs());
        double least = -1;
        Index last_rows = 0;
        const Index whole_blocks = ceil_divide(all_rows, shape.rows);
        for (Index split = 1; split <= most_splits; ++split) {
            const Index own_rows =
                min_index(shape.rows, ceil_divide(all_rows, min_index(all_rows, whole_blocks * split)));
            if (own_rows == last_rows) continue;
            last_rows = own_rows;
            const PositionBlocks tiles(own_rows * shape.columns, dots_lanes, dots_most_vectors);
            const double vectors =
                double(tiles.vectors) +
                (tiles.rest > 0 ? dots_rest_start + dots_rest_position * double(tiles.rest) : 0.0);
            const double streaming = weights_stay ? 0.0 : dots_weight_cycles * double(tiles.count());
            const double packing = row_cycles * double(op.panel_.slots_for(own_rows));
            const double unfolding = dots_unfold_cycles * pairs * vectors;
            for (Index chunks = least_chunks; chunks <= blocks && chunks <= most_chunks; ++chunks) {
                const Index own_chunk = ceil_divide(blocks, chunks), count = ceil_divide(blocks, own_chunk);
                if (count != chunks) continue;
                const Index turns = ceil_divide(panels * ceil_divide(all_rows, own_rows) * count, threads);
                const Index packs = is_whole ? min_index(turns, ceil_divide(turns - 1, count) + 1) : turns;
                const double task = unfolding + dots_task_cycles +
                                    pairs * double(own_chunk * dots_channel_block) *
                                        (vectors + streaming * double(sizeof(Pair)));
                const double cycles = packing * double(packs) +
                                      task * (double(turns) + (threads > 1 ? dots_uneven_turns : 0.0));
                if (least >= 0 && cycles >= least) continue;
                least = cycles;
                rows = own_rows;
                chunk_blocks = own_chunk;
            }
        }
        row_blocks = ceil_divide(all_rows, rows);
        channel_chunks = ceil_divide(blocks, chunk_blocks);
    }

    Index task_count(Index batch) const {
        return batch * op.problem_.groups * far_outputs * column_blocks * row_blocks * channel_chunks;
    }

    void operator()(Index task, int worker) {
        const Problem& problem = op.problem_;
        const Layout& layout = op.layout_;
        const PanelShape& shape = op.panel_.shape();
        const std::size_t far_axes = layout.far_axes();
        constexpr std::size_t axes_limit = 64;
        Index origin[axes_limit];

        const Index chunk = task % channel_chunks, rows_task = task / channel_chunks;
        Index rest = rows_task;
        origin[far_axes + 1] = rest % column_blocks * shape.columns;
        rest /= column_blocks;
        origin[far_axes] = rest % row_blocks * rows;
        rest /= row_blocks;
        for (std::size_t a = far_axes; a-- > 0;) {
            origin[a] = rest % layout.axes[a].out;
            rest /= layout.axes[a].out;
        }
        const Index g = rest % problem.groups, n = rest / problem.groups;
        const Index first_channel = chunk * chunk_blocks * dots_channel_block;

        char* const own = workspace + worker * op.thread_bytes();
        const float* const bias = static_cast<const float*>(epilogue.bias);
        Rows own_rows;
        own_rows.cells = reinterpret_cast<Half*>(own);
        own_rows.panel = reinterpret_cast<Pair*>(own + op.patches_place());
        own_rows.rows = min_index(rows, layout.rows().out - origin[far_axes]);
        own_rows.columns = min_index(shape.columns, layout.columns().out - origin[far_axes + 1]);
        own_rows.y =
            static_cast<Half*>(y.data) + n * y.stride[0] + g * y.stride[1] + first_channel * y.stride[2];
        for (std::size_t a = 0; a < far_axes + 2; ++a) own_rows.y += origin[a] * y_spatial[a];
        own_rows.y_row_stride = y_spatial[far_axes];
        own_rows.weight =
            packed + (g * op.channel_blocks() + chunk * chunk_blocks) * op.pairs() * dots_channel_block;
        own_rows.bias = bias ? bias + g * problem.out_channels + first_channel : nullptr;
        Block block{op,
                    epilogue,
                    accumulates,
                    y.stride[2],
                    y_spatial[far_axes + 1],
                    reinterpret_cast<float*>(own + op.sums_place()),
                    reinterpret_cast<float*>(own + op.residual_place()),
                    min_index(chunk_blocks * dots_channel_block, problem.out_channels - first_channel),
                    {}};

        Index& held = panel_of_worker[static_cast<std::size_t>(worker)];
        const bool is_packed = held == rows_task && shape.channels >= problem.in_channels;
        held = rows_task;
        Panel::Source source{};
        if (!is_packed) source = op.panel_.locate(origin, x_spatial.data(), own + op.tables_place());
        const Half* x_group = static_cast<const Half*>(x.data) + n * x.stride[0] + g * x.stride[1];
        if (!is_packed)
            op.panel_.pack(source, x_group, x.stride[2], x_spatial[far_axes + 1], problem.in_channels,
                           own_rows.cells, op.kernel_.copy);
        multiply(own_rows, block);
    }

    void multiply(const Rows& own, Block& block) const {
        const Index taps = op.taps_, limit = op.pass_channels(), all_channels = op.problem_.in_channels;
        const PositionBlocks tiles(own.rows * own.columns, dots_lanes, dots_most_vectors);
        const Index passes = max_index(1, ceil_divide(all_channels, limit));
        // At even channels, for pairs are not to be taken apart.
        const auto boundary = [&](Index pass) {
            return pass == passes ? all_channels : pass * all_channels / passes / 2 * 2;
        };
        for (Index tile = 0; tile < tiles.count(); ++tile) {
            const bool is_rest = tiles.is_rest(tile);
            place(own, tiles.first(tile), tiles.size(tile), block);
            for (Index pass = 0; pass < passes; ++pass) {
                const Index first = boundary(pass), channels = boundary(pass + 1) - first;
                const DotsPatches patches{own.cells + first * op.panel_.shape().channel_pitch,
                                          op.panel_.shape().channel_pitch,
                                          channels,
                                          op.panel_.offset(0),
                                          taps,
                                          own.columns,
                                          tiles.first(tile),
                                          tiles.size(tile),
                                          own.panel};
                if (is_rest) {
                    gather(patches);
                } else {
                    op.kernel_.unfold(patches);
                }
                DotsBlock product{};
                product.terms = channels * taps;
                product.panel = own.panel;
                product.weight = own.weight + first * taps / 2 * dots_channel_block;
                product.weight_pitch = op.pairs() * dots_channel_block;
                product.positions = patches.positions;
                product.bias = pass == 0 ? own.bias : nullptr;
                block.multiply(product, is_rest, pass == 0, pass == passes - 1);
            }
        }
    }

    // Where the positions from `first` on lie in y.
    void place(const Rows& own, Index first, Index positions, Block& block) const {
        block.run_count = 0;
        const bool is_run = own.rows == 1 || own.y_row_stride == own.columns * block.y_column_stride;
        for (Index at = 0; at < positions;) {
            const Index row = (first + at) / own.columns, column = (first + at) % own.columns;
            const Index length = is_run ? positions : min_index(own.columns - column, positions - at);
            block.runs[block.run_count++] = {at, length,
                                             own.y + row * own.y_row_stride + column * block.y_column_stride};
            at += length;
        }
    }

    // Fewer positions than half a vector, to [pair][column].
    void gather(const DotsPatches& patches) const {
        const Index columns = patches.positions, terms = patches.channels * patches.taps;
        for (Index j = 0; j < columns; ++j) {
            const Index at = patches.first + j;
            const std::int32_t* offset = patches.offset + at / patches.columns * patches.taps;
            const Half* cells = patches.cells + at % patches.columns;
            Index tap = 0;
            for (Index term = 0; term < terms; ++term) {
                Pair& pair = patches.panel[term / 2 * columns + j];
                const Pair cell = cells[offset[tap]];
                pair = term % 2 == 0 ? cell : pair | cell << 16;
                if (++tap == patches.taps) {
                    tap = 0;
                    cells += patches.channel_pitch;
                }
            }
        }
    }
};

}  // namespace faltung
