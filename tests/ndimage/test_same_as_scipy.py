"""SciPy's bits where doubles are summed in SciPy's order; a stated bound elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faltung import ndimage

scipy_ndimage = pytest.importorskip("scipy.ndimage")

INTEGERS = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
MODES = ["reflect", "mirror", "nearest", "wrap", "constant", "grid-wrap", "grid-mirror", "grid-constant"]


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    if dtype[0] in "bui":
        return rng.integers(0, 2 if dtype == "bool" else 120, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def assert_same_bits(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if found.dtype == bool:
        expected = expected.view(np.uint8) != 0
    np.testing.assert_array_equal(found, expected)


def assert_close(found: NDArray[Any], expected: NDArray[Any], weights: NDArray[Any]) -> None:
    """Numbers of size 1, within the bound of any plan."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=64 * np.finfo(found.dtype).eps * float(abs(weights).sum()) * 4)


WEIGHTS = {
    "symmetric": np.array([0.1, 0.25, 0.3, 0.25, 0.1]),
    "antisymmetric": np.array([-0.3, -0.7, 0.0, 0.7, 0.3]),
    "other": np.array([0.5, -0.25, 1.75, 0.1, 0.7]),
    "even": np.array([0.5, -0.25, 1.75, 0.1]),
    "long": np.hanning(23)[1:-1],
    "one": np.array([0.75]),
}


