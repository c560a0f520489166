// One call of a pointwise correlation on arrays whose positions lie behind one another. Included by
// pointwise.cpp alone.
#pragma once

#include "core/threads.h"
#include "kernels/held_by_worker.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/pointwise/position_blocks.h"
#include "kernels/pointwise/product_weights.h"

namespace faltung {

// Longer sums are taken in parts, so that panel and weights stay in L2.
constexpr Index most_product_terms = 2048;

// Tasks a thread should have to choose from where there is work enough: cheap, for a task only continues the
// panel of the one before.
constexpr Index product_tasks_per_thread = 12;
constexpr Index least_task_multiply_adds = 1 << 16;

template <class T>
struct PointwiseCorrelation<T>::Call {
    const PointwiseCorrelation& op;
    const Array &x, &y;
    const ProductWeights<T> weights;
    const Epilogue& epilogue;
    bool accumulates;
    Index batch, x_step, y_step;
    PositionBlocks blocks;

    Index samples = 1;  // that share a block
    Index sample_blocks = 1, channel_chunks = 1, chunk_blocks = 1;
    char* workspace = nullptr;
    Index thread_bytes = 0;
    HeldByWorker held_by_worker = {};  // which panel each worker holds

    void share_out(int threads) {
        if (blocks.tiles == 0)
            samples = max_index(
                1, min_index(batch, min_index(PointwiseColumns<T>::most, blocks.most_vectors * blocks.lanes) /
                                        blocks.rest));
        sample_blocks = ceil_divide(batch, samples);
        chunk_blocks = op.channel_blocks();
        if (threads == 1) return;
        const Index work = saturating_multiply(batch, work_of(op.problem_));
        const Index wanted = min_index(product_tasks_per_thread * threads,
                                       max_index(threads, work / least_task_multiply_adds));
        channel_chunks = min_index(op.channel_blocks(), ceil_divide(wanted, task_count()));
        chunk_blocks = ceil_divide(op.channel_blocks(), channel_chunks);
        channel_chunks = ceil_divide(op.channel_blocks(), chunk_blocks);
    }

    Index task_count() const { return op.problem_.groups * sample_blocks * blocks.count() * channel_chunks; }

    void operator()(Index task, int worker) {
        const Problem& problem = op.problem_;
        const Index chunk = task % channel_chunks, panel_task = task / channel_chunks;
        Index rest = panel_task;
        const Index block = rest % blocks.count();
        rest /= blocks.count();
        const Index sample = rest % sample_blocks * samples, g = rest / sample_blocks;

        const Index held_samples = min_index(samples, batch - sample);
        T* const panel = reinterpret_cast<T*>(workspace + worker * thread_bytes);
        T* const of_rest = panel + op.panel_elements();
        Index& held = held_by_worker[worker];
        const bool is_held = held == panel_task && problem.in_channels <= most_product_terms;
        held = panel_task;

        const Index width = op.kernel_.panel.channel_block, first_channel = chunk * chunk_blocks * width;
        const Index channels = min_index(chunk_blocks * width, problem.out_channels - first_channel);
        const T* const x_plane = block_of(panel_task);
        T* y_plane = static_cast<T*>(y.data) + sample * y.stride[0] + g * y.stride[1] +
                     blocks.first(block) * y_step + first_channel * y.stride[2];
        const T* const bias = static_cast<const T*>(epilogue.bias);
        const T* own_bias = bias ? bias + g * problem.out_channels + first_channel : nullptr;

        Index term = 0;
        do {  // at least once: without input channels there is still the bias
            const Index terms = min_index(most_product_terms, problem.in_channels - term);
            const bool resumes = accumulates || term > 0;
            const T* const weight = weights.at(g, chunk * chunk_blocks, term);
            if (blocks.is_rest(block)) {
                PointwiseColumns<T> columns;
                columns.panel = panel;
                columns.terms = terms;
                columns.y_channel_stride = y.stride[2];
                columns.out_channels = channels;
                columns.bias = term == 0 ? own_bias : nullptr;
                columns.resumes = resumes;
                columns.columns = static_cast<int>(held_samples * blocks.rest);
                for (int j = 0; j < columns.columns; ++j)
                    columns.y[j] = y_plane + j / blocks.rest * y.stride[0] + j % blocks.rest * y_step;
                if (!is_held) gather(x_plane + term * x.stride[2], terms, columns.columns, panel);
                weights.multiply_columns(op.kernel_, columns, weight, of_rest);
            } else {
                PointwiseBlock<T> product;
                product.x = x_plane + term * x.stride[2];
                product.x_pitch = x.stride[2];
                product.panel = panel;
                product.is_packed = is_held;
                if (channel_chunks == 1 && problem.in_channels <= most_product_terms)
                    product.next_x = block_of(panel_task + 1);
                weights.give(product, weight);
                product.terms = terms;
                product.y = y_plane;
                product.y_channel_stride = y.stride[2];
                const Index joined = blocks.joined(block);
                product.positions = blocks.size(block) - joined;
                if (joined > 0) {
                    product.joined = of_rest;
                    if (!is_held) gather(product.x + product.positions, terms, 1, of_rest);
                }
                product.out_channels = channels;
                product.bias = term == 0 ? own_bias : nullptr;
                product.resumes = resumes;
                op.kernel_.multiply(product);
            }
            term += most_product_terms;
        } while (term < problem.in_channels);
        for (Index s = 0; s < held_samples; ++s)
            epilogue.finish(y_plane + s * y.stride[0], channels, y.stride[2], 1, 0, blocks.size(block),
                            y_step);
    }

    // The cells that a task's panel holds.
    const T* block_of(Index panel_task) const {
        const Index of_sample = panel_task / blocks.count();
        return static_cast<const T*>(x.data) + of_sample % sample_blocks * samples * x.stride[0] +
               of_sample / sample_blocks * x.stride[1] + blocks.first(panel_task % blocks.count()) * x_step;
    }

    // The cells of a few columns, to [term][column].
    void gather(const T* from, Index terms, int columns, T* panel) const {
        for (int j = 0; j < columns; ++j) {
            const T* cell = from + j / blocks.rest * x.stride[0] + j % blocks.rest * x_step;
            for (Index term = 0; term < terms; ++term) panel[term * columns + j] = cell[term * x.stride[2]];
        }
    }
};

}  // namespace faltung
