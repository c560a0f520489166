"""The same bits come back whatever the threads, the batch and the way of calling; sums depend on spec and sizes alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung.engine.catalog import ALGORITHMS, BY_NAME
from faltung.engine.gradient import gradient_problem
from faltung.engine.gradient_catalog import ALGORITHMS as GRADIENTS
from faltung.engine.gradient_catalog import GradientAlgorithm
from faltung.engine.native import WeightGradient, available_isas, native_problem
from tests.support.check import check_same, check_within
from tests.support.engine import examples, forced_isa, labelled, magnitude, normal_arrays, normals, num_threads, served
from tests.support.layouts import channels_last, every_other, reversed_axes
from tests.support.strategies import Problem, problems

LAYERS = [  # large enough to be shared out
    ("conv2d(16, 40, 3, padding=1)", (17, 23)),
    ("conv2d(16, 3, 5, stride=2, padding=2)", (17, 23)),
    ("conv2d(40, 33, 1)", (17, 23)),
    ("conv2d(24, 24, 3, padding=1, groups=24, padding_mode='circular')", (17, 23)),
    ("conv2d(200, 20, 3)", (9, 9)),
    ("conv1d(8, 64, 9, dilation=3, padding='causal')", (301,)),
    ("conv3d(4, 20, 3, padding='same', padding_mode='replicate')", (5, 8, 12)),
    ("conv_transpose2d(24, 18, 4, stride=2, padding=1)", (9, 11)),
    ("conv_transpose2d(6, 40, 3, stride=3, padding=2, padding_mode='reflect', groups=2)", (7, 8)),
]
DTYPES = ["float32", "float64", "complex64", "float16"]
THREADS = [2, 3, 8]
NAMES = [entry.name for entry in ALGORITHMS]
QUICK = [name for name in NAMES if name != "general"]


def arrays_of(text: str, size: tuple[int, ...], dtype: str, batch: int = 3) -> tuple[fl.ConvSpec, list[np.ndarray], np.ndarray]:
    spec = fl.ConvSpec.parse(text)
    arrays = normal_arrays(Problem(spec, size, batch, 5), dtype)
    return spec, list(arrays), normals(spec.output_shape(arrays[0].shape), 9, dtype)


def every_result(spec: fl.ConvSpec, arrays: list[np.ndarray], grad: np.ndarray, names: list[str]) -> list[np.ndarray]:
    x, weight, bias = arrays
    results = [fl.conv(spec, x, weight, bias), fl.conv_input_grad(spec, grad, weight, x.shape[2:]), fl.conv_weight_grad(spec, x, grad)]
    return results + [fl.plan(spec, x.shape, x.dtype, algorithm=name)(x, weight, bias) for name in names]


# Complex and half numbers are computed by the kernels of float32: once is enough.
CASES = [(dtype, isa) for dtype in DTYPES for isa in available_isas() if dtype in ("float32", "float64") or isa == available_isas()[-1]]


@pytest.mark.parametrize(("dtype", "isa"), CASES)
def test_any_number_of_threads(dtype: str, isa: str) -> None:
    with forced_isa(isa):
        for text, size in LAYERS:
            problem = arrays_of(text, size, dtype)
            names = served(problem[0], problem[1][0], QUICK)
            with num_threads(1):
                expected = every_result(*problem, names)
            for threads in THREADS:
                with num_threads(threads), labelled((text, threads)):
                    check_same(every_result(*problem, names), expected, bits=True)


@examples(60)
@given(problems(max_batch=3), st.sampled_from(THREADS), st.integers(1, 3))
def test_any_number_of_threads_on_small_problems(problem: Problem, threads: int, widened: int) -> None:
    spec = fl.ConvSpec(**{**problem.spec.to_dict(), "out_channels": problem.spec.out_channels * widened * 5})
    x, weight, bias = normal_arrays(Problem(spec, problem.input_size, problem.batch, problem.seed), "float32")
    grad = normals(spec.output_shape(x.shape), problem.seed + 9, "float32")
    names = served(spec, x, NAMES)
    with num_threads(1):
        expected = every_result(spec, [x, weight, bias], grad, names)
    with num_threads(threads):
        check_same(every_result(spec, [x, weight, bias], grad, names), expected, bits=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_split_of_the_batch(dtype: str) -> None:
    for text, size in LAYERS:
        spec, (x, weight, bias), grad = arrays_of(text, size, dtype, batch=5)
        whole, whole_grad = fl.conv(spec, x, weight, bias), fl.conv_input_grad(spec, grad, weight, size)
        for cuts in ([1, 2, 3, 4], [2], [0, 4]):
            parts = np.split(x, cuts), np.split(grad, cuts)
            with labelled((text, cuts)):
                check_same(np.concatenate([fl.conv(spec, part, weight, bias) for part in parts[0]]), whole, bits=True)
                check_same(np.concatenate([fl.conv_input_grad(spec, part, weight, size) for part in parts[1]]), whole_grad, bits=True)
        check_same(fl.conv(spec, x[3], weight, bias), whole[3], bits=True)
        check_same(fl.conv(spec, x[::-2], weight, bias), whole[::-2].copy(), bits=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_way_of_calling(dtype: str) -> None:
    for text, size in LAYERS:
        spec, (x, weight, bias), _ = arrays_of(text, size, dtype)
        expected = fl.conv(spec, x, weight, bias)
        with labelled(text):
            for _ in range(3):
                check_same(fl.conv(spec, x, weight, bias), expected, bits=True)
                check_same(fl.conv(text, x, weight, bias), expected, bits=True)


@pytest.mark.parametrize("accuracy", ["default", "exact"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_way_of_planning(dtype: str, accuracy: str) -> None:
    """The same bits; those of a call that packs its weights may be others, within the bounds of both (decision 13)."""
    for text, size in LAYERS:
        spec, (x, weight, bias), _ = arrays_of(text, size, dtype)
        plan = fl.plan(spec, x.shape, dtype, accuracy=accuracy)
        prepared = plan.prepare(weight, bias)
        expected = plan(x, weight, bias)
        out = np.empty_like(expected)
        with labelled(text):
            for _ in range(3):
                check_same(prepared(x), expected, bits=True)
                assert prepared(x, out) is out
                check_same(out, expected, bits=True)
            check_same(prepared(x[:1]), expected[:1], bits=True)
            check_same(prepared(x[1]), expected[1], bits=True)
            check_same(prepared(x[:0]), expected[:0], bits=True)
            for shape, threads in ((x.shape, 3), (x[0].shape, None)):
                other = fl.plan(spec, shape, dtype, threads=threads, accuracy=accuracy)
                check_same(other(x, weight, bias), expected, bits=True)
            bounds = plan.error_bound + largest_bound(plan, spec, x, accuracy)
            called = fl.conv(spec, x, weight, bias, accuracy=accuracy)
            check_within(called, expected, bounds * magnitude(spec, x, weight, bias), dtype=expected.dtype)


def largest_bound(plan: fl.Plan, spec: fl.ConvSpec, x: np.ndarray, accuracy: str) -> float:
    """Of the algorithms that a call may take."""
    names = [decision.algorithm for decision in plan.why if decision.fits and not BY_NAME[decision.algorithm].by_request]
    return max(fl.plan(spec, x.shape, x.dtype, accuracy=accuracy, algorithm=name).error_bound for name in names)


def test_the_functions_are_the_spec() -> None:
    for text, size in LAYERS:
        spec, (x, weight, bias), _ = arrays_of(text, size, "float32")
        options = {"stride": spec.stride, "dilation": spec.dilation, "groups": spec.groups, "padding": spec.padding}
        if spec.transposed and spec.padding_mode != "zeros":
            continue
        if spec.transposed:
            found = getattr(fl, f"conv_transpose{spec.ndim}d")(x, weight, bias, **options)
        else:
            found = getattr(fl, f"conv{spec.ndim}d")(x, weight, bias, padding_mode=spec.padding_mode, **options)
        check_same(found, fl.conv(spec, x, weight, bias), bits=True)


def test_prepared_weights_are_a_copy() -> None:
    spec, (x, weight, bias), _ = arrays_of(*LAYERS[0], "float32")
    expected = fl.conv(spec, x, weight, bias)
    prepared = fl.plan(spec, x.shape).prepare(weight, bias)
    weight[...] = 0
    check_same(prepared(x), expected, bits=True)


@pytest.mark.parametrize("bias_shape", ["contiguous", "strided"])
def test_a_prepared_bias_is_a_copy(bias_shape: str) -> None:
    spec, (x, weight, bias), _ = arrays_of(*LAYERS[0], "float32")
    if bias_shape == "strided":
        bias = np.repeat(bias, 2)[::2]
    expected = fl.conv(spec, x, weight, bias)
    prepared = fl.plan(spec, x.shape).prepare(weight, bias)
    bias[...] = 0
    check_same(prepared(x), expected, bits=True)


def test_a_plan_is_not_changed_by_what_runs_through_it() -> None:
    spec = fl.ConvSpec(3, 20, 3, padding=1, ndim=2)
    plan = fl.plan(spec, (1, 3, 8, 8))
    first, second = plan.prepare(np.ones(spec.weight_shape, np.float32)), plan.prepare(np.full(spec.weight_shape, 2, np.float32))
    x = np.ones((1, 3, 8, 8), np.float32)
    y = first(x)
    check_same(second(x), 2 * y)
    check_same(first(x), y, bits=True)


TILED = [  # rows of tiles and blocks of 32 channels that no number of threads divides
    ("conv2d(7, 200, 3, padding=1)", (25, 18), 1),
    ("conv2d(7, 12, 3, padding=1)", (16, 16), 1),
    ("conv2d(5, 70, 3, padding=2, dilation=2)", (19, 21), 1),
    ("conv2d(5, 70, 3, padding=1)", (8, 7), 5),
    ("conv2d(6, 100, 3, stride=2, padding=1)", (49, 30), 1),
    ("conv2d(6, 100, 3, stride=2, padding=1, groups=2)", (49, 30), 3),
    ("conv_transpose2d(6, 100, 4, stride=2, padding=1)", (25, 17), 1),
    ("conv3d(4, 40, 3, padding=1)", (3, 9, 13), 1),
    ("conv1d(9, 130, 3)", (260,), 2),
]


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize(("text", "size", "batch"), TILED)
def test_tiles_shared_out(text: str, size: tuple[int, ...], batch: int, prepared: bool) -> None:
    spec, (x, weight, bias), _ = arrays_of(text, size, "float32", batch)
    plan = fl.plan(spec, x.shape, x.dtype, algorithm="winograd")
    compute = plan.prepare(weight, bias) if prepared else lambda x: plan(x, weight, bias)
    with num_threads(1):
        expected = compute(x)
    for threads in (2, 3, 4, 5, 6, 7, 16, 33):
        with num_threads(threads), labelled(threads):
            check_same(compute(x), expected)


LAID = {
    "negative strides": reversed_axes,
    "transposed in memory": np.asfortranarray,
    "channels last": channels_last,
    "every other cell": every_other,
    "read-only": lambda array: np.broadcast_to(array, array.shape),
}
BY_STRIDES = [
    *LAYERS[:5],
    ("conv2d(16, 16, 3, padding=6, dilation=6)", (14, 14)),
    ("conv2d(24, 24, 3, padding=1, groups=6)", (17, 23)),
    ("conv_transpose2d(24, 18, 4, stride=2, padding=1)", (9, 11)),
]


@pytest.mark.parametrize("name", QUICK)
def test_any_strides_by_every_algorithm(name: str) -> None:
    """Of inputs, weights and results, and cells that stand for many by a stride of 0."""
    for text, size in BY_STRIDES:
        spec, (x, weight, bias), _ = arrays_of(text, size, "float32", batch=2)
        if not served(spec, x, [name]):
            continue
        plan = fl.plan(spec, x.shape, algorithm=name)
        expected = plan(x, weight, bias)
        prepared = plan.prepare(weight, bias)
        for layout, lay in LAID.items():
            with labelled((text, layout)):
                check_same(plan(lay(x), lay(weight), bias), expected, bits=True)
                if layout != "read-only":
                    out = lay(np.zeros_like(expected))
                    assert prepared(x, out) is out
                    check_same(out, expected, bits=True)
        for place in ((0, 0, 0), (slice(None), 0, 0)):
            few = x[(*place[:2], *(0,) * spec.ndim)].reshape((-1, 1, *(1,) * spec.ndim))
            repeated = np.broadcast_to(few, x.shape)
            with labelled((text, place)):
                check_same(plan(repeated, weight, bias), plan(repeated.copy(), weight, bias), bits=True)


@pytest.mark.parametrize("entry", GRADIENTS, ids=lambda entry: entry.name)
def test_weight_gradients_by_every_algorithm(entry: GradientAlgorithm) -> None:
    """Of any strides, on any number of threads, written anywhere."""
    tried = 0
    for text, size in BY_STRIDES:
        spec, (x, _, _), grad = arrays_of(text, size, "float32", batch=2)
        problem = gradient_problem(spec, size)
        if entry.refusal(problem, "float32") is not None or (entry.name == "general" and tried):
            continue
        tried += 1
        kernel = WeightGradient(entry.name, "float32", available_isas()[-1], native_problem(problem))
        shape = (problem.groups, problem.out_channels, problem.in_channels, *problem.kernel_size)

        def grouped(array: np.ndarray, groups: int = spec.groups) -> np.ndarray:
            return array.reshape(len(array), groups, -1, *array.shape[2:])

        large, small = (grouped(array) for array in ((grad, x) if spec.transposed else (x, grad)))
        expected = np.zeros(shape, np.float32)
        kernel.run(large, small, expected, 1)
        for layout, lay in LAID.items():
            for threads in (1, *THREADS):
                result = np.zeros(shape, np.float32) if layout == "read-only" else lay(np.zeros(shape, np.float32))
                kernel.run(lay(large), lay(small), result, threads)
                with labelled((text, layout, threads)):
                    check_same(result, expected, bits=True)
    assert tried


def test_gradients_of_any_strides_on_threads() -> None:
    for text, size in LAYERS:
        spec, (x, weight, _), grad = arrays_of(text, size, "float32")
        with num_threads(1):
            expected = fl.conv_input_grad(spec, grad, weight, size), fl.conv_weight_grad(spec, x, grad)
        for layout, lay in LAID.items():
            with num_threads(3), labelled((text, layout)):
                found = fl.conv_input_grad(spec, lay(grad), lay(weight), size), fl.conv_weight_grad(spec, lay(x), lay(grad))
                check_same(found, expected, bits=True)
