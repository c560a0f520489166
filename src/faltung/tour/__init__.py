"""The tour: every kind of convolution on a photograph, checked against the definition, timed and drawn.

`take_tour` is all that the command line needs. ``sections/`` has a file a subject, each returning data
(`blocks`); `report` makes one page of them. Nothing here convolves: that is `faltung.functional`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from faltung.bench.machine import BUSY, Usage, usage
from faltung.photo import PhotoError
from faltung.tour.clock import Clock
from faltung.tour.photograph import LONG_SIDE, Photograph
from faltung.tour.report import render
from faltung.tour.section import Section, SummaryRow, TourResult
from faltung.tour.sections import SECTIONS

__all__ = ["Section", "SummaryRow", "TourResult", "take_tour"]


def take_tour(
    image: str | Path | None = None,
    out: str | Path = "tour-report",
    progress: Callable[[int, int, str], object] | None = None,
    *,
    long_side: int = LONG_SIDE,
    clock: Clock | None = None,
) -> TourResult:
    """Take the tour and write its page.

    Parameters
    ----------
    image : str or Path, optional
        An image file or a ``.npy`` array; without it a photograph from scikit-image's data.
    out : str or Path
        Folder for ``index.html``; made where it is missing.
    progress : callable, optional
        Called with (sections done, sections in all, title of the next) before each section, and once at the
        end with the page's title.
    long_side : int
        Pixels along the longer side to which the photograph is brought, 32 or more.
    clock : Clock, optional
        How long to time.

    Returns
    -------
    TourResult
        Its `passed` is False where any check failed; the page is written all the same.

    Raises
    ------
    PhotoError
        The image cannot be read, or the page cannot be written.

    Examples
    --------
    >>> take_tour("no-such-photograph.png")
    Traceback (most recent call last):
    faltung.photo.PhotoError: no such file: 'no-such-photograph.png'.
    ...
    """
    started, used = time.perf_counter(), usage()
    clock = clock or Clock()
    report = progress or (lambda *_: None)
    photograph = Photograph.open(image, long_side)
    folder = _folder(Path(out))
    sections = []
    for done, (title, section) in enumerate(SECTIONS):
        report(done, len(SECTIONS), title)
        sections.append(section(photograph, clock))
    report(len(SECTIONS), len(SECTIONS), "The page")
    seconds = time.perf_counter() - started
    note = _busy_note(used, usage())
    path = folder / "index.html"
    try:
        path.write_text(render(tuple(sections), photograph, seconds, threads=clock.threads, note=note), encoding="utf-8")
    except OSError as error:
        raise PhotoError(f"cannot write {str(path)!r}: {error.strerror or error}.", "Give another folder with --out.") from None
    return TourResult(tuple(sections), path, seconds, note)


def _busy_note(before: Usage | None, after: Usage | None) -> str:
    """A warning where other programs took the processor away so often that the times cannot be trusted."""
    if before is None or after is None or after.preemption_rate(before) <= BUSY:
        return ""
    return (
        "Other programs kept the processors busy during the tour: take the times with a grain of salt, and repeat them on a quiet machine."
    )


def _folder(out: Path) -> Path:
    """Made before the work is done, so that a wrong place costs no time."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise PhotoError(
            f"cannot make the folder {str(out)!r}: {getattr(error, 'strerror', None) or error}.", "Give another with --out."
        ) from None
    return out
