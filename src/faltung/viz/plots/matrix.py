"""`plot_matrix`: a convolution as the matrix that it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engine.checks import as_spec
from faltung.errors import ConvShapeError
from faltung.identities import as_matrix
from faltung.spec import ConvSpec
from faltung.viz.plots.canvas import axes_for, colour_bar, count_in_whole, draw_boxes, matplotlib, points_per_unit, set_title, without_frame
from faltung.viz.plots.cells import draw_cells, write_numbers
from faltung.viz.plots.values import limit_of, real_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MAX_SIDE", "plot_matrix", "stored_cells"]

MAX_SIDE = 1024
"""Rows, and columns, that can be drawn: beyond that an entry is smaller than a pixel."""

MOST_LINES = 40
"""Rows of images between which lines are drawn."""

MOST_NUMBERS = (16, 20)
"""Rows and columns up to which the numbers are written unless asked otherwise."""


def plot_matrix(
    spec: ConvSpec | str,
    weight: object,
    input_size: int | Sequence[int],
    *,
    ax: Axes | None = None,
    numbers: bool | None = None,
    cmap: Any = None,
    colorbar: bool = True,
) -> Axes:
    """Draw the matrix whose product with the flattened input is the convolution: Toeplitz, a weight along each diagonal.

    Parameters
    ----------
    spec : ConvSpec or str
        Any number of axes.
    weight : array of ``spec.weight_shape``
        Real.
    input_size : int or tuple of int
        Spatial.
    ax : matplotlib Axes, optional
        To draw on; without it a new figure is made.
    numbers : bool, optional
        Write the entries into the cells; by default of at most 16 rows and 20 columns.
    cmap : str or Colormap, optional
        In place of blue to red.
    colorbar : bool

    Returns
    -------
    matplotlib Axes
        Entries are units of data, the first one from 0 to 1, y downwards. Where no tap meets a cell it is blank. Strong lines stand
        between channels, weak ones between the rows of an image (of more axes, between the lines along the last).

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        ConvShapeError also where there are more than 1024 rows or columns.

    See Also
    --------
    faltung.identities.as_matrix : the matrix itself, and its source.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_matrix("conv1d(1, 1, 3)", [[[1, 2, 3]]], 5, ax=Figure().subplots())
    >>> ax.images[0].get_array().filled(0).astype(int)
    array([[1, 2, 3, 0, 0],
           [0, 1, 2, 3, 0],
           [0, 0, 1, 2, 3]])
    """
    described, array = as_spec(spec), real_array("weight", weight)
    size = described.checked_size("input_size", input_size)
    output_size = described.output_size(size)
    rows, columns = described.out_channels * math.prod(output_size), described.in_channels * math.prod(size)
    _check_sides(rows, columns, described, output_size, size)
    cells = stored_cells(as_matrix(described, array, size))
    larger = max(rows, columns)
    drawn = axes_for(ax, (max(5.0 * columns / larger, 1.5) + 1.6, max(5.0 * rows / larger, 1.0) + 1.0))
    # An entry of a large matrix may be smaller than a pixel: averaging keeps its diagonal whole.
    image = draw_cells(drawn, cells, limit_of(array), cmap=cmap, interpolation="nearest" if larger <= 256 else "antialiased")
    draw_boxes(drawn, [(0, 0, columns, rows)])
    _draw_borders(drawn, (rows, columns), (output_size, size))
    without_frame(drawn)
    count_in_whole(drawn.xaxis, drawn.yaxis)
    drawn.set_xlabel("input" + (", channel by channel" if described.in_channels > 1 else ""))
    drawn.set_ylabel("output" + (", channel by channel" if described.out_channels > 1 else ""))
    set_title(drawn, f"{described}", f"{rows}×{columns} matrix, {100 * cells.count() / cells.size:.3g} % of it filled")
    if numbers or (numbers is None and rows <= MOST_NUMBERS[0] and columns <= MOST_NUMBERS[1]):
        write_numbers(drawn, image, cells, points_per_unit(drawn))
    if colorbar:
        colour_bar(drawn, image, "entry")
    return drawn


def stored_cells(matrix: Any) -> Any:
    """A sparse matrix as a masked array: masked where nothing is stored, not where a stored entry is 0."""
    filled = np.zeros(matrix.shape, bool)
    row, column = matrix.nonzero() if matrix.nnz == 0 else matrix.tocoo().coords
    filled[row, column] = True
    return np.ma.masked_array(matrix.toarray().astype(np.float64), ~filled)


def _check_sides(rows: int, columns: int, spec: ConvSpec, output_size: Sequence[int], input_size: Sequence[int]) -> None:
    for name, side, channels, size in (("rows", rows, spec.out_channels, output_size), ("columns", columns, spec.in_channels, input_size)):
        arithmetic = " * ".join(map(str, (channels, *size)))
        if side == 0:
            raise ConvShapeError(f"the matrix has {arithmetic} = 0 {name}.", "Give at least one cell along each axis.")
        if side > MAX_SIDE:
            raise ConvShapeError(
                f"the matrix has {arithmetic} = {side} {name}, more than {MAX_SIDE} that can be seen.",
                "Use a smaller input_size or fewer channels; faltung.identities.as_matrix has no such limit.",
            )


def _draw_borders(ax: Axes, extents: tuple[int, int], sizes: tuple[Sequence[int], Sequence[int]]) -> None:
    ink = ax.xaxis.label.get_color()
    rows, columns = extents
    lines: dict[bool, list[list[tuple[float, float]]]] = {True: [], False: []}
    for extent, size, is_row in ((rows, sizes[0], True), (columns, sizes[1], False)):
        channel, line = math.prod(size), size[-1]
        # Lines closer than that would hide the entries.
        steps = {line: False, channel: True} if len(size) > 1 and extent // line <= MOST_LINES else {channel: True}
        for step, is_channel in steps.items():
            for place in range(step, extent, step):
                if is_channel or place % channel:
                    lines[is_channel].append([(0, place), (columns, place)] if is_row else [(place, 0), (place, rows)])
    for is_channel, segments in lines.items():
        if segments:
            style = {"linewidths": 1.2, "alpha": 0.9} if is_channel else {"linewidths": 0.5, "alpha": 0.4}
            collection = matplotlib("collections").LineCollection(segments, colors=ink, label="channels" if is_channel else "rows", **style)
            ax.add_collection(collection, autolim=False)
