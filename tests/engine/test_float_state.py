"""How the calling thread rounds, and whether denormals count there, changes no result; and calls leave both as they were.

By default denormal numbers count as zero, in whatever thread, and with accuracy="exact" they count.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import faltung as fl
from faltung import reference
from faltung.engine.native import FloatState, available_isas
from tests.support.check import check_same
from tests.support.engine import forced_isa, labelled, normals, num_threads, served

LAYERS = [
    ("conv2d(16, 40, 3, padding=1)", (17, 23)),
    ("conv2d(40, 33, 1)", (17, 23)),
    ("conv2d(24, 24, 3, padding=1, groups=24)", (17, 23)),
    ("conv2d(8, 8, 3, padding=3, dilation=3)", (12, 12)),
    ("conv2d(2, 2, 15, padding=7, groups=2)", (30, 33)),
    ("conv_transpose2d(24, 18, 4, stride=2, padding=1, padding_mode='circular')", (9, 11)),
]
UPWARD = {"x86_64": 0x800, "aarch64": 0x400000}.get(platform.machine())
State = Callable[[], contextlib.AbstractContextManager[None]]
is_known = pytest.mark.skipif(UPWARD is None, reason="how this processor is told to round upwards is not known here")


@contextlib.contextmanager
def rounding_upwards() -> Iterator[None]:
    """As C's fesetround."""
    libm = ctypes.CDLL(None)
    before = libm.fegetround()
    assert libm.fesetround(UPWARD) == 0
    try:
        assert np.float64(1) / np.float64(3) > 0.33333333333333333
        yield
        assert libm.fegetround() == UPWARD
    finally:
        libm.fesetround(before)


@contextlib.contextmanager
def denormals_as_zero() -> Iterator[None]:
    with FloatState(flushes_denormals=True):
        tiny = np.full(4, 1e-310)
        assert (tiny * 0.5 == 0).all()
        yield
        assert (tiny * 0.5 == 0).all()


def results_in(state: State, text: str, size: tuple[int, ...], dtype: str) -> list[np.ndarray]:
    """Forward by every algorithm and both gradients, of normal numbers and some denormal ones; the arrays are made as usual."""
    spec = fl.ConvSpec.parse(text)
    x, weight = normals((2, spec.in_channels, *size), 1, dtype), normals(spec.weight_shape, 2, dtype)
    grad = normals(spec.output_shape(x.shape), 3, dtype)
    part = x.real.dtype
    x[:, ::3] *= part.type(np.finfo(part).tiny / 4)
    names = served(spec, x)
    results = []
    with state():
        results += [fl.plan(spec, x.shape, dtype, algorithm=name)(x, weight) for name in names]
        for accuracy in ("default", "exact"):
            results += [
                fl.conv(spec, x, weight, accuracy=accuracy),
                fl.conv_input_grad(spec, grad, weight, size, accuracy=accuracy),
                fl.conv_weight_grad(spec, x, grad, accuracy=accuracy),
            ]
    return results


@is_known
@pytest.mark.parametrize("state", [rounding_upwards, denormals_as_zero])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "float16"])
def test_the_callers_state_changes_nothing(dtype: str, state: State) -> None:
    for text, size in LAYERS[:: 1 if dtype in ("float32", "float64") else 2]:
        with num_threads(1):
            expected = results_in(contextlib.nullcontext, text, size, dtype)
        with labelled(text), num_threads(2):
            check_same(results_in(state, text, size, dtype), expected, bits=True)


@is_known
@pytest.mark.parametrize("state", [rounding_upwards, denormals_as_zero])
def test_workers_compute_as_usual_whoever_started_them(state: State) -> None:
    """Threads inherit the state of whoever starts them; more are started here than any test before has asked for."""
    spec = fl.ConvSpec.parse("conv2d(32, 64, 3, padding=1)")
    x, weight = normals((2, 32, 40, 40), 1, "float32"), normals(spec.weight_shape, 2, "float32")
    plan = fl.plan(spec, x.shape, algorithm="direct")
    with num_threads(1):
        expected = plan(x, weight)
    with num_threads(12 if state is rounding_upwards else 13):
        with state():
            check_same(plan(x, weight), expected, bits=True)
        check_same(plan(x, weight), expected, bits=True)


