"""A suite timed against peers: one row a workload, everything checked before it is timed.

Owns what is compared with what. *call* is Faltung's functional call, which packs the weights every time;
*prepared* has packed them once and writes into an array that is there, as peers in their best configuration do
where they can. ``vs torch`` sets the call against PyTorch's call; ``vs best`` sets
Faltung's best against the fastest peer that got the right answer.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.bench import memory
from faltung.bench.machine import Limits, PeakProbe
from faltung.bench.peers import Arrays, Peer, refusal_of
from faltung.bench.timing import Timing, ratio, time_interleaved
from faltung.bench.workloads import Workload
from faltung.engine.arrays import element_types
from faltung.engine.plan import plan
from faltung.functional import conv, conv_input_grad, conv_weight_grad

__all__ = ["CALL", "PREPARED", "Row", "make_arrays", "time_workload"]

CALL, PREPARED = "faltung", "faltung prepared"

SHARE = 4
"""A peer one call of which takes more than this part of a row's time is given up; ``torch``, the yardstick, may take all of it."""

PEAK = "peak multiply-add rate"
"""What runs beside the contenders to tell the limit of the moment."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one workload took.

    Attributes
    ----------
    workload : Workload
    algorithm : str
        Faltung's, or "" for gradients, whose plan is not public.
    timings : dict of str to Timing
        `CALL`, `PREPARED` (forward only) and the peers that can do the workload.
    deviations : dict of str to float
        Of each peer: largest difference from Faltung, as a fraction of the largest sum of |products|.
    tolerance : float
        What a deviation may be: the rounding of both sides.
    refusals : dict of str to str
        Why the other peers are not there: what they cannot do.
    failures : dict of str to str
        What a peer raised that should have been able to, or how long it took where it was given up.
    configurations : dict of str to str
        Of peers with several, which one was the fastest.
    peak_rates : tuple of float
        The multiply-add rate of each round, flop/s; empty where it was not measured beside the contenders.
    """

    workload: Workload
    algorithm: str
    timings: dict[str, Timing]
    deviations: dict[str, float]
    tolerance: float
    refusals: dict[str, str]
    failures: dict[str, str] = field(default_factory=dict)
    configurations: dict[str, str] = field(default_factory=dict)
    peak_rates: tuple[float, ...] = ()

    def followed_by(self, later: Row) -> Row:
        """The same workload timed once more: the rounds of both, for contenders that took part in both."""
        return replace(
            later,
            timings={
                name: Timing(name, timing.runs + later.timings[name].runs) for name, timing in self.timings.items() if name in later.timings
            },
            deviations={
                name: max(deviation, later.deviations[name]) for name, deviation in self.deviations.items() if name in later.deviations
            },
            refusals={**self.refusals, **later.refusals},
            failures={**self.failures, **later.failures},
            peak_rates=self.peak_rates + later.peak_rates,
        )

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """Peers whose result is not Faltung's within rounding; NaN counts as a difference."""
        return tuple(name for name, deviation in self.deviations.items() if not deviation <= self.tolerance)

    @property
    def best(self) -> Timing:
        """Faltung's fastest: prepared where there is such a thing."""
        return self.timings.get(PREPARED, self.timings[CALL])

    def against_torch(self) -> float | None:
        """PyTorch's call over Faltung's call; above 1 Faltung is faster."""
        usable = "torch" in self.timings and "torch" not in self.disagreeing
        return ratio(self.timings[CALL], self.timings["torch"]) if usable else None

    def against_each(self) -> dict[str, float]:
        """Each peer that got the right answer over Faltung's fastest; above 1 Faltung is faster."""
        return {name: ratio(self.best, self.timings[name]) for name in self.deviations if name not in self.disagreeing}

    def best_peer(self) -> str | None:
        """The peer that Faltung's ratio is lowest against."""
        ratios = self.against_each()
        return min(ratios, key=ratios.__getitem__, default=None)

    def against_best(self) -> float | None:
        """The fastest peer over Faltung's fastest; above 1 Faltung is faster."""
        return min(self.against_each().values(), default=None)

    def fraction_of_limit(self, limits: Limits) -> float:
        """The least possible time over Faltung's fastest: the median over the rounds, each with its own peak rate."""
        work = self.workload
        rates: Sequence[float | None] = self.peak_rates or [None] * len(self.best.runs)
        return statistics.median(
            limits.seconds(work.dtype, macs=work.macs, bytes_moved=work.bytes_moved, flops_per_second=rate) / seconds
            for rate, seconds in zip(rates, self.best.runs, strict=True)
        )

    def as_dict(self, limits: Limits) -> dict[str, Any]:
        """Plain data for JSON."""
        work = self.workload
        return {
            "name": work.name,
            "origin": work.origin,
            "class": work.layer_class,
            "spec": str(work.spec),
            "input_shape": work.input_shape,
            "dtype": work.dtype,
            "direction": work.direction,
            "weights": work.weights,
            "order": work.order,
            "macs": work.macs,
            "bytes_moved": work.bytes_moved,
            "intensity": work.intensity,
            "algorithm": self.algorithm,
            "seconds": {name: timing.seconds for name, timing in self.timings.items()},
            "spread": {name: timing.spread for name, timing in self.timings.items()},
            "runs": {name: timing.runs for name, timing in self.timings.items()},
            "against_torch": self.against_torch(),
            "best_peer": self.best_peer(),
            "against_best": self.against_best(),
            "against_each": self.against_each(),
            "limit_seconds": limits.seconds(work.dtype, macs=work.macs, bytes_moved=work.bytes_moved),
            "fraction_of_limit": self.fraction_of_limit(limits),
            "peak_rates": self.peak_rates,
            "deviations": self.deviations,
            "tolerance": self.tolerance,
            "disagreeing": self.disagreeing,
            "refusals": self.refusals,
            "failures": self.failures,
            "configurations": self.configurations,
        }


