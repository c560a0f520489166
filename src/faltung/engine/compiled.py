"""A lowered convolution with its kernels chosen: packing weights, running, folding strips back.

Owns the objects of the compiled module. Arrays arrive checked, in the element type of the kernels.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from faltung.engine import dots, separable, tuning
from faltung.engine.arrays import Array, ElementTypes, address, is_finite, narrowed, new_array, trailing, widened
from faltung.engine.catalog import BY_NAME, NOMINAL_HERTZ, Decision, Request, choose, choose_for_nothing, measured, phase_by_phase, serves
from faltung.engine.epilogue import Epilogue
from faltung.engine.kernel import Kernel
from faltung.engine.lowering import Lowered, Strip, is_gather, lower
from faltung.engine.native import Correlation, PreparedProgram, Program, chosen_isa, get_num_threads, is_within
from faltung.engine.problem import Problem
from faltung.errors import ConvPlanError, ConvShapeError
from faltung.spec import ConvSpec

__all__ = ["Compiled", "PackedWeights", "compile_conv"]

STEP_SECONDS = 5e-6
"""What a problem costs beyond its arithmetic: the call, and threads that wait for one another."""

SCATTER_SECONDS = 1.5e-9
"""What an output costs that is stored apart from its neighbours: a phase's columns, alone and not by whole vectors."""

LARGEST = {"float32": 2.0**40, "float64": 2.0**400, "bfloat16": 2.0**40}
"""Up to this magnitude of inputs and weights no algorithm overflows on its way, by any sum that fits into memory."""


HALVES = ("float16", "bfloat16")

CONVERTED_BYTES = 2**21
"""Samples of half precision are converted together up to so many bytes of float32, so that they stay in the caches."""


GROUP_BYTES = 2**20
"""Of float32, input and output of a group: so many stay in L2."""


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
        if types.result not in self._programs:
            self._programs[types.result] = self._made_program(types.result)
        return self._programs[types.result]

    @functools.cached_property
    def _programs(self) -> dict[np.dtype[Any], Program | None]:
        return {}

    def _made_program(self, dtype: np.dtype[Any]) -> Program | None:
        spec, lowered, main = self.spec, self.lowered, self.lowered.main
        kernels = [kernel for kernel in self.kernels[0] if isinstance(kernel, Correlation)]
        if lowered.folded or not main.is_covered or len(kernels) < len(main.steps) or self.most_rank:
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
        return Program(steps, spec.groups, in_shape, out_shape, spec.weight_shape, dtype, largest, is_careful)

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

    def pack(self, weight: Array, types: ElementTypes) -> PackedWeights:
        """The weights as the kernels read them; `weight` in the spec's weight shape and in `types`' native form."""
        return PackedWeights.of(self, weight, types)

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
            raise ConvPlanError(
                f"algorithm 'dots' does not serve this convolution: {compiled.reason}.",
                '`faltung plan "…" --input …` lists every algorithm and its reason.',
            )
        return compiled
    wide = compile_conv(spec, input_size, replace(request, dtype="float32"), backward=backward, skips_padding=skips_padding)
    cells = spec.in_channels * math.prod(wide.lowered.in_size), spec.out_channels * math.prod(wide.lowered.out_size)
    wide = replace(wide, seconds=wide.seconds + dots.conversion_cycles(*cells) / NOMINAL_HERTZ)
    wide = _by_groups(wide, request.dtype) or wide
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
    (problem, *others), steps = wide.lowered.problems or (None,), wide.lowered.main.steps
    if problem is None or others or problem.groups == 1 or not steps[0].is_everything or problem.phases:
        return None
    cells = problem.in_channels * math.prod(problem.in_size) + problem.out_channels * math.prod(problem.out_size)
    if wide.fused is None or not wide.is_direct or wide.most_rank or 4 * cells > GROUP_BYTES:
        return None
    name = wide.algorithm
    kernel = Correlation(name, dtype, chosen_isa(), *problem.arguments)
    return replace(wide, request=replace(wide.request, dtype=dtype), kernels=((kernel,),))


