"""Measuring the algorithms that serve a convolution, so that the plan takes the fastest.

Owns the clock; what comes out is kept by `tuning`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from faltung.engine import tuning
from faltung.engine.algorithm import Request
from faltung.engine.arrays import Array, element_types, new_array
from faltung.engine.catalog import BY_NAME
from faltung.engine.compiled import Compiled, compile_conv
from faltung.engine.epilogue import Epilogue
from faltung.engine.native import get_num_threads
from faltung.engine.packed import PackedWeights
from faltung.engine.run import run_packed
from faltung.spec import ConvSpec

__all__ = ["Tuned", "tune"]

WORTH_TRYING = 8.0
"""Algorithms whose estimate is so many times that of the best are not measured."""

GAIN = 0.97
"""An algorithm is taken in place of the estimated best if it takes at most this fraction of its time."""

LEAST_ROUNDS, MOST_ROUNDS = 3, 101


@dataclass(frozen=True)
class Tuned:
    """What measuring one convolution came to; seconds are medians of a call with prepared weights.

    Attributes
    ----------
    before, after : str
        The algorithm as estimated, and the one that is taken from now on.
    seconds : dict of str to float
        Of each algorithm measured.
    path : Path or None
        The file that remembers it; None where it could not be written.
    """

    before: str
    after: str
    seconds: dict[str, float]
    path: Path | None


def tune(spec: ConvSpec, input_shape: tuple[int, ...], dtype: object = "float32", *, is_exact: bool = False, seconds: float = 0.3) -> Tuned:
    """Measure on random data, for about so many seconds, and remember.

    With prepared weights, and with weights packed in the call, as `faltung.conv` does. The batch of `input_shape` is what is measured;
    the choice holds for every batch. Of half precision the kernels of float32 are measured, which it shares with float32; whether they or
    dot products are taken is left to the estimates.

    Raises
    ------
    ConvShapeError, ConvTypeError
    """
    asked = element_types(dtype)
    types = element_types(asked.parts) if asked.is_half else asked
    batch, size = spec.split_shape(input_shape)
    before = _estimated(spec, size, Request(asked.form, is_exact=is_exact)).algorithm
    rng = np.random.default_rng(0)
    x = _random(rng, (*batch, spec.in_channels, *size), types.stored)
    weight = types.to_native(_random(rng, spec.weight_shape, types.stored))
    estimated = _estimated(spec, size, Request(types.native, is_exact=is_exact))
    least = min((entry.cost_seconds for entry in estimated.decisions if entry.cost_seconds is not None), default=0.0)
    names = [
        entry.algorithm
        for entry in estimated.decisions
        if entry.cost_seconds is not None and entry.cost_seconds <= WORTH_TRYING * least and not BY_NAME[entry.algorithm].by_request
    ]
    ways = {"": estimated} | {name: compile_conv(spec, size, Request(types.native, name, is_exact)) for name in names}
    packed = {name: PackedWeights.of(way, weight, types) for name, way in ways.items()}
    out = new_array("the result", run_packed(packed[""], x, Epilogue(), types, None, get_num_threads()).shape, types.result)
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    for name in ways:
        calls["run", name] = partial(run_packed, packed[name], x, Epilogue(), types, out, get_num_threads())
        calls["pack", name] = partial(PackedWeights.of, ways[name], weight, types)
    taken = _interleaved(calls, seconds)
    measured: dict[str, tuning.Measured] = {}
    for is_prepared in (True, False):
        totals = {name: taken["run", name] + (0.0 if is_prepared else taken["pack", name]) for name in ways}
        best = _best(totals)
        held = {name: total for name, total in totals.items() if name}
        for problem in ways[names[0]].lowered.problems if names else ():
            measured[tuning.key(problem, types.native, is_exact=is_exact, is_prepared=is_prepared)] = tuning.Measured(best, held)
    path = tuning.remember(measured) if measured else tuning.file()
    after = compile_conv(spec, size, Request(asked.form, is_exact=is_exact)).algorithm
    shown = {ways[name].algorithm: taken["run", name] for name in sorted(ways)}
    return Tuned(before, after, shown, path)


def _estimated(spec: ConvSpec, size: tuple[int, ...], request: Request) -> Compiled:
    """As it is planned without measurements."""
    return compile_conv(spec, size, replace(request, is_tuned=False))


def _best(totals: dict[str, float]) -> str:
    """The fastest algorithm; "" where the plan as estimated is about as fast."""
    best = min((name for name in totals if name), key=totals.__getitem__, default="")
    return best if best and totals[best] < GAIN * totals[""] else ""


def _interleaved(calls: dict[tuple[str, str], Callable[[], object]], seconds: float) -> dict[tuple[str, str], float]:
    """Median seconds of each call; every round makes each once, so that a busy moment meets all alike."""
    runs: dict[tuple[str, str], list[float]] = {name: [] for name in calls}
    start = time.perf_counter()
    for number in range(MOST_ROUNDS):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            runs[name].append(time.perf_counter() - begin)
        if number >= LEAST_ROUNDS and time.perf_counter() - start > seconds:
            break
    return {name: statistics.median(times[1:]) for name, times in runs.items()}


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    array = new_array("random data", shape, np.dtype(np.float64))
    rng.random(shape, out=array)
    return (array if dtype.kind not in "bui" else np.rint(4 * array)).astype(dtype)
