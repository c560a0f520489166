"""A picture as a list of shapes, each visible during some of its frames.

Owns what a picture is made of, whatever file it becomes: layouts make a `Drawing` from a scene, writers
turn it into SVG, pixels or a page. Standard library only; it knows nothing of convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Drawing", "Line", "Point", "Polygon", "Shape", "Text"]

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline.

    Attributes
    ----------
    points : tuple of (float, float)
        x to the right, y downwards, in pixels at scale 1.
    role : str
        What it stands for: its colours are looked up in a `Palette`.
    frames : (int, int) or None
        Visible from the first of these frames to before the last; None: always.
    radius : float
        Of rounded corners; only axis-parallel rectangles have any.
    """

    points: tuple[Point, ...]
    role: str
    frames: tuple[int, int] | None = None
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """An open path through `points`; with `arrow`, a head at its end."""

    points: tuple[Point, ...]
    role: str
    frames: tuple[int, int] | None = None
    arrow: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text whose middle stands at the height of `at`.

    Attributes
    ----------
    at : (float, float)
    text : str
    role : str
    size : float
        Of the font, in pixels at scale 1.
    anchor : str
        What stands at ``at[0]``: the ``start``, the ``middle`` or the ``end`` of the text.
    frames : (int, int) or None
    """

    at: Point
    text: str
    role: str
    size: float
    anchor: str = "middle"
    frames: tuple[int, int] | None = None


Shape = Polygon | Line | Text


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes from back to front, and for how many frames they change.

    Attributes
    ----------
    width, height : float
        In pixels at scale 1.
    shapes : tuple of Shape
    frames : int
        At least 1.
    title : str
        One line: what is shown, for titles of pages and files.
    captions : tuple of str
        What happens in each frame, in words: read aloud where the picture cannot be seen.

    Examples
    --------
    >>> square = ((0, 0), (9, 0), (9, 9), (0, 9))
    >>> drawing = Drawing(9, 9, (Polygon(square, "input"), Polygon(square, "window", frames=(1, 2))), 2, "a cell", ("before", "after"))
    >>> [len(list(drawing.visible(frame))) for frame in (0, 1)]
    [1, 2]
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]
    frames: int
    title: str
    captions: tuple[str, ...]

    def visible(self, frame: int) -> Iterator[Shape]:
        """The shapes of one frame, from back to front."""
        for shape in self.shapes:
            if shape.frames is None or shape.frames[0] <= frame < shape.frames[1]:
                yield shape
