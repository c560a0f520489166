"""Every product, found from its output, from its input cell and from its weight, against the arrays' convolution."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given

import faltung as fl
from faltung import reference
from faltung.viz import Explanation, Terms
from tests.support.engine import examples
from tests.support.strategies import Problem, problems


def explained(problem: Problem, dtype: type = np.int64) -> tuple[Explanation, np.ndarray]:
    """A problem's explanation, and what the engine makes of it."""
    x, weight, bias = problem.arrays(dtype)
    return fl.explain(problem.spec, x, weight, bias), fl.conv(problem.spec, x, weight, bias)


@examples(150)
@given(problems())
def test_terms_sum_to_the_output(problem: Problem) -> None:
    explanation, result = explained(problem)
    totals = [terms.total for terms in explanation]
    assert explanation.output_shape == result.shape
    assert totals == result.ravel().tolist()


@examples(100)
@given(problems(max_axes=3))
def test_the_three_directions_list_the_same_products(problem: Problem) -> None:
    explanation, _ = explained(problem)
    by_output = Counter(product for terms in explanation for product in terms.products)
    inputs = itertools.product(*map(range, problem.input_shape))
    weights = itertools.product(*map(range, problem.spec.weight_shape))
    by_input = Counter(product for index in inputs for product in explanation.uses(index))
    by_weight = Counter(product for index in weights for product in explanation.of_weight(index))
    assert by_weight == by_output
    assert by_input == Counter({product: count for product, count in by_output.items() if product.input_index is not None})
    assert set(by_output.values()) <= {1}


@examples(100)
@given(problems(max_axes=3))
def test_there_are_as_many_products_as_macs(problem: Problem) -> None:
    explanation, _ = explained(problem)
    listed = sum(len(terms.products) for terms in explanation)
    macs = problem.batch * problem.spec.macs(problem.input_size)
    if not problem.spec.transposed or problem.spec.padding_mode != "zeros":
        assert listed == macs
        return
    # The stamps of a transposed convolution that leave its output are computed by nobody's output.
    lists = [reference.meetings(problem.spec, axis, size)[0] for axis, size in enumerate(problem.input_size)]
    kept = math.prod(sum(large is not None for *_, large in meetings) for meetings in lists)
    channels = problem.spec.in_channels * problem.spec.out_channels // problem.spec.groups
    assert listed == problem.batch * channels * kept <= macs


@examples(100)
@given(problems(max_axes=3, transposed=True))
def test_scatter_and_gather_agree(problem: Problem) -> None:
    explanation, result = explained(problem)
    taps = math.prod(problem.spec.kernel_size) * problem.spec.in_channels // problem.spec.groups
    for terms in explanation:
        assert terms.readings_agree
        assert terms.gather_total == terms.total == result[terms.index]
        gathered = Counter((p.input_index, p.weight_index, p.product) for p in terms.gather if p.input_index is not None)
        assert gathered == Counter((p.input_index, p.weight_index, p.product) for p in terms.products)
        assert len(terms.gather) % taps == 0
        assert terms.gather
        for product in terms.gather:
            inside = all(
                0 <= at <= (size - 1) * step
                for at, size, step in zip(product.position, problem.input_size, problem.spec.stride, strict=True)
            )
            assert inside == (product.origin != "zero")
            if product.input_index is not None:
                assert product.position == tuple(
                    cell * step for cell, step in zip(product.input_index[-problem.spec.ndim :], problem.spec.stride, strict=True)
                )


@examples(100)
@given(problems(max_axes=3))
def test_values_and_origins_are_those_of_the_arrays(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    spec = problem.spec
    for terms in fl.explain(spec, x, weight, bias):
        assert terms.bias == (None if bias is None else bias[terms.index[1]])
        for product in terms.products:
            assert product.output_index == terms.index
            assert product.weight_value == weight[product.weight_index]
            assert product.product == product.input_value * product.weight_value
            if product.input_index is None:
                assert (product.origin, product.input_value, spec.padding_mode) == ("zero", 0, "zeros")
                continue
            assert product.input_value == x[product.input_index]
            large = terms.index if spec.transposed else product.input_index
            size = (explained_size := problem.output_shape if spec.transposed else problem.input_shape)[-spec.ndim :]
            assert len(explained_size) == spec.ndim + 2
            assert (
                tuple(reference.source(at, cells, spec.padding_mode) for at, cells in zip(product.position, size, strict=True)) == large[2:]
            )
            assert (product.origin == "input") == (product.position == large[2:])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128, np.float16, np.uint8, np.int8, np.bool_])
