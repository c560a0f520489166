"""`plot_kernels`: the weights of a layer, every kernel in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faltung.errors import ConvShapeError
from faltung.normal_form import integer
from faltung.viz.plots.canvas import axes_for, colour_bar, draw_boxes, points_per_unit, set_title, without_frame
from faltung.viz.plots.cells import draw_cells, write_numbers
from faltung.viz.plots.colour_kernels import draw_colour_kernels
from faltung.viz.plots.kernel_mosaic import channel_names, draw_mosaic
from faltung.viz.plots.stems import draw_lanes, draw_stems
from faltung.viz.plots.values import Reals, check_cells, real_array, upper_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_kernels"]

MOST_NUMBERS = 121
"""Cells of a plain kernel, up to which their numbers are written unless asked otherwise."""


def plot_kernels(
    weight: object,
    *,
    ax: Axes | None = None,
    transposed: bool = False,
    rgb: bool = False,
    max_channels: int = 24,
    vmax: float | None = None,
    cmap: Any = None,
    numbers: bool | None = None,
    colorbar: bool = True,
) -> Axes:
    """Draw a layer's weight: a row for each output channel, a column for each input channel of its group.

    The weight of a transposed convolution, (in, out/groups, …), has the channels the other way round: give ``transposed=True``.

    Parameters
    ----------
    weight : array
        - (out, in/groups, kh, kw): a mosaic; blue is negative, red positive, near-white 0, on one scale. With one input channel, as in
          depthwise layers, the kernels stand in a grid. Of (out, in/groups, kd, kh, kw) the planes of each kernel stand side by side.
        - (out, in/groups, k): each kernel as stems in a lane of its own, all on one scale.
        - (kh, kw) or (k,): one kernel, with its numbers or on an axis of values.
    ax : matplotlib Axes, optional
        To draw on; without it a new figure is made.
    transposed : bool
        Name the rows input and the columns output channels.
    rgb : bool
        Draw kernels (out, 3, kh, kw) as colours, 0 middle grey, in a grid.
    max_channels : int
        At most this many rows and columns of kernels are drawn; the title says how many there are.
    vmax : float, optional
        Colours end at ±`vmax`; the largest finite |weight| otherwise.
    cmap : str or Colormap, optional
        In place of blue to red.
    numbers : bool, optional
        Write the values into the cells; by default only of a plain 2-D kernel of at most 121.
    colorbar : bool

    Returns
    -------
    matplotlib Axes
        Cells are units of data, the first kernel at the origin, y downwards. Weights that are NaN or infinite are chequered.

    Raises
    ------
    ConvShapeError, ConvTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> ax = plot_kernels(np.ones((4, 2, 3, 3)), ax=Figure().subplots())
    >>> ax.images[0].get_array().shape  # 4 rows and 2 columns of 3 x 3 cells, with a gap between them
    (15, 7)
    """
    array = real_array("weight", weight)
    most = integer("max_channels", max_channels, least=1, error=ConvShapeError)
    limit = upper_limit(vmax, array)
    names = channel_names(transposed)
    if array.ndim > 5 or array.ndim == 0:
        raise ConvShapeError(
            f"weight has shape {array.shape}, {array.ndim} axes; 1 to 5 can be drawn.",
            "Give (out, in/groups, *kernel_size) with up to three kernel axes, or one kernel (kh, kw) or (k,).",
        )
    if rgb:
        return draw_colour_kernels(array, ax, most, limit)
    if array.ndim == 1:
        return draw_stems(array, ax)
    if array.ndim == 3:
        return draw_lanes(array, ax, most, limit, names)
    if array.ndim == 2:
        return _draw_plain(array, ax, limit, cmap, numbers, colorbar)
    return draw_mosaic(array, ax, most, limit, names, cmap, bool(numbers), colorbar)


def _draw_plain(array: Reals, ax: Axes | None, limit: float, cmap: Any, numbers: bool | None, colorbar: bool) -> Axes:
    height, width = array.shape
    check_cells("the picture", array.shape, "Give a part of the kernel.")
    longer = max(height, width)
    drawn = axes_for(ax, (4.0 * width / longer + 1.6, 4.0 * height / longer + 0.6))
    image = draw_cells(drawn, array, limit, cmap=cmap)
    draw_boxes(drawn, [(0, 0, width, height)])
    _number_cells(drawn, height, width)
    without_frame(drawn)
    set_title(drawn, f"kernel {height}×{width}")
    if numbers or (numbers is None and array.size <= MOST_NUMBERS):
        write_numbers(drawn, image, array, points_per_unit(drawn))
    if colorbar:
        colour_bar(drawn, image, "weight")
    return drawn


def _number_cells(ax: Axes, height: int, width: int) -> None:
    for count, set_ticks in ((height, ax.set_yticks), (width, ax.set_xticks)):
        places = range(0, count, -(-count // 12))
        set_ticks([place + 0.5 for place in places], [str(place) for place in places], fontsize="small")
