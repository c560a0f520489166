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
from faltung.engine.arrays import Array, element_types
from faltung.engine.compiled import Compiled, compile_conv
from faltung.engine.run import run_again, run_conv
from faltung.functional.convolution import spec_of
from faltung.signal.placing import Part, Shape, narrowed_part
from faltung.spec import ConvSpec

__all__ = ["Job", "job_of", "sums"]


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
        form = element_types(np.empty(0, self.dtype).real.dtype).form
        return compile_conv(self.spec, self.in_shape[1:], Request(form, is_exact=self.accuracy == "exact", is_prepared=False))

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
        unit = float(np.finfo(self.dtype).eps) / 2
        return 1.01 * compiled.error_growth * (compiled.lowered.terms + 1) * unit


@functools.lru_cache(maxsize=4096)
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
    ins, outs = 1 + complexity[0], 2 if any(complexity) else 1
    spec = spec_of(
        in_channels=ins, out_channels=outs, kernel_size=taps, groups=2 if complexity == (True, False) else 1,
        padding=padding, padding_mode=border, flip=True, bias=False,
    )  # fmt: skip
    return Job(spec, *kept, is_swapped, accuracy, tuple(part.size for part in parts), dtype, (ins, *cells))


tuning.on_change(job_of.cache_clear)


def sums(x: Array, h: Array, parts: tuple[Part, ...], dtype: np.dtype[Any], border: str = "zeros", accuracy: str = "default") -> Array:
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
    """
    is_complex = dtype.kind == "c"
    complexity = (x.dtype.kind == "c", h.dtype.kind == "c") if is_complex else (False, False)
    job = job_of(x.shape, h.shape, parts, dtype, complexity, border, accuracy)
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


def _complex_sums(job: Job, x: Array, h: Array) -> Array:
    real = np.empty(0, job.dtype).real.dtype
    result = np.empty(job.size, job.dtype)
    if x.dtype.kind == "c" and h.dtype.kind == "c":
        weight = np.empty((2, 2, *h.shape), real)
        weight[0, 0] = weight[1, 1] = h.real
        weight[1, 0] = h.imag
        np.negative(h.imag, out=weight[0, 1])
    elif h.dtype.kind == "c":
        weight = np.stack([h.real, h.imag])[:, None]
    else:
        weight = np.stack([h, h])[:, None]
    source = _channels(x, real) if x.dtype.kind == "c" else x[None]
    run_conv(job.spec, source, weight, None, out=_channels(result, real), accuracy=job.accuracy)
    return result


def _channels(array: Array, real: np.dtype[Any]) -> Array:
    """A complex array (*size) as a real one (2, *size) of the same memory, where it is contiguous."""
    pairs = np.ascontiguousarray(array).view(real).reshape(*array.shape, 2)
    return np.moveaxis(pairs, -1, 0)
