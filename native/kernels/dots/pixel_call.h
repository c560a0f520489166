// Calls of bfloat16 dot products with channels in the lanes. Included by pixel_dots.cpp alone.
#pragma once

#include "kernels/dots/pixel_dots.h"
#include "kernels/held_by_worker.h"
#include "kernels/panel_tasks.h"

namespace faltung {

// What sharing out reckons with, in cycles of one core; only their ratios matter.
constexpr double pixel_cell_cycles = 0.3, pixel_row_cycles = 40, pixel_output_cycles = 8,
                 pixel_task_cycles = 600;
constexpr double pixel_weight_cycles = 0.5;  // of a pair and vector read anew
constexpr double pixel_read_cycles = 0.1;    // of a cell that is read where it lies
constexpr double pixel_uneven_turns = 0.3;   // of a task: what a thread waits for another at the end
constexpr Index pixel_most_row_splits = 16, pixel_most_channel_chunks = 16;

struct PixelDots::Call {
    const PixelDots& op;
    const Array &x, &y;
    const Pair* packed;
    const Epilogue& epilogue;
    bool accumulates, is_in_place;
    std::vector<Index> x_spatial, y_spatial;
    std::vector<Runs> in_place;  // of each member
    PanelShape shape;

    char* workspace = nullptr;
    PanelTasks tasks;
    HeldByWorker held_by_worker = {};  // which rows each worker packed last

    Call(const PixelDots& operation, const Array& input, const Array& output, const Pair* weight,
         const Epilogue& finish, bool accumulate)
        : op(operation),
          x(input),
          y(output),
          packed(weight),
          epilogue(finish),
          accumulates(accumulate),
          is_in_place(op.can_stay_ && input.stride[2] == 1),
          x_spatial(op.layout_.spatial_strides(input.stride)),
          y_spatial(op.layout_.spatial_strides(output.stride)),
          shape{op.panel_.rows, op.panel_.columns, max_index(op.problem_.in_channels, 1), 0, 0, 0},
          tasks(op.problem_, op.layout_, shape, op.vectors()) {
        if (is_in_place)
            for (const Member& member : op.members_) in_place.push_back(op.runs_in_place(member, x_spatial));
    }

    void share_out(Index batch, int threads) {
        const PixelAxis &row_axis = op.axes_[op.layout_.far_axes()], &column_axis = op.axes_.back();
        const double channels = double(op.problem_.in_channels),
                     column_cells = double(column_axis.cells(shape.columns));
        const double far = double(op.panel_.elements) / double(max_index(op.panel_.plane_pitch, 1));
        const double row_cycles =
            is_in_place ? 0.0 : far * channels * (pixel_row_cycles / 8 + pixel_cell_cycles * column_cells);
        const double pairs = double(op.pairs_), phases = double(op.row_members_ * op.column_members_);
        const Index splits = threads > 1 ? pixel_most_row_splits : 1;
        const Index chunks = threads > 1 ? pixel_most_channel_chunks : 1;
        tasks.choose(batch, threads, {splits, 1, chunks, 1},
                     [&](Index rows, Index blocks, double turns, double packs) {
                         const double pixels = double(rows * shape.columns);
                         const double vector =
                             pixels * (pairs + pixel_output_cycles * phases) + pixel_weight_cycles * pairs;
                         const double task = pixel_task_cycles + double(blocks) * vector +
                                             (is_in_place ? pixel_read_cycles * pixels * channels : 0.0);
                         return row_cycles * double(row_axis.cells(rows)) * packs +
                                task * (turns + (threads > 1 ? pixel_uneven_turns : 0.0));
                     });
    }

    Index task_count(Index batch) const { return tasks.count(batch); }

    // Outputs of one task.
    struct Block {
        const Index* origin;
        const Half* cells;            // of its first output, in the panel or of x
        Index row_step, column_step;  // between cells of consecutive outputs
        Index rows, columns;
        Half* y;  // of the group's first channel, at output 0 of rows and columns
        Index group, far_member;
        float *sums, *residual;
    };

