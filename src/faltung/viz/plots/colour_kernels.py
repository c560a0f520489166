"""Kernels over red, green and blue as the colours that they answer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltung.errors import ConvShapeError
from faltung.viz.plots.canvas import axes_for, draw_boxes, set_title, without_frame
from faltung.viz.plots.cells import chequer
from faltung.viz.plots.kernel_mosaic import inches_of, number_grid
from faltung.viz.plots.mosaic import grid_columns, mosaic
from faltung.viz.plots.values import Reals, check_cells, cut_short, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_colour_kernels"]


def draw_colour_kernels(array: Reals, ax: Axes | None, most: int, limit: float) -> Axes:
    """A grid of kernels (out, 3, kh, kw): 0 is middle grey, ±`limit` black and full in each colour."""
    if array.ndim != 4 or array.shape[1] != 3:
        raise ConvShapeError(
            f"rgb=True needs a weight (out, 3, kh, kw), it has shape {array.shape}.", "Leave rgb out, or pick three input channels."
        )
    shown = array[: most**2]
    check_cells("the mosaic", shown.shape, "Give a smaller max_channels, or a part of the weight.")
    count, _, height, width = shown.shape
    columns = grid_columns(count, height, width, most)
    shown = shown[: columns * most]
    count = len(shown)
    # Each channel is laid out alike; the gaps are where the first of them has them.
    sheets = [mosaic(shown[:, channel], columns) for channel in range(3)]
    cells = np.stack([sheet.cells.filled(0) for sheet in sheets], axis=-1)
    share = np.clip(0.5 + 0.5 * np.nan_to_num(cells / limit, nan=0.0), 0, 1)
    present = ~np.ma.getmaskarray(sheets[0].cells)
    sheet_height, sheet_width = present.shape
    drawn = axes_for(ax, inches_of(sheet_height, sheet_width, beside=1.0, above=0.45))
    extent = (0, sheet_width, sheet_height, 0)
    drawn.imshow(np.concatenate([share, present[..., None]], axis=-1), extent=extent, interpolation="nearest")
    chequer(drawn, present & ~np.isfinite(cells).all(axis=-1), extent)
    draw_boxes(drawn, sheets[0].boxes)
    without_frame(drawn)
    number_grid(drawn, count, columns, height + 1, height)
    drawn.set_ylabel("output channel")
    left_out = cut_short(count, array.shape[0], "output channels")
    set_title(drawn, f"{array.shape[0]} kernels 3×{height}×{width}", left_out, f"grey 0, full colour ±{short(limit)}")
    return drawn
