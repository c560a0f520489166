"""Timing several ways of doing the same thing, in turn, in one process.

Two runs minutes apart on a shared machine differ by more than two good kernels do. So every round times
every contender once, in an order that rotates, and a ratio is taken within a round before the median over
the rounds. Owns the clock discipline; knows nothing of convolution.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from faltung.errors import ConvError

__all__ = ["Timing", "ratio", "time_interleaved"]

MEASURE_SECONDS = 0.005
"""Calls are repeated until this much time has passed, so that the clock's own cost does not count."""

LONG = 20
"""A call that takes so many times the warming is not warmed again after its first round: what is cold in it is lost in it."""

FEWEST_ROUNDS = 3
"""What a budget leaves of the rounds: a median of less says little."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one contender took.

    Attributes
    ----------
    name : str
    runs : tuple of float
        Seconds per call, one entry a round.

    Examples
    --------
    >>> Timing("direct", (0.003, 0.002, 0.009)).seconds
    0.003
    """

    name: str
    runs: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Median seconds per call."""
        return statistics.median(self.runs)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a fraction of the median; 0 for a single round."""
        if len(self.runs) < 2 or self.seconds == 0:
            return 0.0
        first, _, third = statistics.quantiles(self.runs, n=4, method="inclusive")
        return (third - first) / 2 / self.seconds


def ratio(mine: Timing, other: Timing) -> float:
    """How many times as fast `mine` is: the median over the rounds of other / mine.

    Both must come from the same `time_interleaved`, so that run i of one happened beside run i of the other.

    >>> ratio(Timing("mine", (1.0, 2.0, 4.0)), Timing("other", (2.0, 4.0, 4.0)))
    2.0
    """
    if len(mine.runs) != len(other.runs):
        raise ConvError(
            f"{mine.name!r} was timed in {len(mine.runs)} rounds, {other.name!r} in {len(other.runs)}.",
            "A ratio is taken within rounds: time both in one call of time_interleaved.",
        )
    return statistics.median(theirs / ours for ours, theirs in zip(mine.runs, other.runs, strict=True))


def time_interleaved(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 15,
    pause_seconds: float = 0.015,
    warm_seconds: float = 0.010,
    budget_seconds: float | None = None,
    on_round: Callable[[int], object] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Timing]:
    """Time every contender once a round, in rotating order.

    Parameters
    ----------
    contenders : mapping of str to callable
        Each is called without arguments and does one unit of work.
    rounds : int
        Entries in each `Timing.runs`; fewer where the budget is spent.
    pause_seconds : float
        Idle time before each contender: PyTorch's workers spin for about 10 ms after a call, and would take
        a core from whoever comes next.
    warm_seconds : float
        Calls for this long, at least one, are not counted: after a pause the caches are cold and both
        threads may sit on one core. From the second round on not for calls of 20 times as long.
    budget_seconds : float, optional
        No further round is begun after so long, but three are run.
    on_round : callable, optional
        Called with the number of rounds done, for a progress bar.
    clock, sleep : callable
        Replaced in tests.

    Returns
    -------
    dict of str to Timing
        In the order of `contenders`.

    Raises
    ------
    ConvError
        There is nothing to time, or fewer than one round.

    Examples
    --------
    >>> timings = time_interleaved({"sum": lambda: sum(range(100)), "len": lambda: len("abc")}, rounds=2, pause_seconds=0)
    >>> list(timings), len(timings["sum"].runs)
    (['sum', 'len'], 2)
    """
    if not contenders:
        raise ConvError("there is nothing to time: contenders is empty.", "Give a name and a callable for each.")
    if rounds < 1:
        raise ConvError(f"rounds={rounds} is below 1.", "Use 1 or more; 15 gives a steady median.")
    names = list(contenders)
    runs: dict[str, list[float]] = {name: [] for name in names}
    started = clock()
    for done in range(rounds):
        if budget_seconds is not None and done >= FEWEST_ROUNDS and clock() - started >= budget_seconds:
            break
        first = done % len(names)
        for name in names[first:] + names[:first]:
            if pause_seconds > 0:
                sleep(pause_seconds)
            if not runs[name] or runs[name][-1] < LONG * warm_seconds:
                _calls_for(contenders[name], warm_seconds, clock)
            runs[name].append(_calls_for(contenders[name], MEASURE_SECONDS, clock))
        if on_round is not None:
            on_round(done + 1)
    return {name: Timing(name, tuple(runs[name])) for name in names}


def _calls_for(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    """Call until `seconds` have passed, at least once; mean seconds per call."""
    calls = 0
    elapsed = 0.0
    start = clock()
    while calls == 0 or elapsed < seconds:
        call()
        calls += 1
        elapsed = clock() - start
    return elapsed / calls