def _with_dots(decisions: tuple[Decision, ...], own: Decision) -> tuple[Decision, ...]:
    """`decisions` on kernels of float32, with the one on dot products."""
    return tuple(
        own if decision.algorithm == "dots" else replace(decision, chosen=decision.chosen and not own.chosen) for decision in decisions
    )


def _compile_dots(spec: ConvSpec, input_size: tuple[int, ...], request: Request, *, backward: bool) -> Compiled | Decision:
    """All of it by dot products, or why not."""
    lowered = lower(spec, input_size, backward=backward)
    refusals = [dots.refusal(problem, request.dtype) for problem in lowered.problems]
    reason = next((refusal for refusal in refusals if refusal is not None), None)
    if reason is None and (lowered.folded or not lowered.main.is_covered or not lowered.problems):
        reason = "sums would be rounded before all of their parts are added"
    if reason is None and request.is_exact:
        reason = "accuracy='exact' asks for direct summation of denormal numbers, too"
    if reason is not None:
        return Decision("dots", False, False, reason, None)
    return _compile(spec, input_size, request, backward=backward, skips_padding=False)


def _compile(spec: ConvSpec, input_size: tuple[int, ...], request: Request, *, backward: bool, skips_padding: bool) -> Compiled:
    """As `compile_conv`, of arrays that kernels read as they are."""
    apart = lower(spec, input_size, backward=backward)
    ways = [apart]
    known = measured(apart.problems[0], request) if apart.problems else None
    wanted = known.algorithm if known and known.algorithm else request.algorithm
    if wanted not in BY_NAME or BY_NAME[wanted].serves_phases:
        bundled = lower(spec, input_size, backward=backward, bundles_phases=True)
        if bundled.main != apart.main and serves(bundled.problems[0], request):
            ways.append(bundled)
            if not serves(apart.problems[0], request):
                ways.remove(apart)
    if skips_padding and request.algorithm == "auto" and not (known and known.algorithm):
        ways.append(lower(spec, input_size, backward=backward, skips_padding=True))
    serve = functools.partial(_serving, request=request)
    estimates = [
        sum(serve(problem).cost_seconds or 0.0 for problem in way.problems) + STEP_SECONDS * len(way.problems) + _scattering(way)
        for way in ways
    ]
    seconds, lowered = min(zip(estimates, ways, strict=True), key=operator.itemgetter(0))
    problems = lowered.problems
    chosen, decisions = choose(problems[0], request) if problems else choose_for_nothing(request.algorithm)
    if problems and problems[0].phases:
        alone = apart.problems
        overhead = STEP_SECONDS * (len(alone) - 1) + _scattering(apart)
        decisions = tuple(phase_by_phase(decisions, alone, overhead, request))
    strips = (lowered.main, *lowered.folded)
    served = {problem: serve(problem) for problem in problems}
    native = request.dtype
    kernels = tuple(tuple(_kernel(step.problem, served[step.problem].algorithm, native) for step in strip.steps) for strip in strips)
    label = chosen if is_gather(spec, backward=backward) else f"phases+{chosen}"
    label = f"taps+{label}" if lowered.skips_padding else label
    entries = [(problem, BY_NAME[decision.algorithm]) for problem, decision in served.items()]
    growth = max((entry.error_growth(problem, native) for problem, entry in entries if entry.error_growth is not None), default=1.0)
    is_direct = all(entry.is_direct for _, entry in entries)
    guards = tuple(tuple(BY_NAME[served[step.problem].algorithm].keeps_bound for step in strip.steps) for strip in strips)
    steps = lowered.main.steps
    rank = 0
    if (
        request.algorithm == "auto"
        and not request.is_exact
        and not lowered.folded
        and len(steps) == 1
        and steps[0].is_everything
        and not problems[0].phases
    ):
        rank = separable.most_rank(problems[0], native, seconds * NOMINAL_HERTZ, is_prepared=request.is_prepared)
    return Compiled(spec, request, backward, lowered, label, decisions, seconds, kernels, max(growth, 1.0), is_direct, guards, rank)


tuning.on_change(compile_conv.cache_clear)


