"""Kernels that are outer products or sums of a few: found, run in two passes, within the bound; others left alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung.engine import compiled, separable
from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.plan import PreparedConv
from faltung.engine.problem import Problem
from tests.support.check import check_same, check_within
from tests.support.engine import examples, expected_forward, labelled, num_threads
from tests.support.layouts import channels_last

MODES = ["zeros", "circular", "reflect", "replicate", "symmetric"]


def gaussian(size: int, deviation: float) -> np.ndarray:
    return np.exp(-np.square(np.arange(size) - size // 2) / (2 * deviation**2))


def laplacian_of_gaussian(size: int, deviation: float) -> np.ndarray:
    across = np.square(np.arange(size) - size // 2)
    squares = across[:, None] + across
    return (squares - 2 * deviation**2) / deviation**4 * np.exp(-squares / (2 * deviation**2))


def largest_sum(spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray) -> float:
    return float(fl.conv(spec, np.abs(x.astype(float)), np.abs(weight.astype(float)), accuracy="exact").max())


def always(monkeypatch: pytest.MonkeyPatch, rank: int = 8) -> None:
    """Look for outer products whatever it costs."""
    found = separable.refusal

    def most_rank(problem: object, dtype: str, _cycles: float, *, is_prepared: bool) -> int:
        del is_prepared
        if found(problem, dtype) is not None:
            return 0
        return 1 if dtype == "uint64" or max(problem.stride) > 1 else rank

    monkeypatch.setattr(separable, "most_rank", most_rank)
    compiled.compile_conv.cache_clear()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch):
    always(monkeypatch)
    yield
    monkeypatch.undo()
    compiled.compile_conv.cache_clear()


def prepared(spec: fl.ConvSpec, shape: tuple[int, ...], weight: np.ndarray, bias: np.ndarray | None = None) -> PreparedConv:
    return fl.plan(spec, shape, weight.dtype).prepare(weight, bias)


@pytest.mark.parametrize("columns", [4, 15, 17, 31, 33, 129])
def test_every_tile_edge(columns: int) -> None:
    rng = np.random.default_rng(columns)
    for rows, down, along in [(1, 2, 3), (7, 4, 16), (8, 5, 17), (9, 3, 33), (13, 6, 2)]:
        spec = fl.ConvSpec(1, 1, (down, along), padding=(down // 2, along // 2), ndim=2)
        x = rng.integers(-4, 5, (1, 1, rows, columns))
        factors = rng.integers(-3, 4, (2, 1, 1, down + along))
        weight = np.einsum("rgom,rgon->gomn", factors[..., :down], factors[..., down:])
        bias = rng.integers(-4, 5, 1)
        expected = expected_forward(spec, x, weight, bias)
        problem = Problem(1, 1, 1, (rows, columns), expected.shape[2:], (down, along), (1, 1), (1, 1), (down // 2, along // 2), "zeros")
        for isa, dtype in itertools.product(available_isas(), ["float32", "float64", "uint64"]):
            correlation = Correlation("separable", dtype, isa, native_problem(problem))
            packed = correlation.pack_factors(factors.astype(dtype))
            y = np.full((1, 1, 1, *expected.shape[2:]), 7, dtype)
            correlation.run(x.astype(dtype)[:, None], packed, bias.astype(dtype), y, False, 1)
            with labelled(f"{isa} {dtype}, {rows} rows, kernel {down}×{along}"):
                check_same(y[0].astype(np.int64), expected)


@st.composite
def layers(draw: st.DrawFn) -> tuple[fl.ConvSpec, tuple[int, ...]]:
    ndim = draw(st.sampled_from([2, 2, 3]))
    groups, multiplier = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2]))
    kernel = tuple(draw(st.integers(1, 6 if ndim == 2 else 3)) for _ in range(ndim))
    spec = fl.ConvSpec(
        groups, groups * multiplier, kernel,
        stride=tuple(draw(st.sampled_from([1, 1, 2, 3])) for _ in range(ndim)),
        dilation=tuple(draw(st.sampled_from([1, 1, 2])) for _ in range(ndim)),
        padding=tuple((draw(st.integers(-1, 4)), draw(st.integers(-1, 4))) for _ in range(ndim)),
        padding_mode=draw(st.sampled_from(MODES)), groups=groups, flip=draw(st.booleans()), ndim=ndim,
    )  # fmt: skip
    size = (*(draw(st.integers(11, 13)) for _ in range(ndim - 1)), draw(st.integers(12, 18)))
    return spec, (draw(st.integers(1, 2)), groups, *size)


@pytest.mark.usefixtures("eager")
def test_outer_products_of_integers_are_exact() -> None:
    @examples(40)
    @given(
        layers(),
        st.sampled_from(["float32", "float64", "int64", "uint8"]),
        st.sampled_from(["plain", "last", "reversed"]),
        st.integers(0, 99),
    )
    def check(layer: tuple[fl.ConvSpec, tuple[int, ...]], dtype: str, memory: str, seed: int) -> None:
        spec, shape = layer
        rng = np.random.default_rng(seed)
        low = 0 if dtype == "uint8" else -3
        column, row = (
            rng.integers(low, 4, (spec.out_channels, length)) for length in (np.prod(spec.kernel_size[:-1]), spec.kernel_size[-1])
        )
        weight = (column[:, :, None] * row[:, None]).reshape(spec.weight_shape).astype(dtype)
        x, bias = rng.integers(low, 4, shape).astype(dtype), rng.integers(low, 4, spec.out_channels).astype(dtype)
        if memory == "last":
            x = channels_last(x)
        elif memory == "reversed":
            x = np.ascontiguousarray(x[..., ::-1, ::-1])[..., ::-1, ::-1]
        layer_of = prepared(spec, shape, weight, bias)
        if min(np.prod(spec.kernel_size[:-1]), spec.kernel_size[-1]) > 1 and np.prod(spec.kernel_size) > 4:
            assert layer_of.algorithm == "separable"
        check_same(layer_of(x), expected_forward(spec, x, weight, bias))

    check()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kernel", "rank"),
    [
        (np.outer(gaussian(9, 1.5), gaussian(9, 1.5)), 1),
        (np.outer(gaussian(31, 2), gaussian(15, 4)), 1),
        (laplacian_of_gaussian(31, 4), 2),
        (np.outer(gaussian(15, 2), gaussian(15, 2)) - 0.4 * np.outer(gaussian(15, 3), gaussian(15, 3)), 2),
    ],
    ids=["gaussian", "unequal", "laplacian", "difference"],
)
def test_within_the_bound_of_direct_summation(dtype: str, kernel: np.ndarray, rank: int) -> None:
    spec = fl.ConvSpec(1, 1, kernel.shape, padding="same", bias=False)
    weight = kernel.astype(dtype)[None, None]
    x = np.random.default_rng(1).standard_normal((1, 40, 50)).astype(dtype)
    plan = fl.plan(spec, x.shape, dtype)
    layer = plan.prepare(weight)
    assert layer.algorithm == "separable"
    assert layer.why[0].chosen
    assert layer.why[0].reason.endswith(f"rank {rank}")
    assert sum(decision.chosen for decision in layer.why) == 1
    exact = fl.plan(spec, x.shape, "float64", accuracy="exact")(x.astype(float), weight.astype(float))
    direct = 2 * weight.size * np.finfo(float).eps  # of the sums that are compared with
    bound = (plan.error_bound + direct) * largest_sum(spec, x, weight)
    check_within(layer(x).astype(float), exact, bound, dtype=np.dtype(float))


@pytest.mark.usefixtures("eager")
def test_other_kernels_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    spec = fl.ConvSpec(2, 2, 9, padding="same", bias=False, groups=2, ndim=2)
    outer = np.outer(gaussian(9, 2), gaussian(9, 2)).astype(np.float32)
    nearly = outer + 2.0**-12 * np.eye(9)
    for second in (rng.standard_normal((9, 9)), nearly, np.full((9, 9), np.nan), outer * np.float32(2.0**60)):
        weight = np.stack([outer, second]).astype(np.float32)[:, None]
        assert prepared(spec, (2, 30, 40), weight).algorithm != "separable"
    weight = np.stack([outer, 3 * outer])[:, None]
    assert prepared(spec, (2, 30, 40), weight).algorithm == "separable"
    assert fl.plan(spec, (2, 30, 40), accuracy="exact").prepare(weight).algorithm != "separable"
    assert fl.plan(spec, (2, 30, 40), algorithm="depthwise").prepare(weight).algorithm == "depthwise"
    assert prepared(spec, (2, 30, 40), np.stack([np.eye(9, dtype=int), np.ones((9, 9), int)])[:, None]).algorithm != "separable"


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_values_that_are_not_finite(value: float) -> None:
    spec = fl.ConvSpec(1, 1, 5, padding=2, bias=False, ndim=2)
    tap = np.array([0, 1, -2, 1, 0.25], np.float32)
    weight = np.outer(tap, tap)[None, None]
    x = np.random.default_rng(0).integers(-4, 5, (1, 1, 12, 20)).astype(np.float32)
    x[0, 0, 3, 4] = value
    x[0, 0, 3, 15] = -value
    layer = prepared(spec, x.shape, weight)
    assert layer.algorithm == "separable"
    expected = fl.conv(spec, x, weight, accuracy="exact")
    result = layer(x)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(result), np.isinf(expected))


@pytest.mark.usefixtures("eager")
def test_sums_of_several_look_at_the_data() -> None:
    kernel = laplacian_of_gaussian(31, 4).astype(np.float32)
    spec = fl.ConvSpec(1, 1, 31, bias=False, ndim=2)
    x = np.random.default_rng(0).standard_normal((2, 1, 60, 60)).astype(np.float32)
    x[1, 0, 0, 0] = 1e9  # meets the corner tap alone
    plan = fl.plan(spec, x.shape)
    layer = plan.prepare(kernel[None, None])
    assert layer.algorithm == "separable"
    result = layer(x)
    exact = fl.conv(spec, x.astype(float), kernel[None, None].astype(float), accuracy="exact")
    for sample in range(2):
        bound = plan.error_bound * largest_sum(spec, x[sample : sample + 1], kernel[None, None])
        check_within(result[sample : sample + 1].astype(float), exact[sample : sample + 1], bound, dtype=np.dtype(float))
    check_same(result[1:], layer(x[1:]))
    x[0, 0, 0, 0] = np.inf
    assert np.isfinite(layer(x)[1]).all()
    assert np.isinf(layer(x)[0, 0, 0, 0])


@pytest.mark.usefixtures("eager")
def test_same_bits_for_any_threads_and_batch() -> None:
    rng = np.random.default_rng(3)
    spec = fl.ConvSpec(2, 2, (9, 20), padding="same", padding_mode="reflect", groups=2)
    weight = (rng.standard_normal((2, 1, 9, 1)) * rng.standard_normal((2, 1, 1, 20))).astype(np.float32)
    exactly = weight[:, :, :1] * np.round(rng.standard_normal((2, 1, 9, 1)) * 8).astype(np.float32)
    x = rng.standard_normal((3, 2, 130, 200)).astype(np.float32)
    layer = prepared(spec, x.shape, exactly, np.ones(2, np.float32))
    assert layer.algorithm == "separable"
    with num_threads(1):
        one = layer(x)
    with num_threads(2):
        check_same(layer(x), one)
        check_same(np.concatenate([layer(x[i : i + 1]) for i in range(3)]), one)


def test_found_where_it_pays() -> None:
    outer = np.outer(gaussian(31, 5), gaussian(31, 5)).astype(np.float32)[None, None]
    spec = fl.ConvSpec(1, 1, 31, padding="same", bias=False, ndim=2)
    plan = fl.plan(spec, (1, 480, 640))
    layer = plan.prepare(outer)
    assert (plan.algorithm == "separable", layer.algorithm) == (False, "separable")
    assert "'separable'" in repr(layer)
    assert plan.workspace_bytes >= layer._packed.compiled.workspace_bytes(plan.threads or fl.get_num_threads())
    assert (
        fl.plan(fl.ConvSpec(1, 1, 2, bias=False, ndim=2), (1, 480, 640)).prepare(np.ones((1, 1, 2, 2), np.float32)).algorithm != "separable"
    )


def test_native_refusals() -> None:
    one, two = (native_problem(Problem(1, channels, 1, (9, 9), (7, 7), (3, 3), (1, 1), (1, 1), (0, 0), "zeros")) for channels in (1, 2))
    with pytest.raises(ValueError, match="several input channels"):
        Correlation("separable", "float32", available_isas()[0], two)
    correlation = Correlation("separable", "float32", available_isas()[0], one)
    with pytest.raises(ValueError, match="takes weights as factors"):
        correlation.pack(np.ones((1, 1, 1, 3, 3), np.float32))
    with pytest.raises(ValueError, match="factors"):
        correlation.pack_factors(np.ones((1, 1, 1, 5), np.float32))
    other = Correlation("general", "float32", available_isas()[0], one)
    with pytest.raises(ValueError, match="takes no factors"):
        other.pack_factors(np.ones((1, 1, 1, 6), np.float32))


def test_small_arrays_do_not_pay_for_the_call() -> None:
    """Which passes through Python: a box is an outer product, and is taken as any other kernel where that is one native call."""
    box = np.ones((1, 1, 5, 5), np.float32)
    for side, is_separable in ((16, False), (2000, True)):
        assert (fl.plan("conv2d(1, 1, 5)", (1, 1, side, side)).prepare(box).algorithm == "separable") == is_separable