    void operator()(Index task, int worker) {
        const std::size_t far_axes = op.layout_.far_axes();
        const PanelTasks::Task at = tasks.at(task);
        char* const own = workspace + worker * op.thread_bytes();
        const PixelAxis &row_axis = op.axes_[far_axes], &column_axis = op.axes_[far_axes + 1];
        Block block{at.origin, nullptr, 0, 0, 0, 0, nullptr, at.group, 0, nullptr, nullptr};
        block.sums = reinterpret_cast<float*>(own + op.sums_place());
        block.residual = reinterpret_cast<float*>(own + op.residual_place());
        block.rows = min_index(tasks.rows, row_axis.most - at.origin[far_axes]);
        block.columns = min_index(shape.columns, column_axis.most - at.origin[far_axes + 1]);
        block.y = static_cast<Half*>(y.data) + at.sample * y.stride[0] + at.group * y.stride[1];
        const Half* const x_group =
            static_cast<const Half*>(x.data) + at.sample * x.stride[0] + at.group * x.stride[1];
        for (std::size_t a = 0; a < far_axes; ++a) {
            const PixelAxis& axis = op.axes_[a];
            block.y += at.origin[a] * y_spatial[a];
            block.far_member = block.far_member * axis.phase_count() + at.origin[a] % axis.phase_count();
        }
        block.far_member *= op.row_members_ * op.column_members_;
        if (is_in_place) {
            block.cells = x_group;
            for (std::size_t a = 0; a < far_axes; ++a)
                block.cells += at.origin[a] / op.axes_[a].phase_count() * op.axes_[a].stride * x_spatial[a];
            block.row_step = row_axis.stride * x_spatial[far_axes];
            block.column_step = column_axis.stride * x_spatial[far_axes + 1];
            block.cells += at.origin[far_axes] * block.row_step + at.origin[far_axes + 1] * block.column_step;
        } else {
            Half* const cells = reinterpret_cast<Half*>(own);
            block.cells = cells;
            block.row_step = row_axis.step() * op.panel_.row_pitch;
            block.column_step = column_axis.step() * op.panel_.pixel_pitch;
            Index& held = held_by_worker[worker];
            if (held != at.panel)
                op.panel_.pack(op.axes_, at.origin,
                               op.members_[static_cast<std::size_t>(block.far_member)].phases.data(),
                               block.rows, block.columns, x_group, x.stride[2], x_spatial.data(),
                               op.kernel_.turn, cells);
            held = at.panel;
        }
        // Weights of some channels stay in L2 for all rows.
        const Index first = at.chunk * tasks.chunk_blocks,
                    vectors = min_index(tasks.chunk_blocks, op.vectors() - first);
        const Index groups = ceil_divide(vectors, dots_most_channel_vectors);
        for (Index group = 0; group < groups; ++group) {
            const Index begin = group * vectors / groups, end = (group + 1) * vectors / groups;
            for (Index phase = 0; phase < op.row_members_; ++phase)
                multiply(block, phase, first + begin, static_cast<int>(end - begin));
        }
    }

    // All outputs of a phase of the rows, segment by segment.
    void multiply(const Block& block, Index phase, Index vector, int vectors) const {
        const std::size_t rows_axis = op.layout_.far_axes();
        const PixelAxis& row_axis = op.axes_[rows_axis];
        const Index phases = op.column_members_, held = dots_most_pixels / phases;
        const Phase& row_phase = row_axis.phases[static_cast<std::size_t>(phase)];
        const Index rows = min_index(block.rows, row_phase.count - block.origin[rows_axis]);
        const Index pieces = ceil_divide(block.columns, held);
        const Index columns = ceil_divide(block.columns, pieces);
        const Index lines = pieces > 1 ? 1 : max_index(1, held / max_index(columns, 1));
        // Rows that leave out the same taps, those in the padding.
        const Index member = block.far_member + phase * phases, first = block.origin[rows_axis];
        const std::vector<int>& kinds = op.members_[static_cast<std::size_t>(member)].kind_of_row;
        const auto kind = [&](Index row) { return kinds[static_cast<std::size_t>(first + row)]; };
        for (Index row = 0, together = 1; row < rows; row += together, together = 1) {
            while (together < min_index(lines, rows - row) && kind(row + together) == kind(row)) ++together;
            for (Index column = 0; column < block.columns; column += columns)
                segment(block, phase, {row, together, column, min_index(columns, block.columns - column)},
                        vector, vectors);
        }
    }

