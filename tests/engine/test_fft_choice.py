"""What the choice of an algorithm asks of the overlap-save transform: sizes, refusals, costs, memory."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.fft

import faltung as fl
from faltung.engine.catalog import BY_NAME
from faltung.engine.fft import FFTCorrelation
from faltung.engine.fft_cost import cycles, refusal
from faltung.engine.fft_layout import fast_size, memory_limit
from faltung.engine.problem import Problem
from tests.support.overlap_save import DTYPES, LAYERS, arrays_of, problem_of, y_shape


def test_sizes_of_transforms() -> None:
    for least in range(1, 3000):
        assert fast_size(least) == scipy.fft.next_fast_len(least, real=True)
        assert fast_size(least, (11, 7, 5, 3)) == scipy.fft.next_fast_len(least)


SEVEN_AXES = dict.fromkeys(("in_size", "out_size", "kernel_size", "stride", "dilation"), (1,) * 7) | {"before": (0,) * 7}
PROBLEM = Problem(1, 1, 1, (100,), (100,), (9,), (1,), (1,), (4,), "zeros")


@pytest.mark.parametrize(
    ("changes", "dtype", "reason"),
    [
        ({}, "uint64", "integers are summed exactly, and a transform rounds"),
        ({"stride": (2,)}, "float32", "stride 2: a transform computes every position"),
        (
            {"in_size": (1,), "before": (4097,), "mode": "symmetric"}, "float32",
            "the border repeats the input 4097 times along axis 0, more than 4096",
        ),
        (
            {"in_channels": 2048, "out_channels": 2048, "in_size": (40,), "out_size": (38,), "kernel_size": (3,), "before": (0,)},
            "float64",
            "spectra and scratch would take more than 67108864 bytes beside the weights, or more than 1048576 blocks",
        ),
        (SEVEN_AXES, "float64", "7 axes are more than 6"),
        ({}, "float32", None),
        ({}, "float64", None),
    ],
)  # fmt: skip
def test_refusals(changes: dict[str, Any], dtype: str, reason: str | None) -> None:
    assert refusal(dataclasses.replace(PROBLEM, **changes), dtype) == reason


def test_refused_problems_are_errors() -> None:
    with pytest.raises(ValueError, match="does not serve"):
        FFTCorrelation(dataclasses.replace(PROBLEM, stride=(2,)), "float32")


@pytest.mark.parametrize(
    ("text", "size", "wins"),
    [
        ("conv1d(1, 1, 1024, padding=512)", (100000,), True),
        ("conv2d(1, 1, 63, padding=31)", (1080, 1920), True),
        ("conv2d(8, 8, 101, padding=50, groups=8)", (128, 128), True),
        ("conv1d(1, 1, 8, padding=4)", (100000,), False),
        ("conv2d(64, 64, 3, padding=1, groups=64)", (56, 56), False),
        ("conv2d(64, 64, 3, padding=1)", (56, 56), False),
        ("conv2d(3, 8, 1)", (5, 5), False),
    ],
)
def test_cost_ranks_long_kernels(text: str, size: tuple[int, ...], wins: bool) -> None:
    problem = problem_of(text, size)
    assert (cycles(problem, "float32") < BY_NAME["filter"].cycles(problem, "float32")) is wins


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("text", "size"), [*LAYERS, ("conv1d(1, 1, 1024)", (300000,)), ("conv2d(64, 64, 9, padding=4)", (20, 20))])
def test_workspace_is_true(text: str, size: tuple[int, ...], dtype: str) -> None:
    problem = problem_of(text, size)
    kernel = FFTCorrelation(problem, dtype)
    x, weight, bias = arrays_of(problem, 1, dtype)
    y = np.empty(y_shape(problem, 1), dtype)
    packed = kernel.pack(weight)
    assert packed.nbytes == kernel.packed_bytes
    kernel.run(x, packed, bias, y, False, 1)  # whatever is made once is made
    tracemalloc.start()
    try:
        kernel.run(x, packed, bias, y, False, 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    stated = kernel.workspace_bytes(1)
    assert 0.3 * stated < peak < stated + 2**16
    assert stated <= kernel.workspace_bytes(2) <= memory_limit(problem, dtype)
    assert kernel.packed_bytes + stated <= memory_limit(problem, dtype) + weight.nbytes


def test_threads_keep_within_the_memory() -> None:
    problem = problem_of("conv1d(1, 1, 400000)", (900000,))
    kernel = FFTCorrelation(problem, "float64")
    assert kernel.workspace_bytes(1000) <= memory_limit(problem, "float64")
    assert kernel.workspace_bytes(1000) == kernel.workspace_bytes(1001)


def test_windows_that_pass_the_end_of_a_small_input() -> None:
    """A phase of a transposed layer: more outputs than cells, one tap, no border in front."""
    spec = fl.ConvSpec(2, 1, (1, 2), stride=(1, 2), dilation=(1, 3), transposed=True, bias=False)
    x, weight = np.arange(4.0, dtype="float32").reshape(1, 2, 1, 2), np.arange(4.0, dtype="float32").reshape(2, 1, 1, 2)
    plan = fl.plan(spec, x.shape, algorithm="fft")
    np.testing.assert_allclose(plan(x, weight), fl.conv(spec, x, weight, accuracy="exact"), atol=1e-5)
