"""Sums of products by the engine: one plain array with another, real, complex or half precision.

Owns the two arrays' roles (the smaller one is the weight), and how complex numbers become channels. Both arrays have the result's
dtype, or are the real factor of a complex result.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.engine import tuning
from faltung.engine.algorithm import Request
from faltung.engine.arrays import Array, ElementTypes, element_types
from faltung.engine.compiled import Compiled, compile_conv
from faltung.engine.plan import error_bound_of
from faltung.engine.run import run_again, run_conv
from faltung.functional.convolution import spec_of
from faltung.signal.placing import Part, Shape, narrowed_part
from faltung.spec import ConvSpec

__all__ = ["Job", "again", "job_of", "sums"]

MOST_KNOWN = 1024


@dataclass(frozen=True, eq=False)
class Job:
    """What follows from shapes, dtypes and options alone.

    Attributes
    ----------
    spec : ConvSpec
        Of complex arrays their parts are channels.
    cells, taps : tuple of slice, or None
        What of the arrays has a part in the result; None: all.
    is_swapped : bool
        Whether the first array is the weight.
    accuracy : str
        As of `faltung.conv`.
    size : tuple of int
        Of the result.
    dtype : dtype
        Of the result.
    in_shape : tuple of int
        Of what is convolved, channels first.
    """

    spec: ConvSpec
    cells: tuple[slice, ...] | None
    taps: tuple[slice, ...] | None
    is_swapped: bool
    accuracy: str
    size: Shape
    dtype: np.dtype[Any]
    in_shape: Shape

    @property
    def compiled(self) -> Compiled:
        """The kernels that run."""
        return compile_conv(self.spec, self.in_shape[1:], Request(self._types.form, is_exact=self.accuracy == "exact", is_prepared=False))

    @property
    def _types(self) -> ElementTypes:
        """Of what is convolved: complex numbers are channels."""
        return element_types(np.empty(0, self.dtype).real.dtype)

    @property
    def seconds(self) -> float:
        """Estimated on one nominal core, with what it takes to join parts that were summed apart."""
        joining = 4e-9 * math.prod(self.size) if self.spec.out_channels == 4 else 0.0
        return self.compiled.seconds + joining

    @property
    def is_transformed(self) -> bool:
        """Whether the engine takes Fourier transforms for it."""
        return any(word in self.compiled.algorithm for word in ("fft", "spectral"))

    @property
    def relative_error(self) -> float:
        """Every error is at most so many times the largest sum of ``|x||h|``; 0 of direct sums, which do not round whole numbers."""
        compiled = self.compiled
        if compiled.is_direct and not compiled.most_rank:
            return 0.0
        return error_bound_of(compiled.lowered.terms, compiled.error_growth, self._types)


@functools.lru_cache(maxsize=1024)
def job_of(
    cells: Shape, taps: Shape, parts: tuple[Part, ...], dtype: np.dtype[Any], complexity: tuple[bool, bool], border: str, accuracy: str
) -> Job:
    """How arrays of these shapes are convolved; `complexity` says which of them is complex."""
    kept: tuple[tuple[slice, ...] | None, tuple[slice, ...] | None] = None, None
    if border == "zeros":
        narrow = [narrowed_part(*each) for each in zip(parts, cells, taps, strict=True)]
        parts = tuple(each[2] for each in narrow)
        sides = tuple(each[0] for each in narrow), tuple(each[1] for each in narrow)
        lengths = [tuple(one.stop - one.start for one in side) for side in sides]
        kept = None if lengths[0] == cells else sides[0], None if lengths[1] == taps else sides[1]
        cells, taps = lengths
    is_swapped = border == "zeros" and math.prod(taps) > math.prod(cells)
    if is_swapped:
        cells, taps, complexity = taps, cells, complexity[::-1]
    padding = tuple((count - 1 - part.start, part.start + part.size - each) for part, each, count in zip(parts, cells, taps, strict=True))

    def job(ins: int, outs: int, groups: int) -> Job:
        spec = spec_of(
            in_channels=ins, out_channels=outs, kernel_size=taps, groups=groups,
            padding=padding, padding_mode=border, flip=True, bias=False,
        )  # fmt: skip
        return Job(spec, *kept, is_swapped, accuracy, tuple(part.size for part in parts), dtype, (ins, *cells))

    match complexity:
        case True, True:
            together = job(2, 2, 1)
            if accuracy == "exact":
                return together
            # Each part by each part of the other may be summed in ways that serve one input channel alone.
            apart = job(2, 4, 2)
            return apart if apart.seconds < together.seconds else together
        case True, False:
            return job(2, 2, 2)
        case False, True:
            return job(1, 2, 1)
    return job(1, 1, 1)


_known: dict[Any, Job] = {}
tuning.on_change(job_of.cache_clear)
tuning.on_change(_known.clear)


def sums(
    x: Array, h: Array, parts: tuple[Part, ...], dtype: np.dtype[Any], border: str = "zeros", accuracy: str = "default", call: Any = None
) -> Array:
    """`parts` of the full convolution of two arrays, with `border` around the first.

    Parameters
    ----------
    x, h : array
        No axis of size 0. Of `dtype`, or the real one of a complex result of the same precision.
    parts : tuple of Part
    dtype : dtype
        Of the result: float16, float32, float64, complex64, complex128, or an integer type of 64 bits, modulo 2**64.
    border : str
        A `ConvSpec.padding_mode`.
    accuracy : str
        As of `faltung.conv`.
    call : hashable, optional
        What `again` is to know this kind of call by.
    """
    is_complex = dtype.kind == "c"
    complexity = (x.dtype.kind == "c", h.dtype.kind == "c") if is_complex else (False, False)
    job = job_of(x.shape, h.shape, parts, dtype, complexity, border, accuracy)
    if call is not None and not (is_complex or job.is_swapped) and job.cells is job.taps is None:
        _known[call] = job
        if len(_known) > MOST_KNOWN:
            _known.clear()
    if job.cells is not None:
        x = x[job.cells]
    if job.taps is not None:
        h = h[job.taps]
    if job.is_swapped:
        x, h = h, x
    if is_complex:
        return _complex_sums(job, x, h)
    weight = np.ascontiguousarray(h)[None, None]
    result = run_again(job, x[None], weight, None, None)
    if result is None:
        result = run_conv(job.spec, x[None], weight, None, accuracy=job.accuracy, kind=job)
    return result.reshape(job.size)


def again(call: Any, x: Array, h: Array) -> Array | None:
    """The sums of a call like one that has been made, known by all its arguments but the values of x and h; None if there was none."""
    job = _known.get(call)
    if job is None:
        return None
    result = run_again(job, x[None], h[None, None], None, None)
    return None if result is None else result.reshape(job.size)


def _complex_sums(job: Job, x: Array, h: Array) -> Array:
    real = np.empty(0, job.dtype).real.dtype
    result = np.empty(job.size, job.dtype)
    source = _channels(x, real) if x.dtype.kind == "c" else x[None]
    outs = job.spec.out_channels
    weight = np.empty((outs, 2 // job.spec.groups if outs == 2 and x.dtype.kind == "c" else 1, *h.shape), real)
    if outs == 4:
        weight[0, 0] = weight[2, 0] = h.real
        weight[1, 0] = weight[3, 0] = h.imag
    elif h.dtype.kind != "c":
        weight[:, 0] = h
    else:
        weight[0, 0], weight[1, 0] = h.real, h.imag
        if x.dtype.kind == "c":
            np.negative(h.imag, out=weight[0, 1])
            weight[1, 1] = h.real
    if outs == 4:
        pieces = run_again(job, source, weight, None, None)
        if pieces is None:
            pieces = run_conv(job.spec, source, weight, None, accuracy=job.accuracy, kind=job)
        np.subtract(pieces[0], pieces[3], out=result.real)
        np.add(pieces[1], pieces[2], out=result.imag)
        return result
    target = _channels(result, real)
    if run_again(job, source, weight, None, target) is None:
        run_conv(job.spec, source, weight, None, out=target, accuracy=job.accuracy, kind=job)
    return result


def _channels(array: Array, real: np.dtype[Any]) -> Array:
    """A complex array (*size) as a real one (2, *size) of the same memory, where it is contiguous."""
    pairs = np.ascontiguousarray(array).view(real).reshape(*array.shape, 2)
    return np.moveaxis(pairs, -1, 0)
