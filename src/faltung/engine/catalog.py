"""The algorithms, in order of preference, each with its reason for refusing and its estimated cost.

A new family of kernels is one folder under ``native/kernels`` and one entry here. Costs are estimates in
seconds on one nominal core: they rank algorithms, the same on every machine of an instruction set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

from faltung.engine import channelwise, dense, depthwise, dilated, dots, fft_cost, grouped, phases, spectral, winograd, winograd_phases
from faltung.engine.arrays import Array
from faltung.engine.kernel import Kernel
from faltung.engine.native import Correlation, chosen_isa, get_num_threads
from faltung.engine.problem import Problem
from faltung.engine.tuning import Measured, lookup
from faltung.errors import ConvPlanError, one_of

__all__ = [
    "ALGORITHMS",
    "BY_NAME",
    "CHOICES",
    "Algorithm",
    "Decision",
    "Request",
    "choose",
    "choose_for_nothing",
    "measured",
    "phase_by_phase",
    "serves",
]

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
    cycles : callable (Problem, native dtype) -> float
        Estimated for one sample on one core, weights packed before.
    packing_cycles : callable (Problem, native dtype) -> float
        Estimated for packing them, on one core.
    make : callable (Problem, native dtype) -> Kernel
        Its kernel; by default the compiled one of its name.
    error_growth : callable (Problem, native dtype) -> float, or None
        Its error bound over that of direct summation. None: it sums directly, in one fixed order, and serves whatever values there
        are; others serve finite values of moderate size alone (`compiled` sees to that) and never under ``accuracy="exact"``.
    keeps_bound : callable (kernel, x of one sample, packed weights) -> bool, or None
        Whether the bound holds for these values; where it does not, they are summed directly.
    serves_phases : bool
        Whether it computes all phases of a transposed correlation together.
    shared_cycles : callable (Problem, native dtype) -> float, or None
        What of `cycles` several samples of one call have in common.
    by_request : bool
        Whether it is taken only where it is asked for by name, for it rounds more than the others.
    """

    name: str
    idea: str
    refusal: Callable[[Problem, str], str | None]
    cycles: Callable[[Problem, str], float]
    packing_cycles: Callable[[Problem, str], float]
    make: Callable[[Problem, str], Kernel] | None = None
    error_growth: Callable[[Problem, str], float] | None = None
    keeps_bound: Callable[[Any, Array, Any], bool] | None = None
    serves_phases: bool = False
    shared_cycles: Callable[[Problem, str], float] | None = None
    by_request: bool = False

    @property
    def is_direct(self) -> bool:
        """Whether it sums directly."""
        return self.error_growth is None

    def kernel(self, problem: Problem, dtype: str) -> Kernel:
        """Its kernel for one problem."""
        if self.make is not None:
            return self.make(problem, dtype)
        return Correlation(self.name, dtype, chosen_isa(), *problem.arguments)

    def seconds(self, problem: Problem, request: Request) -> float:
        """Estimated time for one sample on one nominal core; unless weights are prepared, its share of packing them included."""
        cycles = self.cycles(problem, request.dtype)
        if not request.is_prepared:
            cycles += self.packing_cycles(problem, request.dtype) / request.samples
        if request.samples > 1 and self.shared_cycles is not None:
            cycles -= self.shared_cycles(problem, request.dtype) * (1 - 1 / request.samples)
        return cycles / NOMINAL_HERTZ


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a plan beside its problem.

    Attributes
    ----------
    dtype : str
        The native one.
    algorithm : str
        One of `CHOICES`.
    is_exact : bool
        Only algorithms that sum directly.
    is_prepared : bool
        Weights are packed once for many calls; else packing counts among the costs.
    is_tuned : bool
        What was measured on this machine counts, where something was.
    samples : int
        So many samples of a call are supposed to share the packing; a plan does not know how many there will be, for each sample's result
        is to be the same in any batch.
    """

    dtype: str
    algorithm: str = "auto"
    is_exact: bool = False
    is_prepared: bool = True
    is_tuned: bool = True
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """What the plan decided on one algorithm, and why."""

    algorithm: str
    chosen: bool
    fits: bool
    reason: str
    cost_seconds: float | None


def _lanes(dtype: str) -> int:
    """Elements of a vector."""
    return _VECTOR_BYTES[chosen_isa()] // (4 if dtype == "float32" else 8)


def _winograd(problem: Problem) -> ModuleType:
    """Which of its two ways: by three taps, or by the phases of a stride."""
    by_phases = problem.phases or (winograd.form_of(problem) is None and winograd_phases.form_of(problem) is not None)
    return winograd_phases if by_phases else winograd


def _general_cycles(problem: Problem, _dtype: str) -> float:
    return 10 * problem.macs


def _panel_refusal(algorithm: str, problem: Problem, dtype: str) -> str | None:
    panel_bytes = Correlation.panel_bytes(algorithm, dtype, chosen_isa(), *problem.arguments)
    if panel_bytes > MAX_PANEL_BYTES:
        return f"the rows under one kernel would need {panel_bytes} bytes a thread, more than {MAX_PANEL_BYTES}"
    return None


# SciPy is loaded by the first convolution that is computed so, not by every plan.


def _fft_kernel(problem: Problem, dtype: str) -> Kernel:
    from faltung.engine.fft import FFTCorrelation

    return FFTCorrelation(problem, dtype)


def _spectral_keeps_bound(kernel: Any, x: Array, packed: Any) -> bool:
    return bool(kernel.keeps_bound(x[None], packed, get_num_threads()))


def _fft_keeps_bound(kernel: Any, x: Array, packed: Any) -> bool:
    from faltung.engine.fft_guard import keeps_bound

    return keeps_bound(kernel, x, packed)


ALGORITHMS: tuple[Algorithm, ...] = (
    Algorithm(
        "pointwise",
        "a matrix product of channels, positions in the vector lanes",
        dense.pointwise_refusal,
        lambda problem, dtype: dense.pointwise_cycles(problem, _lanes(dtype)),
        dense.packing_cycles,
    ),
    Algorithm(
        "dots",
        "dot products of pairs of bfloat16 numbers, positions in the vector lanes",
        dots.refusal,
        dots.cycles,
        dots.packing_cycles,
        error_growth=dots.error_growth,
    ),
    Algorithm(
        "winograd",
        "fewer products for few taps, on transformed tiles",
        lambda problem, dtype: _winograd(problem).refusal(problem, dtype),
        lambda problem, dtype: _winograd(problem).cycles(problem, _lanes(dtype)),
        lambda problem, dtype: _winograd(problem).packing_cycles(problem, _lanes(dtype)),
        error_growth=lambda problem, dtype: _winograd(problem).error_growth(problem, dtype),
        serves_phases=True,
        shared_cycles=lambda problem, dtype: 0.0 if problem.phases else winograd.shared_cycles(problem, _lanes(dtype)),
    ),
    Algorithm(
        "dilated",
        "fewer products for three taps that lie apart, on tiles that know the zeros around them",
        dilated.refusal,
        lambda problem, dtype: dilated.cycles(problem, _lanes(dtype)),
        lambda problem, dtype: dilated.packing_cycles(problem, _lanes(dtype)),
        error_growth=dilated.error_growth,
    ),
    Algorithm(
        "winograd6",
        "fewer products still, on tiles of 6 by 6 outputs",
        partial(winograd.refusal, by_six=True),
        lambda problem, dtype: winograd.cycles(problem, _lanes(dtype), by_six=True),
        lambda problem, dtype: winograd.packing_cycles(problem, _lanes(dtype), by_six=True),
        error_growth=partial(winograd.error_growth, by_six=True),
        by_request=True,
    ),
    Algorithm(
        "depthwise",
        "one input channel a group, read where it lies, positions of a row in the vector lanes",
        depthwise.refusal,
        lambda problem, dtype: depthwise.cycles(problem, _lanes(dtype)),
        dense.packing_cycles,
    ),
    Algorithm(
        "channelwise",
        "one input channel a group, a channel in each vector lane",
        channelwise.refusal,
        lambda problem, dtype: channelwise.cycles(problem, _lanes(dtype)),
        lambda problem, dtype: channelwise.packing_cycles(problem, _lanes(dtype)),
    ),
    Algorithm(
        "grouped",
        "few channels a group, planes read where they lie, positions in the vector lanes",
        grouped.refusal,
        lambda problem, dtype: grouped.cycles(problem, _lanes(dtype)),
        dense.packing_cycles,
    ),
    Algorithm(
        "direct",
        "rows packed with their padding, output channels in the vector lanes",
        partial(_panel_refusal, "direct"),
        lambda problem, dtype: (phases if problem.phases else dense).direct_cycles(problem, _lanes(dtype)),
        lambda problem, dtype: (phases if problem.phases else dense).packing_cycles(problem, dtype),
        serves_phases=True,
    ),
    Algorithm(
        "unfold",
        "patches unfolded into panels, then a matrix product, positions in the vector lanes",
        partial(_panel_refusal, "unfold"),
        lambda problem, dtype: dense.unfold_cycles(problem, _lanes(dtype)),
        dense.packing_cycles,
    ),
    Algorithm(
        "filter",
        "rows packed with their padding, positions of a row in the vector lanes",
        partial(_panel_refusal, "filter"),
        lambda problem, dtype: (phases if problem.phases else dense).filter_cycles(problem, _lanes(dtype)),
        lambda problem, dtype: (phases if problem.phases else dense).packing_cycles(problem, dtype),
        serves_phases=True,
    ),
    Algorithm(
        "spectral",
        "products of spectra of rows, summed over the rows of the kernel",
        spectral.refusal,
        spectral.cycles,
        spectral.packing_cycles,
        error_growth=spectral.error_growth,
        keeps_bound=_spectral_keeps_bound,
    ),
    Algorithm(
        "fft",
        "products of spectra, block by block",
        fft_cost.refusal,
        fft_cost.cycles,
        fft_cost.packing_cycles,
        _fft_kernel,
        fft_cost.error_growth,
        _fft_keeps_bound,
    ),
    Algorithm(
        "general",
        "one product at a time, positions mapped one by one",
        lambda _problem, _dtype: None,
        _general_cycles,
        dense.packing_cycles,
    ),
)

CHOICES = ("auto", *(entry.name for entry in ALGORITHMS))
BY_NAME = {entry.name: entry for entry in ALGORITHMS}


def choose(problem: Problem, request: Request) -> tuple[str, tuple[Decision, ...]]:
    """The algorithm for `problem`, and the decision on each.

    Raises
    ------
    ConvPlanError
        The algorithm asked for is unknown, or does not serve the problem.
    """
    algorithm = request.algorithm
    seconds: Mapping[str, float] = {}
    one_of("algorithm", algorithm, CHOICES, ConvPlanError)
    refusals = {entry.name: _refusal(entry, problem, request) for entry in ALGORITHMS}
    fitting = [entry for entry in ALGORITHMS if refusals[entry.name] is None]
    costs = {entry.name: entry.seconds(problem, request) for entry in fitting}
    if algorithm != "auto":
        if refusals[algorithm] is not None:
            raise ConvPlanError(
                f"algorithm {algorithm!r} does not serve this convolution: {refusals[algorithm]}.",
                '`faltung plan "…" --input …` lists every algorithm and its reason.',
            )
        best = algorithm
    else:
        unasked = [name for name in costs if not BY_NAME[name].by_request]
        best = min(unasked, key=costs.__getitem__)  # ties: the first in the catalog
        found = measured(problem, request)
        if found is not None and found.algorithm in unasked:
            best, seconds = found.algorithm, found.seconds
    decisions = []
    for entry in ALGORITHMS:
        refusal = refusals[entry.name]
        if refusal is not None:
            decisions.append(Decision(entry.name, False, False, refusal, None))
            continue
        if entry.name == best:
            reason = f"{entry.idea}; asked for" if algorithm != "auto" else f"{entry.idea}; the fastest measured" if seconds else entry.idea
        elif entry.name in seconds and seconds.get(best, 0) > 0:
            reason = f"{entry.idea}; measured {_factor(seconds[entry.name], seconds[best])} the time of {best}"
        else:
            reason = (
                f"{entry.idea}; only where it is asked for: {_growth(entry, problem, request)}"
                if entry.by_request
                else entry.idea
                if costs[best] == 0
                else f"{entry.idea}; estimated {_factor(costs[entry.name], costs[best])} the cost of {best}"
            )
        decisions.append(Decision(entry.name, entry.name == best, True, reason, costs[entry.name]))
    return best, tuple(decisions)


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
        cost = sum(entry.seconds(problem, request) for problem in fitting) + overhead
        compared = "" if not best.cost_seconds else f", estimated {_factor(cost, best.cost_seconds)} the cost of {best.algorithm}"
        yield Decision(entry.name, False, True, f"{entry.idea}; one phase at a time{compared}", cost)


def serves(problem: Problem, request: Request) -> bool:
    """Whether the algorithm asked for, or any, serves the problem."""
    return any(request.algorithm in ("auto", entry.name) and _refusal(entry, problem, request) is None for entry in ALGORITHMS)


def _refusal(entry: Algorithm, problem: Problem, request: Request) -> str | None:
    """Why an algorithm does not serve what is asked, or None if it does."""
    if request.is_exact and not entry.is_direct:
        return "accuracy='exact' asks for direct summation"
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