    struct Part {
        Index row, rows, column, columns;
    };

    void segment(const Block& block, Index phase, const Part& part, Index vector, int vectors) const {
        const std::size_t rows_axis = op.layout_.far_axes();
        const PixelAxis& column_axis = op.axes_[rows_axis + 1];
        const Problem& problem = op.problem_;
        const Index phases = op.column_members_;
        const Index first_channel = vector * dots_pixel_lanes,
                    channels = min_index(vectors * dots_pixel_lanes, problem.out_channels - first_channel);
        const Index first_row = block.origin[rows_axis] + part.row,
                    first_column = block.origin[rows_axis + 1] + part.column;

        // Where the outputs lie, line by line.
        const Index line_slots = part.columns * phases;
        const Index y_row = y_spatial[rows_axis], y_column = y_spatial[rows_axis + 1];
        Half* const y_first = block.y + first_channel * y.stride[2] +
                              (first_row * op.row_members_ + phase) * y_row +
                              first_column * phases * y_column;
        const Index line = min_index(line_slots, column_axis.out - first_column * phases);
        const Index line_step = op.row_members_ * y_row;
        Lines lines{y_first, part.rows, line, line_step, line_slots, y_column, y.stride[2], channels};
        if (line == line_slots && (part.rows == 1 || line_step == line * y_column)) lines.join();

        float bias[dots_pixel_channels] = {};
        if (const auto* const all = static_cast<const float*>(epilogue.bias))
            for (Index c = 0; c < channels; ++c)
                bias[c] = all[block.group * problem.out_channels + first_channel + c];
        if (accumulates) lines.widen(op, nullptr, block.sums);

        Index place[dots_most_pixels], slot[dots_most_pixels], y_place[dots_most_pixels];
        const std::size_t first_member = static_cast<std::size_t>(block.far_member + phase * phases);
        bool has_products = true;
        for (Index own = 0; own < phases; ++own)
            has_products =
                has_products && op.members_[first_member + static_cast<std::size_t>(own)].pairs > 0;
        // Sums that are complete and lie as they are computed go from the registers to y.
        const bool is_direct = has_products && !epilogue.loop() && y.stride[2] == 1;
        for (Index own = 0; own < phases; ++own) {
            const std::size_t number = first_member + static_cast<std::size_t>(own);
            const Member& member = op.members_[number];
            const Index columns = min_index(part.columns, member.phases[rows_axis + 1]->count - first_column);
            const int kinds = is_in_place ? 1 : member.column_kinds;
            for (int kind = 0; kind < kinds; ++kind) {
                Index pixels = 0;
                for (Index r = 0; r < part.rows; ++r)
                    for (Index c = 0; c < columns; ++c) {
                        if (kinds > 1 &&
                            member.kind_of_column[static_cast<std::size_t>(first_column + c)] != kind)
                            continue;
                        place[pixels] =
                            (part.row + r) * block.row_step + (part.column + c) * block.column_step;
                        y_place[pixels] = r * line_step + (c * phases + own) * y_column;
                        slot[pixels++] = (r * line_slots + c * phases + own) * dots_pixel_channels;
                    }
                if (pixels == 0) continue;
                const auto of_row = static_cast<std::size_t>(
                    is_in_place ? 0 : member.kind_of_row[static_cast<std::size_t>(first_row)]);
                const Runs& runs = is_in_place ? in_place[number]
                                               : member.runs[of_row * static_cast<std::size_t>(kinds) +
                                                             static_cast<std::size_t>(kind)];
                DotsPixels product{};
                product.cells = block.cells;
                product.place = place;
                product.pixels = pixels;
                product.vectors = vectors;
                product.sums = block.sums;
                product.slot = slot;
                product.y_place = y_place;
                product.channels = channels;
                product.bias = bias;
                product.resumes = accumulates;
                product.y = is_direct ? y_first : nullptr;
                multiply_runs(product, runs, block.group, member, vector, kind + 1 == kinds);
            }
        }
        if (!is_direct) finish(lines, block, has_products);
    }