@pytest.mark.parametrize("spec", ["conv2d(4, 6, 3, groups=2, padding=1, padding_mode='reflect')", "conv_transpose2d(2, 3, 3, stride=2)"])
def test_every_dtype(dtype: type, spec: str) -> None:
    parsed = fl.ConvSpec.parse(spec)
    problem = Problem(parsed, (4, 5), 2, 7)
    explanation, result = explained(problem, dtype)
    assert [terms.total for terms in explanation] == result.ravel().tolist()


def test_random_floats_within_rounding() -> None:
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((1, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
    spec = fl.ConvSpec(3, 4, 3, padding=1, ndim=2)
    result = fl.conv(spec, x, weight, bias)
    for terms in fl.explain(spec, x, weight, bias):
        scale = sum(abs(product.product) for product in terms) + abs(terms.bias)
        assert abs(terms.total - result[terms.index]) <= 30 * np.finfo(float).eps * scale


def test_infinities_come_out_as_in_the_convolution() -> None:
    x, weight = np.array([[np.inf, 1.0, -np.inf]]), np.array([[[1.0, 1.0, 1.0]]])
    result = fl.conv("conv1d(1, 1, 3, padding=1)", x, weight)
    np.testing.assert_array_equal([[terms.total for terms in fl.explain("conv1d(1, 1, 3, padding=1)", x, weight)]], result)
    transposed = fl.explain("conv_transpose1d(1, 1, 3, stride=2)", np.ones((1, 2)), np.array([[[np.inf, 1.0, 1.0]]]))
    assert [terms.gather_total for terms in transposed] == [math.inf, 1, math.inf, 1, 1]


def test_sums_past_64_bits_wrap_as_in_the_convolution_and_say_so() -> None:
    x, weight = np.full((1, 2), 2**62), np.full((1, 1, 2), 3)
    terms = fl.explain("conv1d(1, 1, 2)", x, weight)[0, 0]
    assert terms.total == fl.conv("conv1d(1, 1, 2)", x, weight)[0, 0] != 6 * 2**62
    assert f"the sum {6 * 2**62} does not fit in 64 bits" in str(terms)
    unsigned = fl.explain("conv1d(1, 1, 2)", x.astype(np.uint64), weight.astype(np.uint64))[0, 0]
    assert unsigned.total == 6 * 2**62 % 2**64


def test_unbatched_input_has_no_batch_index() -> None:
    x, weight = np.arange(6).reshape(2, 3), np.arange(4).reshape(1, 2, 2)
    explanation = fl.explain("conv1d(2, 1, 2, bias=False)", x, weight)
    assert explanation.output_shape == (1, 2)
    assert explanation[0, 1].total == fl.conv("conv1d(2, 1, 2)", x, weight)[0, 1]
    assert explanation[0, 1].products[0].input_index == (0, 1)
    assert explanation.uses((1, 2)).outputs == ((0, 1),)


def test_negative_indices_count_from_the_end() -> None:
    explanation = fl.explain("conv1d(1, 1, 2)", np.arange(4)[None], np.ones((1, 1, 2), int))
    assert explanation[0, -1].index == (0, 2)
    assert explanation.uses((0, -1)).index == (0, 3)
    assert explanation.of_weight((0, 0, -1)).index == (0, 0, 1)
    assert explanation[np.int64(0), np.int32(1)].index == (0, 1)


def test_a_big_layer_is_explained_without_work() -> None:
    """Arrays of one repeated cell: a terabyte, if anything were copied."""
    x = np.broadcast_to(np.float32(2), (64, 512, 4096, 4096))
    weight = np.broadcast_to(np.float32(0.5), (512, 512, 3, 3))
    explanation = fl.explain("conv2d(512, 512, 3, padding=1, bias=False)", x, weight)
    assert explanation[63, 511, 4095, 0].total == 512 * 4
    assert len(explanation.uses((0, 0, 0, 0))) == 512 * 4


def test_too_many_products_are_refused_before_they_are_listed() -> None:
    x, weight = np.broadcast_to(np.int8(1), (1, 1, 2**40)), np.broadcast_to(np.int8(1), (1, 1, 2**30))
    explanation = fl.explain("conv1d(1, 1, 1073741824)", x, weight)
    for ask in (lambda: explanation[0, 0, 0], lambda: explanation.uses((0, 0, 0)), lambda: explanation.of_weight((0, 0, 0))):
        with pytest.raises(fl.ConvShapeError, match="more than 4194304, the most that are listed"):
            ask()


def test_endless_copies_are_refused_before_they_are_listed() -> None:
    explanation = fl.explain("conv1d(1, 1, 3, padding=1099511627776, padding_mode='replicate')", [[1, 2, 3]], [[[1, 1, 1]]])
    assert explanation[0, 0].total == 3
    with pytest.raises(fl.ConvShapeError, match="more than 4194304"):
        explanation.uses((0, 0))


def test_an_empty_output_has_no_terms() -> None:
    explanation = fl.explain("conv1d(1, 1, 2)", np.zeros((0, 1, 4)), np.zeros((1, 1, 2)))
    assert list(explanation) == []
    assert "of which there is none here" in str(explanation)
    assert explanation.of_weight((0, 0, 0)).products == ()
    with pytest.raises(fl.ConvShapeError, match="n=0 is outside the output of shape"):
        explanation[0, 0, 0]


SMALL = fl.explain("conv2d(1, 1, 3)", np.ones((1, 1, 5, 5)), np.ones((1, 1, 3, 3)))


@pytest.mark.parametrize(
    ("ask", "error", "told"),
    [
        (
            lambda: SMALL[0, 2],
            fl.ConvShapeError,
            "output index (0, 2) has 2 entries, the output of shape (1, 1, 3, 3) takes 4.\n  Give (n, oc, y, x).",
        ),
        (lambda: SMALL[0], fl.ConvShapeError, "has 1 entries"),
        (
            lambda: SMALL[0, 0, 7, 2],
            fl.ConvShapeError,
            "y=7 is outside the output of shape (1, 1, 3, 3), 3 along y.\n  y goes from 0 to 2, or from -3 to -1",
        ),
        (lambda: SMALL[0, 0, 0, -4], fl.ConvShapeError, "x=-4 is outside"),
        (lambda: SMALL[0, 0, 0, 1.5], fl.ConvTypeError, "x=1.5 is of type float, an int is needed."),
        (lambda: SMALL[0, 0, :, 0], fl.ConvTypeError, "slices are not taken"),
        (lambda: SMALL["0000"], fl.ConvShapeError, "has 1 entries"),
        (lambda: SMALL.uses((0, 0)), fl.ConvShapeError, "Give (n, ic, y, x)."),
        (lambda: SMALL.uses(3), fl.ConvShapeError, "input index (3,) has 1 entries"),
        (lambda: SMALL.uses((0, 1, 0, 0)), fl.ConvShapeError, "ic=1 is outside the input of shape (1, 1, 5, 5)"),
        (lambda: SMALL.of_weight((0, 0, 3, 0)), fl.ConvShapeError, "ky=3 is outside the weight of shape (1, 1, 3, 3)"),
        (lambda: SMALL.of_weight((0,)), fl.ConvShapeError, "Give (out_channel, in_channel_of_group, ky, kx)."),
        (lambda: fl.explain("conv1d(1, 1, 2)", np.ones((1, 4)), np.ones((1, 1, 3))), fl.ConvShapeError, "weight has shape (1, 1, 3)"),
        (lambda: fl.explain("conv1d(1, 1, 2)", np.ones(4), np.ones((1, 1, 2))), fl.ConvShapeError, "input has shape (4,)"),
        (lambda: fl.explain("conv1d(1, 1, 2)", np.ones((1, 1)), np.ones((1, 1, 2))), fl.ConvShapeError, "no output along axis 0"),
        (lambda: fl.explain("conv1d(1, 1, 2)", "abc", np.ones((1, 1, 2))), fl.ConvTypeError, "x has dtype"),
        (lambda: fl.explain("conv1d(1, 1, 2)", np.ones((1, 4)), np.ones((1, 1, 2)), [1, 2]), fl.ConvShapeError, "bias has shape (2,)"),
        (lambda: fl.explain("conv1d(1, 1, 2, bias=False)", np.ones((1, 4)), np.ones((1, 1, 2)), [1]), fl.ConvSpecError, "but"),
        (lambda: fl.explain(3, np.ones((1, 4)), np.ones((1, 1, 2))), fl.ConvTypeError, "spec is of type int"),
        (lambda: SMALL[0, 0, 0, 0].to_latex(reading="gathr"), fl.ConvSpecError, "Did you mean 'gather'?"),
    ],
)
def test_errors_tell_the_rule_and_the_remedy(ask, error: type[Exception], told: str) -> None:
    with pytest.raises(error) as caught:
        ask()
    assert told in str(caught.value)
    assert caught.value.remedy


def test_the_origins_by_name() -> None:
    def origins(mode: str) -> list[tuple[str, tuple[int, ...] | None]]:
        terms: Terms = fl.explain(f"conv1d(1, 1, 3, padding=1, padding_mode={mode!r})", [[7, 8, 9]], [[[1, 1, 1]]])[0, 0]
        return [(product.origin, product.input_index) for product in terms][:1]

    assert origins("zeros") == [("zero", None)]
    assert origins("circular") == [("wrapped", (0, 2))]
    assert origins("reflect") == [("mirrored", (0, 1))]
    assert origins("replicate") == [("repeated", (0, 0))]
    assert origins("symmetric") == [("mirrored", (0, 0))]
