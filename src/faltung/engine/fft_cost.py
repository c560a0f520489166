"""What the catalog asks of the Fourier transform: whether it serves a problem, at what cost, within what bound.

Imports no SciPy, so that a plan that does not take it does not wait for it.
"""

from __future__ import annotations

import functools
import math

from faltung.engine.fft_layout import MOST_BLOCKS, best_layout, memory_limit
from faltung.engine.problem import Problem, size_text
from faltung.geometry import extent_of

__all__ = ["cycles", "error_growth", "meets_every_tap", "packing_cycles", "refusal", "wrapped_ratio"]

MAX_NDIM = 6
MAX_IMAGES = 4096
ROUNDING = 4.0
WRAPPED_RATIO = 8.0


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why the transform does not serve `problem` in native `dtype`, or None if it does."""
    if dtype not in ("float32", "float64"):
        return "integers are summed exactly, and a transform rounds"
    if any(stride != 1 for stride in problem.stride):
        return f"stride {size_text(problem.stride)}: a transform computes every position"
    if 0 in problem.in_size or 0 in problem.out_size:
        return "there is nothing to transform"
    if len(problem.in_size) > MAX_NDIM:
        return f"{len(problem.in_size)} axes are more than {MAX_NDIM}"
    for axis in range(len(problem.in_size)):
        repeats = _images(problem, axis)
        if repeats > MAX_IMAGES:
            return f"the border repeats the input {repeats} times along axis {axis}, more than {MAX_IMAGES}"
    if best_layout(problem, dtype) is None:
        limit = memory_limit(problem, dtype)
        return f"spectra and scratch would take more than {limit} bytes beside the weights, or more than {MOST_BLOCKS} blocks"
    return None


def _images(problem: Problem, axis: int) -> int:
    """How often a wrapping border repeats the input."""
    before, after = _sides(problem, axis)
    run = problem.in_size[axis] - (problem.mode == "reflect")
    return 0 if problem.mode in ("zeros", "absent", "replicate") or run < 1 else max(before, after, 0) // run


def _sides(problem: Problem, axis: int) -> tuple[int, int]:
    """Cells that windows reach before and after the input; negative where they leave some out."""
    reach = extent_of(problem.kernel_size[axis], problem.dilation[axis]) - 1
    return problem.before[axis], problem.out_size[axis] + reach - problem.before[axis] - problem.in_size[axis]


def cycles(problem: Problem, dtype: str = "float32") -> float:
    """Estimated for one sample on one core, on any: SciPy's transforms use vectors of 16 bytes everywhere. Weights packed before."""
    layout = best_layout(problem, dtype)
    return math.inf if layout is None else 1.4 * layout.running_cycles()


def packing_cycles(problem: Problem, dtype: str = "float32") -> float:
    """Estimated for transforming the weights, on one core."""
    layout = best_layout(problem, dtype)
    return math.inf if layout is None else layout.packing_cycles()


def _rounding(problem: Problem, dtype: str) -> float:
    """c/u, such that every error is at most c times the largest sum of |input||weight| at any position of a block.

    Three transforms of n cells err by about u·log2(n) each, in norm (Higham, "Accuracy and Stability of Numerical
    Algorithms", 2nd ed., theorem 24.2), and their errors spread evenly over the block: in norm they are at most
    the root of n times that largest sum, and so at each cell about u·log2(n) times the sum itself. Errors of
    several channels add up as their root. Over white, smooth, constant, periodic and single-cell inputs and
    kernels of all sizes the largest error found was 1.3·u·log2(n).
    """
    layout = best_layout(problem, dtype)
    cells = 1 if layout is None else math.prod(axis.transform for axis in layout.axes)
    return ROUNDING * (1 + math.log2(cells)) * math.sqrt(problem.in_channels)


def error_growth(problem: Problem, dtype: str = "float32") -> float:
    """The error bound as a multiple of that of direct summation, if `wrapped_ratio` holds.

    >>> error_growth(Problem(8, 1, 1, (56, 56), (56, 56), (31, 31), (1, 1), (1, 1), (15, 15), "zeros"))
    1.0
    """
    guard = 1.0 if meets_every_tap(problem) else WRAPPED_RATIO
    return max(1.0, guard * _rounding(problem, dtype) / (problem.terms + 1))


def meets_every_tap(problem: Problem) -> bool:
    """Whether every input cell meets every tap at some output, so that the bound needs no look at the data.

    A transform also sums at positions that are no outputs, and rounds relative to those sums. Where each product
    of a cell and a tap belongs to an output (full or circular padding), these are no larger than the outputs'.
    """
    if problem.mode == "circular":
        return all(outputs >= size for outputs, size in zip(problem.out_size, problem.in_size, strict=True))
    reaches = (extent_of(kernel, dilation) - 1 for kernel, dilation in zip(problem.kernel_size, problem.dilation, strict=True))
    return all(min(_sides(problem, axis)) >= reach for axis, reach in enumerate(reaches))


@functools.lru_cache(maxsize=1024)
def wrapped_ratio(problem: Problem, dtype: str = "float32") -> float:
    """How many times the sums of |input||weight| at positions that are no outputs may exceed the largest at an output.

    Beyond it (one huge cell in a corner, which meets only small taps, while its products with the large taps belong
    to no output) `error_growth` does not hold, and the sum must be taken directly. As the former are at most
    ``max |input| * sum |weight|``, that over the latter, or over any lower bound of it such as ``max |output|``, is
    what to compare.
    """
    if meets_every_tap(problem):
        return math.inf
    return max(WRAPPED_RATIO, (problem.terms + 1) / _rounding(problem, dtype))
