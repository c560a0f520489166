"""What one output of stacked convolutions sees of the input along one axis: from where to where, and on how many paths.

Layer by layer from the output back, by the meetings of taps and cells; beyond the ends of an axis as `reach` has it. Standard library
only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from faltung.geometry import Axis
from faltung.reach import Reach, of_axis
from faltung.taps import AxisTaps

__all__ = ["AxisReach", "axis_reach"]


@dataclass(frozen=True, slots=True)
class AxisReach:
    """What one output sees along one axis.

    Attributes
    ----------
    paths : dict of int to int
        For each input cell that has any, the number of ways through the layers' taps; copies in the padding count for their cell.
    seen : tuple of (int, int) or None
        First and last input cell with a way that leads through no padding; None where there is none.
    window : tuple of (int, int) or None
        First and last position, were no layer's input to end: negative or past the input's end where padding is seen. None of an output
        of transposed layers that no tap reaches.
    """

    paths: dict[int, int]
    seen: tuple[int, int] | None
    window: tuple[int, int] | None


def axis_reach(axes: Sequence[Axis], modes: Sequence[str], input_size: int, output: int) -> AxisReach:
    """What output number `output` of the layers, first to last, sees of an input of `input_size` cells.

    >>> axis_reach([Axis(0, 3, padding=(1, 1)), Axis(0, 3, padding=(1, 1))], ["zeros", "zeros"], 9, 0)
    AxisReach(paths={0: 2, 1: 2, 2: 1}, seen=(0, 2), window=(-2, 2))
    """
    sizes = [input_size]
    for axis in axes:
        sizes.append(axis.output_size(sizes[-1]))
    paths, seen = Counter({output: 1}), {output}
    for axis, mode, size in reversed(list(zip(axes, modes, sizes, strict=False))):
        real, plain = AxisTaps(axis, size, mode), AxisTaps(axis, size, "zeros")
        before: Counter[int] = Counter()
        for cell, count in paths.items():
            for meeting in real.of_output(cell):
                if meeting.input is not None:
                    before[meeting.input] += count
        paths = before
        seen = {meeting.input for cell in seen for meeting in plain.of_output(cell) if meeting.input is not None}
    total = Reach.itself()
    for axis, size in zip(axes, sizes, strict=False):
        total = of_axis(axis, size).over(total)
    return AxisReach(dict(sorted(paths.items())), _ends(seen), total.at(output))


def _ends(cells: set[int]) -> tuple[int, int] | None:
    return (min(cells), max(cells)) if cells else None
