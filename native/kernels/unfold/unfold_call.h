// One call of an unfolding correlation. Included by unfold.cpp alone.
#pragma once

#include "core/threads.h"
#include "kernels/panel_tasks.h"
#include "kernels/pointwise/position_blocks.h"
#include "kernels/unfold/unfold.h"

namespace faltung {

// Output channels whose sums are held aside where positions do not lie behind one another in y.
constexpr Index held_channels = 64;

// What sharing out reckons with, in cycles of one core; only their ratios matter.
constexpr double row_start_cycles = 40, row_cell_cycles = 1.2, unfold_cycles = 2.5, task_cycles = 400;
constexpr double rest_start = 0.075, rest_position = 0.07;  // of a vector of positions
constexpr double weight_cycles = 0.05;  // of a byte that does not stay in L2 until the next tile
constexpr Index kept_weight_bytes = 512 << 10;
constexpr double uneven_turns = 0.3;  // of a task: what a thread waits for another at the end
constexpr Index most_row_splits = 12, most_channel_chunks = 8;

template <class T>
struct UnfoldCorrelation<T>::Call : PanelCall {
    const UnfoldCorrelation& op;
    const T* packed;

    // Of a task.
    struct Block {
        T *cells, *patches, *outputs;
        Index rows, columns;
        T* y;  // of the first position and channel
        Index y_row_stride, y_column_stride;
        const T* weight;
        const T* bias;
        Index out_channels;
        bool is_run;  // positions lie behind one another in y
    };

    void share_out(Index batch, int threads) {
        const PanelShape& shape = op.panel_.shape();
        const double row_cycles =
            double(op.problem_.in_channels) * (row_start_cycles + row_cell_cycles * double(shape.row_pitch));
        const bool weights_stay = op.packed_bytes() <= kept_weight_bytes;
        const double uneven = threads > 1 ? uneven_turns : 0.0;
        const Index splits = threads > 1 ? most_row_splits : 1,
                    chunks = threads > 1 ? most_channel_chunks : 1;
        tasks.choose(
            batch, threads, {splits, 1, chunks, 1},
            [&](Index rows, Index blocks, double turns, double packs) {
                const PositionBlocks tiles(rows * shape.columns, op.kernel_.lanes, op.kernel_.most_vectors);
                const double vectors =
                    double(tiles.vectors) +
                    (tiles.rest > 0 ? rest_start + rest_position * double(tiles.rest) : 0.0);
                const double streaming =
                    weights_stay ? 0.0 : weight_cycles * double(tiles.count() * Index(sizeof(T)));
                const double task = unfold_cycles * double(op.terms()) * vectors + task_cycles +
                                    double(op.terms() * blocks * op.width()) * (vectors + streaming);
                return row_cycles * double(op.panel_.slots_for(rows)) * packs + task * (turns + uneven);
            });
    }

    void operator()(Index task, int worker) {
        const Problem& problem = op.problem_;
        const Layout& layout = op.layout_;
        const PanelShape& shape = op.panel_.shape();
        const std::size_t far_axes = layout.far_axes();
        const PanelTasks::Task at = tasks.at(task);
        const Index g = at.group, n = at.sample;
        const Index first_channel = at.chunk * tasks.chunk_blocks * op.width();

        char* const own = workspace + worker * op.thread_bytes();
        const T* const bias = static_cast<const T*>(epilogue.bias);
        Block block;
        block.cells = reinterpret_cast<T*>(own);
        block.patches = reinterpret_cast<T*>(own + op.patches_place());
        block.outputs = reinterpret_cast<T*>(own + op.outputs_place());
        block.rows = min_index(tasks.rows, layout.rows().out - at.origin[far_axes]);
        block.columns = min_index(shape.columns, layout.columns().out - at.origin[far_axes + 1]);
        block.y = static_cast<T*>(y.data) + n * y.stride[0] + g * y.stride[1] + first_channel * y.stride[2];
        for (std::size_t a = 0; a < far_axes + 2; ++a) block.y += at.origin[a] * y_spatial[a];
        block.y_row_stride = y_spatial[far_axes];
        block.y_column_stride = y_spatial[far_axes + 1];
        block.weight =
            packed + (g * op.channel_blocks() + at.chunk * tasks.chunk_blocks) * op.terms() * op.width();
        block.bias = bias ? bias + g * problem.out_channels + first_channel : nullptr;
        block.out_channels = min_index(tasks.chunk_blocks * op.width(), problem.out_channels - first_channel);
        block.is_run = (block.y_column_stride == 1 || block.columns == 1) &&
                       (block.rows == 1 || block.y_row_stride == block.columns);

        Index& held = held_by_worker[worker];
        const bool is_packed = held == at.panel && tasks.holds_all_channels();
        held = at.panel;
        Panel::Source source{};
        if (!is_packed) source = op.panel_.locate(at.origin, x_spatial.data(), own + op.tables_place());
        const T* x_group = static_cast<const T*>(x.data) + n * x.stride[0] + g * x.stride[1];
        Index ic = 0;
        do {  // at least once: without input channels there is still the bias
            const Index channels = min_index(shape.channels, problem.in_channels - ic);
            if (!is_packed)
                op.panel_.pack(source, x_group + ic * x.stride[2], x.stride[2], x_spatial[far_axes + 1],
                               channels, block.cells, op.kernel_.panel.copy);
            multiply(block, ic, channels);
            ic += shape.channels;
        } while (ic < problem.in_channels);
        epilogue.finish(block.y, block.out_channels, y.stride[2], block.rows, block.y_row_stride,
                        block.columns, block.y_column_stride);
    }

