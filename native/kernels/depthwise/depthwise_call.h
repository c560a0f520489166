// One run of a depthwise correlation: its arrays and its division into tasks, which never touches the order
// of a sum.
#pragma once

#include "kernels/depthwise/depthwise.h"

namespace faltung {

template <class T>
struct DepthwiseCall {
    using Block = DepthwiseBlock<T>;

    const DepthwiseCorrelation<T>& op;
    const Array &x, &y;
    const T* weights;
    const Epilogue& epilogue;
    bool accumulates;
    bool skips;     // cells of the padding contribute nothing
    bool in_place;  // x is read where it lies
    std::vector<Index> x_spatial, y_spatial;

    // Blocks of a channel, from the outermost, and groups of channels that are computed together.
    Index far_outputs = 1, row_classes = 1, block_rows = 1, row_blocks = 1, column_blocks = 1,
          channel_groups = 1;
    Index blocks = 1;  // of a channel
    Index units = 1, tasks = 1;
    Index x_ahead = 0, y_ahead = 0;  // bytes of a channel to ask for while the one before is computed
    char* workspace = nullptr;

    void share_out(Index batch, int threads);
    void operator()(Index task, int worker) const;

  private:
    // In depthwise_tables.cpp.
    void locate(Block& block, Index index) const;
    void locate_rows(Block& block, const Index* origin) const;
    void locate_columns(Block& block) const;
    void locate_in_place(Block& block) const;
    void mark_rows(Block& block, Index row_tile, Index first_row, Index rows) const;
    void mark_lanes(const Block& block, Index column, Index count, std::uint32_t* used) const;
    DepthwiseReads reads_of(const DepthwiseTile<T>& tile) const;
    void make_tiles(Block& block) const;
    void make_folded_tiles(Block& block) const;
    Index row_pitch() const;
    Index bytes_ahead(const Array& of, Index axis, Index Axis::* size) const;
    void compute(const Block& block, T* scratch, Index n, Index first_group) const;
    void copy_rows(const Block& block, T* scratch, Index n, Index first_group, Index groups) const;
};

}  // namespace faltung
