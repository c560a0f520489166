"""Problems with one input channel a group, run by a family of kernels and compared with the general one."""

from __future__ import annotations

import numpy as np

from faltung.engine.native import Correlation, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same
from tests.support.strategies import integers_of_shape

DTYPES = ["float32", "float64", "int64"]


def problem(
    groups: int,
    out_channels: int,
    out_size: tuple[int, ...],
    kernel_size: tuple[int, ...],
    stride: int = 1,
    dilation: int = 1,
    mode: str = "zeros",
    short: int = 0,
) -> Problem:
    """Half of the kernel before the first output; `short` cells fewer than the last output reads."""
    before = tuple(dilation * (k - 1) // 2 for k in kernel_size)
    needed = zip(out_size, kernel_size, before, strict=True)
    in_size = tuple(max(1, (o - 1) * stride + (k - 1) * dilation + 1 - b - short) for o, k, b in needed)
    steps = (len(out_size) * (stride,), len(out_size) * (dilation,))
    return Problem(groups, 1, out_channels, in_size, out_size, kernel_size, *steps, before, mode)


def arrays(case: Problem, batch: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input, weight and bias of whole numbers."""
    channels = case.groups * case.out_channels
    shapes = ((batch, case.groups, 1, *case.in_size), (case.groups, case.out_channels, 1, *case.kernel_size), (channels,))
    return tuple(integers_of_shape(shape, 3 + which).astype(dtype) for which, shape in enumerate(shapes))  # type: ignore[return-value]


def run(
    algorithm: str, isa: str, case: Problem, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, threads: int = 1
) -> np.ndarray:
    """The output, contiguous."""
    dtype = "uint64" if x.dtype == np.int64 else str(x.dtype)
    operation = Correlation(algorithm, dtype, isa, native_problem(case))
    y = np.full((len(x), case.groups, case.out_channels, *case.out_size), 77, x.dtype)
    operation.run(x, operation.pack(weight), bias, y, False, threads)
    return y


def check_case(algorithm: str, isa: str, case: Problem, batch: int = 1) -> None:
    """Equal to the general kernel in every element type."""
    for dtype in DTYPES:
        x, weight, bias = arrays(case, batch, dtype)
        check_same(run(algorithm, isa, case, x, weight, bias), run("general", isa, case, x, weight, bias))
