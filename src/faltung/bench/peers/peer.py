"""What a peer is, and what several of them share: the best of their configurations, and which padding they know."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faltung.bench.workloads import Workload
from faltung.extras import optional
from faltung.spec import ConvSpec

__all__ = [
    "Array",
    "Arrays",
    "Peer",
    "Prepared",
    "fastest",
    "flipped",
    "has_even_sides",
    "has_plain_padding",
    "has_zero_padding",
    "library",
    "refusal_of",
]

Array = NDArray[Any]

TRIAL_SECONDS = 0.005
TRIALS = 4
SLOW_SECONDS = 0.5
"""A configuration that takes this long is tried once: ten milliseconds more or less do not change the choice."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """The data of a workload: input, weight, bias, and the output's gradient where the direction needs one."""

    x: Array
    weight: Array
    bias: Array | None
    grad: Array | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call ready to be timed, what turns its result into a NumPy array, and which configuration it is."""

    call: Callable[[], Any]
    as_numpy: Callable[[Any], Array]
    configuration: str = ""


class Peer(Protocol):
    """Another way of computing a convolution.

    Attributes
    ----------
    name, idea : str
        What it is called, and what is timed, for the legend.
    package, distribution : str
        What is imported, and what is installed.
    """

    name: str
    idea: str
    package: str
    distribution: str

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed, with everything done that a user would do once."""


def refusal_of(peer: Peer, workload: Workload) -> str | None:
    """Why a peer cannot do the workload on arrays that lie so; None if it can."""
    if workload.order == "channels last" and not getattr(peer, "reads_channels_last", False):
        return "takes arrays with their channels first"
    return peer.refusal(workload)


def library(module: str, distribution: str) -> Any:
    """A peer's module.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    return optional(module, extra="peers", purpose="this comparison", package=distribution)


def fastest(candidates: Mapping[str, Callable[[], Prepared]], clock: Callable[[], float] = time.perf_counter) -> Prepared:
    """Of a library's configurations the one with the shortest call; those that it cannot do are no candidates.

    The shortest of several tries counts: other programs can only lengthen a call.

    Raises
    ------
    Exception
        What the last candidate raised, if none of them runs.

    >>> quick = lambda: Prepared(lambda: 1, np.asarray)
    >>> fastest({"quick": quick, "broken": lambda: 1 / 0}).configuration
    'quick'
    """
    ready: dict[str, Prepared] = {}
    shortest: dict[str, float] = {}
    failure: Exception | None = None
    for label, make in candidates.items():
        try:
            prepared = make()
            before = clock()
            prepared.call()
        except Exception as error:  # noqa: BLE001  a foreign library raises what it likes
            failure = error
        else:
            shortest[label] = clock() - before
            ready[label] = replace(prepared, configuration=label)
    if not ready:
        raise failure or ValueError("no configuration was given")
    for _ in range(TRIALS if len(ready) > 1 else 0):
        for label, prepared in ready.items():
            if shortest[label] < SLOW_SECONDS:
                shortest[label] = min(shortest[label], _shortest_call(prepared.call, clock))
    return ready[min(shortest, key=shortest.__getitem__)]


def _shortest_call(call: Callable[[], Any], clock: Callable[[], float]) -> float:
    shortest = float("inf")
    start = clock()
    before, now = start, start
    while now - start < TRIAL_SECONDS or shortest == float("inf"):
        call()
        now = clock()
        shortest = min(shortest, now - before)
        before = now
    return shortest


def flipped(spec: ConvSpec, weight: Array) -> Array:
    """The weight of a library that slides without flipping; contiguous."""
    return np.ascontiguousarray(np.flip(weight, tuple(range(2, 2 + spec.ndim))) if spec.flip else weight)


def has_even_sides(spec: ConvSpec, size: tuple[int, ...]) -> bool:
    """Whether the padding is the same before and after."""
    return all(before == after for before, after in spec.sides(size))


def has_plain_padding(spec: ConvSpec, size: tuple[int, ...]) -> bool:
    """Whether the padding is zeros, the same number before and after, and cuts nothing off."""
    return has_zero_padding(spec, size) and has_even_sides(spec, size)


def has_zero_padding(spec: ConvSpec, size: tuple[int, ...]) -> bool:
    """Whether the padding is zeros, and cuts nothing off."""
    cells = [count for pair in spec.sides(size) for count in pair]
    return (spec.padding_mode == "zeros" or not any(cells)) and all(count >= 0 for count in cells)
