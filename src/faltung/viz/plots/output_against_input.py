"""`plot_output_against_input`: what goes in and what comes out, to the same measure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engine.arrays import as_array
from faltung.engine.checks import as_spec
from faltung.errors import ConvShapeError
from faltung.functional import conv
from faltung.normal_form import integer
from faltung.spec import ConvSpec
from faltung.taps import AxisTaps
from faltung.viz.plots.canvas import axes_for, colour_bar, count_in_whole, draw_boxes, set_title
from faltung.viz.plots.cells import GREY, draw_cells, has_negative
from faltung.viz.plots.photographs import draw_colours
from faltung.viz.plots.values import Reals, check_cells, limit_of, real_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_output_against_input"]


def plot_output_against_input(
    spec: ConvSpec | str,
    x: object,
    weight: object,
    bias: object = None,
    *,
    ax: Axes | None = None,
    sample: int = 0,
    in_channel: int | None = None,
    out_channel: int = 0,
    colorbar: bool = True,
) -> Axes:
    """Convolve, and draw one channel of the output beside the input, or over it.

    Parameters
    ----------
    spec : ConvSpec or str
        Over one axis or two.
    x : array (N, in, *i) or (in, *i)
        Real.
    weight : array of ``spec.weight_shape``
    bias : array (out,), optional
    ax : matplotlib Axes, optional
        To draw on; without it a new figure is made.
    sample : int
        Which one of the batch.
    in_channel : int, optional
        By default the first one that the output channel sees; three channels over two axes are drawn as red, green and blue.
    out_channel : int
    colorbar : bool
        Beside input and output, each with its own scale.

    Returns
    -------
    matplotlib Axes
        Over two axes, two images in which a cell is one unit of data, the input's upper left corner at the origin, the output to its
        right, both centred in height. Over one axis, two curves: an output stands where the middle of its window lies on the input (of a
        transposed spec an input where the middle of what it stamps lies on the output).

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_output_against_input("conv1d(1, 1, 3, stride=2)", [[1, 2, 3, 4, 5]], [[[1, 1, 1]]], ax=Figure().subplots())
    >>> [line.get_data() for line in ax.lines]
    [(array([0., 1., 2., 3., 4.]), array([1., 2., 3., 4., 5.])), (array([1., 3.]), array([ 6., 12.]))]
    """
    described = as_spec(spec)
    given = as_array("x", x)
    inputs, outputs = real_array("x", given), real_array("the output", conv(described, given, weight, bias))
    if described.ndim > 2:
        raise ConvShapeError(
            f"{described} has {described.ndim} axes; one or two can be drawn.", "Draw one plane of each with fl.plot_feature_maps."
        )
    shapes = inputs.shape, outputs.shape
    if inputs.ndim == described.ndim + 2:
        number = _index("sample", sample, len(inputs))
        inputs, outputs = inputs[number], outputs[number]
    to = _index("out_channel", out_channel, described.out_channels)
    of = to // (described.out_channels // described.groups) * (described.in_channels // described.groups)
    in_colours = described.ndim == 2 and described.in_channels == 3 and in_channel is None
    if in_channel is not None:
        of = _index("in_channel", in_channel, described.in_channels)
    titles = [
        f"input\n{shapes[0]}" + ("" if in_colours or described.in_channels == 1 else f"\nchannel {of}"),
        f"output\n{shapes[1]}" + ("" if described.out_channels == 1 else f"\nchannel {to}"),
    ]
    if described.ndim == 1:
        return _draw_curves(described, inputs[of], outputs[to], titles, ax)
    return _draw_images(described, inputs if in_colours else inputs[of], outputs[to], titles, ax, colorbar)


def _index(name: str, value: object, count: int) -> int:
    number = integer(name, value, error=ConvShapeError)
    if not -count <= number < count:
        raise ConvShapeError(f"{name}={number} is out of range: there are {count}.", f"Use {-count} to {count - 1}.")
    return number % count


def _middles(spec: ConvSpec, input_size: int) -> Reals:
    """Where the middle of each window lies on the larger side: of each output, or of each input if transposed."""
    taps = AxisTaps(spec.axes[0], input_size, "zeros")
    windows = input_size if spec.transposed else taps.output_size
    of_window = taps.of_input if spec.transposed else taps.of_output
    # Windows lie evenly, so that two tell where all are.
    first, second = (np.mean([meeting.position for meeting in of_window(window)]) for window in (0, 1))
    return np.asarray(first + (second - first) * np.arange(windows))


def _draw_curves(spec: ConvSpec, signal: Reals, output: Reals, titles: list[str], ax: Axes | None) -> Axes:
    drawn = axes_for(ax, (7.0, 3.4))
    middles = _middles(spec, len(signal))
    at_input, at_output = (
        (middles, np.arange(len(output), dtype=float)) if spec.transposed else (np.arange(len(signal), dtype=float), middles)
    )
    few = max(len(signal), len(output)) <= 64
    curves: list[tuple[Reals, Reals, str, dict[str, Any]]] = [
        (at_input, signal, titles[0], {"linestyle": "--", "marker": "o" if few else "", "fillstyle": "none"}),
        (at_output, output, titles[1], {"linestyle": "-", "marker": "s" if few else ""}),
    ]
    for places, values, title, style in curves:
        bad = int(np.count_nonzero(~np.isfinite(values)))
        note = f", {bad} not finite" if bad else ""
        drawn.plot(places, np.where(np.isfinite(values), values, np.nan), label=title.replace("\n", " ") + note, markersize=4, **style)
    count_in_whole(drawn.xaxis)
    drawn.set_xlabel(f"position on the {'output' if spec.transposed else 'input'}")
    drawn.set_ylabel("value")
    drawn.legend(fontsize="small")
    set_title(drawn, str(spec))
    return drawn


def _draw_images(spec: ConvSpec, image: Reals, output: Reals, titles: list[str], ax: Axes | None, colorbar: bool) -> Axes:
    (high, wide), (out_high, out_wide) = image.shape[-2:], output.shape
    for name, shape in (("the input", (high, wide)), ("the output", (out_high, out_wide))):
        check_cells(f"the picture of {name}", shape, "Give a part of x, such as x[..., :512, :512].")
    full_height = max(high, out_high)
    # Room for two titles beside each other, however narrow the images are.
    gap = max(1, math.ceil(0.1 * max(wide, out_wide)), math.ceil(0.4 * full_height - (wide + out_wide) / 2))
    full_width = wide + gap + out_wide
    scale = min(9.0 / full_width, 5.0 / full_height)
    drawn = axes_for(ax, (max(full_width * scale, 5.0) + 2.0, max(full_height * scale, 1.5) + 1.4))
    corners = [(0.0, (full_height - high) / 2), (float(wide + gap), (full_height - out_high) / 2)]
    images = [_draw_one(drawn, cells, corner) for cells, corner in zip((image, output), corners, strict=True)]
    draw_boxes(drawn, [(*corners[0], wide, high), (*corners[1], out_wide, out_high)])
    drawn.set_xlim(0, full_width)
    drawn.set_ylim(full_height, 0)
    for title, (left, top), width in zip(titles, corners, (wide, out_wide), strict=True):
        drawn.annotate(title, (left + width / 2, top), (0, 4), textcoords="offset points", ha="center", va="bottom", annotation_clip=False)
    drawn.set_xticks([])
    drawn.set_yticks([])
    for spine in drawn.spines.values():
        spine.set_visible(False)
    drawn.set_xlabel(str(spec), fontsize="small")
    if colorbar:
        if image.ndim == 2:
            colour_bar(drawn, images[0], "input", side="left")
        colour_bar(drawn, images[1], "output")
    return drawn


def _draw_one(ax: Axes, cells: Reals, corner: tuple[float, float]) -> Any:
    if cells.ndim == 3:
        return draw_colours(ax, cells, corner)
    is_signed = has_negative(cells)
    cmap = None if is_signed else GREY
    return draw_cells(ax, cells, limit_of(cells), cmap=cmap, is_signed=is_signed, corner=corner, interpolation="antialiased")