@pytest.mark.parametrize("dtype", [*INTEGERS, "float64"])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_one_axis(dtype: str, weights: str) -> None:
    taps = WEIGHTS[weights]
    for shape in ((41, 3), (5, 70), (3, 38, 17), (1, 1)):
        x = numbers(shape, dtype)
        for axis in range(len(shape)):
            for mode in MODES:
                arguments = {"axis": axis, "mode": mode, "cval": 2.5, "origin": -(len(taps) // 4)}
                assert_same_bits(ndimage.correlate1d(x, taps, **arguments), scipy_ndimage.correlate1d(x, taps, **arguments))


@pytest.mark.parametrize("stored", [*INTEGERS, "float32", "float64"])
def test_every_dtype_into_every_other(stored: str) -> None:
    for dtype in INTEGERS:
        x = numbers((9, 33), dtype)
        for taps in (WEIGHTS["symmetric"], [-1, 0, 1], [1, 2, 1], [1, -2.5, 1, 3]):
            expected = scipy_ndimage.correlate1d(x, taps, output=np.dtype(stored))
            found = ndimage.correlate1d(x, taps, output=np.dtype(stored))
            if stored == "float32":
                np.testing.assert_allclose(found, expected, rtol=0, atol=7 * 2.0**-24 * 3.5 * 2 * 120)
            else:
                assert_same_bits(found, expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float64"])
@pytest.mark.parametrize("shape", [(50, 67), (4, 30, 20), (31, 24, 3), (2, 3, 4, 37)])
def test_filters_of_all_axes(dtype: str, shape: tuple[int, ...]) -> None:
    x = numbers(shape, dtype)
    modes = [MODES[axis] for axis in range(len(shape))]
    for name, arguments in {
        "gaussian_filter": {"sigma": 1.4, "mode": modes, "cval": 3.0},
        "sobel": {"axis": 0, "mode": modes},
        "prewitt": {"axis": -1, "mode": "wrap"},
        "laplace": {"mode": modes},
        "gaussian_laplace": {"sigma": 0.8},
        "gaussian_gradient_magnitude": {"sigma": [1.1] * len(shape), "mode": "mirror"},
    }.items():
        with np.errstate(invalid="ignore"):
            expected = getattr(scipy_ndimage, name)(x, **arguments)
            found = getattr(ndimage, name)(x, **arguments)
        assert_same_bits(found, expected)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("size", [1, 2, 3, 8, 13, 30])
def test_means_of_integers(dtype: str, size: int) -> None:
    for shape in ((60, 45), (3, 20, 40)):
        x = numbers(shape, dtype)
        for mode in MODES[:5]:
            for stored in (None, np.float64, np.int32):
                arguments = {"size": size, "mode": mode, "cval": 1.0, "origin": (size - 1) // 2, "output": stored}
                found, expected = ndimage.uniform_filter(x, **arguments), scipy_ndimage.uniform_filter(x, **arguments)
                if stored is np.float64:  # the second axis has no integers
                    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-12)
                else:
                    assert_same_bits(found, expected)


@pytest.mark.parametrize("cval", [0.3, -7.0, 254.5, 1e5, 1e9])
def test_whatever_stands_beyond_small_integers(cval: float) -> None:
    for dtype in ("uint8", "int16"):
        x = numbers((21, 20), dtype)
        for call in (
            lambda module, x=x: module.uniform_filter(x, 4, mode="constant", cval=cval),
            lambda module, x=x: module.sobel(x, mode="constant", cval=cval),
            lambda module, x=x: module.correlate1d(x, [1, 2, 3, 4], mode="constant", cval=cval),
            lambda module, x=x: module.correlate(x, np.arange(225.0).reshape(15, 15), mode="constant", cval=cval),
        ):
            with np.errstate(invalid="ignore"):
                assert_same_bits(call(ndimage), call(scipy_ndimage))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [2, 3, 5, 51])
def test_means_of_floats(dtype: str, size: int) -> None:
    x = numbers((90, 75), dtype)
    eps = np.finfo(dtype).eps / 2
    for axis in (0, 1):
        expected = scipy_ndimage.uniform_filter1d(x.astype(np.longdouble).astype(np.float64), size, axis)
        bound = (2 * np.log2(size) + 1) * eps * scipy_ndimage.uniform_filter1d(abs(x).astype(np.float64), size, axis) + 1e-13
        assert np.all(abs(ndimage.uniform_filter1d(x, size, axis) - expected) <= bound)


@pytest.mark.parametrize("taps", [3, 31])
def test_float32_keeps_its_bound(taps: int) -> None:
    x = numbers((70, 90), "float32")
    for weights in (np.hanning(taps + 2)[1:-1], np.random.default_rng(1).standard_normal(taps)):
        for axis in (0, 1):
            expected = scipy_ndimage.correlate1d(x.astype(np.float64), weights, axis)
            size = scipy_ndimage.correlate1d(abs(x).astype(np.float64), abs(weights), axis)
            found = ndimage.correlate1d(x, weights, axis)
            assert found.dtype == np.float32
            assert np.all(abs(found - expected) <= (taps + 2) * 2.0**-24 * size)


@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64"])
def test_kernels_of_several_axes(dtype: str) -> None:
    kernel = np.random.default_rng(2).standard_normal((3, 4, 5))
    kernel[1, 2] = 0  # no taps at all
    for shape, weights in (((40, 37), kernel[0]), ((5, 6, 33), kernel), ((1, 3, 2), kernel), ((29,), kernel[0, 0])):
        x = numbers(shape, dtype)
        for mode in MODES[:5]:
            for name in ("correlate", "convolve"):
                arguments = {"mode": mode, "cval": -1.5, "origin": [(size - 1) // 2 for size in weights.shape]}
                with np.errstate(invalid="ignore"):
                    expected = getattr(scipy_ndimage, name)(x, weights, **arguments)
                found = getattr(ndimage, name)(x, weights, **arguments)
                if dtype[0] == "f":
                    assert_close(found, expected, weights)
                else:
                    assert_same_bits(found, expected)


@pytest.mark.parametrize("name", ["correlate", "convolve"])
def test_some_axes(name: str) -> None:
    x, kernel = numbers((6, 20, 31), "float64"), np.arange(12.0).reshape(3, 4)
    for axes in ((0, 1), (1, 2), (0, 2), (2, 0), (-1, 1)):
        arguments = {"axes": axes, "origin": (1, -1), "mode": "nearest"}
        assert_close(getattr(ndimage, name)(x, kernel, **arguments), getattr(scipy_ndimage, name)(x, kernel, **arguments), kernel)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_kernels_and_colours(dtype: str) -> None:
    rng = np.random.default_rng(4)
    for shape, kernel_size in (((70, 61), (31, 31)), ((40, 50, 3), (7, 9, 1)), ((5, 44, 50), (1, 5, 5)), ((6, 30, 4, 20), (1, 3, 1, 5))):
        x, kernel = numbers(shape, dtype), rng.standard_normal(kernel_size)
        for mode in MODES[:5]:
            expected = scipy_ndimage.correlate(x.astype(np.float64), kernel, mode=mode, cval=0.5)
            found = ndimage.correlate(x, kernel, mode=mode, cval=0.5)
            assert found.dtype == dtype
            assert_close(found, expected, kernel)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_large_kernels_of_integers(dtype: str) -> None:
    """Whether their sums are far from whole numbers, are all whole, or are close to one somewhere."""
    rng = np.random.default_rng(8)
    flat = np.full((40, 61), 117).astype(dtype)
    for x in (numbers((40, 61), dtype), flat):
        for kernel in (rng.random((13, 15)) / 100, rng.integers(-3, 4, (15, 13)), np.full((15, 15), 1 / 225), np.full((13, 13), 0.5)):
            for mode, cval in (("reflect", 0.0), ("constant", 7.0), ("constant", 0.3)):
                with np.errstate(invalid="ignore"):
                    expected = scipy_ndimage.correlate(x, kernel, mode=mode, cval=cval)
                assert_same_bits(ndimage.correlate(x, kernel, mode=mode, cval=cval), expected)


def test_the_engines_sums_differ_from_scipys_by_less_than_is_allowed() -> None:
    footprints = pytest.importorskip("faltung.ndimage.footprints")
    x, rng = numbers((200, 150), "uint16"), np.random.default_rng(9)
    for kernel in (rng.random((31, 31)), np.outer(np.hanning(23), np.hanning(19)), rng.standard_normal((13, 13))):
        exact = scipy_ndimage.correlate(x.astype(np.float64), kernel)
        off = abs(ndimage.correlate(x.astype(np.float64), kernel) - exact).max()
        assert 16 * off < footprints.ROUNDING * kernel.size * abs(kernel).sum() * 2**16


def test_weights_of_zero_leave_out_what_is_no_number() -> None:
    x = numbers((30, 41), "float64")
    x[10, 20], x[3, 3] = np.nan, np.inf
    disk = np.hypot(*np.mgrid[-4:5, -4:5]) <= 3.5
    expected = scipy_ndimage.correlate(x, disk)
    found = ndimage.correlate(x, disk)
    assert np.array_equal(np.isfinite(found), np.isfinite(expected))
    np.testing.assert_allclose(found[np.isfinite(found)], expected[np.isfinite(expected)], atol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda module, x, out: module.gaussian_filter(x, 1.3, output=out),
        lambda module, x, out: module.correlate1d(x, [1, 3, -1], axis=0, output=out),
        lambda module, x, out: module.prewitt(x, axis=0, output=out),
        lambda module, x, out: module.correlate(x, np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), output=out),
        lambda module, x, out: module.sobel(x, output=out),
    ],
)
def test_output_in_place_and_of_any_strides(call: Any) -> None:
    for dtype in ("int32", "float64"):
        whole = numbers((40, 66), dtype)
        for view in (np.s_[:], np.s_[::2, ::-1], np.s_[5:30, 3:61], np.s_[:, 1:2], np.s_[3:3]):
            x = whole.copy()[view]
            expected = call(scipy_ndimage, x.copy(), None)
            assert_same_bits(call(ndimage, x, None), expected)
            out = np.zeros((80, 132), dtype)[::-2, ::2][: x.shape[0], : x.shape[1]]
            assert call(ndimage, x, out) is out
            assert_same_bits(np.array(out), expected)
            swapped = np.zeros(x.shape, np.dtype(dtype).newbyteorder())
            call(ndimage, x.astype(swapped.dtype), swapped)
            np.testing.assert_array_equal(swapped, expected)
            unaligned = np.frombuffer(bytearray(x.nbytes + 1), np.uint8)[1:].view(dtype).reshape(x.shape)
            call(ndimage, np.asfortranarray(x), unaligned)
            np.testing.assert_array_equal(unaligned, expected)
            call(ndimage, x, x)
            assert_same_bits(np.array(x), expected)


def test_a_gaussian_has_scipys_taps() -> None:
    kernel1d = pytest.importorskip("scipy.ndimage._filters")._gaussian_kernel1d
    smoothing = pytest.importorskip("faltung.ndimage.smoothing")
    for sigma in (0.3, 1.0, 2.5, 20.0):
        for order in (0, 1, 2, 3, 4):
            radius = int(4 * sigma + 0.5)
            found = smoothing.gaussian_weights(sigma, order, 4.0, None)
            np.testing.assert_allclose(found, kernel1d(sigma, order, radius)[::-1], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("axes", [(1, 0), (-1, 0), (0, 1), (1,)])
def test_sigmas_of_axes_in_another_order(axes: tuple[int, ...]) -> None:
    """Of a Laplacian they belong to the axes as named, unless all axes are: then to the first, the second, and so on."""
    x = np.random.default_rng(0).integers(-99, 99, (9, 11))
    sigma = (1, 4)[: len(axes)]
    ours, theirs = (module.gaussian_laplace(x, sigma, axes=axes) for module in (ndimage, scipy_ndimage))
    np.testing.assert_array_equal(ours, theirs)
