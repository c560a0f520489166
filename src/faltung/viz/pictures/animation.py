"""`Animation`: a drawing that can be looked at, and saved as the file that a page, a paper or a slide needs.

Owns the choice of the writer and the checks of what it is asked for.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import SupportsIndex

from faltung.errors import ConvError, ConvSpecError, ConvTypeError, one_of, shown
from faltung.viz.pictures import gif, player, raster, svg, video
from faltung.viz.pictures.drawing import Drawing
from faltung.viz.pictures.files import write_whole
from faltung.viz.pictures.palette import ROLES, Palette
from faltung.viz.pictures.palette import palette as palette_named
from faltung.viz.pictures.svg import Theme

__all__ = ["SUFFIXES", "Animation"]

SUFFIXES = (".svg", ".gif", ".mp4", ".png", ".html")
"""Of the files that an animation can be saved as."""

SHORTEST_SECONDS, LONGEST_SECONDS = 0.02, 60.0
"""Browsers take GIF frames of less than 0.02 s for a mistake and slow them down."""

_THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, repr=False)
class Animation:
    """A moving picture; notebooks show it with buttons.

    Attributes
    ----------
    drawing : Drawing
    palette : Palette or str
        One of `faltung.viz.pictures.palette.PALETTES`; becomes a `Palette`.
    theme : {"auto", "light", "dark"}
        ``"auto"`` follows the reader's setting where the file can (.svg, .html, notebooks), else light.
    seconds_per_frame : float
        0.02 to 60.

    Raises
    ------
    ConvSpecError
        A palette or theme that does not exist, a duration out of bounds, or a drawing that is none: no frames, no size, an unknown role.

    Examples
    --------
    >>> from faltung.viz.pictures.drawing import Polygon
    >>> square = ((0, 0), (9, 0), (9, 9), (0, 9))
    >>> drawing = Drawing(9, 9, (Polygon(square, "input"), Polygon(square, "output", (1, 2))), 2, "a cell", ("before", "after"))
    >>> Animation(drawing)
    Animation('a cell', 2 frames of 9 × 9)
    >>> Animation(drawing).to_svg().startswith("<svg")
    True
    """

    drawing: Drawing
    palette: Palette | str = "tol"
    theme: Theme = "auto"
    seconds_per_frame: float = 0.7

    def __post_init__(self) -> None:
        if isinstance(self.palette, str):
            object.__setattr__(self, "palette", palette_named(self.palette))
        one_of("theme", self.theme, _THEMES, ConvSpecError)
        _check_number("seconds_per_frame", self.seconds_per_frame, SHORTEST_SECONDS, LONGEST_SECONDS)
        drawing = self.drawing
        if drawing.frames < 1 or len(drawing.captions) != drawing.frames:
            raise ConvSpecError(
                f"a drawing of {drawing.frames} frames with {len(drawing.captions)} captions.", "It needs a frame, and a caption for each."
            )
        if not (0 < drawing.width < math.inf and 0 < drawing.height < math.inf):
            raise ConvSpecError(f"a drawing of {drawing.width} × {drawing.height} has no size.", "Both must be above 0.")
        for role in {shape.role for shape in drawing.shapes}:
            one_of("role", role, ROLES, ConvSpecError)

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.drawing.frames

    @property
    def title(self) -> str:
        """What is shown, in one line."""
        return self.drawing.title

    @property
    def captions(self) -> tuple[str, ...]:
        """What happens in each frame, in words."""
        return self.drawing.captions

    def __repr__(self) -> str:
        counted = "1 frame" if self.frames == 1 else f"{self.frames} frames"
        return f"Animation({self.title!r}, {counted} of {self.drawing.width:g} × {self.drawing.height:g})"

    def _repr_html_(self) -> str:
        try:
            return player.fragment(self.drawing, self._palette, self.theme, seconds=self.seconds_per_frame, still=self.frames - 1)
        except ConvError as error:
            return f"<p>{svg.escaped(repr(self))}: {svg.escaped(str(error))}</p>"

    # -- as text and pixels ----------------------------------------------------------------------

    def to_svg(self, frame: SupportsIndex | None = None, *, scale: float = 1.0, loop: bool = True) -> str:
        """The whole as an SVG that moves by CSS alone, or one frame.

        Where nothing moves, as readers may wish or programmes may not be able to, the last frame is shown.

        Parameters
        ----------
        frame : int, optional
            From 0; negative ones count from the end. Without it: all.
        scale : float
            Of the size.
        loop : bool
            Start again after the last frame, or stay there.

        Raises
        ------
        ConvSpecError
            No such frame, or too large.
        """
        _check_scale(scale)
        if frame is None:
            seconds, still = self.seconds_per_frame, self.frames - 1
            return svg.animated_svg(self.drawing, self._palette, self.theme, seconds=seconds, still=still, loop=loop, scale=scale)
        return svg.still_svg(self.drawing, self._palette, self.theme, self._frame(frame), scale=scale)

    def to_html(self, *, scale: float = 1.0, loop: bool = True) -> str:
        """A page of its own, which requests nothing: play, pause, step, scrub, speed; arrow keys, space, Home and End.

        Raises
        ------
        ConvSpecError
            Too large.
        """
        _check_scale(scale)
        seconds, still = self.seconds_per_frame, self.frames - 1
        return player.page(self.drawing, self._palette, self.theme, seconds=seconds, still=still, loop=loop, scale=scale)

    def to_pixels(self, frame: SupportsIndex | str = -1, *, scale: float = 1.0) -> raster.Pixels:
        """One frame, or all of them.

        Parameters
        ----------
        frame : int or "all"
            From 0; negative ones count from the end. ``"all"``: all frames in a grid, each below its number.
        scale : float
            Pixels for each unit of the drawing.

        Returns
        -------
        uint8 array (height, width, 3)

        Raises
        ------
        ConvSpecError
            No such frame, or too many pixels.
        MissingExtraError
            Pillow or matplotlib, whose font is used, is not installed.
        """
        canvas = self._canvas(scale)
        return raster.sheet(canvas) if isinstance(frame, str) and _is_sheet(frame) else canvas.frame(self._frame(frame))

    def to_png(self, frame: SupportsIndex | str = -1, *, scale: float = 1.0) -> bytes:
        """`to_pixels` as the bytes of a PNG file."""
        return raster.png_bytes(self.to_pixels(frame, scale=scale))

    def to_gif(self, *, scale: float = 1.0, loop: bool = True) -> bytes:
        """All frames as the bytes of a GIF file.

        Raises
        ------
        ConvSpecError
            Too large.
        MissingExtraError
            As of `to_pixels`.
        """
        canvas = self._canvas(scale)
        canvas.check_total()
        return gif.gif_bytes(canvas.changes(), seconds=self.seconds_per_frame, loop=loop)

    # -- as a file -------------------------------------------------------------------------------

    def save(
        self, path: str | os.PathLike[str], *, frame: SupportsIndex | str | None = None, scale: float = 1.0, loop: bool = True
    ) -> Path:
        """Write a file: whole, or not at all.

        Parameters
        ----------
        path : str or path
            Its ending says what it becomes:

            - ``.svg``: a moving picture for pages, sharp at every size; with `frame` a still;
            - ``.gif``: a moving picture that shows everywhere;
            - ``.mp4``: a film (H.264) for slides;
            - ``.png``: the still of a frame, without `frame` of the last one; or a contact sheet;
            - ``.html``: a page with buttons and keys.
        frame : int or "all", optional
            A single frame, from 0 (.svg and .png), or all frames in a grid, each below its number (.png).
        scale : float
            Pixels for each unit of the drawing; even sides of films.
        loop : bool
            Start again after the last frame, or stay there. Films leave that to the player.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConvSpecError
            Another ending, no such frame, or too large; the limit is named.
        PhotoError
            The place cannot be written to.
        MissingExtraError
            A package is missing: pixels need ``pip install 'faltung[plot]'``.
        """
        try:
            path = Path(path)
        except TypeError:
            raise ConvTypeError(
                f"path={shown(path)} is a {type(path).__name__}, not the name of a file.", "Give a name such as 'a.gif'."
            ) from None
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ConvSpecError(
                f"{str(path)!r} has the ending {path.suffix!r}, which no animation has.",
                f"Use {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.",
            )
        if frame is not None and suffix not in (".svg", ".png"):
            raise ConvSpecError(f"frame={shown(frame)} goes with .svg and .png, not with {suffix}.", "Leave it out to save all frames.")
        write_whole(path, self._writer(suffix, frame, scale, loop))
        return path

    def _writer(self, suffix: str, frame: SupportsIndex | str | None, scale: float, loop: bool) -> Callable[[Path], object]:
        """What writes the file, all that can be wrong with the arguments checked before."""
        seconds = self.seconds_per_frame
        if suffix == ".svg":
            if isinstance(frame, str):
                raise ConvSpecError(
                    f"frame={frame!r} goes with .png, not with .svg.", "Give a number, or leave it out for a picture that moves."
                )
            text = self.to_svg(frame, scale=scale, loop=loop)
            return lambda part: part.write_text(text, encoding="utf-8", newline="\n")
        if suffix == ".html":
            text = self.to_html(scale=scale, loop=loop)
            return lambda part: part.write_text(text, encoding="utf-8", newline="\n")
        if suffix == ".png":
            data = self.to_png(-1 if frame is None else frame, scale=scale)
            return lambda part: part.write_bytes(data)
        if suffix == ".gif":
            data = self.to_gif(scale=scale, loop=loop)
            return lambda part: part.write_bytes(data)
        canvas = self._canvas(scale)
        canvas.check_total()
        size = canvas.width, canvas.height
        return lambda part: video.write_mp4(part, canvas.frames(), *size, seconds=seconds, background=canvas.background)

    # -- checked ---------------------------------------------------------------------------------

    @property
    def _palette(self) -> Palette:
        assert isinstance(self.palette, Palette)
        return self.palette

    def _canvas(self, scale: float) -> raster.Canvas:
        _check_scale(scale)
        return raster.Canvas(self.drawing, self._palette, self.theme, scale)

    def _frame(self, frame: object) -> int:
        """Counted from the start."""
        try:
            number = operator.index(frame)  # type: ignore[arg-type]
        except TypeError:
            raise ConvTypeError(f"frame={shown(frame)} is a {type(frame).__name__}, not a whole number.", "Count frames from 0.") from None
        if not -self.frames <= number < self.frames:
            raise ConvSpecError(f"frame={number} does not exist: there are {self.frames}.", f"Use 0 to {self.frames - 1}.")
        return number % self.frames


def _is_sheet(frame: str) -> bool:
    return one_of("frame", frame, ("all",), ConvSpecError) == "all"


def _check_scale(scale: object) -> None:
    _check_number("scale", scale, 0.01, 100.0)


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConvTypeError(f"{name}={shown(value)} is a {type(value).__name__}, not a number.", f"Use a number from {low:g} to {high:g}.")
    if not low <= value <= high:
        raise ConvSpecError(f"{name}={shown(value)} is out of bounds.", f"Use a number from {low:g} to {high:g}.")
