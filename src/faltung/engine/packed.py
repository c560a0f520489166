"""Weights packed for the kernels of a compiled convolution: running them, folding strips back.

Owns what is run for which values. Arrays arrive checked, in the element type of the kernels.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from faltung.engine import separable
from faltung.engine.arrays import Array, ElementTypes, as_passed, is_finite, narrowed, new_array, trailing, widened
from faltung.engine.compiled import Compiled, compile_conv, too_many_weights
from faltung.engine.epilogue import Epilogue
from faltung.engine.kernel import Kernel
from faltung.engine.lowered import Strip
from faltung.engine.magnitude import is_moderate
from faltung.engine.native import Correlation, FloatState, PreparedProgram, get_num_threads

__all__ = ["PackedWeights"]

CONVERTED_BYTES = 2**21
"""Samples of half precision are converted together up to so many bytes of float32, so that they stay in the caches."""


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
        with _state(compiled, types):
            return cls._of(compiled, weight, types)

    @classmethod
    def _of(cls, compiled: Compiled, weight: Array, types: ElementTypes) -> PackedWeights:
        if types.is_half and not compiled.is_half and weight.dtype.itemsize == 2:
            weight = widened(weight)
        serves_any = types.is_exact or (compiled.is_direct and not compiled.most_rank)
        fits = serves_any or is_moderate(weight, compiled.request.dtype)
        if not fits and not compiled.is_direct:
            return cls.of(compiled.direct, weight, types)
        if fits and not types.is_complex:
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
        return PackedWeights.of(self.compiled.direct, self.weight, self.types)

    @staticmethod
    def _pack_strip(compiled: Compiled, strip: int, weight: Array) -> tuple[Any, ...]:
        steps = compiled.strips[strip].steps
        try:
            weight = as_passed(weight)
            threads = get_num_threads()
            borrows = not compiled.request.is_prepared  # the weights outlive their one call
            taken = (weight if step.is_everything else weight[trailing(step.taps)] for step in steps)
            return tuple(kernel.pack(part, threads, borrows) for kernel, part in zip(compiled.kernels[strip], taken, strict=True))
        except MemoryError:
            raise too_many_weights(max((step.problem for step in steps), key=lambda problem: problem.macs), "out of memory") from None

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
        with _state(self.compiled, self.types):
            self._run(x, epilogue, y, threads)

    def _run(self, x: Array, epilogue: Epilogue, y: Array, threads: int) -> None:
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
        fits = np.ones(len(x), bool) if is_moderate(x, dtype) else np.array([is_moderate(sample, dtype) for sample in x], bool)
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
        x, y, residual = as_passed(x), as_passed(y), None if residual is None else as_passed(residual)
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


def _state(compiled: Compiled, types: ElementTypes) -> FloatState:
    """In which denormal numbers count as zero, but those of half precision, and where sums are to be exact."""
    return FloatState(flushes_denormals=not (compiled.request.is_exact or types.is_half))


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
