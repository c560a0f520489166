"""Drawings as pixels: drawn larger and averaged down, of each frame only what the one before did not have.

Owns how shapes become pixels, and the limits on how many. Pillow and the font, which is matplotlib's, are
looked for at call time only; the theme ``"auto"`` is light, as pixels cannot follow the reader.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvSpecError
from faltung.extras import MissingExtraError, optional
from faltung.viz.pictures.changes import Box, Patch, Timetable
from faltung.viz.pictures.drawing import Drawing, Line, Point, Polygon, Shape, Text
from faltung.viz.pictures.palette import Paint, Palette
from faltung.viz.pictures.strokes import capital_middle, cut, dashes, outline, rectangle, with_head

__all__ = ["MAX_FRAME_PIXELS", "MAX_TOTAL_PIXELS", "Canvas", "Pixels", "png_bytes", "sheet"]

Pixels = NDArray[np.uint8]

MAX_FRAME_PIXELS = 8_000_000
"""Of one picture; drawing it takes nine times as many, 216 MB."""

MAX_TOTAL_PIXELS = 64_000_000
"""Of all frames of an animation: 192 MB."""

MAX_SHEET_PIXELS = 32_000_000
"""Of a contact sheet: 96 MB."""

SHEET_SHAPE = 1.4
"""Width over height that contact sheets come near to."""

SAMPLES = 3
"""Samples along each side of a pixel."""

_PIECE = 16.0
"""Pixels of a line that are looked at together: a box around a line across the picture would be most of it."""

_PURPOSE = "drawing pictures"


class Canvas:
    """Draws the frames of one drawing.

    Parameters
    ----------
    drawing : Drawing
    palette : Palette
    theme : {"auto", "light", "dark"}
    scale : float
        Pixels for each unit of the drawing.

    Attributes
    ----------
    drawing, scale
        As given.
    width, height : int
        Of each frame, in pixels.

    Raises
    ------
    ConvSpecError
        A frame would have more than `MAX_FRAME_PIXELS` pixels.
    MissingExtraError
        Pillow or matplotlib is not installed.
    """

    def __init__(self, drawing: Drawing, palette: Palette, theme: str, scale: float) -> None:
        self.drawing = drawing
        self._shade: Literal["light", "dark"] = "dark" if theme == "dark" else "light"
        self._palette = palette
        self._paints: dict[str, Paint] = {}
        self.scale = scale
        self._scale = scale * SAMPLES
        self.width, self.height = max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale))
        if self.width * self.height > MAX_FRAME_PIXELS:
            raise ConvSpecError(
                f"a picture of {self.width} × {self.height} pixels is too large: the limit is {MAX_FRAME_PIXELS} pixels.",
                "Use a smaller scale, or draw a smaller input; .svg and .html have no pixels.",
            )
        self._image = _pillow("Image")
        self._draw = _pillow("ImageDraw")
        # What is behind everything that changes is drawn once.
        self._fixed = next(
            (at for at, shape in enumerate(drawing.shapes) if shape.frames not in (None, (0, drawing.frames))), len(drawing.shapes)
        )
        self._back: Any = None

    @property
    def background(self) -> str:
        """The colour behind everything."""
        return self.colour("background")

    def colour(self, role: str) -> str:
        """That of the fill or, where there is none, of the stroke."""
        paint = self._paint(role)
        return paint.fill or paint.stroke or "#808080"

    def check_total(self) -> None:
        """Refuse animations whose frames together have more than `MAX_TOTAL_PIXELS` pixels."""
        if self.width * self.height * self.drawing.frames > MAX_TOTAL_PIXELS:
            raise ConvSpecError(
                f"{self.drawing.frames} frames of {self.width} × {self.height} pixels are too many: the limit is {MAX_TOTAL_PIXELS}.",
                "Use a smaller scale, or fewer steps; .svg and .html have no pixels.",
            )

    def frame(self, number: int) -> Pixels:
        """The pixels of a frame, uint8 (height, width, 3)."""
        return np.asarray(self._whole(number).reduce(SAMPLES))

    def frames(self) -> Iterator[Pixels]:
        """Every frame in order, each an array of its own."""
        pixels = np.zeros((self.height, self.width, 3), np.uint8)
        for patches in self.changes():
            pixels = pixels.copy()
            for left, top, patch in patches:
                pixels[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
            yield pixels

    def changes(self) -> Iterator[list[Patch]]:
        """Of every frame in order the parts that differ from the frame before; of the first all of it."""
        image = self._whole(0)
        yield [Patch(0, 0, np.asarray(image.reduce(SAMPLES)))]
        shapes = self.drawing.shapes[self._fixed :]
        timetable = Timetable(shapes, [self._reach(shape) for shape in shapes], self.drawing.frames, self.width, self.height)
        for number in range(1, self.drawing.frames):
            boxes = timetable.changed(number)
            large = [tuple(SAMPLES * end for end in box) for box in boxes]
            for box in large:
                image.paste(self._background().crop(box), box)
            # Shapes that reach beyond the boxes are drawn there once more, over others: what lies there is not looked at again
            # before it is drawn anew.
            self._put(image, [shapes[at] for at in timetable.seen(number, boxes)])
            yield [Patch(box[0], box[1], np.asarray(image.reduce(SAMPLES, wide))) for box, wide in zip(boxes, large, strict=True)]

    def _whole(self, number: int) -> Any:
        """A frame, with all its samples."""
        image = self._background().copy()
        changing = self.drawing.shapes[self._fixed :]
        self._put(image, [shape for shape in changing if shape.frames is None or shape.frames[0] <= number < shape.frames[1]])
        return image

    def _background(self) -> Any:
        """What is behind everything that changes."""
        if self._back is None:
            self._back = self._image.new("RGB", (self.width * SAMPLES, self.height * SAMPLES), self.background)
            self._put(self._back, self.drawing.shapes[: self._fixed])
        return self._back

    def _reach(self, shape: Shape) -> list[Box]:
        """Boxes of pixels that a shape does not leave."""
        paint = self._paint(shape.role)
        if isinstance(shape, Text):
            place, words, letters, anchor = self._lettering(shape, paint)
            left, top, right, bottom = letters.getbbox(words, anchor=anchor)
            return [self._around([(place[0] + left, place[1] + top), (place[0] + right, place[1] + bottom)], 0)]
        half = paint.width * self._scale / 2
        if isinstance(shape, Polygon):
            return [self._around(self._scaled(shape.points), half)]
        head = with_head(shape.points, paint.width)[1] if shape.arrow else ()
        points = self._scaled(shape.points)
        boxes = []
        for start, end in itertools.pairwise(points):
            boxes += [self._around(piece, half) for piece in itertools.pairwise(cut(start, end, _PIECE * SAMPLES))]
        return [*boxes, self._around(self._scaled(head), 0)] if head else boxes or [self._around(points, half)]

    def _around(self, points: Sequence[Point], by: float) -> Box:
        """The pixels of a box around samples; two samples more, for all that is rounded."""
        xs, ys = zip(*points, strict=True)
        left, top, right, bottom = (end / SAMPLES for end in (min(xs) - by - 2, min(ys) - by - 2, max(xs) + by + 2, max(ys) + by + 2))
        return max(math.floor(left), 0), max(math.floor(top), 0), min(math.ceil(right), self.width), min(math.ceil(bottom), self.height)

    # -- shapes ----------------------------------------------------------------------------------

    def _put(self, image: Any, shapes: Sequence[Shape]) -> None:
        draw = self._draw.Draw(image)
        for shape in shapes:
            paint = self._paint(shape.role)
            if isinstance(shape, Text):
                self._put_text(draw, shape, paint)
            elif isinstance(shape, Line):
                self._put_line(draw, shape, paint)
            else:
                self._put_polygon(image, draw, shape, paint)

    def _put_text(self, draw: Any, text: Text, paint: Paint) -> None:
        if paint.fill is None:
            return
        place, words, letters, anchor = self._lettering(text, paint)
        draw.text(place, words, fill=paint.fill, font=letters, anchor=anchor)

    def _lettering(self, text: Text, paint: Paint) -> tuple[Point, str, Any, str]:
        """Where a text stands, what it says, its font, and which of its points stands there."""
        words = " ".join(text.text.split())  # Pillow takes line breaks for several lines
        place = (text.at[0] * self._scale, (text.at[1] + capital_middle(text.size)) * self._scale)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[text.anchor]
        return place, words, font(text.size * self._scale, paint.is_bold), anchor

    def _put_line(self, draw: Any, line: Line, paint: Paint) -> None:
        if paint.stroke is None:
            return
        points, head = with_head(line.points, paint.width) if line.arrow else (line.points, ())
        self._stroke(draw, points, paint)
        if head:
            draw.polygon(self._scaled(head), fill=paint.stroke)

    def _put_polygon(self, image: Any, draw: Any, polygon: Polygon, paint: Paint) -> None:
        box = rectangle(polygon)
        if paint.fill is not None:
            if paint.opacity < 1:
                self._blend(image, polygon, paint)
            else:
                self._fill(draw, polygon, paint.fill)
        if paint.stroke is not None:
            self._stroke(draw, outline(*box, polygon.radius) if box else (*polygon.points, polygon.points[0]), paint)

    def _fill(self, draw: Any, polygon: Polygon, colour: str | int, origin: tuple[int, int] = (0, 0)) -> None:
        box = rectangle(polygon)
        if box and not polygon.radius:
            left, top, right, bottom = (round(value * self._scale) for value in (box[0], box[1], box[0] + box[2], box[1] + box[3]))
            if right > left and bottom > top:
                draw.rectangle((left - origin[0], top - origin[1], right - 1 - origin[0], bottom - 1 - origin[1]), fill=colour)
            return
        points = outline(*box, polygon.radius) if box else polygon.points
        draw.polygon([(x - origin[0], y - origin[1]) for x, y in self._scaled(points)], fill=colour)

    def _blend(self, image: Any, polygon: Polygon, paint: Paint) -> None:
        """Lay a colour over part of the image: through a mask, since only that blends each pixel once."""
        xs, ys = zip(*self._scaled(polygon.points), strict=True)
        left, top, right, bottom = math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)) + 1, math.ceil(max(ys)) + 1
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
        if right <= left or bottom <= top:
            return
        mask = self._image.new("L", (right - left, bottom - top), 0)
        self._fill(self._draw.Draw(mask), polygon, round(255 * paint.opacity), (left, top))
        image.paste(paint.fill, (left, top, right, bottom), mask)

    def _stroke(self, draw: Any, points: Sequence[Point], paint: Paint) -> None:
        for piece in dashes(points, paint.dash) if paint.dash else [points]:
            self._stroke_piece(draw, piece, paint)

    def _stroke_piece(self, draw: Any, points: Sequence[Point], paint: Paint) -> None:
        """Each straight piece as a rectangle, since Pillow's own wide lines are whole pixels wide; round joins between them."""
        half = paint.width * self._scale / 2
        scaled = self._scaled(points)
        for (x0, y0), (x1, y1) in itertools.pairwise(scaled):
            length = math.hypot(x1 - x0, y1 - y0)
            if length == 0:
                continue
            across_x, across_y = -(y1 - y0) / length * half, (x1 - x0) / length * half
            if x0 == x1 or y0 == y1:
                box = (min(x0, x1) - abs(across_x), min(y0, y1) - abs(across_y), max(x0, x1) + abs(across_x), max(y0, y1) + abs(across_y))
                left, top, right, bottom = (round(value) for value in box)
                draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill=paint.stroke)
            else:
                quad = [
                    (x0 + across_x, y0 + across_y),
                    (x1 + across_x, y1 + across_y),
                    (x1 - across_x, y1 - across_y),
                    (x0 - across_x, y0 - across_y),
                ]
                draw.polygon(quad, fill=paint.stroke)
        if half > 1.5 and len(set(scaled)) > 1:
            joins = scaled[:-1] if scaled[0] == scaled[-1] else scaled[1:-1]
            for x, y in joins:
                draw.ellipse((x - half, y - half, x + half - 1, y + half - 1), fill=paint.stroke)

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def _paint(self, role: str) -> Paint:
        if role not in self._paints:
            self._paints[role] = self._palette.paint(role, self._shade)
        return self._paints[role]


