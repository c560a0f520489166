// Calls of bfloat16 dot products on planes that are read where they lie. Included by dots.cpp alone.
#pragma once

#include "kernels/dots/dots_positions.h"
#include "kernels/held_by_worker.h"
#include "kernels/pointwise/position_blocks.h"

namespace faltung {

// Tasks a thread should have to choose from where there is work enough.
constexpr Index dots_tasks_per_thread = 12, dots_least_task_multiply_adds = 1 << 17;

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
    HeldByWorker held_by_worker = {};  // which panel each worker holds

    void share_out(Index all, int threads) {
        batch = all;
        if (blocks.tiles == 0) samples = max_index(1, min_index(batch, dots_most_columns / blocks.rest));
        sample_blocks = ceil_divide(batch, samples);
        chunk_blocks = whole(min_index(op.channel_blocks(), op.most_held_blocks()));
        channel_chunks = ceil_divide(op.channel_blocks(), chunk_blocks);
        if (threads == 1) return;
        const Index work = saturating_multiply(batch, multiply_adds(op.problem_));
        const Index wanted = min_index(dots_tasks_per_thread * threads,
                                       max_index(threads, work / dots_least_task_multiply_adds));
        const Index panels = task_count(batch) / channel_chunks;
        const Index chunks =
            max_index(channel_chunks, min_index(op.channel_blocks(), ceil_divide(wanted, panels)));
        chunk_blocks = min_index(chunk_blocks, whole(ceil_divide(op.channel_blocks(), chunks)));
        channel_chunks = ceil_divide(op.channel_blocks(), chunk_blocks);
    }

    // Blocks of channels that share their pairs are not parted.
    static Index whole(Index blocks) { return round_up(blocks, dots_pixel_lanes / dots_channel_block); }

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
        Index& held = held_by_worker[worker];
        const bool is_held = held == panel_task && problem.in_channels <= most_terms;
        held = panel_task;

        DotsBlock product{};
        product.x_pitch = x.stride[2];
        product.panel = reinterpret_cast<Pair*>(own + op.patches_place());
        product.weight_pitch = op.pairs() * dots_pixel_lanes;
        product.weight_step = dots_pixel_lanes;
        product.positions = all;
        Index term = 0;
        do {  // at least once: without input channels there is still the bias
            product.terms = min_index(most_terms, problem.in_channels - term);
            const Half* const first = x_plane + term * x.stride[2];
            product.x = is_held || is_rest ? nullptr : first;
            if (is_rest && !is_held) gather(first, product.terms, positions, all, product.panel);
            product.weight = packed +
                             g * ceil_divide(problem.out_channels, dots_pixel_lanes) * product.weight_pitch +
                             dots_weight_place(chunk * chunk_blocks, product.weight_pitch, dots_pixel_lanes) +
                             term / 2 * dots_pixel_lanes;
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

}  // namespace faltung
