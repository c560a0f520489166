"""The algorithms, in order of preference, each with its reason for refusing and its estimated cost.

A new family of kernels is one folder under ``native/kernels`` and one entry here. Costs are estimates in
seconds on one nominal core: they rank algorithms, the same on every machine of an instruction set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from faltung.engine.native import Correlation, chosen_isa
from faltung.engine.problem import Problem
from faltung.errors import ConvPlanError, one_of

__all__ = ["ALGORITHMS", "CHOICES", "Algorithm", "Decision", "choose", "choose_for_nothing"]

NOMINAL_HERTZ = 3.0e9
MAX_PANEL_BYTES = 32 * 2**20

_VECTOR_BYTES = {"baseline": 16, "neon": 16, "avx2": 32, "avx512": 64}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to compute a correlation.

    Attributes
    ----------
    name : str
    idea : str
        In one line.
    refusal : callable (Problem, native dtype) -> str or None
        Why it does not serve the problem, or None if it does.
    lane_use : callable (Problem, lanes) -> float
        Multiply-accumulates per cycle, estimated.
    """

    name: str
    idea: str
    refusal: Callable[[Problem, str], str | None]
    lane_use: Callable[[Problem, int], float]

    def seconds(self, problem: Problem, dtype: str) -> float:
        """Estimated time for one sample on one nominal core."""
        lanes = _VECTOR_BYTES[chosen_isa()] // (4 if dtype == "float32" else 8)
        return problem.macs / (self.lane_use(problem, lanes) * NOMINAL_HERTZ)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the plan decided on one algorithm, and why."""

    algorithm: str
    chosen: bool
    fits: bool
    reason: str
    cost_seconds: float | None


def _filled(size: int, tile: int) -> float:
    """Share of a row of tiles that holds real work."""
    return size / (math.ceil(size / tile) * tile) if size else 1.0


def _columns(problem: Problem) -> int:
    return problem.out_size[-1]


def _pointwise_refusal(problem: Problem, _dtype: str) -> str | None:
    if any(kernel != 1 for kernel in problem.kernel_size):
        return f"kernel {_times(problem.kernel_size)} is not 1 along every axis"
    if any(stride != 1 for stride in problem.stride):
        return f"stride {_times(problem.stride)} is not 1 along every axis"
    if any(problem.before) or problem.in_size != problem.out_size:
        return f"padding or cropping changes the size from {_times(problem.in_size)} to {_times(problem.out_size)}"
    return None


def _panel_refusal(algorithm: str, problem: Problem, dtype: str) -> str | None:
    panel_bytes = Correlation.panel_bytes(algorithm, dtype, chosen_isa(), *problem.arguments)
    if panel_bytes > MAX_PANEL_BYTES:
        return f"the rows under one kernel would need {panel_bytes} bytes a thread, more than {MAX_PANEL_BYTES}"
    return None


ALGORITHMS: tuple[Algorithm, ...] = (
    Algorithm(
        "pointwise",
        "a matrix product of channels, positions in the vector lanes",
        _pointwise_refusal,
        lambda problem, lanes: 0.8 * lanes * _filled(math.prod(problem.out_size), lanes) * _filled(problem.out_channels, 4),
    ),
    Algorithm(
        "direct",
        "rows packed with their padding, output channels in the vector lanes",
        partial(_panel_refusal, "direct"),
        lambda problem, lanes: 0.85 * lanes * _filled(problem.out_channels, lanes) * _filled(_columns(problem), 2),
    ),
    Algorithm(
        "filter",
        "rows packed with their padding, positions of a row in the vector lanes",
        partial(_panel_refusal, "filter"),
        lambda problem, lanes: 0.4 * lanes * _filled(_columns(problem), lanes) * min(1.0, 0.6 + 0.2 * problem.out_channels),
    ),
    Algorithm("general", "one product at a time, positions mapped one by one", lambda _problem, _dtype: None, lambda _problem, _lanes: 0.1),
)

CHOICES = ("auto", *(entry.name for entry in ALGORITHMS))


def choose(problem: Problem, dtype: str, algorithm: str = "auto") -> tuple[str, tuple[Decision, ...]]:
    """The algorithm for `problem`, and the decision on each.

    Raises
    ------
    ConvPlanError
        `algorithm` is unknown, or does not serve the problem.
    """
    one_of("algorithm", algorithm, CHOICES, ConvPlanError)
    refusals = {entry.name: entry.refusal(problem, dtype) for entry in ALGORITHMS}
    costs = {entry.name: entry.seconds(problem, dtype) for entry in ALGORITHMS if refusals[entry.name] is None}
    if algorithm != "auto":
        if refusals[algorithm] is not None:
            raise ConvPlanError(
                f"algorithm {algorithm!r} does not serve this convolution: {refusals[algorithm]}.",
                '`faltung plan "…" --input …` lists every algorithm and its reason.',
            )
        best = algorithm
    else:
        best = min(costs, key=costs.__getitem__)  # ties: the first in the catalog
    decisions = []
    for entry in ALGORITHMS:
        refusal = refusals[entry.name]
        if refusal is not None:
            decisions.append(Decision(entry.name, False, False, refusal, None))
            continue
        if entry.name == best:
            reason = entry.idea if algorithm == "auto" else f"{entry.idea}; asked for"
        else:
            reason = (
                entry.idea if costs[best] == 0 else f"{entry.idea}; estimated {_factor(costs[entry.name], costs[best])} the cost of {best}"
            )
        decisions.append(Decision(entry.name, entry.name == best, True, reason, costs[entry.name]))
    return best, tuple(decisions)


def _factor(cost: float, best: float) -> str:
    """``1.4 times``, ``140 times``, or ``as much as`` where it is about the same."""
    factor = cost / best
    return "as much as" if factor < 1.05 else f"{factor:.1f} times" if factor < 10 else f"{factor:.0f} times"


def choose_for_nothing(algorithm: str = "auto") -> tuple[str, tuple[Decision, ...]]:
    """As `choose`, for an output that no tap reaches: there is nothing to sum, by whatever algorithm."""
    best = ALGORITHMS[-1].name if algorithm == "auto" else algorithm
    reason = "no tap reaches the output, there is nothing to sum"
    return best, tuple(Decision(entry.name, entry.name == best, True, f"{entry.idea}; {reason}", 0.0) for entry in ALGORITHMS)


def _times(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))