def make_arrays(workload: Workload, seed: int = 0) -> Arrays:
    """Random data for a workload, uniform in -1 … 1, the same every time."""
    spec = workload.spec
    draw = np.random.default_rng(seed)
    dtype = element_types(workload.dtype).stored

    def uniform(shape: tuple[int, ...]) -> NDArray[Any]:
        return memory.aligned(draw.uniform(-1, 1, shape).astype(dtype))

    is_forward = workload.direction == "forward"
    bias = uniform(spec.bias_shape) if spec.bias_shape is not None and is_forward else None
    grad = None if is_forward else uniform(workload.output_shape)
    weight = uniform(spec.weight_shape)
    if workload.weights == "separable":
        channels, rows = spec.weight_shape[:2], [-1, *(1,) * (spec.ndim - 1)]
        weight = np.ones((*channels, *(1,) * spec.ndim), dtype)
        for axis, extent in enumerate(spec.kernel_size):
            weight = weight * uniform((extent,)).reshape(rows[: spec.ndim - axis])
    return Arrays(ordered(workload, uniform(workload.input_shape)), memory.aligned(weight), bias, grad)


def ordered(workload: Workload, array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the workload's order in memory."""
    if workload.order == "channels first":
        return array
    return np.moveaxis(memory.aligned(np.moveaxis(array, 1, -1)), -1, 1)


def faltung_call(workload: Workload, arrays: Arrays) -> Callable[[], NDArray[Any]]:
    """Faltung's functional call for the workload's direction."""
    spec = workload.spec
    if workload.direction == "input gradient":
        return lambda: conv_input_grad(spec, arrays.grad, arrays.weight, workload.input_size)
    if workload.direction == "weight gradient":
        return lambda: conv_weight_grad(spec, arrays.x, arrays.grad)
    if workload.order == "channels first":
        return lambda: conv(spec, arrays.x, arrays.weight, arrays.bias)
    out = ordered(workload, memory.empty(workload.output_shape, arrays.x.dtype))
    return lambda: conv(spec, arrays.x, arrays.weight, arrays.bias, out=out)


def time_workload(workload: Workload, peers: Sequence[Peer], *, threads: int, rounds: int, budget_seconds: float | None = None) -> Row:
    """Prepare, check against each other, and time in turn.

    Parameters
    ----------
    workload : Workload
    peers : sequence of Peer
        Those that refuse the workload, fail or take longer than the whole budget for one call are left out,
        with the reason in the row.
    threads : int
        For the peers; Faltung's own number must have been set to the same.
    rounds : int
        Of `time_interleaved`.
    budget_seconds : float, optional
        Of `time_interleaved`.
    """
    arrays = make_arrays(workload)
    call = faltung_call(workload, arrays)
    mine = call().copy()
    contenders: dict[str, Callable[[], object]] = {CALL: call}
    made = plan(workload.spec, workload.input_shape, arrays.x.dtype, threads=threads)
    algorithm = ""
    if workload.direction == "forward":
        prepared = made.prepare(arrays.weight, arrays.bias)
        out = ordered(workload, memory.empty(mine.shape, mine.dtype))
        contenders[PREPARED] = lambda: prepared(arrays.x, out=out)
        algorithm = prepared.algorithm
    refusals, failures, deviations, configurations = {}, {}, {}, {}
    scale = _largest_sum(workload, arrays)
    for peer in peers:
        reason = refusal_of(peer, workload)
        if reason is not None:
            refusals[peer.name] = reason
            continue
        try:
            ready = peer.prepare(workload, arrays, threads)
            seconds, result = _timed(ready.call)
            deviation = _deviation(ready.as_numpy(result), mine, scale)
        except Exception as error:  # noqa: BLE001  a foreign library raises what it likes; the row says what
            failures[peer.name] = f"{type(error).__name__}: {error}".partition("\n")[0]
            continue
        most = math.inf if budget_seconds is None else budget_seconds / (1 if peer.name == "torch" else SHARE)
        if seconds > most and (seconds := _timed(ready.call)[0]) > most:  # the first call may set things up
            failures[peer.name] = f"one call takes {seconds:.2g} s, more than the {most:g} s that a row of {budget_seconds:g} s has for it"
            continue
        deviations[peer.name] = deviation
        contenders[peer.name] = ready.call
        if ready.configuration:
            configurations[peer.name] = ready.configuration
    probe = PeakProbe(workload.dtype, threads)
    timings = time_interleaved({**contenders, PEAK: probe}, rounds=rounds, budget_seconds=budget_seconds, on_round=probe.end_round)
    del timings[PEAK]
    return Row(
        workload,
        algorithm=algorithm,
        timings=timings,
        deviations=deviations,
        tolerance=_tolerance(workload, made.error_bound),
        refusals=refusals,
        failures=failures,
        configurations=configurations,
        peak_rates=probe.rates,
    )


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def _largest_sum(workload: Workload, arrays: Arrays) -> float:
    """The largest sum of |products| over all outputs: what rounding errors are measured against."""
    bias, grad = (None if array is None else np.abs(array) for array in (arrays.bias, arrays.grad))
    sizes = Arrays(np.abs(arrays.x), np.abs(arrays.weight), bias, grad)
    return float(faltung_call(workload, sizes)().max(initial=0))


def _deviation(theirs: NDArray[Any], mine: NDArray[Any], scale: float) -> float:
    if theirs.shape != mine.shape:
        return math.inf
    if not mine.size or scale == 0:
        return 0.0
    return float(np.max(np.abs(theirs.astype(np.float64) - mine.astype(np.float64)))) / scale


def _tolerance(workload: Workload, error_bound: float) -> float:
    """Twice what a direct sum may be off, for the two sides; a gradient may sum over the outputs instead of the taps."""
    is_half = workload.dtype == "bfloat16"  # summed in float32
    summed = float(np.finfo("float32" if is_half else workload.dtype).eps)
    if workload.direction == "weight gradient":
        terms = workload.input_shape[0] * math.prod(workload.output_shape[2:])
        error_bound = max(error_bound, terms * summed)
    return 2 * error_bound + 16 * (2.0**-7 if is_half else summed)
