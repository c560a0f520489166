"""What this machine is, and the limits that it sets: multiply-adds and bytes per second, measured.

A fraction of the limit means something only against a limit measured in the same run, on the same threads
and instruction set. Owns the roofline: no convolution is faster than its arithmetic at the peak rate, or
than its arrays at the rate of the memory (Williams, Waterman & Patterson, "Roofline", CACM 52(4), 2009).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from faltung.engine.native import chosen_isa, memory_bandwidth, peak_flops
from faltung.engine.tuning import cpu_name

__all__ = ["BUSY", "Limits", "PeakProbe", "Usage", "cpu_name", "describe", "measure_limits", "usage"]

PROBE_SECONDS = 0.1

BUSY = 50.0
"""Preemptions per second of work above which other programs had a hand in the times; on two busy processors there were 220 to 410."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The best rates seen on `threads` threads.

    Attributes
    ----------
    threads : int
    isa : str
        The instruction set whose multiply-adds were counted.
    flops_per_second : dict of str to float
        For each dtype.
    bytes_per_second : float
        Read and written.

    Examples
    --------
    >>> limits = Limits(2, "avx2", {"float32": 100e9}, 20e9)
    >>> limits.seconds("float32", macs=50_000_000, bytes_moved=1_000_000)
    0.001
    >>> limits.seconds("float32", macs=50_000, bytes_moved=40_000_000)
    0.002
    """

    threads: int
    isa: str
    flops_per_second: dict[str, float]
    bytes_per_second: float

    def seconds(self, dtype: str, *, macs: int, bytes_moved: int, flops_per_second: float | None = None) -> float:
        """The least time that so much work can take: the larger of arithmetic and memory.

        `flops_per_second` is a rate measured at the time, in place of the best one seen.
        """
        return max(2 * macs / (flops_per_second or self.flops_per_second[dtype]), bytes_moved / self.bytes_per_second)

    def best_of(self, other: Limits) -> Limits:
        """The higher of two measurements of the same machine: other programs can only lower a rate."""
        rates = {dtype: max(rate, other.flops_per_second[dtype]) for dtype, rate in self.flops_per_second.items()}
        return replace(self, flops_per_second=rates, bytes_per_second=max(self.bytes_per_second, other.bytes_per_second))


def measure_limits(dtypes: set[str], threads: int) -> Limits:
    """Measure the rates for `dtypes`; about a tenth of a second each."""
    isa = chosen_isa()
    rates = {dtype: peak_flops(dtype, isa, threads, PROBE_SECONDS) for dtype in sorted(dtypes)}
    return Limits(threads, isa, rates, memory_bandwidth(threads, PROBE_SECONDS))


class PeakProbe:
    """The multiply-add rate round by round: what the processor gave while the contenders ran beside it.

    Calling it runs one burst of about a millisecond on all threads; `end_round` closes a round.

    Examples
    --------
    >>> probe = PeakProbe("float32", 1, burst=iter([1e9, 3e9, 5e9, 7e9]).__next__)
    >>> for _ in range(4):
    ...     probe()
    >>> probe.end_round(1)
    >>> probe.rates
    (6000000000.0,)
    """

    def __init__(self, dtype: str, threads: int, burst: Callable[[], float] | None = None) -> None:
        self._burst = burst or (lambda: peak_flops(dtype, chosen_isa(), threads, 0.0))
        self._open: list[float] = []
        self._closed: list[float] = []

    def __call__(self) -> None:
        """Run one burst."""
        self._open.append(self._burst())

    def end_round(self, _done: int) -> None:
        """Keep the median of the round's second half: the first half woke the threads up."""
        self._closed.append(statistics.median(self._open[len(self._open) // 2 :]))
        self._open.clear()

    @property
    def rates(self) -> tuple[float, ...]:
        """One rate a round, flop/s."""
        return tuple(self._closed)


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process has used so far: processor seconds, and how often it was made to wait for another."""

    seconds: float
    preemptions: int

    def preemption_rate(self, earlier: Usage) -> float:
        """Preemptions per second of work since `earlier`.

        >>> Usage(4.0, 1100).preemption_rate(Usage(2.0, 100))
        500.0
        """
        worked = self.seconds - earlier.seconds
        return (self.preemptions - earlier.preemptions) / worked if worked > 0 else 0.0


def usage() -> Usage | None:
    """The usage now, all threads together; None where the system does not tell (Windows)."""
    if importlib.util.find_spec("resource") is None:
        return None
    resource = importlib.import_module("resource")
    now = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(now.ru_utime + now.ru_stime, now.ru_nivcsw)


def describe(threads: int) -> dict[str, object]:
    """The machine, as far as it bears on speed; nothing that tells whose it is."""
    return {
        "cpu": cpu_name(),
        "processors": os.cpu_count(),
        "threads": threads,
        "isa": chosen_isa(),
        "system": platform.system(),
        "architecture": platform.machine(),
    }