def _scattering(way: Lowered) -> float:
    """Estimated for storing one sample's outputs one by one."""
    steps = itertools.chain(way.main.steps, *(strip.steps for strip in way.folded))
    apart = (step.problem for step in steps if (step.writes[-1].step or 1) > 1)
    return SCATTER_SECONDS * sum(problem.groups * problem.out_channels * math.prod(problem.out_size) for problem in apart)


def _kernel(problem: Problem, name: str, native: str) -> Kernel:
    """The kernel of one problem."""
    try:
        return BY_NAME[name].kernel(problem, native)
    except (MemoryError, ValueError) as error:  # sizes past what offsets of 64 bits reach
        raise _too_many_weights(problem, str(error)) from None


def _too_many_weights(problem: Problem, reason: str) -> ConvShapeError:
    count = problem.groups * problem.out_channels * problem.terms
    return ConvShapeError(f"{count} weights to pack cannot be allocated: {reason}.", "Use fewer channels, or a smaller kernel.")


def _serving(problem: Problem, request: Request) -> Decision:
    """The decision for the algorithm asked for where it serves the problem, else for the best that does."""
    try:
        _, decisions = choose(problem, request)
    except ConvPlanError:
        _, decisions = choose(problem, replace(request, algorithm="auto"))
    return next(decision for decision in decisions if decision.chosen)


