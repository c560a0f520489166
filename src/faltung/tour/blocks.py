"""What a page of the tour is made of: small frozen values, no markup.

A section computes and returns these; `report` alone knows how they look. Texts may mark `code` with
backticks and *emphasis* with asterisks, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faltung.viz.gallery import Case

__all__ = [
    "Block",
    "Check",
    "Correction",
    "Cost",
    "Folded",
    "Formula",
    "Gallery",
    "GridRow",
    "Heading",
    "Legend",
    "Moving",
    "NumberGrid",
    "Picture",
    "Table",
    "Text",
    "Timing",
]

Cell = int | float | str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Correction:
    """Something that is often taught, and what is right."""

    taught: str
    right: str


@dataclass(frozen=True, slots=True)
class Formula:
    """Sums and definitions, line by line, in plain text."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberGrid:
    """A small matrix, each number in a cell tinted by its sign and size.

    Attributes
    ----------
    values : tuple of rows
        Numbers, or texts such as ``1·2 + 3·4``.
    title : str
        Names the grid; every grid has one, it is the table's caption too.
    marked : frozenset of (row, column)
        Cells drawn with a frame.
    """

    values: tuple[tuple[Cell, ...], ...]
    title: str
    marked: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def of(cls, values: Sequence[Sequence[Cell]] | NDArray[np.generic], title: str, marked: Sequence[tuple[int, int]] = ()) -> NumberGrid:
        """A grid of an array (h, w) or of nested sequences."""
        rows = values.tolist() if isinstance(values, np.ndarray) else values
        return cls(tuple(tuple(row) for row in rows), title, frozenset(marked))


@dataclass(frozen=True, slots=True)
class GridRow:
    """Grids side by side with signs such as ∗ and = between them."""

    items: tuple[NumberGrid | str, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; numbers are set flush right."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str


@dataclass(frozen=True, slots=True)
class Legend:
    """What a picture's colours mean: the ends of a named palette (`pictures.PALETTES`)."""

    palette: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    Attributes
    ----------
    pixels : uint8 array (H, W) or (H, W, 3)
    caption, alt : str
        What it shows, for readers; what is to be seen on it, for those who cannot see it.
    legend : Legend, optional
    title : str
        Set above the caption, where pictures stand for different things.
    crisp : bool
        Enlarge without smoothing and compress without loss: for matrices and error maps.
    """

    pixels: NDArray[np.uint8]
    caption: str
    alt: str
    legend: Legend | None = None
    crisp: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures side by side, at most `columns` in a row, fewer on a narrow screen."""

    pictures: tuple[Picture, ...]
    columns: int = 2


@dataclass(frozen=True, slots=True)
class Moving:
    """A moving picture of the gallery; `caption` stands in place of its note."""

    case: Case
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Folded:
    """Blocks that the reader may open."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """A claim, computed.

    Attributes
    ----------
    name : str
        The claim.
    passed : bool
    compared : str
        What was compared with what, and how much of it.
    difference : float
        The largest difference found.
    rule : str
        What the difference may be: ``"equal"``, ``"at most 3e-05"``, ``"must differ"``.
    """

    name: str
    passed: bool
    compared: str
    difference: float
    rule: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What a convolution costs on the tour's photograph, by the spec's own counts."""

    what: str
    parameters: int
    macs: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Timing:
    """One computation timed, beside a peer where one is installed.

    `ratio` is the peer's time over Faltung's, taken round by round: above 1 Faltung is the faster.
    """

    what: str
    faltung_ms: float
    peer: str | None = None
    peer_ms: float | None = None
    ratio: float | None = None


Block = Heading | Text | Correction | Formula | NumberGrid | GridRow | Table | Picture | Gallery | Moving | Folded | Check | Cost | Timing
