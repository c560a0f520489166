"""Which cells are added or cropped on the two sides of every axis, in numbers where the spec fixes them.

Takes its numbers from `geometry`; shared by the writers of all frameworks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faltung.geometry import Axis
    from faltung.spec import ConvSpec

__all__ = ["Sides", "crop_of", "crops", "fixed_sides", "grown_input", "mode_in_use", "negative_part", "positive_part"]

Sides = tuple[tuple[int, int], ...]


def fixed_sides(spec: ConvSpec) -> Sides | None:
    """``(before, after)`` per axis, or None where SAME with a stride makes them depend on the input size."""
    for axis in spec.axes:
        if axis.is_same and not axis.transposed and axis.stride > 1 and axis.extent > 1:
            return None
    return tuple(axis.sides(1) for axis in spec.axes)


def crops(spec: ConvSpec) -> Sides:
    """Cells that leave a transposed spec's uncropped output before and after each axis; negative: cells to append.

    The uncropped output has ``(input - 1)*stride + extent`` cells.
    """
    return tuple(crop_of(axis) for axis in spec.axes)


def crop_of(axis: Axis) -> tuple[int, int]:
    """`crops` of one axis."""
    before, after = axis.sides(1)
    if not axis.is_same:
        return before, after - axis.output_padding
    return before, after - (axis.output_size(1) - replace(axis, padding=(before, after)).output_size(1))


def grown_input(spec: ConvSpec, cropped: Sides) -> tuple[Sides, Sides]:
    """Zeros to put around a transposed spec's input so that its output only needs cropping, and those crops.

    One more input cell adds `stride` cells to the output.
    """
    grown = tuple((-(min(before, 0) // step), -(min(after, 0) // step)) for (before, after), step in zip(cropped, spec.stride, strict=True))
    left = tuple(
        (before + more_before * step, after + more_after * step)
        for (before, after), (more_before, more_after), step in zip(cropped, grown, spec.stride, strict=True)
    )
    return grown, left


def mode_in_use(spec: ConvSpec) -> str:
    """The padding mode, ``"zeros"`` where nothing outside the axes is ever read (or, transposed, written)."""
    sides = crops(spec) if spec.transposed else fixed_sides(spec)
    if sides is not None and all(side <= 0 for pair in sides for side in pair):
        return "zeros"
    return spec.padding_mode


def positive_part(sides: Sides) -> Sides:
    """The cells to add."""
    return tuple((max(before, 0), max(after, 0)) for before, after in sides)


def negative_part(sides: Sides) -> Sides:
    """The cells to crop, as positive numbers."""
    return tuple((max(-before, 0), max(-after, 0)) for before, after in sides)
