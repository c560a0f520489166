"""When rows are convolved by their spectra, and what that costs: ``spectral`` in the catalog.

Owns what the plan asks of the kernels in ``native/kernels/spectral``; how they cut a problem, the estimate and the error bound are theirs.
"""

from __future__ import annotations

import functools
import math

from faltung.engine.native import SpectralShape, chosen_isa, native_problem, spectral_shape
from faltung.engine.problem import Problem, size_text

__all__ = ["cycles", "error_growth", "packing_cycles", "refusal", "shape_of"]


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why the kernels do not serve `problem`, or None if they do."""
    if dtype not in ("float32", "float64"):
        return "integers are summed exactly, and its transforms round"
    if problem.in_channels != 1:
        return f"it has {problem.in_channels} input channels a group, this transforms one"
    if 0 in problem.in_size or 0 in problem.out_size or 0 in problem.kernel_size or problem.groups * problem.out_channels == 0:
        return "there is nothing whose spectrum to take"
    if any(stride != 1 for stride in problem.stride):
        return f"stride {size_text(problem.stride)}: its transforms compute every position of a row"
    if shape_of(problem, dtype).size == 0:
        return "it sums over spectra of rows, of one or two axes, along more than one column of the kernel"
    return None


@functools.lru_cache(maxsize=1024)
def _shape(problem: Problem, dtype: str, isa: str) -> SpectralShape:
    return spectral_shape(dtype, isa, native_problem(problem))


def shape_of(problem: Problem, dtype: str) -> SpectralShape:
    """How the kernels would cut `problem`; of size 0 where they do not serve it.

    >>> shape = shape_of(Problem(1, 1, 1, (1080, 1920), (1080, 1920), (31, 31), (1, 1), (1, 1), (15, 15), "zeros"), "float32")
    >>> shape.row_taps, shape.rows, shape.outputs + 31 - 1 <= shape.size
    (31, 1080, True)
    """
    return _shape(problem, dtype, chosen_isa())


def cycles(problem: Problem, dtype: str) -> float:
    """Estimated for one sample on one core, weights transformed before."""
    shape = shape_of(problem, dtype)
    return shape.cycles if shape.size else math.inf


def packing_cycles(problem: Problem, dtype: str) -> float:
    """Estimated for transforming the weights, on one core."""
    shape = shape_of(problem, dtype)
    return shape.packing_cycles if shape.size else math.inf


def error_growth(problem: Problem, dtype: str) -> float:
    """The error bound as a multiple of that of direct summation, for data that the kernel's guard lets pass.

    >>> error_growth(Problem(1, 1, 1, (1080, 1920), (1080, 1920), (31, 31), (1, 1), (1, 1), (15, 15), "zeros"), "float32")
    1.0
    """
    return shape_of(problem, dtype).error_growth
