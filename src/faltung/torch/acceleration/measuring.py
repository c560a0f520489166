"""Two ways side by side: in turns, medians of ratios, rests between them so that waiting threads of one do not slow the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Compared", "compared"]

REST_SECONDS = 0.003
DISCARDED_SECONDS = 0.002


@dataclass(frozen=True)
class Compared:
    """Median seconds of one call of each way, and the median of their ratios within a round."""

    before: float
    after: float
    ratio: float


def compared(before: Callable[[], object], after: Callable[[], object], *, rounds: int, seconds: float) -> Compared:
    """Time both ways in `rounds` rounds of about `seconds` for each."""
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        pair = (before, after) if number % 2 == 0 else (after, before)
        found = [_turn(call, seconds) for call in pair]
        times.append((found[0], found[1]) if number % 2 == 0 else (found[1], found[0]))
    before_seconds, after_seconds = (statistics.median(column) for column in zip(*times, strict=True))
    return Compared(before_seconds, after_seconds, statistics.median(a / b for a, b in times))


def _turn(call: Callable[[], object], seconds: float) -> float:
    """Seconds of one call, after a rest and some that do not count."""
    time.sleep(REST_SECONDS)
    end = time.perf_counter() + DISCARDED_SECONDS
    call()
    while time.perf_counter() < end:
        call()
    calls, start = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - start < seconds:
        call()
        calls += 1
    return (time.perf_counter() - start) / calls