    // All products of some pixels, which go to y with the last of them. After the last pixels of a segment
    // other weights are wanted.
    void multiply_runs(DotsPixels product, const Runs& runs, Index group, const Member& member, Index vector,
                       bool is_last_kind) const {
        Half* const to = product.y;
        product.y = nullptr;
        product.weight_pitch = member.pairs * dots_pixel_lanes;
        const Pair* const weight = packed +
                                   (group * op.pairs_ + member.first_pair) * op.vectors() * dots_pixel_lanes +
                                   vector * product.weight_pitch;
        if (runs.passes.empty()) {  // there is still the bias
            product.weight = weight;
            op.kernel_.multiply_pixels(product);
        }
        for (const Pass& pass : runs.passes) {
            product.runs = runs.runs.data() + pass.run;
            product.run_count = pass.runs;
            product.weight = weight + pass.pair * dots_pixel_lanes;
            const bool is_last = &pass == &runs.passes.back();
            product.ahead = (is_last ? -pass.pair : pass.pairs) * dots_pixel_lanes;
            if (is_last && is_last_kind) product.ahead += product.vectors * product.weight_pitch;
            if (is_last) product.y = to;
            op.kernel_.multiply_pixels(product);
            product.resumes = true;
            product.bias = nullptr;
        }
    }

    // Outputs of a segment: lines of so many pixels.
    struct Lines {
        Half* y;
        Index count, pixels, step, slots;
        Index pixel_stride, channel_stride, channels;

        void join() {
            pixels *= count;
            slots = pixels;
            count = 1;
        }

        // Cells that lie as y does, from `from` on, or those of y themselves.
        void widen(const PixelDots& op, const Half* from, float* to) const {
            for (Index i = 0; i < count; ++i)
                op.halves_.widen(
                    (from ? from : y) + i * step, to + i * slots * dots_pixel_channels,
                    {0, 0, pixels, channels, pixel_stride, channel_stride, dots_pixel_channels, 1});
        }
    };

    void finish(const Lines& lines, const Block& block, bool has_products) const {
        const EpilogueLoop loop = epilogue.loop();
        if (loop) {
            const Half* const added = static_cast<const Half*>(epilogue.residual_of(lines.y));
            if (added) lines.widen(op, added, block.residual);
            for (Index i = 0; i < lines.count; ++i) {
                const Index place = i * lines.slots * dots_pixel_channels;
                loop({block.sums + place,
                      added ? block.residual + place : nullptr,
                      {1, lines.pixels, lines.channels},
                      {0, dots_pixel_channels, 1},
                      {0, dots_pixel_channels, 1}});
            }
        }
        for (Index i = 0; i < lines.count; ++i) {
            const float* const sums = block.sums + i * lines.slots * dots_pixel_channels;
            Half* const to = lines.y + i * lines.step;
            DotsStore store{sums, lines.pixels,         lines.channels,
                            to,   lines.channel_stride, loop != nullptr || !has_products};
            if (lines.channel_stride == 1 && lines.pixel_stride != 1) {
                store.stride = lines.pixel_stride;
                op.kernel_.store_pixels(store);
            } else if (lines.pixel_stride == 1) {
                op.kernel_.store_planes(store);
            } else {
                op.halves_.narrow(sums, to,
                                  {0, 0, lines.pixels, lines.channels, dots_pixel_channels, 1,
                                   lines.pixel_stride, lines.channel_stride});
            }
        }
    }
};

}  // namespace faltung
