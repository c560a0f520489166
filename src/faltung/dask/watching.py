"""How far a long computation is: what is done, what is left, how fast; and a bar that shows it on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faltung.errors import ConvTypeError, shown

__all__ = ["Meter", "Progress", "check_progress", "reporter"]


@dataclass(frozen=True)
class Progress:
    """How far a computation is.

    Attributes
    ----------
    done, total : int
        Pieces finished, and pieces in all. Those of an earlier run count as finished.
    done_bytes, total_bytes : int
        The same in bytes of the result, before compression.
    stored_bytes : int
        What the finished pieces take on disk.
    seconds : float
        Since this run began.
    kept_bytes : int
        Bytes of the result that an earlier run had finished; they do not count for the rate.

    >>> at = Progress(done=6, total=10, done_bytes=600, total_bytes=1000, stored_bytes=300, seconds=2.0, kept_bytes=200)
    >>> at.bytes_per_second, at.seconds_left
    (200.0, 2.0)
    """

    done: int
    total: int
    done_bytes: int
    total_bytes: int
    stored_bytes: int
    seconds: float
    kept_bytes: int = 0

    @property
    def bytes_per_second(self) -> float:
        """Bytes of the result a second, in this run; 0 before the first piece."""
        return (self.done_bytes - self.kept_bytes) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds to go at this rate; None before the first piece."""
        return (self.total_bytes - self.done_bytes) / self.bytes_per_second if self.bytes_per_second > 0 else None


class Meter:
    """Counts pieces as they are finished and tells `report`."""

    def __init__(self, report: Callable[[Progress], None], total: int, total_bytes: int) -> None:
        self._report = report
        self._total, self._total_bytes = total, total_bytes
        self._done = self._done_bytes = self._stored = self._kept = 0
        self._begin = time.perf_counter()

    def keep(self, pieces: int, piece_bytes: int, stored_bytes: int) -> None:
        """Count pieces of an earlier run, before the first of this one."""
        self._done, self._done_bytes, self._stored, self._kept = pieces, piece_bytes, stored_bytes, piece_bytes
        self._begin = time.perf_counter()
        self._report(self.now)

    def add(self, piece_bytes: int, stored_bytes: int) -> None:
        """Count one finished piece."""
        self._done += 1
        self._done_bytes += piece_bytes
        self._stored += stored_bytes
        self._report(self.now)

    @property
    def now(self) -> Progress:
        """How far it is at this moment."""
        seconds = time.perf_counter() - self._begin
        return Progress(self._done, self._total, self._done_bytes, self._total_bytes, self._stored, seconds, self._kept)


def check_progress(progress: object) -> None:
    """Raise `ConvTypeError` for what `reporter` does not take."""
    if not (callable(progress) or isinstance(progress, bool) or progress == "auto"):
        raise ConvTypeError(f"progress={shown(progress)} is neither a bool nor 'auto' nor a function.", "Use True, False or 'auto'.")


@contextmanager
def reporter(progress: object, what: str) -> Iterator[Callable[[Progress], None]]:
    """What is told of each finished piece.

    Parameters
    ----------
    progress : bool, "auto" or callable
        True: a bar on stderr, with throughput and time left; a line for each tenth where stderr is no terminal. "auto":
        the bar on a terminal, else nothing. False: nothing. A function is called with a `Progress` after each piece, in the
        process and thread of the caller.
    what : str
        What the bar calls it.
    """
    if callable(progress):
        yield progress
        return
    check_progress(progress)
    from rich.console import Console

    screen = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if not progress or (progress == "auto" and not screen.is_terminal):
        yield lambda _: None
        return
    with _bar(screen, what) if screen.is_terminal else _lines(screen, what) as report:
        yield report


@contextmanager
def _lines(screen: Any, what: str) -> Iterator[Callable[[Progress], None]]:
    tenths = 0

    def report(now: Progress) -> None:
        nonlocal tenths
        if (reached := 10 * now.done // max(now.total, 1)) > tenths:
            tenths = reached
            screen.print(f"{what}: {10 * reached} %, {rate_text(now)}", soft_wrap=True)

    yield report


@contextmanager
def _bar(screen: Any, what: str) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def report(now: Progress) -> None:
            bar.update(task, completed=now.done, total=now.total, rate=rate_text(now))

        yield report


def rate_text(now: Progress) -> str:
    """Throughput and time left, as the bar shows them.

    >>> rate_text(Progress(5, 10, 5 * 10**8, 10**9, 10**8, seconds=2.5))
    '200 MB/s, 0:02 left'
    """
    if now.seconds_left is None:
        return ""
    left = round(now.seconds_left)
    hours, minutes = divmod(left // 60, 60)
    clock = f"{hours}:{minutes:02}:{left % 60:02}" if hours else f"{minutes}:{left % 60:02}"
    return f"{now.bytes_per_second / 1e6:.3g} MB/s, {clock} left"
