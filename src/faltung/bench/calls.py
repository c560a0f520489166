"""Functions timed beside those whose names they have: `faltung.ndimage` and `faltung.signal` beside SciPy's, and OpenCV's.

A call is one function on one array. What is compared: the call as people write it, which makes its result, against SciPy's; the faster of
it and the call that is given its output against the fastest of OpenCV's that do the same.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faltung.bench import memory
from faltung.bench.peers.peer import Prepared, fastest, library
from faltung.bench.timing import Timing, ratio, time_interleaved

__all__ = ["CALL", "CALL_PEERS", "INTO", "Call", "CallRow", "time_call"]

Array = NDArray[Any]

CALL, INTO = "faltung", "faltung into"

CALL_PEERS = {
    "scipy": "the function of the same name",
    "opencv": "the fastest of its functions that do the same, its output given; on uint8 it rounds where SciPy cuts off",
}
"""Who takes part, and what is timed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function on one array.

    Attributes
    ----------
    name : str
        Short, unique among the calls.
    call_class : str
        What it is counted in.
    module : str
        "ndimage" or "signal".
    shape, dtype
        Of the array.
    run : callable
        ``run(module, x, output)``, with Faltung's module or SciPy's; `output` is an array of `stored` or None.
    opencv : callable, optional
        ``opencv(cv2, x)`` gives ways of doing the same, each a function of ``dst``.
    stored : str
        Dtype of the result; that of x unless given.
    takes_output : bool
        Whether `run` can be given an output.
    tolerance : float
        What results may differ from SciPy's, as a fraction of the largest.
    """

    name: str
    call_class: str
    module: Literal["ndimage", "signal"]
    shape: tuple[int, ...]
    dtype: str
    run: Callable[[ModuleType, Array, Array | None], Array]
    opencv: Callable[[Any, Array], Mapping[str, Callable[[Array], Array]]] | None = None
    stored: str = ""
    takes_output: bool = True
    tolerance: float = 0.0

    @property
    def result_dtype(self) -> str:
        """Of the result."""
        return self.stored or self.dtype

    def array(self) -> Array:
        """Its data: bytes, or numbers from 0 to 1, of complex ones both parts; the same every time."""
        draw = np.random.default_rng(0)
        kind = np.dtype(self.dtype).kind
        data = draw.integers(0, 256, self.shape) if kind in "ui" else draw.random(self.shape)
        return memory.aligned((data + 1j * draw.random(self.shape) if kind == "c" else data).astype(self.dtype))


@dataclass(frozen=True, slots=True)
class CallRow:
    """What one call took: of each contender its timing, of each peer how far its result is from Faltung's as a fraction of the largest."""

    call: Call
    timings: dict[str, Timing]
    deviations: dict[str, float]
    disagreeing: tuple[str, ...]
    failures: dict[str, str]
    configurations: dict[str, str]

    @property
    def best(self) -> Timing:
        """Faltung's faster call."""
        mine = [self.timings[name] for name in (CALL, INTO) if name in self.timings]
        return min(mine, key=lambda timing: timing.seconds)

    def against(self, peer: str) -> float | None:
        """How many times as fast Faltung is; None where the peer did not take part, or gave another result."""
        if peer not in self.timings or peer in self.disagreeing:
            return None
        return ratio(self.timings[CALL] if peer == "scipy" else self.best, self.timings[peer])

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        call = self.call
        return {
            "name": call.name,
            "class": call.call_class,
            "module": call.module,
            "shape": call.shape,
            "dtype": call.dtype,
            "stored": call.result_dtype,
            "seconds": {name: timing.seconds for name, timing in self.timings.items()},
            "spread": {name: timing.spread for name, timing in self.timings.items()},
            "runs": {name: timing.runs for name, timing in self.timings.items()},
            "against": {peer: self.against(peer) for peer in CALL_PEERS},
            "deviations": self.deviations,
            "disagreeing": self.disagreeing,
            "failures": self.failures,
            "configurations": self.configurations,
        }


def time_call(call: Call, peers: Sequence[str], *, threads: int, rounds: int, budget_seconds: float) -> CallRow:
    """Check the call against its peers, and time all in turn; `budget_seconds` as of `time_interleaved`."""
    x = call.array()
    ours = importlib.import_module(f"faltung.{call.module}")
    mine = call.run(ours, x, None)
    contenders: dict[str, Callable[[], object]] = {CALL: lambda: call.run(ours, x, None)}
    if call.takes_output:
        into = memory.empty(mine.shape, mine.dtype)
        contenders[INTO] = lambda: call.run(ours, x, into)
    deviations: dict[str, float] = {}
    disagreeing: list[str] = []
    failures: dict[str, str] = {}
    configurations: dict[str, str] = {}
    for peer in peers:
        if peer == "opencv" and call.opencv is None:
            continue
        try:
            ready = _scipy_call(call, x) if peer == "scipy" else _opencv_call(call, x, threads)
            deviations[peer] = _deviation(ready.as_numpy(ready.call()), mine)
        except Exception as error:  # noqa: BLE001  a foreign library raises what it likes; the row says what
            failures[peer] = f"{type(error).__name__}: {error}".partition("\n")[0]
            continue
        if not deviations[peer] <= _allowed(call, peer):
            disagreeing.append(peer)
        contenders[peer] = ready.call
        configurations[peer] = ready.configuration
    timings = time_interleaved(contenders, rounds=rounds, budget_seconds=budget_seconds, clock=time.perf_counter)
    return CallRow(call, timings, deviations, tuple(disagreeing), failures, configurations)


def _scipy_call(call: Call, x: Array) -> Prepared:
    theirs = library(f"scipy.{call.module}", "scipy")
    return Prepared(lambda: call.run(theirs, x, None), np.asarray)


def _opencv_call(call: Call, x: Array, threads: int) -> Prepared:
    cv2 = library("cv2", "opencv-python-headless")
    cv2.setNumThreads(threads)
    ways = call.opencv(cv2, x) if call.opencv is not None else {}

    def prepared(way: Callable[[Array], Array]) -> Callable[[], Prepared]:
        into = memory.empty(call.shape, call.result_dtype)
        return lambda: Prepared(lambda: way(into), np.asarray)

    return fastest({label: prepared(way) for label, way in ways.items()})


def _deviation(theirs: Array, mine: Array) -> float:
    wide = np.complex128 if mine.dtype.kind == "c" else np.float64
    largest = float(np.max(np.abs(mine.astype(wide)), initial=0)) or 1.0
    return float(np.max(np.abs(theirs.astype(wide) - mine.astype(wide)), initial=0)) / largest


def _allowed(call: Call, peer: str) -> float:
    """SciPy's result; OpenCV works in float32 where it can, and rounds bytes: once for each axis."""
    if peer == "scipy":
        return call.tolerance
    return 5 / 255 if np.dtype(call.result_dtype).kind in "ui" else max(call.tolerance, 1e-4)
