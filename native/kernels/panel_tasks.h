// The division into tasks of a call that packs rows of its input into panels: samples, groups, blocks of
// outputs, chunks of output channels. It never touches the order of a sum.
#pragma once

#include "core/panel.h"
#include "kernels/call_arrays.h"
#include "kernels/held_by_worker.h"

namespace faltung {

struct PanelTasks {
    const Problem& problem;
    const Layout& layout;
    const PanelShape& shape;
    Index channel_blocks;

    Index far_outputs = 1, column_blocks = 1;
    Index rows = 1, row_blocks = 1;              // of a task; tasks along the rows
    Index chunk_blocks = 1, channel_chunks = 1;  // the same of output channels

    PanelTasks(const Problem& problem, const Layout& layout, const PanelShape& shape, Index channel_blocks)
        : problem(problem), layout(layout), shape(shape), channel_blocks(channel_blocks) {
        for (std::size_t a = 0; a < layout.far_axes(); ++a) far_outputs *= layout.axes[a].out;
        column_blocks = ceil_divide(layout.columns().out, shape.columns);
        divide(shape.rows, channel_blocks);
    }

    void divide(Index task_rows, Index task_blocks) {
        rows = task_rows;
        row_blocks = ceil_divide(layout.rows().out, rows);
        chunk_blocks = task_blocks;
        channel_chunks = ceil_divide(channel_blocks, chunk_blocks);
    }

    Index panel_columns(Index batch) const { return batch * problem.groups * far_outputs * column_blocks; }
    Index count(Index batch) const { return panel_columns(batch) * row_blocks * channel_chunks; }
    // Where not, each pass over the input channels packs anew.
    bool holds_all_channels() const { return shape.channels >= problem.in_channels; }

    // Of all ways to share out rows and output channels the one that should take the least time: shorter
    // tasks are spread more evenly, but rows that two blocks read are packed twice, and so is what two
    // threads read.
    struct Limits {
        Index row_splits, least_chunks, most_chunks, row_multiple;
    };
    // `cycles` of a thread that does `turns` tasks of so many rows and blocks of channels, and packs `packs`
    // panels for them.
    template <class Cycles>
    void choose(Index batch, int threads, const Limits& limits, const Cycles& cycles) {
        const Index all_rows = layout.rows().out, whole_blocks = ceil_divide(all_rows, shape.rows);
        double least = -1;
        Index best_rows = rows, best_chunk = chunk_blocks, last_rows = 0;
        for (Index split = 1; split <= limits.row_splits; ++split) {
            const Index even = ceil_divide(all_rows, min_index(all_rows, whole_blocks * split));
            const Index own_rows = min_index(shape.rows, round_up(even, limits.row_multiple));
            if (own_rows == last_rows) continue;
            last_rows = own_rows;
            for (Index chunks = limits.least_chunks; chunks <= min_index(channel_blocks, limits.most_chunks);
                 ++chunks) {
                const Index own_chunk = ceil_divide(channel_blocks, chunks);
                if (ceil_divide(channel_blocks, own_chunk) != chunks) continue;
                const Index tasks = panel_columns(batch) * ceil_divide(all_rows, own_rows) * chunks;
                const Index turns = ceil_divide(tasks, threads);
                const Index packs =
                    holds_all_channels() ? min_index(turns, ceil_divide(turns - 1, chunks) + 1) : turns;
                const double needed = cycles(own_rows, own_chunk, double(turns), double(packs));
                if (least >= 0 && needed >= least) continue;
                least = needed;
                best_rows = own_rows;
                best_chunk = own_chunk;
            }
        }
        divide(best_rows, best_chunk);
    }

    struct Task {
        static constexpr std::size_t axes_limit = 64;
        Index chunk, panel, group, sample;
        Index origin[axes_limit];  // of its outputs
    };
    // Tasks that follow one another share a panel.
    Task at(Index number) const {
        Task task;
        const std::size_t far_axes = layout.far_axes();
        task.chunk = number % channel_chunks;
        task.panel = number / channel_chunks;
        Index rest = task.panel;
        task.origin[far_axes + 1] = rest % column_blocks * shape.columns;
        rest /= column_blocks;
        task.origin[far_axes] = rest % row_blocks * rows;
        rest /= row_blocks;
        for (std::size_t a = far_axes; a-- > 0;) {
            task.origin[a] = rest % layout.axes[a].out;
            rest /= layout.axes[a].out;
        }
        task.group = rest % problem.groups;
        task.sample = rest / problem.groups;
        return task;
    }
};

struct PanelCall : CallArrays {
    PanelTasks tasks;
    HeldByWorker held_by_worker = {};  // which one each worker packed last, where tasks can share one

    Index task_count(Index batch) const { return tasks.count(batch); }
};

}  // namespace faltung
