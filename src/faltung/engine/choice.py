"""Which algorithm of the catalog computes a problem, and why not the others.

Owns the reasons: by estimated costs, by what was measured on this machine, or by request.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from faltung.engine import order
from faltung.engine.algorithm import Algorithm, Request
from faltung.engine.catalog import ALGORITHMS, BY_NAME, CHOICES
from faltung.engine.problem import Problem
from faltung.engine.tuning import Measured, lookup, on_change
from faltung.errors import ConvPlanError, one_of

__all__ = ["APART", "Decision", "choose", "choose_for_nothing", "does_not_serve", "measured", "phase_by_phase", "serves"]

APART = 1.1
"""What phases one by one cost beyond their sum, where they could be one problem: threads wait for one another after each."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the plan decided on one algorithm, and why.

    Attributes
    ----------
    algorithm : str
        Its name in the catalog.
    chosen, fits : bool
        Whether it is taken; whether it could be.
    reason : str
        Its idea, and how it compares with what is taken; or why it does not serve the problem.
    cost_seconds : float, or None
        Estimated for one sample on one nominal core, its share of packing weights included unless they are prepared; None if it does not
        fit.
    """

    algorithm: str
    chosen: bool
    fits: bool
    reason: str
    cost_seconds: float | None


def choose(problem: Problem, request: Request) -> tuple[str, tuple[Decision, ...]]:
    """The algorithm for `problem`, and the decision on each.

    Raises
    ------
    ConvPlanError
        The algorithm asked for is unknown, or does not serve the problem.
    """
    one_of("algorithm", request.algorithm, CHOICES, ConvPlanError)
    refusals, costs = _weighed(problem, replace(request, algorithm="auto"))
    seconds: Mapping[str, float] = {}
    if request.algorithm == "auto":
        unasked = [name for name in costs if not BY_NAME[name].by_request]
        best = min(unasked, key=costs.__getitem__)  # ties: the first in the catalog
        found = measured(problem, request)
        if found is not None and found.algorithm in unasked:
            best, seconds = found.algorithm, found.seconds
        why_best = "the fastest measured" if seconds else ""
    else:
        best, why_best = request.algorithm, "asked for"
        if (refusal := refusals[best]) is not None:
            raise does_not_serve(best, refusal)

    def compared(entry: Algorithm) -> str:
        if entry.name == best:
            return why_best
        if entry.name in seconds and seconds.get(best, 0) > 0:
            return f"measured {_factor(seconds[entry.name], seconds[best])} the time of {best}"
        if entry.by_request:
            return f"only where it is asked for: {_growth(entry, problem, request)}"
        return "" if costs[best] == 0 else f"estimated {_factor(costs[entry.name], costs[best])} the cost of {best}"

    decisions = []
    for entry in ALGORITHMS:
        if (refusal := refusals[entry.name]) is not None:
            decisions.append(Decision(entry.name, False, False, refusal, None))
            continue
        reason = "; ".join(filter(None, (entry.idea, compared(entry))))
        decisions.append(Decision(entry.name, entry.name == best, True, reason, costs[entry.name]))
    return best, tuple(decisions)


@functools.lru_cache(maxsize=256)
def _weighed(problem: Problem, request: Request) -> tuple[Mapping[str, str | None], Mapping[str, float]]:
    """Why each algorithm refuses, None where it serves; what those that serve cost. The same whichever is asked for by name."""
    refusals = {entry.name: _refusal(entry, problem, request) for entry in ALGORITHMS}
    return refusals, {entry.name: entry.seconds(problem, request) for entry in ALGORITHMS if refusals[entry.name] is None}


on_change(_weighed.cache_clear)


def does_not_serve(algorithm: str, reason: str) -> ConvPlanError:
    """The error where an algorithm is asked for that does not serve what is asked."""
    return ConvPlanError(
        f"algorithm {algorithm!r} does not serve this convolution: {reason}.",
        '`faltung plan "…" --input …` lists every algorithm and its reason.',
    )


def measured(problem: Problem, request: Request) -> Measured | None:
    """What was measured on this machine for `problem`, if that counts for what is asked."""
    if not request.is_tuned or request.algorithm != "auto":
        return None
    return lookup(problem, request.dtype, is_exact=request.is_exact, is_prepared=request.is_prepared)


def phase_by_phase(decisions: tuple[Decision, ...], problems: Sequence[Problem], overhead: float, request: Request) -> Iterator[Decision]:
    """`decisions` on all phases together, where an algorithm takes one at a time by what that costs: `problems`, the largest first."""
    best = next(decision for decision in decisions if decision.chosen)
    for decision in decisions:
        entry = BY_NAME[decision.algorithm]
        if entry.serves_phases and decision.fits:
            yield decision
            continue
        refusal = _refusal(entry, problems[0], request)
        if refusal is not None:
            yield replace(decision, reason=refusal)
            continue
        fitting = [problem for problem in problems if _refusal(entry, problem, request) is None]
        cost = APART * (sum(entry.seconds(problem, request) for problem in fitting) + overhead)
        compared = "" if not best.cost_seconds else f", estimated {_factor(cost, best.cost_seconds)} the cost of {best.algorithm}"
        yield Decision(entry.name, False, True, f"{entry.idea}; one phase at a time{compared}", cost)


def serves(problem: Problem, request: Request) -> bool:
    """Whether the algorithm asked for, or any, serves the problem."""
    return any(request.algorithm in ("auto", entry.name) and _refusal(entry, problem, request) is None for entry in ALGORITHMS)


def _refusal(entry: Algorithm, problem: Problem, request: Request) -> str | None:
    """Why an algorithm does not serve what is asked, or None if it does."""
    if request.is_exact and not entry.is_direct:
        return "accuracy='exact' asks for direct summation"
    if request.is_exact and request.dtype != "uint64" and not entry.in_order(problem, request.dtype):
        return order.refusal(problem)
    if problem.phases and not entry.serves_phases:
        return "the phases of the stride are computed together, it takes one at a time"
    if request.dtype == "bfloat16" and entry.name != "dots":
        return "it sums what float32 arrays hold"
    return entry.refusal(problem, request.dtype)


def _growth(entry: Algorithm, problem: Problem, request: Request) -> str:
    """How much more it rounds."""
    grown = entry.error_growth(problem, request.dtype) if entry.error_growth else 1.0
    return f"its error bound is {grown:.0f} times that of direct summation"


def _factor(cost: float, best: float) -> str:
    """``1.4 times``, ``140 times``, or ``as much as`` where it is about the same."""
    factor = cost / best
    return "as much as" if factor < 1.05 else f"{factor:.1f} times" if factor < 10 else f"{factor:.0f} times"


def choose_for_nothing(algorithm: str = "auto") -> tuple[str, tuple[Decision, ...]]:
    """As `choose`, for an output that no tap reaches: there is nothing to sum, by whatever algorithm."""
    best = ALGORITHMS[-1].name if algorithm == "auto" else algorithm
    reason = "no tap reaches the output, there is nothing to sum"
    return best, tuple(Decision(entry.name, entry.name == best, True, f"{entry.idea}; {reason}", 0.0) for entry in ALGORITHMS)
