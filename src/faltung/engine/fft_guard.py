"""Whether a sample's data let the Fourier transform keep its error bound.

A transform sums |input||weight| at positions that are no outputs too, and rounds relative to the largest of all
its sums; the bound is relative to the largest at an output. A huge cell in a corner may meet small taps alone,
while its products with the large ones belong to no output: then the outputs drown in rounding, and the
convolution must be summed directly. `wrapped_ratio` says by how much the former may exceed the latter.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from faltung.engine.arrays import Array, trailing
from faltung.engine.fft import FFTCorrelation, FFTWeight
from faltung.engine.fft_cost import wrapped_ratio
from faltung.engine.problem import Problem
from faltung.geometry import extent_of

__all__ = ["keeps_bound"]

PROBES = 4


def keeps_bound(kernel: FFTCorrelation, x: Array, packed: FFTWeight) -> bool:
    """Whether `error_growth` holds for one sample `x` (groups, in, *in_size) of finite values.

    Mostly told by the largest magnitude of each group and by one output beside the largest of all. Where these
    leave it open, the sums of all magnitudes are computed, which takes about three times as long as the convolution.

    Examples
    --------
    >>> problem = Problem(1, 1, 1, (8,), (6,), (3,), (1,), (1,), (0,), "zeros")
    >>> kernel = FFTCorrelation(problem, "float32")
    >>> weight = kernel.pack(np.array([1e-9, 1, 1], np.float32).reshape(1, 1, 1, 3))
    >>> x = np.ones((1, 1, 8), np.float32)
    >>> keeps_bound(kernel, x, weight)
    True
    >>> x[..., 0] = 1e7  # meets the tap 1e-9 alone
    >>> keeps_bound(kernel, x, weight)
    False
    """
    problem = kernel.problem
    ratio = wrapped_ratio(problem, x.dtype.name)
    if x.size == 0 or ratio == math.inf:
        return True
    cells = tuple(range(2, x.ndim))
    peaks = np.maximum(x.max(axis=cells), -x.min(axis=cells)).max(axis=1).astype(np.float64)
    scales = peaks[:, None] * packed.sums  # no sum of a group and output channel is larger
    largest, found = float(scales.max()), 0.0
    for index in np.argsort(-scales, axis=None)[:PROBES]:
        group, out = np.unravel_index(int(index), scales.shape)
        found = max(found, _sum_beside_peak(problem, x[group], packed.weight[group, out]))
        if largest <= ratio * found:
            return True
    magnitudes = np.abs(x).sum(axis=cells, dtype=np.float64).max(axis=1)
    if float(np.minimum(scales, magnitudes[:, None] * packed.largest).max()) <= ratio * found:
        return True
    try:
        inside, anywhere = _largest_sums(problem, x, packed.weight)
    except ValueError:  # too large to compute
        return False
    return anywhere <= ratio * inside


def _sum_beside_peak(problem: Problem, x: Array, weight: Array) -> float:
    """The sum of |x||weight| at an output whose window holds the largest |x| and lies inside the input where one can."""
    peak = np.unravel_index(int(np.argmax(np.abs(x).max(axis=0))), x.shape[1:])
    cells, taps = [], []
    for axis, place in enumerate(peak):
        size, dilation, before = problem.in_size[axis], problem.dilation[axis], problem.before[axis]
        reach = extent_of(problem.kernel_size[axis], dilation) - 1
        begin = min(max(int(place) - reach // 2, 0), max(size - 1 - reach, (size - 1 - reach) // 2))
        begin = min(max(begin, -before), problem.out_size[axis] - 1 - before)
        first = max(0, -(begin // dilation))
        last = min(problem.kernel_size[axis] - 1, (size - 1 - begin) // dilation)
        if last < first:
            return 0.0
        cells.append(slice(begin + first * dilation, begin + last * dilation + 1, dilation))
        taps.append(slice(first, last + 1))
    window, kernel = x[(slice(None), *cells)], weight[(slice(None), *taps)]
    return float(np.abs(window.astype(np.float64) * kernel).sum())


def _largest_sums(problem: Problem, x: Array, weight: Array) -> tuple[float, float]:
    """The largest sum of |x||weight| at an output, and at any position where a window meets the input."""
    reaches = [extent_of(kernel, dilation) - 1 for kernel, dilation in zip(problem.kernel_size, problem.dilation, strict=True)]
    wider = dataclasses.replace(
        problem,
        out_size=tuple(size + 2 * reach for size, reach in zip(problem.out_size, reaches, strict=True)),
        before=tuple(before + reach for before, reach in zip(problem.before, reaches, strict=True)),
    )
    kernel = FFTCorrelation(wider, x.dtype.name)
    sums = np.empty((1, problem.groups, problem.out_channels, *wider.out_size), x.dtype)
    kernel.run(np.abs(x)[None], kernel.pack(np.abs(weight)), None, sums, False, 1)
    inside = sums[trailing(slice(reach, reach + size) for reach, size in zip(reaches, problem.out_size, strict=True))]
    return float(inside.max()), float(sums.max())
