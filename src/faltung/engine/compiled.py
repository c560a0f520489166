"""A lowered convolution with its kernels chosen.

Owns the choice among the ways of `ways`, and whether half precision is converted.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from faltung.engine import dots, separable, tuning
from faltung.engine.algorithm import NOMINAL_HERTZ, Request
from faltung.engine.arrays import HALVES, Array, ElementTypes, address, trailing
from faltung.engine.catalog import BY_NAME
from faltung.engine.choice import APART, Decision, choose, choose_for_nothing, does_not_serve, phase_by_phase
from faltung.engine.kernel import Kernel
from faltung.engine.lowered import Lowered, Strip
from faltung.engine.lowering import is_gather, lower
from faltung.engine.magnitude import LARGEST
from faltung.engine.native import Correlation, Program, chosen_isa, has_bfloat16_dots, native_problem
from faltung.engine.problem import Problem
from faltung.engine.ways import scattering_seconds, ways_of
from faltung.errors import ConvError, ConvPlanError, ConvShapeError
from faltung.spec import ConvSpec

__all__ = ["Compiled", "compile_conv", "too_many_weights"]

STEP_SECONDS = 3e-6
"""What a problem costs beyond its arithmetic: the call, and threads that wait for one another."""

GROUP_BYTES = 2**20
"""Of float32, input and output of a group: so many stay in L2."""

MOST_STORED_TAPS = 7
"""Along each axis, of depthwise kernels that read bfloat16 whatever the size of the map."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """One direction of a spec for one input size and element type, ready for any weight and batch.

    Attributes
    ----------
    kernels : tuple of tuple of Kernel
        For the main strip and each folded strip, the kernel of each step.
    decisions : tuple of Decision
        Of the largest problem.
    seconds : float
        Estimated for one sample on one nominal core, all problems together.
    error_growth : float
        The error bound over that of direct summation.
    is_direct : bool
        Whether every kernel sums directly; else they serve values up to `LARGEST` alone.
    guards : tuple of tuple of callable or None
        As `kernels`: what else a kernel asks of the values, `Algorithm.keeps_bound`.
    most_rank : int
        Kernels that are sums of up to so many outer products run faster as such; 0: none do, or are looked for.
    """

    spec: ConvSpec
    request: Request
    backward: bool
    lowered: Lowered
    algorithm: str
    decisions: tuple[Decision, ...]
    seconds: float
    kernels: tuple[tuple[Kernel, ...], ...]
    error_growth: float
    is_direct: bool
    guards: tuple[tuple[Callable[[Any, Array, Any], bool] | None, ...], ...]
    most_rank: int = 0

    @property
    def is_half(self) -> bool:
        """Whether its kernels read and write half precision."""
        return self.request.dtype in HALVES

    @functools.cached_property
    def strips(self) -> tuple[Strip, ...]:
        """The main strip, then those that fold back onto it."""
        return (self.lowered.main, *self.lowered.folded)

    @functools.cached_property
    def fused(self) -> tuple[Correlation | separable.SeparableKernel, ...] | None:
        """The kernels, if each of them can finish what it writes, for nothing is added to it afterwards."""
        kernels = tuple(kernel for kernel in self.kernels[0] if isinstance(kernel, Correlation | separable.SeparableKernel))
        accumulates = bool(self.lowered.folded) or any(step.accumulates for step in self.lowered.main.steps)
        return kernels if len(kernels) == len(self.kernels[0]) and self.lowered.main.is_covered and not accumulates else None

    def program(self, types: ElementTypes) -> Program | None:
        """All of it as one native call for arrays of the result's dtype, if compiled kernels do all of it."""
        if types.is_complex or (types.is_converted and not types.is_half):
            return None
        programs = self._programs  # which another thread may replace: two may have found none at the same time
        if types.result not in programs:
            programs[types.result] = self._made_program(types.result)
        return programs[types.result]

    @functools.cached_property
    def _programs(self) -> dict[np.dtype[Any], Program | None]:
        return {}

    def _made_program(self, dtype: np.dtype[Any]) -> Program | None:
        spec, lowered, main = self.spec, self.lowered, self.lowered.main
        kernels = [kernel for kernel in self.kernels[0] if isinstance(kernel, Correlation)]
        if lowered.folded or not main.is_covered or len(kernels) < len(main.steps) or self.most_rank:
            return None
        if not kernels:  # of an output without cells
            return None
        try:
            weight = np.empty(spec.weight_shape, dtype)
        except (MemoryError, ValueError):  # nor will there be memory for what is in it
            return None
        arranged = self.arranged(weight)
        steps = []
        for step, kernel in zip(main.steps, kernels, strict=True):
            taken = arranged if step.is_everything else arranged[trailing(step.taps)]
            places = [place.indices(size) for place, size in zip(step.writes, lowered.out_size, strict=True)]
            first = (address(taken) - address(weight)) // weight.itemsize
            strides = [stride // weight.itemsize for stride in taken.strides]
            steps.append((kernel, [begin for begin, _, _ in places], [by for _, _, by in places], step.accumulates, first, strides))
        read, written = (spec.out_channels, spec.in_channels) if self.backward else (spec.in_channels, spec.out_channels)
        largest = math.inf if self.is_direct else LARGEST[self.request.dtype]
        is_careful = (lowered.leaves_cells_out or lowered.skips_padding) and dtype.kind not in "biu"
        in_shape, out_shape = (read, *lowered.in_size), (written, *lowered.out_size)
        return Program(steps, spec.groups, in_shape, out_shape, spec.weight_shape, dtype, largest, is_careful, self.request.is_exact)

    def workspace_bytes(self, threads: int) -> int:
        """Scratch of a call plus the packed weights of one real part."""
        every = list(itertools.chain(*self.kernels))
        scratch: int = max((kernel.workspace_bytes(threads) for kernel in every), default=0)
        held = scratch + sum(kernel.packed_bytes for kernel in every)
        if self.most_rank:
            held = max(held, separable.workspace_bytes(self.lowered.problems[0], self.request.dtype, threads))
        return held

    @property
    def direct(self) -> Compiled:
        """The same by kernels that sum directly."""
        size = self.lowered.out_size if self.backward else self.lowered.in_size
        summed = "float32" if self.is_half else self.request.dtype
        exact = replace(self.request, dtype=summed, algorithm="auto", is_exact=True)
        return compile_conv(self.spec, size, exact, backward=self.backward)

    def for_outer_products(self, weight: Array) -> Compiled | None:
        """The same for arranged weights whose kernels are sums of few outer products; None where these are not, or it does not pay."""
        if not self.most_rank:
            return None
        problem, native = self.lowered.problems[0], self.request.dtype
        factors = separable.factorize(weight, self.most_rank, self.lowered.terms)
        if factors is None:
            return None
        reason = f"{separable.IDEA}; these are of rank {factors.rank}"
        seconds = separable.cycles(problem, native, factors.rank) / NOMINAL_HERTZ
        others = (replace(decision, chosen=False) for decision in self.decisions)
        return replace(
            self,
            algorithm="separable",
            decisions=(Decision("separable", True, True, reason, seconds), *others),
            kernels=((separable.SeparableKernel(problem, native, factors),),),
            is_direct=factors.largest is None,
            guards=((None if factors.largest is None else separable.keeps_bound,),),
            most_rank=0,
        )

    def arranged(self, weight: Array) -> Array:
        """`weight` as a view (groups, written channels, read channels, *kernel), the kernel in correlation order."""
        spec = self.spec
        view = weight.reshape(spec.groups, spec.weight_shape[0] // spec.groups, *spec.weight_shape[1:])
        if not is_gather(spec, backward=self.backward):
            view = view.swapaxes(1, 2)
        return np.flip(view, tuple(range(3, view.ndim))) if spec.flip else view


@functools.lru_cache(maxsize=512)
def compile_conv(
    spec: ConvSpec, input_size: tuple[int, ...], request: Request, *, backward: bool = False, skips_padding: bool = True
) -> Compiled:
    """Choose and build the kernels of `spec` (or of its input gradient, `backward`) for one input size.

    Where `skips_padding`, and an algorithm is not asked for, zeros of the padding may be left out.

    Raises
    ------
    ConvShapeError
        No output for this size.
    ConvPlanError
        The algorithm asked for does not serve the largest problem. Smaller ones (the phases and strips of a
        transposed convolution) fall back to one that does.
    """
    if request.dtype in HALVES:
        return _compile_half(spec, input_size, request, backward=backward, skips_padding=skips_padding)
    return _compile(spec, input_size, request, backward=backward, skips_padding=skips_padding)


def _compile_half(spec: ConvSpec, input_size: tuple[int, ...], request: Request, *, backward: bool, skips_padding: bool) -> Compiled:
    """By kernels that read half precision where that is faster than converting it, else by those of float32."""
    if request.algorithm == "dots":
        compiled = _compile_dots(spec, input_size, request, backward=backward)
        if isinstance(compiled, Decision):
            raise does_not_serve("dots", compiled.reason)
        return compiled
    wide = compile_conv(spec, input_size, replace(request, dtype="float32"), backward=backward, skips_padding=skips_padding)
    cells = spec.in_channels * math.prod(wide.lowered.in_size), spec.out_channels * math.prod(wide.lowered.out_size)
    wide = replace(wide, seconds=wide.seconds + dots.conversion_cycles(*cells) / NOMINAL_HERTZ)
    wide = _by_groups(wide, request.dtype) or wide
    if request.algorithm == "auto" and wide.algorithm == "channelwise" and not request.is_exact:
        wide = _as_stored(wide, compile_conv(spec, input_size, replace(request, dtype="float32", algorithm="depthwise"), backward=backward))
    narrow = _compile_dots(spec, input_size, replace(request, algorithm="dots"), backward=backward)
    if isinstance(narrow, Decision):
        return replace(wide, decisions=_with_dots(wide.decisions, narrow))
    best = narrow if request.algorithm == "auto" and narrow.seconds < wide.seconds else wide
    idea = BY_NAME["dots"].idea
    reason = idea if best is narrow else f"{idea}; estimated {narrow.seconds / wide.seconds:.1f} times the cost of {wide.algorithm}"
    own = Decision("dots", best is narrow, True, reason, narrow.seconds)
    return replace(best, decisions=_with_dots(wide.decisions, own))


def _by_groups(wide: Compiled, dtype: str) -> Compiled | None:
    """Its kernel on half precision, some groups at a time, where these are small enough to be converted in the cache."""
    if len(wide.lowered.problems) != 1 or not wide.lowered.main.steps or not wide.lowered.main.steps[0].is_everything:
        return None
    (problem,) = wide.lowered.problems
    cells = problem.in_channels * math.prod(problem.in_size) + problem.out_channels * math.prod(problem.out_size)
    if problem.groups == 1 or problem.phases or wide.fused is None or not wide.is_direct:
        return None
    if wide.algorithm == "depthwise" and wide.request.is_exact:
        return None
    if not _is_read_as_stored(problem, wide.algorithm, dtype) and (wide.most_rank or 4 * cells > GROUP_BYTES):
        return None
    kernel = Correlation(wide.algorithm, dtype, chosen_isa(), native_problem(problem))
    return replace(wide, request=replace(wide.request, dtype=dtype), kernels=((kernel,),), most_rank=0)


def _as_stored(converted: Compiled, depthwise: Compiled) -> Compiled:
    """Of `converted` and the same by `depthwise` kernels that read half precision the one that costs less."""
    problems, dtype = depthwise.lowered.problems, converted.request.dtype
    if len(problems) != 1 or depthwise.seconds >= converted.seconds or not _is_read_as_stored(problems[0], "depthwise", dtype):
        return converted
    decisions = tuple(replace(decision, chosen=decision.algorithm == "depthwise") for decision in converted.decisions)
    narrow = _by_groups(depthwise, dtype)
    return converted if narrow is None else replace(narrow, request=converted.request, decisions=decisions)


def _is_read_as_stored(problem: Problem, algorithm: str, dtype: str) -> bool:
    """Whether depthwise kernels read bfloat16; of so few taps that outer products, which rounded weights seldom are, gain little."""
    if algorithm != "depthwise" or dtype != "bfloat16" or not has_bfloat16_dots(chosen_isa()):
        return False
    is_plain = problem.mode in ("zeros", "absent") and set(problem.dilation) == {1} and problem.stride[-1] <= 2
    return len(problem.in_size) == 2 and problem.out_size[0] > 2 and is_plain and max(problem.kernel_size) <= MOST_STORED_TAPS


def _with_dots(decisions: tuple[Decision, ...], own: Decision) -> tuple[Decision, ...]:
    """`decisions` on kernels of float32, with the one on dot products."""
    return tuple(
        own if decision.algorithm == "dots" else replace(decision, chosen=decision.chosen and not own.chosen) for decision in decisions
    )


def _compile_dots(spec: ConvSpec, input_size: tuple[int, ...], request: Request, *, backward: bool) -> Compiled | Decision:
    """All of it by dot products, or why not."""
    ways = (lower(spec, input_size, backward=backward, bundles_phases=bundles) for bundles in (True, False))
    reason = min((_dots_refusal(way, request) for way in ways), key=lambda refusal: refusal is not None)
    if reason is not None:
        return Decision("dots", False, False, reason, None)
    return _compile(spec, input_size, request, backward=backward, skips_padding=False)


def _dots_refusal(way: Lowered, request: Request) -> str | None:
    """Why dot products do not compute all of it, or None if they do."""
    if way.folded or not way.main.is_covered or not way.problems:
        return "sums would be rounded before all of their parts are added"
    if request.is_exact:
        return "accuracy='exact' asks for direct summation of denormal numbers, too"
    return next((refusal for problem in way.problems if (refusal := dots.refusal(problem, request.dtype)) is not None), None)


def _compile(spec: ConvSpec, input_size: tuple[int, ...], request: Request, *, backward: bool, skips_padding: bool) -> Compiled:
    """As `compile_conv`, of arrays that kernels read as they are."""

    def lower_as(**options: Any) -> Lowered:
        lowered = lower(spec, input_size, backward=backward, **options)
        return lowered.in_order() if request.is_exact and request.dtype != "uint64" else lowered

    ways = list(ways_of(lower_as, request, skips_padding=skips_padding))
    choices = functools.cache(functools.partial(choose, request=request))  # every problem is asked about more than once
    serve = functools.partial(_serving, request=request, choices=choices)
    bundles = [any(problem.phases for problem in way.problems) for way in ways]

    def estimate(way: Lowered, is_bundle: bool) -> float:
        steps = sum(serve(problem).cost_seconds or 0.0 for problem in way.problems) + scattering_seconds(way)
        if not way.problems:
            return steps
        steps += STEP_SECONDS * (len(way.problems) - 1)
        return STEP_SECONDS + steps * (APART if any(bundles) and not is_bundle else 1.0)

    estimates = map(estimate, ways, bundles)
    seconds, lowered = min(zip(estimates, ways, strict=True), key=operator.itemgetter(0))
    problems = lowered.problems
    chosen, decisions = choices(problems[0]) if problems else choose_for_nothing(request.algorithm)
    if problems and problems[0].phases:
        apart = lower_as()
        overhead = STEP_SECONDS * (len(apart.problems) - 1) + scattering_seconds(apart)
        decisions = tuple(phase_by_phase(decisions, apart.problems, overhead, request))
    strips = (lowered.main, *lowered.folded)
    served = {problem: serve(problem) for problem in problems}
    native = request.dtype
    kernels = tuple(tuple(_kernel(step.problem, served[step.problem].algorithm, native) for step in strip.steps) for strip in strips)
    label = chosen if is_gather(spec, backward=backward) else f"phases+{chosen}"
    label = f"{lowered.skipping}+{label}" if lowered.skipping else label
    entries = [(problem, BY_NAME[decision.algorithm]) for problem, decision in served.items()]
    growth = max((entry.error_growth(problem, native) for problem, entry in entries if entry.error_growth is not None), default=1.0)
    is_direct = all(entry.is_direct for _, entry in entries)
    guards = tuple(tuple(BY_NAME[served[step.problem].algorithm].keeps_bound for step in strip.steps) for strip in strips)
    return Compiled(
        spec=spec,
        request=request,
        backward=backward,
        lowered=lowered,
        algorithm=label,
        decisions=decisions,
        seconds=seconds,
        kernels=kernels,
        error_growth=max(growth, 1.0),
        is_direct=is_direct,
        guards=guards,
        most_rank=_most_rank(lowered, request, seconds),
    )


tuning.on_change(compile_conv.cache_clear)


def _most_rank(lowered: Lowered, request: Request, seconds: float) -> int:
    """Kernels of up to so many outer products run faster as such than in the `seconds` of what has been chosen; 0: none do."""
    steps = lowered.main.steps
    if request.algorithm != "auto" or request.is_exact or lowered.folded or len(steps) != 1:
        return 0
    problem = steps[0].problem
    if not steps[0].is_everything or problem.phases:
        return 0
    return separable.most_rank(problem, request.dtype, seconds * NOMINAL_HERTZ, is_prepared=request.is_prepared)


def _kernel(problem: Problem, name: str, native: str) -> Kernel:
    """The kernel of one problem."""
    try:
        return BY_NAME[name].kernel(problem, native)
    except ConvError:
        raise
    except (MemoryError, ValueError) as error:  # sizes past what offsets of 64 bits reach
        raise too_many_weights(problem, str(error)) from None


def too_many_weights(problem: Problem, reason: str) -> ConvShapeError:
    """The error where there is no memory to pack them."""
    count = problem.groups * problem.out_channels * problem.terms
    return ConvShapeError(f"{count} weights to pack cannot be allocated: {reason}.", "Use fewer channels, or a smaller kernel.")


def _serving(problem: Problem, request: Request, choices: Callable[[Problem], tuple[str, tuple[Decision, ...]]]) -> Decision:
    """The decision for the algorithm asked for where it serves the problem, by `choices`, else for the best that does."""
    try:
        _, decisions = choices(problem)
    except ConvPlanError:
        _, decisions = choose(problem, replace(request, algorithm="auto"))
    return next(decision for decision in decisions if decision.chosen)
