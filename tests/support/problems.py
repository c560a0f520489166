"""Problems for one kernel of the compiled engine, arrays for them, and their results."""

from __future__ import annotations

import functools
import itertools

import numpy as np

from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same, check_within
from tests.support.engine import labelled


def problem_of(
    in_channels: int, out_channels: int, size: tuple[int, ...], kernel: tuple[int, ...] = (3, 3), before: tuple[int, ...] | None = None,
    *, after: int | None = None, groups: int = 1, mode: str = "zeros", stride: tuple[int, ...] | None = None,
    dilation: tuple[int, ...] | None = None,
) -> Problem:  # fmt: skip
    stride = (1,) * len(kernel) if stride is None else stride
    dilation = (1,) * len(kernel) if dilation is None else dilation
    before = tuple(k // 2 * d for k, d in zip(kernel, dilation, strict=True)) if before is None else before
    ends = before if after is None else (after,) * len(before)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    out = tuple((i + b + e - r) // s + 1 for i, b, e, r, s in zip(size, before, ends, reach, stride, strict=True))
    return Problem(groups, in_channels, out_channels, size, out, kernel, stride, dilation, before, mode)


def arrays_of(problem: Problem, batch: int, dtype: str, *, whole: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Input, weight, bias, and what stands in the output before."""
    rng = np.random.default_rng(len(str(problem)) + batch)
    group = (problem.groups, problem.in_channels)
    shapes = (
        (batch, *group, *problem.in_size),
        (problem.groups, problem.out_channels, problem.in_channels, *problem.kernel_size),
        (problem.groups * problem.out_channels,),
        (batch, problem.groups, problem.out_channels, *problem.out_size),
    )
    made = [rng.integers(-4, 5, shape) if whole else rng.standard_normal(shape) for shape in shapes]
    x, weight, bias, y = (array.astype(dtype) for array in made)
    return x, weight, bias, y


def run(
    problem: Problem, isa: str, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, y: np.ndarray | None = None,
    *, threads: int = 1, algorithm: str, borrows: bool = False,
) -> np.ndarray:  # fmt: skip
    """Added to a copy of `y`, where it is given."""
    kernel = Correlation(algorithm, x.dtype.name, isa, native_problem(problem))
    result = np.full((len(x), problem.groups, problem.out_channels, *problem.out_size), np.nan, x.dtype) if y is None else y.copy()
    kernel.run(x, kernel.pack(weight, threads, borrows), bias, result, y is not None, threads)
    return result


def largest_sum(problem: Problem, x: np.ndarray, weight: np.ndarray) -> float:
    wide = (np.abs(array.astype(np.float64)) for array in (x, weight))
    return float(run(problem, available_isas()[-1], *wide, algorithm="direct").max())


def check_growth(
    problem: Problem, isa: str, algorithm: str, growth: float, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, y: np.ndarray
) -> None:
    """Fail unless what `algorithm` adds to `y` is within `growth` times the error bound of direct summation.

    It is compared with direct summation in float64, which rounds as well: beside results in float64 its own bound is allowed for.
    """
    wide = tuple(array.astype(np.float64) for array in (x, weight, bias, y))
    expected = run(problem, isa, *wide, algorithm="direct")
    unit = float(np.finfo(x.dtype).eps) / 2
    scale = largest_sum(problem, x, weight) + float(np.abs(bias).max() + np.abs(y).max())
    bound = growth * (problem.terms + 1) * unit * scale
    if x.dtype == np.float64:
        bound += (problem.terms + 2) * unit * scale
    with labelled((problem, x.dtype, isa)):
        check_within(run(problem, isa, x, weight, bias, y, algorithm=algorithm), expected, bound, dtype=x.dtype)


def check_same_bits(problem: Problem, isa: str, algorithm: str, dtype: str, *, borrows: tuple[bool, ...] = (False,)) -> None:
    """For any number of threads and any part of the batch, and with a bias that is zero. `borrows`: weights read where they lie."""
    x, weight, bias, y = arrays_of(problem, 5, dtype)
    run_it = functools.partial(run, problem, isa, algorithm=algorithm)
    expected = run_it(x, weight, bias, y)
    with labelled((problem, isa, dtype)):
        for threads in (2, 3, 8):
            check_same(run_it(x, weight, bias, y, threads=threads), expected, bits=True)
        for cut, borrowed in itertools.product((slice(0, 1), slice(1, 3), slice(4, 1, -1)), borrows):
            part = run_it(x[cut], weight, bias, y[cut], threads=2, borrows=borrowed)
            check_same(part, expected[cut].copy(), bits=True)
        check_same(run_it(x, weight), run_it(x, weight, np.zeros_like(bias)), bits=True)


def check_any_strides(problem: Problem, isa: str, algorithm: str, *, borrows: tuple[bool, ...] = (False,)) -> None:
    """Channels last, reversed, every second cell, of input, weights and output: the same bits. `borrows`: weights read where they lie."""
    x, weight, bias, y = arrays_of(problem, 2, "float32")
    expected = run(problem, isa, x, weight, bias, y, algorithm=algorithm)
    kernel = Correlation(algorithm, "float32", isa, native_problem(problem))
    for change in (lambda a: np.moveaxis(np.moveaxis(a, 2, -1).copy(), -1, 2), lambda a: np.repeat(a, 2, -1)[..., ::2], flipped):
        for borrowed in borrows:
            own = change(y)
            kernel.run(change(x), kernel.pack(change(weight), 2, borrows=borrowed), bias, own, True, 2)
            with labelled((problem, isa)):
                check_same(np.ascontiguousarray(own), expected, bits=True)


def check_nothing_elsewhere(problem: Problem, isa: str, algorithm: str) -> None:
    """Of two spatial axes: nothing is written beside the output, and what lies beside the input is not read."""
    x, weight, bias, _ = arrays_of(problem, 2, "float32")
    around = np.full((2, problem.groups, problem.out_channels + 4, *(n + 4 for n in problem.out_size)), 7, np.float32)
    inner = around[:, :, 2:-2, 2:-2, 2:-2]
    beyond = np.full((2, problem.groups, problem.in_channels + 2, *(n + 4 for n in problem.in_size)), np.nan, np.float32)
    beyond[:, :, 1:-1, 2:-2, 2:-2] = x
    kernel = Correlation(algorithm, "float32", isa, native_problem(problem))
    kernel.run(beyond[:, :, 1:-1, 2:-2, 2:-2], kernel.pack(weight), bias, inner, False, 2)
    with labelled((problem, isa)):
        check_same(inner.copy(), run(problem, isa, x, weight, bias, algorithm=algorithm), bits=True)
        inner[...] = 7
        assert (around == 7).all()


def swapped(weight: np.ndarray) -> np.ndarray:
    """Input channels before output channels in memory."""
    return weight.swapaxes(1, 2).copy().swapaxes(1, 2)


def flipped(array: np.ndarray) -> np.ndarray:
    """The last two axes in reverse order in memory."""
    reverse = (..., *(slice(None, None, -1),) * min(2, array.ndim - 3))
    return array[reverse].copy()[reverse]
