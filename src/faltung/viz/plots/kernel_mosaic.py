"""Kernels of two or three axes as a mosaic on one scale of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.viz.plots.canvas import axes_for, colour_bar, draw_boxes, points_per_unit, set_title, without_frame
from faltung.viz.plots.cells import draw_cells, write_numbers
from faltung.viz.plots.mosaic import grid_columns, mosaic
from faltung.viz.plots.values import Reals, check_cells, cut_short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["channel_names", "draw_mosaic", "inches_of", "number_grid"]

Names = tuple[str, str]


def channel_names(transposed: bool) -> Names:
    """What the first and the second axis of a weight count."""
    return ("input channel", "output channel of the group") if transposed else ("output channel", "input channel of the group")


def draw_mosaic(array: Reals, ax: Axes | None, most: int, limit: float, names: Names, cmap: Any, numbers: bool, colorbar: bool) -> Axes:
    """Kernels (a, b, kh, kw) or (a, b, kd, kh, kw) in rows and columns; those of (a, 1, kh, kw) in a grid."""
    is_grid = array.ndim == 4 and array.shape[1] == 1 and array.shape[0] > 1
    shown = array[: most**2] if is_grid else array[:most, :most]
    check_cells("the mosaic", shown.shape, "Give a smaller max_channels, or a part of the weight.")
    rows, columns, *size = shown.shape
    if is_grid:
        columns = grid_columns(rows, size[0], size[1], most)
        shown = shown[: columns * most]
    gap = (0, 0) if size == [1, 1] else (1, 1)  # a pointwise weight is a matrix
    tiles: Any = shown.reshape(-1, *size[-2:])
    if len(size) == 3:
        tiles = np.ma.stack([mosaic(kernel, size[0], (0, 1)).cells for kernel in shown.reshape(-1, *size)])
        gap = (2, 3)  # further apart than the planes of one kernel
    sheet = mosaic(tiles, columns, gap)
    height, width = sheet.cells.shape
    drawn = axes_for(ax, inches_of(height, width, beside=2.3, above=0.35 if is_grid else 0.75))
    image = draw_cells(drawn, sheet.cells, limit, cmap=cmap)
    draw_boxes(drawn, sheet.boxes if gap[0] else [(0, 0, width, height)])
    without_frame(drawn)
    drawn.set_ylabel(names[0])
    if is_grid:
        left_out = cut_short(len(shown), len(array), f"{names[0]}s")
        number_grid(drawn, len(shown), columns, sheet.tile[0] + gap[0], sheet.tile[0])
    else:
        left_out = ", ".join(filter(None, (cut_short(rows, array.shape[0], "rows"), cut_short(columns, array.shape[1], "columns"))))
        drawn.set_xlabel(names[1])
        for count, side, space, set_ticks in (
            (rows, sheet.tile[0], gap[0], drawn.set_yticks),
            (columns, sheet.tile[1], gap[1], drawn.set_xticks),
        ):
            numbered = range(0, count, -(-count // 16))
            set_ticks(
                [channel * (side + space) + side / 2 for channel in numbered], [str(channel) for channel in numbered], fontsize="small"
            )
    set_title(drawn, f"{array.shape[0]}×{array.shape[1]} kernels {'×'.join(map(str, size))}", left_out)
    if numbers:
        write_numbers(drawn, image, sheet.cells, points_per_unit(drawn))
    if colorbar:
        colour_bar(drawn, image, "weight")
    return drawn


def inches_of(height: int, width: int, *, beside: float, above: float) -> tuple[float, float]:
    """Width and height of a figure for a sheet of so many cells, with room at its sides, and above and below.

    The height is to be the tighter side, so that there is always room for what stands beside the sheet.
    """
    scale = min(0.12, 9 / max(height, width))
    return max(width * scale, 2.2) + beside, max(height * scale, 1.4) + above


def number_grid(ax: Axes, count: int, columns: int, step: int, side: int) -> None:
    """Beside each row of a grid the number of its first kernel."""
    starts = range(0, count, columns)
    ax.set_yticks([row * step + side / 2 for row in range(len(starts))], [str(start) for start in starts], fontsize="small")
    ax.set_xticks([])
