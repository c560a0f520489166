// The panel: the input cells that one block of outputs reads, copied together, padding already in place.
//
//   panel[channel][slot][column]
//
// A slot is one (far tap, input row) that some tap of some output row of the block reads; rows that no tap
// reads are not stored. Columns are stored apart by their phase modulo the stride, so that the columns a tap
// reads for consecutive outputs are consecutive. `offset[row][tap]` leads from a channel's first element to
// the cell that the tap reads for column 0 of that output row.
#pragma once

#include <limits>
#include <vector>

#include "core/layout.h"

namespace faltung {

constexpr Index panel_budget_bytes = 256
                                     << 10;  // leaves most of a megabyte of L2 to the weights and the output

struct PanelShape {
    Index rows = 1, columns = 1;  // outputs of a block
    Index channels = 1;           // input channels of a block
    Index row_pitch = 0;          // elements of a slot
    Index channel_pitch = 0;      // elements of a channel
    Index elements = 0;           // of the whole panel, saturating
};

struct PanelRules {
    Index element_bytes;
    Index column_tile;                  // columns that a kernel computes at once
    Index column_multiple;              // a block's columns are a multiple of this where there are several
    Index row_tile;                     // rows that a kernel computes at once
    Index budget_bytes;                 // for the panel, where that leaves blocks of reasonable size
    Index most_columns, most_channels;  // of a block; 0: whatever fits the cache
    Index whole_bytes = 0;              // so large it may grow rather than be split into blocks of channels
};

constexpr Index absent_cell = std::numeric_limits<Index>::min();

// Where the cells of a panel come from.
struct PanelSource {
    const Index* slot;  // element offset of each slot's input row, or absent_cell
    const Index*
        column;  // element offset of each stored column or absent_cell; of those inside only the first
    const Index* inside;  // per segment: [first, last) of the columns that lie inside the input
};

// Consecutive columns of one phase.
struct PanelSegment {
    Index first;  // its first column, relative to the block's first output column times the stride
    Index length;
    Index place;  // in the slot
};

// Rows to copy, with zeros for what lies outside.
template <class T>
struct PanelRows {
    const T* x;
    Index channel_stride, channels, step;  // `step` from one column of a segment to the next
    PanelSource source;
    Index slots;
    const PanelSegment* segments;
    Index segment_count;
    T* panel;
    Index channel_pitch, row_pitch;
    Index channels_ahead;  // that are asked for
};

// from[step * i] for 0 <= i < count to to[i], count > 0; nothing else is written.
template <class T>
using StridedCopy = void (*)(const T* from, Index step, Index count, T* to);

// How cells are copied: those of a row, and, if there is such a function, all rows; false where it has done
// nothing.
template <class T>
struct PanelCopy {
    StridedCopy<T> row = nullptr;
    bool (*rows)(const PanelRows<T>&) = nullptr;
};

class Panel {
  public:
    Panel() = default;
    // Offsets are of taps in the order of `summed`, another layout of the same problem; null: of `layout`.
    Panel(const Layout& layout, Border border, Index channels, const PanelRules& rules,
          const Layout* summed = nullptr);

    // Only the sizes, computed without tables.
    static PanelShape shape_for(const Layout& layout, Index channels, const PanelRules& rules);

    const PanelShape& shape() const { return shape_; }
    Index tap_count() const { return taps_; }
    const std::int32_t* offset(Index row) const { return offset_.data() + row * taps_; }

    // Bytes of the tables that `locate` fills for one task.
    Index scratch_bytes() const;

    // Input rows that a block of `rows` outputs reads.
    Index slots_for(Index rows) const;

    using Source = PanelSource;

    // Where the cells of the block that starts at `origin` (an output position) come from, for an array with
    // these spatial strides. `scratch` holds scratch_bytes().
    Source locate(const Index* origin, const Index* stride, void* scratch) const;

    template <class T>
    void pack(const Source& source, const T* x, Index channel_stride, Index column_stride, Index channels,
              T* panel, const PanelCopy<T>& copy = {}) const;

  private:
    template <class T>
    void pack_side_by_side(const Source& source, const T* x, Index step, Index channels, T* panel) const;

    void make_segments(const Axis& axis);
    void make_row_positions(const Axis& axis);

    std::vector<Axis> axes_;
    Border border_ = Border::zeros;
    PanelShape shape_;
    Index taps_ = 0, far_taps_ = 1;
    std::vector<Index> row_positions_;  // of the slots of one far tap
    std::vector<PanelSegment> segments_;
    std::vector<Index> tap_places_;  // in the slot, of the cell that each column tap reads for column 0
    std::vector<std::int32_t> offset_;
};

}  // namespace faltung
