"""Kernels taken apart into taps that skip the padding: the same result, wherever each tap meets the input."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from faltung import reference
from faltung.engine import compiled, run, skipping
from faltung.engine.lowering import lower

CASES = (
    ({"kernel_size": (3, 3), "dilation": 4, "padding": 4}, (9, 9)),
    ({"kernel_size": (3, 3), "dilation": 6, "padding": 6}, (9, 8)),
    ({"kernel_size": (3, 3), "dilation": 9, "padding": 9}, (7, 7)),  # the centre alone meets the input
    ({"kernel_size": (3, 3), "dilation": 3, "padding": 8, "stride": 2}, (7, 7)),  # no tap meets it everywhere
    ({"kernel_size": (3,), "dilation": 4, "padding": 4}, (5,)),
    ({"kernel_size": (7, 7), "padding": 5}, (6, 6)),
    ({"kernel_size": (3, 3), "dilation": (4, 1), "padding": (4, 1)}, (9, 9)),
    ({"kernel_size": (2, 2, 2), "dilation": 3, "padding": 3}, (3, 3, 3)),
    ({"kernel_size": (3, 3), "dilation": 4, "padding": 4, "groups": 2}, (6, 6)),
)


@pytest.fixture(autouse=True)
def _always_taken_apart(monkeypatch):
    """Steps cost less than nothing, and nothing is too small; plans made so are forgotten afterwards."""
    monkeypatch.setattr(compiled, "STEP_SECONDS", -1.0)
    monkeypatch.setattr(skipping, "LEAST_MACS", 0)
    caches = (lower, compiled.compile_conv, run._checked, run.programs)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


SPECS = [
    (
        fl.ConvSpec(32 * fields.get("groups", 1), 33 * fields.get("groups", 1), **fields, transposed=transposed, flip=transposed),
        size,
    )
    for fields, size in CASES
    for transposed in (False, True)
    if not transposed or len(size) < 3  # there the padding crops the whole output
]


@pytest.mark.parametrize(("spec", "size"), SPECS, ids=str)
def test_it_is_the_convolution_and_its_gradient(spec: fl.ConvSpec, size: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.integers(-3, 4, (2, spec.in_channels, *size)), rng.integers(-3, 4, spec.weight_shape)
    bias, grad = rng.integers(-3, 4, spec.out_channels), rng.integers(-3, 4, spec.output_shape((2, spec.in_channels, *size)))
    for dtype in (np.int64, np.float32, np.complex64):
        arrays = [array.astype(dtype) for array in (x, weight, bias)]
        assert fl.conv(spec, *arrays).tolist() == reference.conv(spec, *arrays).tolist()
    assert fl.conv_input_grad(spec, grad, weight, size).tolist() == reference.conv_input_grad(spec, grad, weight, size).tolist()


def test_it_is_taken_apart() -> None:
    labels = [fl.plan(spec, (1, spec.in_channels, *size)).algorithm for spec, size in SPECS if not spec.transposed]
    assert [label for label in labels if not label.startswith("taps+")] == []
    centre = lower(fl.ConvSpec(32, 32, **CASES[2][0]), CASES[2][1], backward=False, skipping="taps")
    assert len(centre.main.steps) == 1


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("apart", [4, 6])
def test_a_weight_that_is_not_finite_meets_the_zeros(bad: float, apart: int) -> None:
    spec, size = fl.ConvSpec(32, 32, 3, dilation=apart, padding=apart, ndim=2, bias=False), (6, 6)
    x = np.ones((1, 32, *size), np.float32)
    weight = np.ones(spec.weight_shape, np.float32)
    weight[3, 5, 0, 0] = bad
    result, expected = fl.conv(spec, x, weight), reference.conv(spec, x, weight)
    assert np.isnan(result).tolist() == np.isnan(expected).tolist()
    assert np.isinf(result).tolist() == np.isinf(expected).tolist()


def test_the_same_bits_for_any_threads_and_batch() -> None:
    spec, size = fl.ConvSpec(48, 40, 3, dilation=5, padding=5, ndim=2, bias=False), (9, 9)
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((3, 48, *size), np.float32), rng.standard_normal(spec.weight_shape, np.float32)
    whole = fl.plan(spec, x.shape, threads=1)(x, weight)
    assert whole.tobytes() == fl.plan(spec, x.shape, threads=3)(x, weight).tobytes()
    assert whole.tobytes() == np.concatenate([fl.conv(spec, x[i : i + 1], weight) for i in range(3)]).tobytes()


BORDERS = (
    ({"kernel_size": (3, 1, 1), "padding": (1, 0, 0)}, (4, 5, 6)),
    ({"kernel_size": (3, 3, 3), "padding": 1}, (2, 9, 8)),
    ({"kernel_size": (3, 3, 3), "padding": 2, "dilation": 2}, (4, 6, 7)),
    ({"kernel_size": (5, 2, 1), "padding": (2, 0, 0), "stride": (2, 1, 1)}, (5, 4, 9)),
    ({"kernel_size": (4, 1, 3), "padding": ((3, 1), (0, 0), (1, 0))}, (4, 3, 7)),
    ({"kernel_size": (3, 3, 1), "padding": 1, "groups": 2}, (3, 6, 5)),
    ({"kernel_size": (2, 3, 1, 3), "padding": (1, 1, 0, 0)}, (2, 2, 3, 5)),
)


@pytest.mark.parametrize(("fields", "size"), BORDERS, ids=str)
def test_outputs_at_the_borders_have_fewer_taps(fields: dict[str, object], size: tuple[int, ...]) -> None:
    groups = fields.get("groups", 1)
    spec = fl.ConvSpec(5 * groups, 7 * groups, **fields)
    rng = np.random.default_rng(0)
    x, weight = rng.integers(-3, 4, (2, spec.in_channels, *size)), rng.integers(-3, 4, spec.weight_shape)
    bias = rng.integers(-3, 4, spec.out_channels)
    expected = reference.conv(spec, x, weight, bias)
    assert fl.plan(spec, x.shape).algorithm.startswith("borders+")
    for dtype in (np.int64, np.float32, np.complex128):
        arrays = [array.astype(dtype) for array in (x, weight, bias)]
        plan = fl.plan(spec, x.shape, dtype)
        assert np.allclose(plan(*arrays), expected, rtol=0, atol=0 if dtype is np.int64 else 1e-3)
        assert plan.prepare(arrays[1], arrays[2])(arrays[0]).tobytes() == plan(*arrays).tobytes()
    grad = rng.integers(-3, 4, spec.output_shape(x.shape))
    assert fl.conv_input_grad(spec, grad, weight, size).tolist() == reference.conv_input_grad(spec, grad, weight, size).tolist()


def test_borders_are_blocks_with_their_taps() -> None:
    whole = lower(fl.ConvSpec(5, 7, (3, 3, 3), padding=1), (4, 9, 9), backward=False, skipping="borders")
    assert [(step.taps[0], step.writes[0], step.problem.before[0]) for step in whole.main.steps] == [
        (slice(1, 3, 1), slice(0, 1, 1), 0),
        (slice(0, 3, 1), slice(1, 3, 1), 0),
        (slice(0, 2, 1), slice(3, 4, 1), -2),
    ]
    assert whole.main.is_covered
    assert whole.terms == 5 * 27


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_weight_that_is_not_finite_meets_the_zeros_of_the_borders(bad: float) -> None:
    spec = fl.ConvSpec(5, 7, (3, 1, 1), padding=(1, 0, 0), bias=False)
    x, weight = np.ones((1, 5, 4, 3, 3), np.float32), np.ones(spec.weight_shape, np.float32)
    weight[3, 2, 0] = bad
    result, expected = fl.conv(spec, x, weight), reference.conv(spec, x, weight)
    assert np.isnan(result).tolist() == np.isnan(expected).tolist()
    assert np.isinf(result).tolist() == np.isinf(expected).tolist()