@is_known
@pytest.mark.parametrize("state", [rounding_upwards, denormals_as_zero])
def test_filters_of_plain_arrays(state: State) -> None:
    image = normals((70, 90), 1, "float32")
    image[::3] *= np.float32(1e-39)
    expected = fl.ndimage.gaussian_filter(image, 1.5), fl.ndimage.uniform_filter(image, 5)
    with state():
        found = fl.ndimage.gaussian_filter(image, 1.5), fl.ndimage.uniform_filter(image, 5)
    check_same(found, expected, bits=True)


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_denormals_count_as_zero_by_default(dtype: str, isa: str) -> None:
    with forced_isa(isa):
        for text, size in LAYERS:
            spec = fl.ConvSpec.parse(text)
            x = np.full((1, spec.in_channels, *size), np.finfo(dtype).tiny / 2, dtype)
            weight = np.full(spec.weight_shape, 8, dtype)
            zeros = np.zeros(spec.output_shape(x.shape), dtype)
            with labelled(text):
                for name in served(spec, x):
                    check_same(fl.plan(spec, x.shape, dtype, algorithm=name)(x, weight) + 0, zeros)
                check_same(fl.conv_input_grad(spec, np.full_like(zeros, x.flat[0]), weight, size), np.zeros_like(x))
                check_same(fl.conv_weight_grad(spec, x, zeros + 8), np.zeros_like(weight))


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_denormals_count_where_it_is_to_be_exact(dtype: str, isa: str) -> None:
    """Multiples of the smallest number, so that sums are exact."""
    least = np.finfo(dtype).smallest_subnormal
    with forced_isa(isa):
        for text, size in LAYERS:
            spec = fl.ConvSpec.parse(text)
            wide = np.result_type(dtype, np.float64)
            x, weight = normals((1, spec.in_channels, *size), 1, wide), normals(spec.weight_shape, 2, wide)
            grad = normals(spec.output_shape(x.shape), 3, wide)
            x, weight, grad = (np.rint(3 * array) for array in (x, weight, grad))
            tiny_x, tiny_grad = ((array * least).astype(dtype) for array in (x, grad))
            with labelled(text):
                forward = fl.conv(spec, x, weight, accuracy="exact")
                check_same(fl.conv(spec, tiny_x, weight.astype(dtype), accuracy="exact"), (forward * least).astype(dtype))
                back = fl.conv_input_grad(spec, grad, weight, size, accuracy="exact")
                check_same(fl.conv_input_grad(spec, tiny_grad, weight.astype(dtype), size, accuracy="exact"), (back * least).astype(dtype))
                of_weight = fl.conv_weight_grad(spec, x, grad, accuracy="exact")
                check_same(fl.conv_weight_grad(spec, tiny_x, grad.astype(dtype), accuracy="exact"), (of_weight * least).astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_infinity_times_a_denormal_number(dtype: str) -> None:
    """The definition's infinity under accuracy="exact" and in half precision; else, of direct sums, as infinity times zero."""
    large, small = np.full((1, 3, 6, 8), np.inf, dtype), np.full((4, 3, 3, 3), np.finfo(dtype).smallest_subnormal, dtype)
    defined = np.full((1, 4, 4, 6), np.inf, dtype)
    for x, weight in ((large, small), (np.full_like(large, small.flat[0]), np.full_like(small, np.inf))):
        check_same(fl.conv2d(x, weight, accuracy="exact"), defined)
        by_default = fl.plan("conv2d(3, 4, 3)", x.shape, dtype, algorithm="direct")(x, weight)
        check_same(by_default, defined if dtype == "float16" else np.full_like(defined, np.nan))


@pytest.mark.parametrize("isa", available_isas())
def test_denormals_of_half_precision_are_normal_numbers_in_sums(isa: str) -> None:
    spec = fl.ConvSpec.parse("conv2d(3, 20, 3, padding=1)")
    rng = np.random.default_rng(1)
    whole, weight = rng.integers(-4, 5, (2, 3, 9, 11)), rng.integers(-4, 5, spec.weight_shape)
    x = (whole * 2.0**-24).astype("float16")
    expected = (reference.conv(spec, whole, weight) * 2.0**-24).astype("float16")
    with forced_isa(isa):
        check_same(fl.conv(spec, x, weight.astype("float16")), expected)
        check_same(fl.conv(spec, x, weight.astype("float16"), accuracy="exact"), expected)
        check_same(fl.conv(spec, whole.astype("float16"), (weight * 2.0**-24).astype("float16")), expected)
        grouped = fl.ConvSpec.parse("conv2d(3, 3, 3, padding=1, groups=3)")
        expected = (reference.conv(grouped, whole, weight[:3, :1]) * 2.0**-24).astype("float16")
        check_same(fl.conv(grouped, x, weight[:3, :1].astype("float16")), expected)
