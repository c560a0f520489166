// One call of an unfolding correlation on planes in one piece. Included by unfold.cpp alone.
#pragma once

#include <algorithm>

#include "kernels/held_by_worker.h"
#include "kernels/pointwise/position_blocks.h"
#include "kernels/unfold/unfold.h"

namespace faltung {

// Tasks a thread should have to choose from where there is work enough: cheap, for a task only continues the
// panel of the one before.
constexpr Index plane_tasks_per_thread = 16;
// Where sums are taken in passes, every task unfolds its cells anew.
constexpr Index passing_tasks_per_thread = 1;
constexpr Index least_task_multiply_adds = 1 << 17;

template <class T>
struct UnfoldCorrelation<T>::PlaneCall {
    const UnfoldCorrelation& op;
    const Array &x, &y;
    const ProductWeights<T> weights;
    const Epilogue& epilogue;
    bool accumulates;
    PositionBlocks tiles;  // of each run

    char* workspace = nullptr;
    Index channel_chunks = 1, chunk_blocks = 1;
    Index panels = 1;                  // tiles of all runs, groups and samples
    HeldByWorker held_by_worker = {};  // which tile's panel each worker holds

    void share_out(Index batch, int threads) {
        const Index blocks = op.channel_blocks();
        chunk_blocks = blocks;
        panels = task_count(batch);
        if (threads == 1) return;
        const Index work = saturating_multiply(batch, multiply_adds(op.problem_));
        const Index most = op.plane_passes() > 1 ? passing_tasks_per_thread : plane_tasks_per_thread;
        const Index wanted = min_index(most * threads, max_index(threads, work / least_task_multiply_adds));
        // A rest of positions has next to nothing to do.
        const Index whole = batch * op.problem_.groups * op.planes_.runs() * max_index(1, tiles.tiles);
        channel_chunks = min_index(blocks, ceil_divide(wanted, whole));
        chunk_blocks = ceil_divide(blocks, channel_chunks);
        channel_chunks = ceil_divide(blocks, chunk_blocks);
    }

    Index task_count(Index batch) const {
        return batch * op.problem_.groups * tiles.count() * op.planes_.runs() * channel_chunks;
    }

    void operator()(Index task, int worker) {
        const Problem& problem = op.problem_;
        // Tasks that follow one another share a panel; where none can be held, threads differ in channels, so
        // that each has as much of the tiles as of their rest.
        const bool holds = op.plane_passes() == 1;
        const Index chunk = holds ? task % channel_chunks : task / panels,
                    panel_task = holds ? task / channel_chunks : task % panels;
        Index rest = panel_task;
        const Index run = rest % op.planes_.runs();
        rest /= op.planes_.runs();
        const Index tile = rest % tiles.count();
        rest /= tiles.count();
        const Index g = rest % problem.groups, n = rest / problem.groups;

        char* const own = workspace + worker * op.plane_thread_bytes();
        T* const panel = reinterpret_cast<T*>(own);
        T* const of_rest = reinterpret_cast<T*>(own + op.patches_bytes_of_planes());
        PlaneVector* const vectors =
            reinterpret_cast<PlaneVector*>(own + op.patches_bytes_of_planes() + op.rest_bytes());
        Index* const rows = reinterpret_cast<Index*>(vectors + op.most_plane_vectors());
        PointwiseTap<T>* const tap_cells =
            reinterpret_cast<PointwiseTap<T>*>(rows + op.tile_positions() * op.planes_.row_taps());
        T* const zeros = reinterpret_cast<T*>(tap_cells + op.planes_.taps());
        const Index first = run * op.planes_.run_outputs() + tiles.first(tile), joined = tiles.joined(tile),
                    count = tiles.size(tile) - joined;

        const Index width = op.width(), first_channel = chunk * chunk_blocks * width;
        const Index channels = min_index(chunk_blocks * width, problem.out_channels - first_channel);
        T* const y_tile =
            static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] + first_channel * y.stride[2] + first;
        const T* const bias = static_cast<const T*>(epilogue.bias);
        const T* const own_bias = bias ? bias + g * problem.out_channels + first_channel : nullptr;

        const Index taps = op.planes_.taps(), passes = op.plane_passes();
        Index& held = held_by_worker[worker];
        const bool is_held = held == panel_task && passes == 1;
        held = panel_task;
        // Where cells lie behind one another the first channels' product reads them where they lie.
        const bool is_fused = taps > 0 && !tiles.is_rest(tile) && op.planes_.is_run_of_cells(first, count);
        if (is_fused && !is_held) std::fill(zeros, zeros + count, T(0));
        PlanePatches<T> patches;
        patches.channel_stride = x.stride[2];
        patches.row_taps = op.planes_.row_taps();
        patches.column_taps = op.planes_.columns().kernel;
        patches.stride = op.planes_.columns().stride;
        patches.dilation = op.planes_.columns().dilation;
        patches.columns = op.planes_.columns().in;
        patches.vectors = vectors;
        const auto unfold = [&](Index from, Index outputs, Index panel_width, T* to) {
            patches.vector_count = op.planes_.locate(from, outputs, op.kernel_.lanes, vectors, rows);
            patches.panel = to;
            patches.width = panel_width;
            op.unfold_(patches);
        };
        for (Index pass = 0; pass < passes; ++pass) {
            const Index begin = pass * problem.in_channels / passes;
            const Index end = (pass + 1) * problem.in_channels / passes;
            const T* const x_begin =
                static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1] + begin * x.stride[2];
            patches.x = x_begin;
            patches.channels = end - begin;
            if (!is_held) {
                if (is_fused) {
                    op.planes_.locate_taps(first, x_begin, x.stride[2], zeros, tap_cells, rows);
                } else {
                    unfold(first, count, tiles.is_rest(tile) ? count : round_up(count, op.kernel_.lanes),
                           panel);
                }
                if (joined > 0) unfold(first + count, joined, joined, of_rest);
            }
            const T* const weight = weights.at(g, chunk * chunk_blocks, begin * taps);
            const Index terms = (end - begin) * taps;
            const bool resumes = accumulates || pass > 0;
            if (tiles.is_rest(tile)) {
                PointwiseColumns<T> columns;
                columns.panel = panel;
                columns.terms = terms;
                for (Index j = 0; j < count; ++j) columns.y[j] = y_tile + j;
                columns.y_channel_stride = y.stride[2];
                columns.columns = static_cast<int>(count);
                columns.out_channels = channels;
                columns.bias = pass ? nullptr : own_bias;
                columns.resumes = resumes;
                weights.multiply_columns(op.kernel_, columns, weight, of_rest);
                continue;
            }
            PointwiseBlock<T> product;
            product.x = nullptr;
            product.x_pitch = 0;
            product.panel = panel;
            product.tap = tap_cells;
            product.taps = taps;
            product.is_packed = is_held || !is_fused;
            if (is_fused && !is_held && !tiles.is_rest(tile + 1)) product.next_cells = count;
            weights.give(product, weight);
            product.terms = terms;
            product.y = y_tile;
            product.y_channel_stride = y.stride[2];
            product.positions = count;
            if (joined > 0) product.joined = of_rest;
            product.out_channels = channels;
            product.bias = pass ? nullptr : own_bias;
            product.resumes = resumes;
            op.kernel_.multiply(product);
        }
        epilogue.finish(y_tile, channels, y.stride[2], 1, 0, count + joined, 1);
    }
};

}  // namespace faltung
