// Some positions by some output channels of bfloat16 dot products: what every call computes. Included by
// dots.cpp alone.
#pragma once

#include "kernels/dots/dots.h"

namespace faltung {

// Pairs that are multiplied at once, so that their panel stays in L2 beside the weights.
constexpr Index most_dots_pairs = 2560;

// Output channels whose sums are finished together where that is not done in registers.
constexpr Index finished_channels = 64;

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
                                             product.weight_step, ceil_divide(product.terms, 2), sums,
                                             static_cast<int>(product.positions), product.out_channels,
                                             product.bias, product.resumes});
            } else {
                op.kernel_.multiply(product);
            }
            if (is_last) finish(oc, product.out_channels, product.positions);
            product.x = nullptr;
            product.weight +=
                dots_weight_place(group / dots_channel_block, product.weight_pitch, product.weight_step);
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

}  // namespace faltung
