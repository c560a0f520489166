// Calls of bfloat16 dot products on rows packed into panels. Included by dots.cpp alone.
#pragma once

#include "kernels/dots/dots_positions.h"
#include "kernels/panel_tasks.h"
#include "kernels/pointwise/position_blocks.h"

namespace faltung {

// What sharing out reckons with, in cycles of one core; only their ratios matter.
constexpr double dots_row_start_cycles = 40, dots_row_cell_cycles = 0.8, dots_unfold_cycles = 3.5,
                 dots_task_cycles = 400;
constexpr double dots_rest_start = 0.075, dots_rest_position = 0.07;  // of a vector of positions
constexpr double dots_weight_cycles = 0.05;  // of a byte that does not stay in L2 until the next tile
constexpr Index dots_kept_weight_bytes = 512 << 10;
constexpr double dots_uneven_turns = 0.3;  // of a task: what a thread waits for another at the end
constexpr Index dots_most_row_splits = 12, dots_most_channel_chunks = 8;

// Of all others, by rows packed into panels.
struct DotsCorrelation::RowsCall : PanelCall {
    const DotsCorrelation& op;
    const Pair* packed;

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
        const Index least_chunks = ceil_divide(op.channel_blocks(), op.most_held_blocks());
        const double row_cycles = double(op.problem_.in_channels) *
                                  (dots_row_start_cycles + dots_row_cell_cycles * double(shape.row_pitch));
        const bool weights_stay = op.packed_bytes() <= dots_kept_weight_bytes;
        const double pairs = double(op.pairs()), uneven = threads > 1 ? dots_uneven_turns : 0.0;
        const Index splits = threads > 1 ? dots_most_row_splits : 1;
        const Index most_chunks = max_index(least_chunks, threads > 1 ? dots_most_channel_chunks : 1);
        tasks.choose(
            batch, threads, {splits, least_chunks, most_chunks, 1},
            [&](Index own_rows, Index blocks, double turns, double packs) {
                const PositionBlocks tiles(own_rows * shape.columns, dots_lanes, dots_most_vectors);
                const double vectors =
                    double(tiles.vectors) +
                    (tiles.rest > 0 ? dots_rest_start + dots_rest_position * double(tiles.rest) : 0.0);
                const double streaming =
                    weights_stay ? 0.0 : dots_weight_cycles * double(tiles.count() * Index(sizeof(Pair)));
                const double task = dots_unfold_cycles * pairs * vectors + dots_task_cycles +
                                    pairs * double(blocks * dots_channel_block) * (vectors + streaming);
                return row_cycles * double(op.panel_.slots_for(own_rows)) * packs + task * (turns + uneven);
            });
    }

    void operator()(Index task, int worker) {
        const Problem& problem = op.problem_;
        const Layout& layout = op.layout_;
        const PanelShape& shape = op.panel_.shape();
        const std::size_t far_axes = layout.far_axes();
        const PanelTasks::Task at = tasks.at(task);
        const Index g = at.group, n = at.sample;
        const Index first_channel = at.chunk * tasks.chunk_blocks * dots_channel_block;

        char* const own = workspace + worker * op.thread_bytes();
        const float* const bias = static_cast<const float*>(epilogue.bias);
        Rows own_rows;
        own_rows.cells = reinterpret_cast<Half*>(own);
        own_rows.panel = reinterpret_cast<Pair*>(own + op.patches_place());
        own_rows.rows = min_index(tasks.rows, layout.rows().out - at.origin[far_axes]);
        own_rows.columns = min_index(shape.columns, layout.columns().out - at.origin[far_axes + 1]);
        own_rows.y =
            static_cast<Half*>(y.data) + n * y.stride[0] + g * y.stride[1] + first_channel * y.stride[2];
        for (std::size_t a = 0; a < far_axes + 2; ++a) own_rows.y += at.origin[a] * y_spatial[a];
        own_rows.y_row_stride = y_spatial[far_axes];
        own_rows.weight = packed + (g * op.channel_blocks() + at.chunk * tasks.chunk_blocks) * op.pairs() *
                                       dots_channel_block;
        own_rows.bias = bias ? bias + g * problem.out_channels + first_channel : nullptr;
        Block block{op,
                    epilogue,
                    accumulates,
                    y.stride[2],
                    y_spatial[far_axes + 1],
                    reinterpret_cast<float*>(own + op.sums_place()),
                    reinterpret_cast<float*>(own + op.residual_place()),
                    min_index(tasks.chunk_blocks * dots_channel_block, problem.out_channels - first_channel),
                    {}};

        Index& held = held_by_worker[worker];
        const bool is_packed = held == at.panel && tasks.holds_all_channels();
        held = at.panel;
        Panel::Source source{};
        if (!is_packed) source = op.panel_.locate(at.origin, x_spatial.data(), own + op.tables_place());
        const Half* x_group = static_cast<const Half*>(x.data) + n * x.stride[0] + g * x.stride[1];
        if (!is_packed)
            op.panel_.pack(source, x_group, x.stride[2], x_spatial[far_axes + 1], problem.in_channels,
                           own_rows.cells, {op.kernel_.copy});
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
                product.weight_step = dots_channel_block;
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
