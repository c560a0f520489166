"""A section of the tour, the row that sums it up, and the result of the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from faltung.tour.blocks import Block, Check, Cost, Timing

__all__ = ["Section", "SummaryRow", "TourResult"]


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One line of the summary table.

    `ratio` is the peer's time over Faltung's (above 1: Faltung is faster); where a section times several
    things, the times are their sums.
    """

    number: int
    subject: str
    checks_passed: int
    checks_total: int
    faltung_ms: float | None
    peer: str | None
    peer_ms: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Section:
    """One subject.

    Attributes
    ----------
    number : int
    title : str
    sentences : (str, str)
        What it is, in two sentences.
    specs : tuple of str
        The convolutions shown, as `ConvSpec.parse` reads them.
    blocks : tuple of Block
        In reading order; checks, costs and timings are gathered at the section's end.
    """

    number: int
    title: str
    sentences: tuple[str, str]
    specs: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """The name that links point to."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check of the section."""
        return tuple(block for block in self.blocks if isinstance(block, Check))

    @property
    def costs(self) -> tuple[Cost, ...]:
        """Every cost of the section."""
        return tuple(block for block in self.blocks if isinstance(block, Cost))

    @property
    def timings(self) -> tuple[Timing, ...]:
        """Every timing of the section."""
        return tuple(block for block in self.blocks if isinstance(block, Timing))

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    def summary(self) -> SummaryRow:
        """The section in one row."""
        timings = self.timings
        mine = sum(timing.faltung_ms for timing in timings) if timings else None
        paired = bool(timings) and all(timing.peer_ms is not None and timing.peer == timings[0].peer for timing in timings)
        theirs = sum(timing.peer_ms or 0.0 for timing in timings) if paired else None
        ratio = timings[0].ratio if len(timings) == 1 else theirs / mine if theirs is not None and mine else None
        return SummaryRow(
            number=self.number,
            subject=self.title,
            checks_passed=sum(check.passed for check in self.checks),
            checks_total=len(self.checks),
            faltung_ms=mine,
            peer=timings[0].peer if paired else None,
            peer_ms=theirs,
            ratio=ratio,
        )


@dataclass(frozen=True, slots=True)
class TourResult:
    """What `take_tour` brings home.

    Attributes
    ----------
    sections : tuple of Section
    path : Path
        The page, ``index.html``.
    seconds : float
        Wall-clock time of the whole tour.
    note : str
        What to know about the times, empty where nothing is.
    """

    sections: tuple[Section, ...]
    path: Path
    seconds: float
    note: str = ""

    @property
    def summary_rows(self) -> tuple[SummaryRow, ...]:
        """The summary table, a row a section."""
        return tuple(section.summary() for section in self.sections)

    @property
    def passed(self) -> bool:
        """Whether every check of every section holds."""
        return all(section.passed for section in self.sections)
