"""Timing of a section's convolutions, Faltung and a peer in turn in one process, and their costs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung.bench.peers import Arrays, Peer, Prepared, chosen_peers
from faltung.bench.timing import Timing as Measured
from faltung.bench.timing import ratio, time_interleaved
from faltung.bench.workloads import Workload
from faltung.spec import ConvSpec
from faltung.tour.blocks import Check, Cost, Timing
from faltung.tour.checks import largest_sum, within

__all__ = ["Clock", "Stage", "cost_of"]

Array = NDArray[Any]

PEER_NAMES = {"torch": "PyTorch", "scipy": "SciPy"}
"""Peers in the order in which they are asked, and what readers call them."""


@dataclass(frozen=True)
class Stage:
    """One convolution with its numbers; several in a row make a depthwise separable one and the like."""

    spec: ConvSpec
    weight: Array
    bias: Array | None = None

    def as_float32(self) -> Stage:
        """The same with float32 numbers, the type that networks compute in."""
        bias = None if self.bias is None else np.asarray(self.bias, np.float32)
        return replace(self, weight=np.asarray(self.weight, np.float32), bias=bias)


def cost_of(what: str, stages: tuple[Stage, ...], x: Array) -> Cost:
    """Counts of `stages` on one sample `x` (C, H, W) in float32, each array counted once."""
    shape: tuple[int, ...] = (1, *x.shape)
    parameters = macs = memory = 0
    for index, stage in enumerate(stages):
        parameters += stage.spec.parameters
        macs += stage.spec.macs(shape[2:])
        counted = stage.spec.memory(shape, "float32")
        memory += counted.total_bytes - (counted.input_bytes if index else 0)
        shape = stage.spec.output_shape(shape)
    return Cost(what, parameters, macs, memory)


@dataclass(frozen=True)
class Clock:
    """How long to time.

    Attributes
    ----------
    rounds : int
        At most so many; slow calls get fewer, but three.
    budget_seconds : float
        About so long for one comparison.
    pause_seconds, warm_seconds : float
        Idle and uncounted time before each run, see `time_interleaved`.
    threads : int
        On each side. One: pictures of this size gain little from more, and on a machine that has other
        work to do, libraries whose threads wait for each other can lose a factor of ten.
    """

    rounds: int = 9
    budget_seconds: float = 1.0
    pause_seconds: float = 0.015
    warm_seconds: float = 0.006
    threads: int = 1

    def time(
        self, what: str, stages: tuple[Stage, ...], x: Array, call: Callable[[Array], Array] | None = None
    ) -> tuple[Timing | Check, ...]:
        """Time `stages` on `x` (C, H, W) as float32, and compare with the peer's result where there is a peer.

        Parameters
        ----------
        call : callable, optional
            Does all stages at once, for functions such as `depthwise_separable_conv2d`; given x (1, C, H, W).
        """
        floats = tuple(stage.as_float32() for stage in stages)
        batch = np.ascontiguousarray(x, np.float32)[None]

        def mine() -> Array:
            if call is not None:
                return call(batch)
            values: Array = batch
            for stage in floats:
                values = fl.conv(stage.spec, values, stage.weight, stage.bias)
            return values

        with _on_threads(self.threads):
            prepared = _prepared_peer(what, floats, batch, self.threads)
            contenders: dict[str, Callable[[], object]] = {"Faltung": mine}
            if prepared is not None:
                contenders["peer"] = prepared.call
            seconds = self._interleaved(contenders)
            own = seconds["Faltung"]
            if prepared is None:
                return (Timing(what, own.seconds * 1e3),)
            theirs = seconds["peer"]
            timing = Timing(what, own.seconds * 1e3, prepared.name, theirs.seconds * 1e3, ratio(own, theirs))
            return timing, _second_opinion(what, floats, batch, mine(), prepared)

    def _interleaved(self, contenders: dict[str, Callable[[], object]]) -> dict[str, Measured]:
        """Time as many rounds as the budget allows."""
        started = time.perf_counter()
        run = partial(time_interleaved, contenders, pause_seconds=self.pause_seconds, warm_seconds=self.warm_seconds)
        first = run(rounds=1)
        affordable = int(self.budget_seconds / max(time.perf_counter() - started, 1e-9))
        rounds = min(self.rounds, max(affordable, 3))
        return first if self.rounds == 1 else run(rounds=rounds)


@dataclass(frozen=True)
class _PeerCall:
    """A peer ready for all stages: `call` repeats them, `result` is what they give (N, O, H, W)."""

    name: str
    call: Callable[[], object]
    result: Array


def _prepared_peer(what: str, stages: tuple[Stage, ...], batch: Array, threads: int) -> _PeerCall | None:
    """The first peer that is installed and does every stage; each stage gets the result of the one before."""
    peers = {peer.name: peer for peer in chosen_peers(None)}
    for name, shown in PEER_NAMES.items():
        if name in peers:
            calls = _prepared_stages(peers[name], what, stages, batch, threads)
            if calls:
                *_, last = calls
                return _PeerCall(shown, _in_turn(calls), last.as_numpy(last.call()))
    return None


def _prepared_stages(peer: Peer, what: str, stages: tuple[Stage, ...], batch: Array, threads: int) -> list[Prepared]:
    """A call for each stage; none at all where the peer refuses one."""
    calls: list[Prepared] = []
    values = batch
    for stage in stages:
        workload = Workload(what, "the tour", str(stage.spec), values.shape)
        if peer.refusal(workload) is not None:
            return []
        prepared = peer.prepare(workload, Arrays(values, stage.weight, stage.bias, None), threads)
        values = np.array(prepared.as_numpy(prepared.call()))
        calls.append(prepared)
    return calls


def _in_turn(calls: list[Prepared]) -> Callable[[], object]:
    return calls[0].call if len(calls) == 1 else lambda: [prepared.call() for prepared in calls]


@contextmanager
def _on_threads(count: int) -> Iterator[None]:
    """Faltung on `count` threads; afterwards both it and PyTorch, which the peer sets, as they were."""
    torch = sys.modules.get("torch")
    torch_before = torch.get_num_threads() if torch else None
    before = fl.get_num_threads()
    fl.set_num_threads(count)
    try:
        yield
    finally:
        fl.set_num_threads(before)
        if torch and torch_before is not None:
            torch.set_num_threads(torch_before)


def _second_opinion(what: str, stages: tuple[Stage, ...], batch: Array, mine: Array, peer: _PeerCall) -> Check:
    """Compare with the peer, which sums in an order of its own: Faltung's bound, and 16 float32 steps of the largest sum for the peer."""
    allowed = 0.0
    largest = float(np.abs(batch).max())
    shape: tuple[int, ...] = batch.shape
    for stage in stages:
        gain = largest_sum(stage.spec, stage.weight, 1.0)
        bound = fl.plan(stage.spec, shape, "float32").error_bound + 16 * float(np.finfo(np.float32).eps)
        allowed = allowed * gain + bound * gain * largest
        largest *= gain
        shape = stage.spec.output_shape(shape)
    return within(f"{peer.name} computes the same: {what}", mine, peer.result, allowed, f"{mine.size:,} float32 values")
