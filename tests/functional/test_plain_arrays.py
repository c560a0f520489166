"""`fl.correlate` and `fl.convolve` of plain arrays against SciPy's, every mode, every border."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from tests.support.check import check_error, check_same
from tests.support.engine import examples
from tests.support.strategies import integers_of_shape

MODES = ["valid", "same", "full"]
BOUNDARIES = {"zeros": "constant", "circular": "grid-wrap", "reflect": "mirror", "replicate": "nearest", "symmetric": "reflect"}


@st.composite
def signals(draw: st.DrawFn, dtypes: list[str], largest_kernel: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """A signal and a kernel no larger along any axis."""
    ndim = draw(st.integers(1, 3))
    kernel = draw(st.tuples(*[st.integers(1, largest_kernel if ndim < 3 else 3)] * ndim))
    size = tuple(cells + draw(st.integers(0, 4)) for cells in kernel)
    dtype, seed = draw(st.sampled_from(dtypes)), draw(st.integers(4, 2**16))
    return integers_of_shape(size, seed, dtype), integers_of_shape(kernel, seed + 1, dtype)


@pytest.mark.parametrize("mode", MODES)
@examples(80)
@given(arrays=signals(["int64", "float64", "float32", "complex128", "complex64"]))
def test_the_same_as_scipy(mode: str, arrays: tuple[np.ndarray, np.ndarray]) -> None:
    check_same(fl.correlate(*arrays, mode), scipy.signal.correlate(*arrays, mode, method="direct"))
    check_same(fl.convolve(*arrays, mode), scipy.signal.convolve(*arrays, mode, method="direct"))


@pytest.mark.parametrize("mode", ["same", "full"])
def test_the_kernel_may_be_larger_than_the_signal(mode: str) -> None:
    short, long = np.array([1, 2]), np.array([1, 10, 100, 1000, 10000])
    check_same(fl.correlate(short, long, mode), scipy.signal.correlate(short, long, mode))
    check_same(fl.convolve(short, long, mode), scipy.signal.convolve(short, long, mode))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@examples(60)
@given(arrays=signals(["int64", "float64"]))
def test_the_same_borders_as_scipy(boundary: str, arrays: tuple[np.ndarray, np.ndarray]) -> None:
    x, kernel = arrays
    check_same(fl.correlate(x, kernel, "same", boundary), scipy.ndimage.correlate(x, kernel, mode=BOUNDARIES[boundary]))
    # scipy.ndimage.convolve centres an even kernel elsewhere than scipy.signal does.
    check_same(fl.convolve(x, np.flip(kernel), "same", boundary), scipy.ndimage.correlate(x, kernel, mode=BOUNDARIES[boundary]))


@given(signals(["int8", "uint8", "bool", "float16"]))
def test_dtypes_follow_the_package(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    wide = [array.astype("float64") for array in arrays]
    result = {"i": "int64", "u": "uint64", "b": "int64", "f": "float16"}[arrays[0].dtype.kind]
    check_same(fl.convolve(*arrays, "full"), fl.convolve(*wide, "full").astype(result))


def test_correlate_conjugates_and_convolve_does_not() -> None:
    check_same(fl.correlate([1.0, 2.0], [1j]), np.array([-1j, -2j]))
    check_same(fl.convolve([1.0, 2.0], [1j]), np.array([1j, 2j]))


def test_the_defaults_are_valid_and_zeros() -> None:
    x, kernel = np.arange(5), np.array([1, 1])
    check_same(fl.correlate(x, kernel), np.array([1, 3, 5, 7]))
    check_same(fl.correlate(x, kernel, mode="full"), fl.correlate(x, kernel, "full", "zeros"))


ERRORS = {
    "axes": (
        lambda: fl.correlate(np.ones((3, 3)), np.ones(3)),
        fl.ConvShapeError,
        "x has shape (3, 3) and kernel (3,): 2 and 1 axes.\n"
        "  Both need the same number of axes, at least 1; add axes of size 1 to the kernel.",
    ),
    "no axes": (
        lambda: fl.convolve(2, 3),
        fl.ConvShapeError,
        "x has shape () and kernel (): 0 and 0 axes.\n  Both need the same number of axes, at least 1; add axes of size 1 to the kernel.",
    ),
    "empty kernel": (
        lambda: fl.correlate(np.ones(3), np.ones(0)),
        fl.ConvShapeError,
        "kernel has shape (0,): an axis of size 0 leaves nothing to sum.\n  Give at least one tap per axis.",
    ),
    "kernel too large": (
        lambda: fl.correlate(np.ones(3), np.ones(4)),
        fl.ConvShapeError,
        "no output along axis 0: floor((3 + 0 + 0 - 1*(4-1) - 1) / 1) + 1 = 0.\n"
        "  Input plus padding must be at least 4, it is 3. Add 1 of padding, or use a kernel of 3 or less.",
    ),
    "mode": (
        lambda: fl.correlate(np.ones(3), np.ones(2), mode="ful"),
        fl.ConvSpecError,
        "mode='ful' is not known.\n  Did you mean 'full'? Known: 'valid', 'same', 'full'.",
    ),
    "boundary": (
        lambda: fl.correlate(np.ones(3), np.ones(2), boundary="wrap"),
        fl.ConvSpecError,
        "padding_mode='wrap' is not known.\n  Known: 'zeros', 'circular', 'reflect', 'replicate', 'symmetric'.",
    ),
    "dtype": (
        lambda: fl.correlate(np.ones(3), "ab"),
        fl.ConvTypeError,
        "kernel has dtype <U2, which cannot be convolved.\n  Convert it with astype. "
        "Served: bool, integers, float16, bfloat16, float32, float64, complex64, complex128.",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what: str) -> None:
    check_error(*ERRORS[what])
