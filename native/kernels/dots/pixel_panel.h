// Cells of the input as bfloat16 dot products with channels in the lanes read them, padding in place:
//
//   panel[far tap][row][column][channel]
//
// all channels of a group together, so that taps side by side are one run of cells.
#pragma once

#include "kernels/dots/dots_block.h"
#include "kernels/dots/pixel_axis.h"

namespace faltung {

class PixelPanel {
  public:
    PixelPanel() = default;
    // `axes`: far ones, then rows, then columns.
    PixelPanel(const std::vector<PixelAxis>& axes, Border border, Index channels);

    Index rows = 1, columns = 1;           // most outputs of a phase in a block
    Index pixel_pitch = 0, row_pitch = 0;  // in cells
    Index plane_pitch = 0;                 // of a far tap
    Index elements = 0;                    // saturating

    bool has_runs() const { return pixel_pitch == channels_; }

    // Packs what a block of outputs reads. `origin`: of each far axis the output, of rows and columns the
    // number in its phases; `far`: the phases of the far axes that it belongs to; spatial strides of x.
    void pack(const std::vector<PixelAxis>& axes, const Index* origin, const Phase* const* far,
              Index own_rows, Index own_columns, const Half* x, Index channel_stride, const Index* stride,
              void (*turn)(const DotsTurn&), Half* cells) const;

  private:
    struct Row;
    void pack_row(const Row& row, Half* to) const;

    Border border_ = Border::zeros;
    Index channels_ = 0;
};

}  // namespace faltung
