"""`animate` and `receptive_pyramid`: from a convolution to its moving picture in one call.

Owns the choice of the layout; scenes come from `viz.scene`, files from `animation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from faltung.errors import ConvSpecError, one_of
from faltung.spec import ConvSpec
from faltung.viz.pictures.animation import Animation
from faltung.viz.pictures.drawing import Drawing
from faltung.viz.pictures.flat import draw_flat
from faltung.viz.pictures.moment import Moment, MomentTimeline
from faltung.viz.pictures.palette import palette as palette_named
from faltung.viz.pictures.pyramid import draw_pyramid
from faltung.viz.pictures.stacked import draw_stacked
from faltung.viz.pictures.svg import Theme
from faltung.viz.scene import Scene, scene
from faltung.viz.scene.build import Reading

__all__ = ["STYLES", "Style", "animate", "animate_scene", "receptive_pyramid", "still_of_scene"]

Style = Literal["flat", "stacked"]

STYLES: dict[str, Callable[..., Drawing]] = {"flat": draw_flat, "stacked": draw_stacked}
"""Layouts by name: grids side by side; the input below and the output above it, seen obliquely."""

SECONDS_PER_FRAME = 0.7


def animate(
    spec: ConvSpec | str | Sequence[ConvSpec | str],
    x: object = None,
    weight: object = None,
    bias: object = None,
    *,
    input_size: int | Sequence[int] | None = None,
    style: Style = "flat",
    numbers: bool = True,
    reading: Reading = "auto",
    palette: str = "tol",
    theme: Theme = "auto",
    seconds_per_frame: float = SECONDS_PER_FRAME,
    title: str | None = None,
) -> Animation:
    """A moving picture of a convolution, step by step.

    Parameters
    ----------
    spec : ConvSpec, str or sequence of them
        Up to three axes. Several are shown one after the other, as a depthwise separable convolution.
    x, weight, bias : arrays, optional
        As `faltung.scene` takes them; small numbers are made up for what is not given.
    input_size : int or tuple of int, optional
        Spatial. Needed without `x`.
    style : {"flat", "stacked"}
        Grids side by side; or the input below and the output above it, seen obliquely (the view of Dumoulin & Visin, "A guide to
        convolution arithmetic for deep learning", 2018).
    numbers : bool
        Whether values are written into the cells and the arithmetic below them.
    reading : {"auto", "gather", "scatter"}
        Of a transposed convolution: inputs that stamp the kernel onto the output (auto), or a window over the zero-inserted input.
    palette : {"tol", "okabe-ito", "grey"}
        All of them are readable for colour-blind people.
    theme : {"auto", "light", "dark"}
        ``"auto"`` follows the reader's setting where the file can (.svg, .html, notebooks), else light.
    seconds_per_frame : float
    title : str, optional

    Returns
    -------
    Animation
        ``save("a.gif" | ".mp4" | ".svg" | ".html" | ".png")`` writes it; notebooks show it with controls.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        As `faltung.scene`, and for a style, palette or theme that does not exist.

    Examples
    --------
    >>> animation = animate("conv2d(1, 1, 3)", input_size=(5, 5))
    >>> animation.frames
    9
    >>> animation.to_svg().startswith("<svg")
    True
    """
    shown = scene(spec, input_size, x, weight, bias, reading=reading, title=title)
    return animate_scene(shown, style=style, numbers=numbers, palette=palette, theme=theme, seconds_per_frame=seconds_per_frame)


def animate_scene(
    shown: Scene,
    *,
    style: Style = "flat",
    numbers: bool = True,
    palette: str = "tol",
    theme: Theme = "auto",
    seconds_per_frame: float = SECONDS_PER_FRAME,
) -> Animation:
    """The moving picture of a scene; everything as in `animate`."""
    draw = STYLES[one_of("style", style, STYLES, ConvSpecError)]
    return Animation(draw(shown, numbers=numbers), palette_named(palette), theme, seconds_per_frame)


def still_of_scene(
    shown: Scene, moment: Moment, *, style: Style = "flat", numbers: bool = True, palette: str = "tol", theme: Theme = "auto"
) -> Animation:
    """The still of a moment of a scene: a single frame; everything else as in `animate`.

    Raises
    ------
    ConvSpecError
        The scene has no such moment.

    Examples
    --------
    >>> from faltung.viz.pictures.moment import Item
    >>> still = still_of_scene(scene("conv2d(1, 1, 3)", (5, 5)), Moment(frame=4, item=Item("input", 0, 12)))
    >>> still.captions
    ('Step 5 of 9. input[0, 2, 2] takes part in 9 products.',)
    """
    draw = STYLES[one_of("style", style, STYLES, ConvSpecError)]
    return Animation(draw(shown, numbers=numbers, timeline=MomentTimeline(shown, moment)), palette_named(palette), theme)


def receptive_pyramid(
    specs: ConvSpec | str | Sequence[ConvSpec | str],
    input_size: int | Sequence[int],
    *,
    at: Sequence[int] | None = None,
    palette: str = "tol",
    theme: Theme = "auto",
    seconds_per_frame: float = SECONDS_PER_FRAME,
) -> Animation:
    """Stacked layers as a pyramid of cells, with the region of every layer that one output sees.

    Parameters
    ----------
    specs : ConvSpec, str or sequence of them
        The layers from the input to the output, of one or two axes.
    input_size : int or tuple of int
        Spatial.
    at : tuple of int, optional
        The output, by its position; without it one frame for each.
    palette, theme, seconds_per_frame
        As in `animate`.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        As `faltung.scene`, and where there is no such output.

    Examples
    --------
    >>> receptive_pyramid(["conv1d(1, 1, 3)"] * 3, 9).frames
    3
    """
    return Animation(draw_pyramid(scene(specs, input_size), at), palette_named(palette), theme, seconds_per_frame)
