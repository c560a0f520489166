"""Errors of the overlap-save transform stay within the stated bound, and its guard refuses what would break it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.signal

from faltung.engine.fft import FFTCorrelation
from faltung.engine.fft_cost import error_growth, meets_every_tap, wrapped_ratio
from faltung.engine.fft_guard import keeps_bound
from faltung.engine.problem import Problem
from tests.support.check import check_within
from tests.support.engine import labelled
from tests.support.overlap_save import DTYPES, arrays_of, problem_of, run, weight_shape, x_shape, y_shape


def signals(shape: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    """Inputs and kernels of all kinds: white, positive, constant, one cell, periodic, smooth, one-sided."""
    rng = np.random.default_rng(seed)
    places = np.arange(math.prod(shape))
    one = np.zeros(shape)
    one[tuple(size // 2 for size in shape)] = 1 / 3
    smooth = math.prod(np.ix_(*(np.exp(-(((np.arange(size) - size / 2) * 6 / size) ** 2) / 2) for size in shape)))
    return {
        "white": rng.normal(size=shape), "positive": rng.random(shape), "constant": np.full(shape, 0.7), "one": one,
        "periodic": np.sin(places * 0.37).reshape(shape), "smooth": smooth, "one-sided": np.exp(-places * 20 / places.size).reshape(shape),
        "sparse": rng.normal(size=shape) * (rng.random(shape) < 0.02), "corner": rng.random(shape) + 1e6 * (places == 0).reshape(shape),
    }  # fmt: skip


ROUNDED = [
    ("conv1d(1, 1, 16, padding=8)", (3000,)),
    ("conv1d(1, 1, 256)", (9000,)),
    ("conv1d(1, 1, 31)", (40,)),
    ("conv2d(1, 1, 31, padding=15)", (28, 28)),
    ("conv2d(1, 1, 21)", (100, 90)),
    ("conv2d(1, 1, 9, padding=8)", (50, 60)),
    ("conv2d(1, 1, 13, padding=6, padding_mode='circular')", (28, 28)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("text", "size"), ROUNDED)
def test_error_bound(text: str, size: tuple[int, ...], dtype: str) -> None:
    """Where the guard lets a sample pass, each error is within the bound."""
    problem = problem_of(text, size)
    kernel = FFTCorrelation(problem, dtype)
    unit = float(np.finfo(dtype).eps) / 2
    bound = error_growth(problem, dtype) * (problem.terms + 1) * unit
    passed = 0
    for (name, x), (kind, weight) in itertools.product(signals(size, 1).items(), signals(problem.kernel_size, 2).items()):
        x, weight = x.astype(dtype).reshape(x_shape(problem, 1)), weight.astype(dtype).reshape(weight_shape(problem))
        if not keeps_bound(kernel, x[0], kernel.pack(weight)):
            continue
        passed += 1
        expected = summed(problem, x, weight)
        largest = float(summed(problem, np.abs(x), np.abs(weight)).max())
        with labelled((name, kind)):
            check_within(run(problem, x, weight), expected, bound * largest, dtype=np.dtype(dtype))
    assert passed >= 55


def summed(problem: Problem, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """In the widest type, by SciPy's own convolution."""
    ends = zip(problem.before, problem.out_size, problem.kernel_size, problem.in_size, strict=True)
    sides = [(before, out + kernel - 1 - before - size) for before, out, kernel, size in ends]
    padded = np.pad(x.astype(np.longdouble), [(0, 0)] * 3 + sides, "wrap" if problem.mode == "circular" else "constant")
    y = np.zeros(y_shape(problem, len(x)), np.longdouble)
    for sample, group, out, channel in np.ndindex(*y.shape[:3], problem.in_channels):
        kernel = weight[group, out, channel].astype(np.longdouble)
        y[sample, group, out] += scipy.signal.correlate(padded[sample, group, channel], kernel, "valid", "fft")
    return y


def test_error_bound_over_channels() -> None:
    problem = problem_of("conv1d(48, 9, 25, padding=12)", (400,))
    x, weight, _ = arrays_of(problem, 1, "float32")
    bound = error_growth(problem) * (problem.terms + 1) * 2.0**-24
    largest = float(summed(problem, np.abs(x), np.abs(weight)).max())
    check_within(run(problem, x, weight), summed(problem, x, weight), bound * largest, dtype=np.float32)


def test_no_less_accurate_than_summing() -> None:
    """On white data, the errors of a long kernel stay below those of one float32 sum after the other."""
    problem = problem_of("conv1d(1, 1, 1024)", (4000,))
    x, weight, _ = arrays_of(problem, 1, "float32")
    expected = summed(problem, x, weight)
    one_by_one = np.zeros(problem.out_size, np.float32)
    for tap in range(1024):
        one_by_one += weight[0, 0, 0, tap] * x[0, 0, 0, tap : tap + problem.out_size[0]]
    assert np.abs(run(problem, x, weight) - expected).max() < np.abs(one_by_one - expected[0, 0, 0]).max()


def test_guard_refuses_what_breaks_the_bound() -> None:
    """A huge corner that meets one small tap alone: the other outputs drown in its rounding."""
    problem = problem_of("conv2d(3, 3, 15, groups=3)", (60, 60))
    x, weight, _ = arrays_of(problem, 1, "float32")
    kernel = FFTCorrelation(problem, "float32")
    assert keeps_bound(kernel, x[0], kernel.pack(weight))
    x[0, 1, 0, 0, 0], weight[1, 0, 0, 0, 0] = 1e9, 1e-9
    assert not keeps_bound(kernel, x[0], kernel.pack(weight))
    bound = error_growth(problem) * (problem.terms + 1) * 2.0**-24 * summed(problem, np.abs(x), np.abs(weight)).max()
    assert np.abs(run(problem, x, weight) - summed(problem, x, weight)).max() > bound


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("conv1d(1, 1, 5, padding='full')", True),
        ("conv1d(1, 1, 5, padding=3)", False),
        ("conv1d(1, 1, 5, padding=2, padding_mode='circular')", True),
        ("conv1d(1, 1, 5, padding=1, padding_mode='circular')", False),
        ("conv1d(1, 1, 5, padding=4, padding_mode='reflect')", True),
    ],
)
def test_meeting_every_tap(text: str, is_met: bool) -> None:
    problem = problem_of(text, (12,))
    assert meets_every_tap(problem) is is_met
    assert (wrapped_ratio(problem) == math.inf) is is_met
