"""A drawing made by hand: a 3×3 window over 5×5 cells, nine frames, every kind of shape."""

from __future__ import annotations

from faltung.viz.pictures.drawing import Drawing, Line, Point, Polygon, Shape, Text

CELL = 32
INPUT, OUTPUT = (28, 56), (352, 88)


def square(left: float, top: float, side: float = CELL) -> tuple[Point, ...]:
    return ((left, top), (left + side, top), (left + side, top + side), (left, top + side))


def sample(title: str = "conv2d: 5×5 → 3×3", caption: str = "output") -> Drawing:
    shapes: list[Shape] = [Text((28, 24), "5×5 → 3×3", "strong", 14, "start")]
    for at in range(25):
        left, top = INPUT[0] + at % 5 * CELL, INPUT[1] + at // 5 * CELL
        shapes.append(Polygon(square(left, top), "zero" if at >= 20 else "input"))
    for at in range(9):
        left, top = OUTPUT[0] + at % 3 * CELL, OUTPUT[1] + at // 3 * CELL
        shapes.append(Polygon(square(left, top), "blank"))
    for frame in range(9):
        now = (frame, frame + 1)
        left, top = INPUT[0] + frame % 3 * CELL, INPUT[1] + frame // 3 * CELL
        out_left, out_top = OUTPUT[0] + frame % 3 * CELL, OUTPUT[1] + frame // 3 * CELL
        shapes += [Polygon(square(left + at % 3 * CELL, top + at // 3 * CELL), "input-strong", now) for at in range(9)]
        shapes += [
            Polygon(((left + 96, top), (out_left, out_top), (out_left, out_top + CELL), (left + 96, top + 96)), "shadow", now),
            Polygon(square(left, top, 96), "kernel-line", now, radius=4),
            Polygon(square(out_left, out_top), "output", (frame, 9)),
            Polygon(square(out_left, out_top), "output-strong", now),
            Text((out_left + 16, out_top + 16), f"−{frame}", "text", 13, frames=(frame, 9)),
            Line(((280, 200), (280, 220), (out_left - 6, out_top + 16)), "arrow", now, arrow=True),
            Line(((left + 16, top + 16), (left + 48, top + 80)), "link", now),
            Text((452, 244), f"step {frame}", "muted", 13, "end", now),
        ]
    for at in range(25):
        shapes.append(Text((INPUT[0] + (at % 5 + 0.5) * CELL, INPUT[1] + (at // 5 + 0.5) * CELL), str(at), "text", 13))
    return Drawing(480, 260, tuple(shapes), 9, title, tuple(f"{caption} {frame}" for frame in range(9)))
