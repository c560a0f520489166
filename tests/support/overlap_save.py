"""Problems for the overlap-save transform, arrays for them, and its results."""

from __future__ import annotations

import numpy as np

import faltung as fl
from faltung.engine.fft import FFTCorrelation
from faltung.engine.lowering import lower
from faltung.engine.problem import Problem
from tests.support.engine import normals

DTYPES = ("float32", "float64")

LAYERS = [
    ("conv1d(1, 1, 33, padding=16)", (40003,)),
    ("conv1d(12, 10, 17, padding=8, padding_mode='reflect')", (900,)),
    ("conv2d(30, 30, 13, padding=6, groups=30)", (28, 28)),
    ("conv2d(1, 1, 9, padding=4, padding_mode='symmetric')", (260, 300)),
    ("conv2d(9, 16, 11, padding=5, padding_mode='circular')", (40, 30)),
    ("conv3d(12, 24, 5, padding=2, groups=12)", (12, 13, 14)),
]


def problem_of(text: str, size: tuple[int, ...]) -> Problem:
    (problem,) = lower(fl.ConvSpec.parse(text), size, backward=False).problems
    return problem


def x_shape(problem: Problem, batch: int) -> tuple[int, ...]:
    return (batch, problem.groups, problem.in_channels, *problem.in_size)


def y_shape(problem: Problem, batch: int) -> tuple[int, ...]:
    return (batch, problem.groups, problem.out_channels, *problem.out_size)


def weight_shape(problem: Problem) -> tuple[int, ...]:
    return (problem.groups, problem.out_channels, problem.in_channels, *problem.kernel_size)


def arrays_of(problem: Problem, batch: int, dtype: str, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input, weight and bias, random normal."""
    shapes = (x_shape(problem, batch), weight_shape(problem), (problem.groups * problem.out_channels,))
    x, weight, bias = (normals(shape, seed + which, dtype) for which, shape in enumerate(shapes))
    return x, weight, bias


def run(problem: Problem, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, threads: int = 1) -> np.ndarray:
    kernel = FFTCorrelation(problem, x.dtype.name)
    y = np.full(y_shape(problem, len(x)), np.nan, x.dtype)
    kernel.run(x, kernel.pack(weight, threads), bias, y, False, threads)
    return y
