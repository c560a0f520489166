"""`plot_feature_maps`: what a layer gives, channel by channel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ConvShapeError, ConvTypeError, one_of
from faltung.normal_form import integer
from faltung.viz.plots.canvas import axes_for, colour_bar, draw_boxes, points_per_unit, set_title, without_frame
from faltung.viz.plots.cells import draw_cells, has_negative
from faltung.viz.plots.mosaic import grid_columns, mosaic
from faltung.viz.plots.values import Reals, check_cells, cut_short, limit_of, real_array, upper_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_feature_maps"]


def plot_feature_maps(
    maps: object,
    *,
    ax: Axes | None = None,
    max_maps: int = 64,
    columns: int | None = None,
    scale: str = "shared",
    vmax: float | None = None,
    cmap: Any = None,
    colorbar: bool = True,
) -> Axes:
    """Draw the channels of one sample's feature maps in a grid, each with its number.

    Parameters
    ----------
    maps : array (C, H, W), (1, C, H, W) or (C, L)
        Of maps (C, L), over one axis, each channel is a row of cells.
    ax : matplotlib Axes, optional
        To draw on; without it a new figure is made.
    max_maps : int
        At most this many are drawn, the first ones; the title says how many there are.
    columns : int, optional
        Of the grid; by default it is about as high as wide.
    scale : {"shared", "each"}
        One scale for all maps; or each divided by its own largest finite |value|, so that weak ones show.
    vmax : float, optional
        Of the shared scale: colours end there; at the largest finite |value| otherwise.
    cmap : str or Colormap, optional
        By default blue to red around 0 where a value is negative, else viridis from 0.
    colorbar : bool

    Returns
    -------
    matplotlib Axes
        Cells are units of data, the first map at the origin, y downwards. Values that are NaN or infinite are chequered.

    Raises
    ------
    ConvShapeError, ConvTypeError
        ConvShapeError also where more than 2**22 cells would be drawn.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_feature_maps(np.ones((100, 8, 8)), max_maps=9, ax=Figure().subplots())
    >>> print(ax.get_title())
    100 feature maps 8×8
    first 9 of 100 channels
    """
    array = real_array("maps", maps)
    one_of("scale", scale, ("shared", "each"), ConvTypeError)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim not in (2, 3):
        raise ConvShapeError(
            f"maps has shape {array.shape}, expected (C, H, W) or (C, L).",
            "Give one sample, such as maps[0]; of maps over three axes one plane, such as maps[:, 0].",
        )
    shown = array[: integer("max_maps", max_maps, least=1, error=ConvShapeError)]
    check_cells("the grid", shown.shape, "Give a smaller max_maps, or coarser maps such as maps[:, ::2, ::2].")
    is_each = scale == "each"
    limit = 1.0 if is_each else upper_limit(vmax, shown)
    if is_each:
        shown = np.stack([single / limit_of(single) for single in shown])
    settings = {"cmap": cmap, "is_signed": has_negative(shown)}
    size = "×".join(map(str, array.shape[1:]))
    left_out = cut_short(len(shown), len(array), "channels")
    title = f"{len(array)} feature map{'s' if len(array) > 1 else ''} {size}"
    if shown.ndim == 2:
        drawn, image = _draw_rows(shown, ax, limit, settings)
    else:
        drawn, image = _draw_grid(shown, ax, _columns(columns, shown), limit, settings)
    set_title(drawn, title, left_out)
    if colorbar:
        colour_bar(drawn, image, "value / largest |value| of its map" if is_each else "value")
    return drawn


def _columns(columns: object, shown: Reals) -> int:
    count, height, width = map(int, shown.shape)
    if columns is None:
        return grid_columns(count, height, width, count)
    return min(integer("columns", columns, least=1, error=ConvShapeError), count)


def _draw_rows(shown: Reals, ax: Axes | None, limit: float, settings: dict[str, Any]) -> tuple[Axes, Any]:
    count, length = shown.shape
    drawn = axes_for(ax, (7.0, min(0.22 * count, 7) + 1.0))
    image = draw_cells(drawn, shown, limit, **settings)
    drawn.set_aspect("auto")
    numbered = range(0, count, -(-count // 16))
    drawn.set_yticks([channel + 0.5 for channel in numbered], [str(channel) for channel in numbered])
    places = range(0, length, -(-length // 12))
    drawn.set_xticks([place + 0.5 for place in places], [str(place) for place in places])
    drawn.set_ylabel("channel")
    drawn.set_xlabel("position")
    return drawn, image


def _draw_grid(shown: Reals, ax: Axes | None, columns: int, limit: float, settings: dict[str, Any]) -> tuple[Axes, Any]:
    count, height, width = shown.shape
    # Room above each map for its number.
    gap = math.ceil(0.2 * height), math.ceil(0.06 * width)
    rows = -(-count // columns)
    sheet = mosaic(shown, columns, gap)
    side = min(1.1, 9 / columns, 9 / rows)
    drawn = axes_for(ax, (max(side * columns * (1 + gap[1] / width), 2.4) + 1.8, max(side * rows * (height + gap[0]) / width, 1.2) + 0.5))
    image = draw_cells(drawn, sheet.cells, limit, **settings, interpolation="antialiased")
    draw_boxes(drawn, sheet.boxes)
    drawn.set_ylim(sheet.cells.shape[0], -gap[0])
    points = points_per_unit(drawn)
    for channel, (x, y) in enumerate(sheet.corners):
        drawn.text(x, y - 0.1 * gap[0], str(channel), fontsize=min(0.7 * gap[0] * points, 9), ha="left", va="bottom")
    drawn.set_xticks([])
    drawn.set_yticks([])
    without_frame(drawn)
    return drawn, image