@dataclass(frozen=True, eq=False)
class PackedWeights:
    """Weights packed for every kernel of a `Compiled`: one part if real; real, imaginary, minus imaginary if complex.

    `weight` is what they were packed from, where another packing of it may be needed.
    """

    compiled: Compiled
    parts: tuple[tuple[tuple[Any, ...], ...], ...]
    types: ElementTypes
    weight: Array | None

    @classmethod
    def of(cls, compiled: Compiled, weight: Array, types: ElementTypes) -> PackedWeights:
        """Pack `weight`; where cells take no part, non-finite weights go to the one kernel that leaves them out."""
        if types.is_half and not compiled.is_half and weight.dtype.itemsize == 2:
            weight = widened(weight)
        is_moderate = types.is_exact or (compiled.is_direct and not compiled.most_rank) or _is_moderate(weight, compiled.request.dtype)
        if not is_moderate and not compiled.is_direct:
            return cls.of(compiled.direct, weight, types)
        if is_moderate and not types.is_complex:
            compiled = compiled.for_outer_products(compiled.arranged(weight)) or compiled
        if compiled.most_rank:
            compiled = replace(compiled, most_rank=0)  # looked for
        lowered = compiled.lowered
        if (lowered.leaves_cells_out or lowered.skips_padding) and not types.is_exact and not is_finite(weight):
            # The other kernels read cells that take no part as zeros, and 0 * inf would be NaN; zeros that take part must make it so.
            size = lowered.out_size if compiled.backward else lowered.in_size
            only = replace(compiled.request, algorithm="general" if lowered.leaves_cells_out else "auto", is_exact=True)
            compiled = compile_conv(compiled.spec, size, only, backward=compiled.backward, skips_padding=False)
        arranged = compiled.arranged(weight)
        parts = (arranged.real, arranged.imag, -arranged.imag) if types.is_complex else (arranged,)
        packed = tuple(tuple(cls._pack_strip(compiled, strip, part) for strip in range(len(compiled.kernels))) for part in parts)
        return cls(compiled, packed, types, None if compiled.is_direct else weight)

    @property
    def nbytes(self) -> int:
        """Memory of the packed weights."""
        return len(self.parts) * sum(kernel.packed_bytes for kernel in itertools.chain(*self.compiled.kernels))

    @functools.cached_property
    def _direct(self) -> PackedWeights:
        """The same weights for kernels that sum directly."""
        assert self.weight is not None
        return self.compiled.direct.pack(self.weight, self.types)

    @staticmethod
    def _pack_strip(compiled: Compiled, strip: int, weight: Array) -> tuple[Any, ...]:
        steps = compiled.strips[strip].steps
        try:
            weight = _as_passed(weight)
            threads = get_num_threads()
            borrows = not compiled.request.is_prepared  # the weights outlive their one call
            taken = (weight if step.is_everything else weight[trailing(step.taps)] for step in steps)
            return tuple(kernel.pack(part, threads, borrows) for kernel, part in zip(compiled.kernels[strip], taken, strict=True))
        except MemoryError:
            raise _too_many_weights(max((step.problem for step in steps), key=lambda problem: problem.macs), "out of memory") from None

    def program(self, epilogue: Epilogue) -> PreparedProgram | None:
        """The same as one native call, if compiled kernels do all of it; `epilogue` without a residual."""
        program = self.compiled.program(self.types)
        bias = epilogue.bias if epilogue.bias is None or self.types.is_half else epilogue.bias.view(self.types.result)
        return None if program is None else PreparedProgram(program, self.parts[0][0], bias, epilogue.activation)

    def run(self, x: Array, epilogue: Epilogue, y: Array, threads: int) -> None:
        """``y = activation(conv(x) + bias + residual)``.

        Parameters
        ----------
        x : array (N, groups, read channels, *in_size)
        y : array (N, groups, written channels, *out_size), any strides, apart from x and the residual

        Notes
        -----
        Samples whose values some kernel does not serve are summed directly, each for itself: a result depends on its own sample alone.
        """
        if self.types.is_half and not self.compiled.is_half and x.dtype.itemsize == 2:
            self._run_converted(x, epilogue, y, threads)
            return
        if not self.compiled.is_direct:
            fits = self._fitting_samples(x)
            if not fits.all():
                for sample, within in enumerate(fits):
                    one = slice(sample, sample + 1)
                    (self._run_parts if within else self._direct.run)(x[one], epilogue.of(one), y[one], threads)
                return
        self._run_parts(x, epilogue, y, threads)

    def _run_converted(self, x: Array, epilogue: Epilogue, y: Array, threads: int) -> None:
        """By kernels of float32, a few samples at a time."""
        cells = (x.size + y.size) // max(len(x), 1)
        step = max(1, CONVERTED_BYTES // max(4 * cells, 1))
        for first in range(0, len(x), step):
            some = slice(first, first + step)
            part = epilogue.of(some)
            if part.residual is not None:
                part = replace(part, residual=widened(part.residual))
            wide = new_array("the result before it is rounded", y[some].shape, np.dtype(np.float32))
            self.run(widened(x[some]), part, wide, threads)
            narrowed(wide, y[some])

    def _fitting_samples(self, x: Array) -> Array:
        """For each sample whether the kernels serve its values."""
        dtype = self.compiled.request.dtype
        fits = np.ones(len(x), bool) if _is_moderate(x, dtype) else np.array([_is_moderate(sample, dtype) for sample in x], bool)
        reals = (x.real, x.imag) if self.types.is_complex else (x,)
        for strip, kernels in enumerate(self.compiled.kernels):
            for step, (kernel, keeps_bound) in enumerate(zip(kernels, self.compiled.guards[strip], strict=True)):
                if keeps_bound is None:
                    continue
                packed = [part[strip][step] for part in self.parts[: len(reals)]]
                for sample in np.flatnonzero(fits):
                    fits[sample] = all(keeps_bound(kernel, values[sample], weights) for values in reals for weights in packed)
        return fits

    def _run_parts(self, x: Array, epilogue: Epilogue, y: Array, threads: int) -> None:
        fused = None if y.dtype.kind == "c" else self.compiled.fused
        if fused is not None:
            self._run_fused(fused, x, epilogue, y, threads)
            return
        bias = epilogue.bias
        if y.dtype.kind == "c":
            real, imaginary, minus_imaginary = range(3)
            bias_parts = (None, None) if bias is None else (np.ascontiguousarray(bias.real), np.ascontiguousarray(bias.imag))
            self._run_part(x.real, real, bias_parts[0], y.real, accumulate=False, threads=threads)
            self._run_part(x.imag, minus_imaginary, None, y.real, accumulate=True, threads=threads)
            self._run_part(x.real, imaginary, bias_parts[1], y.imag, accumulate=False, threads=threads)
            self._run_part(x.imag, real, None, y.imag, accumulate=True, threads=threads)
        else:
            self._run_part(x, 0, bias, y, accumulate=False, threads=threads)
        epilogue.finish(y, threads)

    def _run_fused(
        self, kernels: tuple[Correlation | separable.SeparableKernel, ...], x: Array, epilogue: Epilogue, y: Array, threads: int
    ) -> None:
        bias, activation, residual = epilogue.bias, epilogue.activation, epilogue.residual
        if residual is not None and self.compiled.is_half and residual.strides != y.strides:
            # It is added before the sums are rounded, by the kernel, and lies as they do.
            result = new_array("the result", y.shape, y.dtype)
            laid = np.ascontiguousarray(residual)
            self._run_fused(kernels, x, replace(epilogue, residual=laid), result, threads)
            y[...] = result
            return
        x, y, residual = _as_passed(x), _as_passed(y), None if residual is None else _as_passed(residual)
        for step, kernel, weight in zip(self.compiled.strips[0].steps, kernels, self.parts[0][0], strict=True):
            if step.is_everything:
                kernel.run(x, weight, bias, y, False, threads, activation, residual)
            else:
                place = trailing(step.writes)
                kernel.run(x, weight, bias, y[place], False, threads, activation, None if residual is None else residual[place])

    def _run_part(self, x: Array, part: int, bias: Array | None, y: Array, *, accumulate: bool, threads: int) -> None:
        strips, every_kernels, every_packed = self.compiled.strips, self.compiled.kernels, self.parts[part]
        if not strips[0].is_covered and not accumulate:
            y[...] = 0 if bias is None else bias.reshape(1, *y.shape[1:3], *(1,) * (y.ndim - 3))
        _run_steps(strips[0], every_kernels[0], every_packed[0], x, bias, y, accumulate, threads)
        for strip, kernels, packed in zip(strips[1:], every_kernels[1:], every_packed[1:], strict=True):
            buffer = new_array("the padding that folds back", (*y.shape[:3], *strip.size), y.dtype, zeros=True)
            _run_steps(strip, kernels, packed, x, None, buffer, False, threads)
            with np.errstate(all="ignore"):  # as the kernels: inf - inf is NaN without a warning
                for source, target in _folds(strip):
                    y[target] += buffer[source]


def _is_moderate(array: Array, dtype: str) -> bool:
    """Whether all numbers, or both their parts, are of at most the `LARGEST` magnitude."""
    parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
    if dtype in HALVES:  # dot products take denormals for zeros
        return is_within(_as_passed(array), LARGEST[dtype], chosen_isa(), get_num_threads(), dtype, True)
    return all(is_within(part, LARGEST[dtype], chosen_isa(), get_num_threads()) for part in parts)


def _as_passed(array: Array) -> Array:
    """Half precision by its bits, as the compiled module takes it."""
    return array.view(np.uint16) if array.dtype.itemsize == 2 else array


def _run_steps(
    strip: Strip, kernels: tuple[Kernel, ...], packed: tuple[Any, ...], x: Array, bias: Array | None, y: Array,
    accumulate: bool, threads: int,
) -> None:  # fmt: skip
    for step, kernel, weight in zip(strip.steps, kernels, packed, strict=True):
        target = y if step.is_everything else y[trailing(step.writes)]
        kernel.run(x, weight, None if step.accumulates else bias, target, accumulate or step.accumulates, threads)


def _folds(strip: Strip) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Which cells of a strip are added where; cells that repeat one cell are added one after the other."""
    choices: list[list[tuple[slice, slice]]] = []
    for image in strip.images:
        if image.step == 0:
            target = slice(image.target, image.target + 1)
            choices.append([(slice(j, j + 1), target) for j in range(image.length)])
            continue
        last = image.target + image.step * (image.length - 1)
        low, high = min(image.target, last), max(image.target, last)
        choices.append([(slice(None, None, image.step), slice(low, high + 1))])
    for combination in itertools.product(*choices):
        sources, targets = zip(*combination, strict=True)
        yield trailing(sources), trailing(targets)
