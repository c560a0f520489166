"""`plot_receptive_field`: the part of an image that one output of stacked layers sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engine.checks import as_spec
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.normal_form import entries, integer
from faltung.reach import Span
from faltung.spec import ConvSpec
from faltung.viz.plots.canvas import axes_for, colour_bar, count_in_whole, matplotlib, set_title, without_frame
from faltung.viz.plots.cells import SEQUENTIAL
from faltung.viz.plots.photographs import draw_photograph, read_image
from faltung.viz.plots.reach import AxisReach, axis_reach
from faltung.viz.plots.values import Reals, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FRAME", "draw_field", "plot_receptive_field"]

FRAME = "#e69f00"
"""Orange with a black rim: seen on any photograph, with any colour vision."""


def plot_receptive_field(
    specs: ConvSpec | str | Sequence[ConvSpec | str],
    image: object,
    at: tuple[int, int] | None = None,
    *,
    ax: Axes | None = None,
    paths: bool = False,
    colorbar: bool = True,
) -> Axes:
    """Draw over an image what one output of one or more convolutions sees of it.

    Parameters
    ----------
    specs : ConvSpec, str, or a sequence of them
        Over two axes, from the first layer to the last; a pooling layer is a depthwise convolution of its window and stride.
    image : array (H, W), (1, H, W), (3, H, W) or (H, W, 3)
        The input of the first layer.
    at : (int, int), optional
        Row and column of the output, negative from the end; the middle one by default.
    ax : matplotlib Axes, optional
        To draw on; without it a new figure is made.
    paths : bool
        Lay the weighting over the image: on how many ways through the layers' taps each pixel reaches the output (Luo, Li, Urtasun &
        Zemel, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", 2016, §2). Pixels that are wrapped,
        mirrored or repeated into the padding count there as well.
    colorbar : bool
        Beside the weighting.

    Returns
    -------
    matplotlib Axes
        Pixels are units of data, the first one from 0 to 1, y downwards. The solid frame is from the first to the last pixel that is
        seen; the dashed one, where it reaches farther, goes on into the padding of all layers.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> layers = ["conv2d(3, 8, 3, padding=1)", "conv2d(8, 8, 3, stride=2, padding=1)", "conv2d(8, 8, 3, padding=1)"]
    >>> ax = plot_receptive_field(layers, np.zeros((3, 32, 32)), at=(8, 8), ax=Figure().subplots())
    >>> frame = ax.patches[0]
    >>> frame.get_xy(), frame.get_width(), frame.get_height()
    ((12, 12), 9, 9)
    """
    layers = _layers(specs)
    picture = read_image("image", image)
    size = output_size = picture.shape[1:]
    for layer in layers:
        output_size = layer.output_size(output_size)
    place = _place(at, output_size)
    reaches = [
        axis_reach([layer.axes[axis] for layer in layers], [layer.padding_mode for layer in layers], size[axis], place[axis])
        for axis in (0, 1)
    ]
    seen, window = [reach.seen for reach in reaches], [reach.window for reach in reaches]
    drawn = draw_field(ax, picture, seen, window, beside=1.9 if paths and colorbar else 1.1)
    if paths:
        _draw_paths(drawn, reaches, colorbar)
    set_title(drawn, f"output ({place[0]}, {place[1]}) of {output_size[0]}×{output_size[1]} sees {_seen(reaches)}")
    return drawn


def draw_field(ax: Axes | None, picture: Reals, seen: Sequence[Span | None], window: Sequence[Span | None], *, beside: float = 1.1) -> Axes:
    """Draw an image (C, H, W) and frames on it: solid around the cells seen, dashed around those in the padding too.

    Parameters
    ----------
    ax : matplotlib Axes or None
    picture : array (1, H, W) or (3, H, W)
    seen, window : pair of (int, int) or None
        First and last row, first and last column; None where there is none.
    beside : float
        Inches for what stands beside the image, in a figure that is made here.
    """
    (top, bottom), (left, right) = (_shown(span, cells) for span, cells in zip(window, picture.shape[1:], strict=True))
    longer = max(bottom - top, right - left)
    drawn = axes_for(ax, (5.0 * (right - left) / longer + beside, 5.0 * (bottom - top) / longer + 0.7))
    draw_photograph(drawn, picture)
    drawn.set_xlim(left, right)
    drawn.set_ylim(bottom, top)
    _draw_frames(drawn, seen, window)
    without_frame(drawn)
    count_in_whole(drawn.xaxis, drawn.yaxis)
    drawn.set_xlabel("column")
    drawn.set_ylabel("row")
    return drawn


def _layers(specs: object) -> list[ConvSpec]:
    given = [specs] if isinstance(specs, ConvSpec | str) else entries(specs)
    if not given:
        raise ConvTypeError(
            f"specs of type {type(specs).__name__} names no convolution.", "Give a ConvSpec, or a list of them from first to last."
        )
    layers = [as_spec(spec) for spec in given]
    for number, layer in enumerate(layers):
        if layer.ndim != 2:
            raise ConvShapeError(f"specs[{number}] = {layer} has {layer.ndim} axes, an image has 2.", "Give conv2d specs.")
        if number and layers[number - 1].out_channels != layer.in_channels:
            raise ConvShapeError(
                f"specs[{number}] = {layer} takes {layer.in_channels} channels, the one before gives {layers[number - 1].out_channels}.",
                "List the layers in the order in which they are applied.",
            )
    return layers


def _place(at: object, output_size: tuple[int, ...]) -> tuple[int, ...]:
    if 0 in output_size:
        raise ConvShapeError(f"the output has size {output_size}: there is nothing to ask about.", "Give a larger image.")
    if at is None:
        return tuple(cells // 2 for cells in output_size)
    given = entries(at)
    if given is None or len(given) != 2:
        raise ConvShapeError(f"at={at!r} is no pair of a row and a column.", f"Give (row, column) within {output_size}.")
    place = []
    for name, index, cells in zip(("row", "column"), given, output_size, strict=True):
        number = integer(f"at, the {name},", index, error=ConvShapeError)
        if not -cells <= number < cells:
            raise ConvShapeError(f"at has {name} {number}, the output {cells} {name}s.", f"Use {-cells} to {cells - 1}.")
        place.append(number % cells)
    return tuple(place)


def _shown(window: Span | None, cells: int) -> tuple[float, float]:
    """From where to where the axis is drawn: all of the image, and of what is seen beyond it."""
    first, last = (0, cells - 1) if window is None else (min(0, window[0]), max(cells - 1, window[1]))
    room = 0.02 * (last + 1 - first)
    return first - (room if first < 0 else 0), last + 1 + (room if last >= cells else 0)


def _seen(reaches: Sequence[AxisReach]) -> str:
    if any(reach.window is None for reach in reaches):
        return "nothing"
    spans = ["×".join(str(reach.window[1] - reach.window[0] + 1) for reach in reaches if reach.window), "pixels"]
    if any(reach.seen is None for reach in reaches):
        return " ".join([*spans, "of padding"])
    inside = "×".join(str(reach.seen[1] - reach.seen[0] + 1) for reach in reaches if reach.seen)
    return " ".join(spans if inside == spans[0] else [*spans[:1], "cells,", inside, "in the image"])


def _draw_paths(ax: Axes, reaches: Sequence[AxisReach], colorbar: bool) -> None:
    if not all(reach.paths for reach in reaches):
        return
    shares, most = [], 1
    for reach in reaches:
        largest = max(reach.paths.values())
        most *= largest
        first, last = min(reach.paths), max(reach.paths)
        # Divided as whole numbers: deep stacks have more paths than a float can count.
        shares.append(np.array([reach.paths.get(cell, 0) / largest for cell in range(first, last + 1)]))
    weighting = np.outer(*shares)
    (top, left), (high, wide) = (min(reach.paths) for reach in reaches), weighting.shape
    image = ax.imshow(
        np.ma.masked_equal(weighting, 0),
        cmap=SEQUENTIAL,
        vmin=0,
        vmax=1,
        alpha=0.65,
        extent=(left, left + wide, top + high, top),
        interpolation="nearest",
    )
    if colorbar:
        many = f"{most:,}" if most < 10**6 else short(float(most)) if most < 10**300 else f"10^{len(str(most)) - 1}"
        colour_bar(ax, image, "paths" if most == 1 else f"paths / {many}")


def _draw_frames(ax: Axes, seen: Sequence[Span | None], window: Sequence[Span | None]) -> None:
    rim = [matplotlib("patheffects").withStroke(linewidth=3.6, foreground="black")]
    frames: list[tuple[Sequence[Span | None], Any]] = [(seen, "solid")]
    if window != seen:
        frames.append((window, (0, (4, 2))))
    for (rows, columns), style in frames:
        if rows is not None and columns is not None:
            ax.add_patch(
                matplotlib("patches").Rectangle(
                    (columns[0], rows[0]),
                    columns[1] - columns[0] + 1,
                    rows[1] - rows[0] + 1,
                    fill=False,
                    edgecolor=FRAME,
                    linewidth=1.8,
                    linestyle=style,
                    path_effects=rim,
                )
            )
