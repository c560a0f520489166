"""`fl.plan` decides in the open: every algorithm with its reason, the costs, the memory; and prepares weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung.engine.catalog import ALGORITHMS, BY_NAME
from faltung.engine.native import available_isas
from tests.support.check import check_error, check_same, check_within
from tests.support.engine import examples, expected_forward, forced_isa, labelled, magnitude, normals
from tests.support.strategies import Problem, integers_of_shape, problems

NAMES = [entry.name for entry in ALGORITHMS]
DTYPES = ["float32", "float64", "complex64", "int8", "float16"]


@examples(150)
@given(problems(), st.sampled_from(DTYPES))
def test_every_algorithm_has_its_reason(problem: Problem, dtype: str) -> None:
    plan = fl.plan(problem.spec, problem.input_shape, dtype)
    assert [decision.algorithm for decision in plan.why] == NAMES
    chosen = [decision for decision in plan.why if decision.chosen]
    assert len(chosen) == 1
    assert plan.algorithm == ("phases+" if problem.spec.transposed else "") + chosen[0].algorithm
    for decision in plan.why:
        assert decision.reason
        assert (decision.cost_seconds is not None) == decision.fits >= decision.chosen
        if decision.fits:
            assert decision.cost_seconds >= chosen[0].cost_seconds >= 0
    reasons = [decision.reason for decision in plan.why]
    assert len(set(reasons)) == len(reasons)


@examples(100)
@given(problems(), st.sampled_from(DTYPES), st.data())
def test_every_algorithm_that_fits_can_be_asked_for(problem: Problem, dtype: str, data: st.DataObject) -> None:
    spec, shape = problem.spec, problem.input_shape
    x, weight, bias = problem.arrays(dtype)
    expected = expected_forward(spec, x, weight, bias)
    for decision in fl.plan(spec, shape, dtype).why:
        if decision.fits:
            plan = fl.plan(spec, shape, dtype, algorithm=decision.algorithm)
            assert [entry.algorithm for entry in plan.why if entry.chosen] == [decision.algorithm]
            with labelled(decision.algorithm):
                if BY_NAME[decision.algorithm].is_direct:
                    check_same(plan(x, weight, bias), expected)
                else:
                    check_within(plan(x, weight, bias), expected, plan.error_bound * magnitude(spec, x, weight, bias), dtype=expected.dtype)
        else:
            with pytest.raises(fl.ConvPlanError) as caught:
                fl.plan(spec, shape, dtype, algorithm=decision.algorithm)
            assert decision.reason in str(caught.value)


@examples(100)
@given(problems(), st.sampled_from(DTYPES), st.integers(1, 4))
def test_deterministic_and_frugal(problem: Problem, dtype: str, threads: int) -> None:
    first, second = (fl.plan(problem.spec, problem.input_shape, dtype, threads=threads) for _ in range(2))
    for name in ("spec", "input_shape", "dtype", "algorithm", "why", "workspace_bytes", "cost", "error_bound", "threads"):
        check_same(getattr(first, name), getattr(second, name))
    assert first.workspace_bytes >= 0
    assert first.threads == threads


@examples(60)
@given(problems())
def test_costs_are_counts(problem: Problem) -> None:
    spec, shape = problem.spec, problem.input_shape
    cost = fl.plan(spec, shape).cost
    windows = problem.input_size if spec.transposed else spec.output_size(problem.input_size)
    assert cost.macs == problem.batch * math.prod(windows) * math.prod(spec.weight_shape)
    assert cost.flops == 2 * cost.macs + (math.prod(spec.output_shape(shape)) if spec.bias else 0)
    numbers = (
        math.prod(shape) + math.prod(spec.output_shape(shape)) + math.prod(spec.weight_shape) + (spec.out_channels if spec.bias else 0)
    )
    assert cost.bytes_moved == 4 * numbers
    assert cost.seconds >= 0.0
    single = fl.plan(spec, shape[1:]).cost
    assert (cost.macs, cost.flops) == (problem.batch * single.macs, problem.batch * single.flops)
    double = fl.plan(spec, shape, "complex128").cost
    assert double.bytes_moved == 4 * cost.bytes_moved


ORDINARY = [
    ("conv2d(256, 256, 1)", (1, 256, 28, 28)),
    ("conv2d(64, 64, 3, padding=1)", (1, 64, 56, 56)),
    ("conv2d(3, 64, 7, stride=2, padding=3)", (1, 3, 224, 224)),
    ("conv_transpose2d(64, 64, 4, stride=2, padding=1)", (1, 64, 28, 28)),
    ("conv1d(16, 16, 9, dilation=4, padding='causal')", (1, 16, 1000)),
    ("conv3d(8, 16, 3, padding='same', padding_mode='circular')", (1, 8, 16, 16, 16)),
]


@pytest.mark.parametrize("isa", available_isas())
def test_what_is_chosen_where(isa: str) -> None:
    """Sanity of the estimates: channels fill no lanes in a depthwise layer, and no ordinary layer goes the slow way."""
    with forced_isa(isa):
        assert fl.plan("conv2d(64, 64, 3, padding=1, groups=64)", (1, 64, 56, 56)).algorithm == "depthwise"
        assert fl.plan("conv2d(64, 64, 3, padding=1)", (1, 64, 56, 56)).algorithm == "winograd"
        assert fl.plan("conv2d(64, 64, 3, padding=1)", (1, 64, 56, 56), accuracy="exact").algorithm in ("direct", "unfold", "filter")
        assert fl.plan("conv2d(64, 64, 3, padding=1)", (1, 64, 3, 3), accuracy="exact").algorithm == "direct"
        for text, shape in ORDINARY:
            assert "general" not in fl.plan(text, shape).algorithm


def test_refusals_give_the_numbers() -> None:
    plan = fl.plan("conv2d(8, 8, (1, 2), stride=(1, 2))", (1, 8, 9, 9))
    assert {decision.algorithm: decision.reason for decision in plan.why if not decision.fits} == {
        "dots": "it multiplies bfloat16 numbers, these are float32",
        "pointwise": "kernel 1×2 is not 1 along every axis",
        "winograd": "it needs several taps, not dilated, in some phase of the last two axes; here kernel 1×2, stride 1×2",
        "dilated": "no axis of 3 taps is dilated",
        "stem": "it needs two axes, not dilated, of more than 5 taps, or of more than two in each phase of a stride of 2 or 4; "
        "here kernel 1×2, stride 1×2",
        "winograd6": "it needs 3 taps with stride 1 along the last two axes; here kernel 1×2, stride 1×2",
        "depthwise": "it has 8 input channels a group, this takes one",
        "spectral": "it has 8 input channels a group, this transforms one",
        "channelwise": "it has 8 input channels a group, this puts one in each lane",
        "fft": "stride 1×2: a transform computes every position",
        "planes": "stride 1×2 is not 1 along every axis, and it is no transposed convolution",
    }
    plan = fl.plan("conv2d(8, 8, 1, stride=(1, 2))", (1, 8, 9, 9))
    assert plan.why[0].reason == "stride 1×2 is not 1 along every axis"
    plan = fl.plan("conv2d(8, 8, 1, padding=((1, 0), 0))", (1, 8, 9, 9))
    assert plan.why[0].reason == "padding or cropping changes the size from 9×9 to 10×9"


def test_a_panel_too_large_for_memory_goes_the_general_way() -> None:
    plan = fl.plan("conv1d(1, 8, 3, dilation=1000000000, padding=1000000000)", (1, 1, 10))
    assert plan.why[-1].fits
    assert plan.workspace_bytes < 2**26
    far = fl.plan(fl.ConvSpec(1, 1, 2**24, padding="full", ndim=1), (1, 1, 5))
    assert [decision.algorithm for decision in far.why if decision.chosen] == ["general"]
    reasons = {decision.algorithm: decision.reason for decision in far.why}
    assert "bytes a thread" in reasons["direct"]


def test_an_output_that_receives_nothing() -> None:
    spec = fl.ConvSpec(1, 1, 2, stride=3, dilation=3, padding=((1, 4),), transposed=True, ndim=1)
    for algorithm in ("auto", *NAMES):
        plan = fl.plan(spec, (1, 2), algorithm=algorithm)
        assert plan.algorithm == f"phases+{'general' if algorithm == 'auto' else algorithm}"
        assert sum(decision.chosen for decision in plan.why) == 1
        assert all(decision.reason.endswith("no tap reaches the output, there is nothing to sum") for decision in plan.why)
        assert (plan.cost.seconds, plan.cost.macs) == (0.0, 4)
        check_same(
            plan(np.ones((1, 2), np.float32), np.ones((1, 1, 2), np.float32), np.array([7], np.float32)), np.full((1, 2), 7, np.float32)
        )


def test_text_and_unbatched_shapes() -> None:
    plan = fl.plan("nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)", (3, 224, 224))
    assert plan.spec == fl.ConvSpec(3, 64, 7, 2, 3, bias=False, ndim=2)
    assert (plan.input_shape, plan.dtype, plan.cost.macs) == ((3, 224, 224), np.float32, 118_013_952)
    assert fl.plan(plan.spec, [1, 3, 224, 224], np.float64).dtype == np.float64


LETTERS = {
    "unknown": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9), algorithm="directt"),
        fl.ConvPlanError,
        f"algorithm='directt' is not known.\n  Did you mean 'direct'? Known: {', '.join(map(repr, ('auto', *NAMES)))}.",
    ),
    "refused": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9), algorithm="pointwise"),
        fl.ConvPlanError,
        "algorithm 'pointwise' does not serve this convolution: kernel 3 is not 1 along every axis.\n"
        '  `faltung plan "…" --input …` lists every algorithm and its reason.',
    ),
    "accuracy": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9), accuracy="exactly"),
        fl.ConvPlanError,
        "accuracy='exactly' is not known.\n  Did you mean 'exact'? Known: 'default', 'exact'.",
    ),
    "threads": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9), threads=2.0),
        fl.ConvPlanError,
        "threads=2.0 is no number of threads.\n  Use a whole number from 1 to 1024.",
    ),
    "dtype": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9), "flaot32"),
        fl.ConvTypeError,
        "dtype='flaot32' is no dtype.\n  Served: bool, integers, float16, bfloat16, float32, float64, complex64, complex128.",
    ),
    "shape": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 2)),
        fl.ConvShapeError,
        "no output along axis 0: floor((2 + 0 + 0 - 1*(3-1) - 1) / 1) + 1 = 0.\n"
        "  Input plus padding must be at least 3, it is 2. Add 1 of padding, or use a kernel of 2 or less.",
    ),
    "another size": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9)).prepare(np.ones((1, 1, 3), np.float32))(np.ones((1, 8), np.float32)),
        fl.ConvShapeError,
        "x has spatial size (8,), the plan was made for (9,).\n  Make a plan for each input size.",
    ),
    "another dtype": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9))(np.ones((1, 9)), np.ones((1, 1, 3), np.float32)),
        fl.ConvTypeError,
        "x of dtype float64 would make the result float64, the plan was made for float32.\n"
        "  Plan with dtype='float64', or convert with astype('float32').",
    ),
    "activation": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9)).prepare(np.ones((1, 1, 3), np.float32), activation="rleu"),
        fl.ConvPlanError,
        "activation='rleu' is not known.\n  Did you mean 'relu'? Known: 'relu', 'relu6', 'silu', 'sigmoid', 'hardsigmoid',"
        " 'hardswish', 'gelu'.",
    ),
    "complex activation": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9), complex).prepare(np.ones((1, 1, 3), complex), activation="relu"),
        fl.ConvTypeError,
        "activation='relu' is not defined for complex128 results.\n  Use real floating-point arrays.",
    ),
    "whole-number silu": (
        lambda: fl.plan("conv1d(1, 1, 3)", (1, 9), int).prepare(np.ones((1, 1, 3), int), activation="silu"),
        fl.ConvTypeError,
        "activation='silu' is not defined for int64 results.\n  Use real floating-point arrays.",
    ),
}


@pytest.mark.parametrize("what", LETTERS)
def test_messages_to_the_letter(what: str) -> None:
    check_error(*LETTERS[what])


# -- activations -------------------------------------------------------------------------------------

SPEC = fl.ConvSpec(4, 9, 3, padding=1, ndim=2)
DEFINITIONS = {
    "relu": lambda y: np.maximum(y, 0),
    "relu6": lambda y: np.minimum(np.maximum(y, 0), 6),
    "silu": lambda y: y / (1 + np.exp(-y)),
}


FLOATING, WHOLE = ["float32", "float64", "float16"], ["int8", "uint8"]


@pytest.mark.parametrize(
    ("activation", "dtype"), [(name, dtype) for name in DEFINITIONS for dtype in (FLOATING if name == "silu" else FLOATING + WHOLE)]
)
def test_activations(activation: str, dtype: str) -> None:
    x, weight, bias = (integers_of_shape(shape, 5 + which, dtype) for which, shape in enumerate(((2, 4, 6, 6), SPEC.weight_shape, (9,))))
    plan = fl.plan(SPEC, x.shape, dtype)
    plain, prepared = plan(x, weight, bias), plan.prepare(weight, bias, activation)
    with np.errstate(over="ignore"):
        expected = DEFINITIONS[activation](plain.astype("longdouble") if activation == "silu" else plain).astype(plain.dtype)
    if activation == "silu":
        np.testing.assert_array_max_ulp(prepared(x), expected, 2)
    else:
        check_same(prepared(x), expected)
    out = np.empty_like(plain)
    assert prepared(x, out=out) is out
    check_same(out, prepared(x))
    check_same(plan(x, weight, bias), plain)
    assert prepared.activation == activation


@pytest.mark.parametrize("activation", DEFINITIONS)
def test_activations_of_what_is_not_finite(activation: str) -> None:
    """As the definitions in floating point: silu of -inf is -inf / inf."""
    plan = fl.plan("conv1d(1, 1, 1)", (1, 5))
    x = np.array([[np.nan, np.inf, -np.inf, -1000, 1000]], np.float32)
    expected = {"relu": [np.nan, np.inf, 0, 0, 1000], "relu6": [np.nan, 6, 0, 0, 6], "silu": [np.nan, np.inf, np.nan, 0, 1000]}[activation]
    check_same(plan.prepare(np.ones((1, 1, 1), np.float32), activation=activation)(x), np.array([expected], np.float32))


def test_prepared_shows_what_it_is() -> None:
    plan = fl.plan("conv1d(1, 2, 3)", (1, 9))
    prepared = plan.prepare(normals((2, 1, 3), 1, "float32"))
    assert repr(prepared) == f"PreparedConv(conv1d(1, 2, (3,)), (1, 9), float32, {plan.algorithm!r})"
    assert prepared.plan is plan
    assert prepared.activation is None


def test_mixed_dtypes_that_fit_the_plan() -> None:
    """Arrays of narrower dtypes are promoted, as `fl.conv` would."""
    plan = fl.plan("conv1d(1, 1, 2)", (1, 1, 4), "float64")
    x, weight = integers_of_shape((1, 1, 4), 5, "int8"), integers_of_shape((1, 1, 2), 6, "float32")
    check_same(plan(x, weight, np.array([1.5])), fl.conv1d(x.astype(float), weight, np.array([1.5])))
