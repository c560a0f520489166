"""The grid under the window, place by place: what stands there and where it comes from. Standard library only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from faltung.taps import AxisTaps, home
from faltung.viz.windows import ORIGINS, Index, Windows

__all__ = ["Places", "places_under", "shown_ranges"]


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a shown grid from corner to corner, in C order.

    Attributes
    ----------
    reading : {"gather", "scatter"}
        Whether the grid is the input or the output.
    first, last : tuple of int
        The corners.
    origins : tuple of str
        How what stands there comes there, as of a `Cell`.
    sources : tuple of int
        The grid's own cell whose value stands there, as a flat index; -1: none.
    """

    reading: str
    first: Index
    last: Index
    origins: tuple[str, ...]
    sources: Index


def shown_ranges(axes: Iterable[AxisTaps], reading: str) -> list[range]:
    """What is shown of the grid under the window, along each axis."""
    return [axis.shown_gather if axis.axis.transposed and reading == "gather" else axis.shown for axis in axes]


def places_under(windows: Windows, reading: str) -> Places:
    """The grid on which the window lies.

    The input with its border; of a transposed convolution read as a gather with zeros inserted; of a scatter the output.

    >>> from faltung.spec import ConvSpec
    >>> places_under(Windows(ConvSpec.parse("conv1d(1, 1, 3, padding=1)"), (3,)), "gather").origins
    ('zero', 'input', 'input', 'input', 'zero')
    """
    ranges = shown_ranges(windows.axes, reading)
    size = windows.output_size if reading == "scatter" else windows.input_size
    own, nothing = ("output", "cropped") if reading == "scatter" else ("input", "zero")
    origins, sources = [], []
    for entries in itertools.product(*_along(windows, reading, ranges, size)):
        source = 0
        for (cell, _, _), extent in zip(entries, size, strict=True):
            source = -1 if source < 0 or cell is None else source * extent + cell
        sources.append(source)
        if source >= 0:
            origins.append(own if all(is_home for _, is_home, _ in entries) else ORIGINS[windows.spec.padding_mode])
        else:
            origins.append("inserted" if all(is_inside for _, _, is_inside in entries) else nothing)
    return Places(
        reading, tuple(shown.start for shown in ranges), tuple(shown.stop - 1 for shown in ranges), tuple(origins), tuple(sources)
    )


def _along(windows: Windows, reading: str, ranges: Iterable[range], size: Index) -> list[list[tuple[int | None, bool, bool]]]:
    """For each axis at each position: its cell, whether that is its own place, whether it or an inserted zero is there."""
    spec = windows.spec
    if not (spec.transposed and reading == "gather"):
        mode = spec.padding_mode
        return [
            [(cell := home(place, extent, mode), cell == place, False) for place in shown]
            for shown, extent in zip(ranges, size, strict=True)
        ]
    found = []
    for axis, shown in zip(windows.axes, ranges, strict=True):
        held = [axis.zero_inserted(place) for place in shown]
        found.append([(cell, cell is not None, cell is not None or is_inserted) for cell, is_inserted in held])
    return found