def sheet(canvas: Canvas) -> Pixels:
    """All frames in a grid, each below its number as ``frame=`` takes it: the first is 0.

    Raises
    ------
    ConvSpecError
        The sheet would have more than `MAX_SHEET_PIXELS` pixels.
    """
    count, scale = canvas.drawing.frames, canvas.scale
    gap, strip = max(1, round(10 * scale)), max(1, round(18 * scale))
    across, down = canvas.width + gap, canvas.height + strip + gap

    def unshapely(columns: int) -> float:
        return abs(math.log(columns * across / (math.ceil(count / columns) * down) / SHEET_SHAPE))

    columns = min(range(1, count + 1), key=unshapely)
    width, height = columns * across + gap, math.ceil(count / columns) * down + gap
    if width * height > MAX_SHEET_PIXELS:
        raise ConvSpecError(
            f"a sheet of {count} frames, {width} × {height} = {width * height} pixels, is too large: the limit is {MAX_SHEET_PIXELS}.",
            "Use a smaller scale, or fewer steps.",
        )
    image = _pillow("Image").new("RGB", (width, height), canvas.background)
    draw = _pillow("ImageDraw").Draw(image)
    letters = font(12 * scale, True)
    for number, pixels in enumerate(canvas.frames()):
        left, top = gap + number % columns * across, gap + number // columns * down + strip
        draw.text((left, top - 5 * scale), str(number), fill=canvas.colour("muted"), font=letters, anchor="ls")
        image.paste(_pillow("Image").fromarray(pixels), (left, top))
        draw.rectangle((left - 1, top - 1, left + canvas.width, top + canvas.height), outline=canvas.colour("faint"))
    return np.asarray(image)


def png_bytes(pixels: Pixels) -> bytes:
    """Pixels, uint8 (height, width, 3), as the bytes of a PNG file."""
    stream = io.BytesIO()
    _pillow("Image").fromarray(pixels).save(stream, "PNG", optimize=True)
    return stream.getvalue()


@functools.lru_cache(maxsize=64)
def font(size: float, is_bold: bool) -> Any:
    """DejaVu Sans, which matplotlib ships; Pillow's own font lacks − and ×."""
    # Found, not imported: importing matplotlib takes half a second.
    found = importlib.util.find_spec("matplotlib")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(f"{_PURPOSE} needs matplotlib, which is not installed.", "Run pip install 'faltung[plot]'.")
    fonts = _pillow("ImageFont")
    path = Path(found.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if is_bold else ''}.ttf"
    # The basic layout is the same on every machine; the other one needs a library that not every Pillow has.
    return fonts.truetype(str(path), max(size, 1), layout_engine=fonts.Layout.BASIC)


def _pillow(module: str) -> Any:
    return optional(f"PIL.{module}", extra="plot", purpose=_PURPOSE, package="Pillow")
