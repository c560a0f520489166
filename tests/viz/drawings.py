"""What must hold of every drawing."""

from __future__ import annotations

from faltung.viz.pictures.drawing import Drawing, Text
from faltung.viz.pictures.lettering import text_width
from faltung.viz.pictures.palette import ROLES, palette


def check_drawing(drawing: Drawing) -> None:
    """Shapes lie inside, their roles have colours, their frames exist; each frame has a caption."""
    assert drawing.frames >= 1
    assert len(drawing.captions) == drawing.frames
    assert all(drawing.captions)
    for shape in drawing.shapes:
        assert shape.role in ROLES
        assert palette("tol").paint(shape.role, "light") is not None
        assert shape.frames is None or 0 <= shape.frames[0] < shape.frames[1] <= drawing.frames
        if isinstance(shape, Text):
            left, right = _ends(shape)
            points = ((left, shape.at[1] - shape.size / 2), (right, shape.at[1] + shape.size / 2))
        else:
            points = shape.points
        for x, y in points:
            assert -0.01 <= x <= drawing.width + 0.01, shape
            assert -0.01 <= y <= drawing.height + 0.01, shape


def check_texts_apart(drawing: Drawing, frame: int) -> None:
    """No two texts of a frame lie over one another."""
    boxes = []
    for shape in drawing.visible(frame):
        if isinstance(shape, Text):
            left, right = _ends(shape)
            # Of capitals and digits: lines may come closer than whole letters are high.
            boxes.append((left, right, shape.at[1] - 0.4 * shape.size, shape.at[1] + 0.4 * shape.size, shape.text))
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            across = min(one[1], other[1]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[2], other[2])
            assert across <= 0.01 or down <= 0.01, (one, other)


def _ends(text: Text) -> tuple[float, float]:
    """Where it begins and ends."""
    width = text_width(text.text, text.size, bold=text.role == "strong")
    left = text.at[0] - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor] * width
    return left, left + width
