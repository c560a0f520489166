"""Below a picture, what each of its frames computes: the same lines in every layout, each in its own lettering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from faltung.viz.pictures.drawing import Text
from faltung.viz.pictures.timeline import Timeline
from faltung.viz.pictures.wording import step_lines

__all__ = ["Lettering", "arithmetic_lines"]


@dataclass(frozen=True)
class Lettering:
    """How large letters are, how far lines lie apart, and how many there are at most."""

    size: float
    row: float
    most: int


def arithmetic_lines(timeline: Timeline, x: float, y: float, width: float, lettering: Lettering) -> Iterator[Text]:
    """Of a gather the first output channels, of a scatter one output."""
    for number, stage in enumerate(timeline.scene.stages):
        for move in timeline.moves(number):
            lines = step_lines(stage, move.step, width / lettering.size, lettering.most) if move.step else []
            for row, line in enumerate(lines):
                yield Text((x, y + lettering.row * row), line, "text", lettering.size, "start", (move.frame, move.frame + 1))