    // Adds the products of the packed input channels from `ic` on.
    void multiply(const Block& block, Index ic, Index channels) const {
        const Index taps = op.panel_.tap_count(), limit = op.pass_channels();
        const PositionBlocks tiles(block.rows * block.columns, op.kernel_.lanes, op.kernel_.most_vectors);
        const Index passes = max_index(1, ceil_divide(channels, limit));
        for (Index tile = 0; tile < tiles.count(); ++tile)
            for (Index pass = 0; pass < passes; ++pass) {
                const Index first = pass * channels / passes, end = (pass + 1) * channels / passes;
                Patches<T> patches;
                patches.cells = block.cells + first * op.panel_.shape().channel_pitch;
                patches.channel_pitch = op.panel_.shape().channel_pitch;
                patches.channels = end - first;
                patches.offset = op.panel_.offset(0);
                patches.taps = taps;
                patches.columns = block.columns;
                patches.first = tiles.first(tile);
                patches.positions = tiles.size(tile);
                patches.panel = block.patches;
                Block part = block;
                part.weight += (ic + first) * taps * op.width();
                if (ic + first > 0) part.bias = nullptr;
                const bool resumes = accumulates || ic + first > 0;
                if (tiles.is_rest(tile)) {
                    multiply_rest(part, patches, resumes);
                } else {
                    op.kernel_.unfold(patches);
                    multiply_tile(part, patches, resumes);
                }
            }
    }

    void multiply_tile(const Block& block, const Patches<T>& patches, bool resumes) const {
        PointwiseBlock<T> product;
        product.x = nullptr;
        product.x_pitch = 0;
        product.panel = patches.panel;
        product.is_packed = true;
        product.weight = block.weight;
        product.weight_pitch = op.terms() * op.width();
        product.terms = patches.channels * patches.taps;
        product.positions = patches.positions;
        product.bias = block.bias;
        product.resumes = resumes;
        if (block.is_run) {
            product.y = block.y + patches.first * (block.columns == 1 ? block.y_row_stride : 1);
            product.y_channel_stride = y.stride[2];
            product.out_channels = block.out_channels;
            op.kernel_.multiply(product);
            return;
        }
        // Some channels at a time, held where positions lie behind one another.
        product.y = block.outputs;
        product.y_channel_stride = op.tile_positions();
        const auto each_output = [&](Index first_channel, auto visit) {
            for (Index i = 0; i < patches.positions; ++i) {
                const Index at = patches.first + i;
                T* cell = block.y + at / block.columns * block.y_row_stride +
                          at % block.columns * block.y_column_stride + first_channel * y.stride[2];
                for (Index oc = 0; oc < product.out_channels; ++oc)
                    visit(block.outputs[oc * op.tile_positions() + i], cell[oc * y.stride[2]]);
            }
        };
        for (Index oc = 0; oc < block.out_channels; oc += held_channels) {
            product.out_channels = min_index(held_channels, block.out_channels - oc);
            if (resumes) each_output(oc, [](T& held, T& own) { held = own; });
            op.kernel_.multiply(product);
            each_output(oc, [](T& held, T& own) { own = held; });
            product.weight += held_channels / op.width() * product.weight_pitch;
            if (product.bias) product.bias += held_channels;
        }
    }

    // Fewer positions than half a vector.
    void multiply_rest(const Block& block, const Patches<T>& patches, bool resumes) const {
        PointwiseColumns<T> columns;
        columns.panel = patches.panel;
        columns.weight = block.weight;
        columns.weight_pitch = op.terms() * op.width();
        columns.terms = patches.channels * patches.taps;
        columns.y_channel_stride = y.stride[2];
        columns.columns = static_cast<int>(patches.positions);
        columns.out_channels = block.out_channels;
        columns.bias = block.bias;
        columns.resumes = resumes;
        for (int j = 0; j < columns.columns; ++j) {
            const Index at = patches.first + j, row = at / block.columns, column = at % block.columns;
            columns.y[j] = block.y + row * block.y_row_stride + column * block.y_column_stride;
            const std::int32_t* offset = patches.offset + row * patches.taps;
            const T* cells = patches.cells + column;
            T* to = patches.panel + j;
            for (Index channel = 0; channel < patches.channels; ++channel, cells += patches.channel_pitch)
                for (Index tap = 0; tap < patches.taps; ++tap, to += columns.columns)
                    *to = cells[offset[tap]];
        }
        op.kernel_.multiply_columns(columns);
    }
};

}  // namespace faltung
