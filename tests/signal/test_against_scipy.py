"""Ours against SciPy's own functions over shapes, modes, borders, dtypes, axes and errors drawn at random."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faltung import signal
from faltung.errors import ConvError, ConvTypeError

Array = NDArray[Any]

DTYPES = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16", ">f4", ">i2")
MODES = ("full", "same", "valid")


def drawn(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Numbers of a dtype, of either sign where it has one."""
    kind = np.dtype(dtype)
    if kind.kind in "biu":
        return rng.integers(-100 if kind.kind == "i" else 0, 2 if kind.kind == "b" else 100, shape).astype(dtype)
    found = rng.standard_normal(shape)
    return (found + 1j * rng.standard_normal(shape)).astype(dtype) if kind.kind == "c" else found.astype(dtype)


def laid(draw: st.DrawFn, array: Array) -> Array:
    """The same numbers, lying in memory in another way."""
    match draw(st.integers(0, 3)):
        case 0:
            return array[tuple(slice(None, None, -1) for _ in array.shape)]
        case 1:
            return np.asfortranarray(array)
        case 2:
            wide = np.repeat(array, 2, axis=-1)
            wide.flags.writeable = False
            return wide[..., ::2]
    return array


@st.composite
def pairs(draw: st.DrawFn, ndims: st.SearchStrategy[int]) -> tuple[Array, Array]:
    """Two arrays of as many axes."""
    ndim, rng = draw(ndims), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    most = (60, 14, 6)[ndim - 1]
    first, second = (tuple(draw(st.lists(st.integers(1, most), min_size=ndim, max_size=ndim))) for _ in range(2))
    dtype = draw(st.sampled_from(DTYPES))
    other = draw(st.sampled_from(DTYPES)) if draw(st.booleans()) else dtype
    return laid(draw, drawn(rng, first, dtype)), laid(draw, drawn(rng, second, other))


def outcome(function: Any, *arguments: Any) -> Any:
    """The result, or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*arguments)
        except Exception as error:  # noqa: BLE001 - any of them is compared
            return error


def check_alike(name: str, first: Array, second: Array, *options: Any) -> None:
    """Ours is what SciPy's is: result within rounding, dtype, shape; or an error of a class of its error."""
    theirs, ours = (outcome(getattr(module, name), first, second, *options) for module in (scipy.signal, signal))
    if isinstance(theirs, Exception):
        # Half precision along several axes is served by SciPy where it takes a transform, by us always.
        assume(not (np.result_type(first, second) == np.float16 and not isinstance(ours, Exception)))
        assert isinstance(ours, ConvError), f"{theirs!r}; here {ours!r}"
        assert isinstance(ours, ValueError if isinstance(theirs, ValueError) else type(theirs)), f"{theirs!r}; here {ours!r}"
        return
    assert not isinstance(ours, Exception), repr(ours)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    if theirs.dtype.kind in "iu":
        np.testing.assert_array_equal(ours, theirs)
    elif theirs.dtype.kind != "b" or "fft" not in options:  # there SciPy takes rounding for true
        unit = max(np.finfo(each).eps for each in (first.dtype, second.dtype, theirs.dtype, np.float64) if np.dtype(each).kind in "fc")
        scale = np.abs(first.astype(complex)).max() * np.abs(second.astype(complex)).max() * min(first.size, second.size)
        np.testing.assert_allclose(ours.astype(complex), theirs.astype(complex), rtol=0, atol=30 * unit * max(scale, 1))


@given(
    pairs(st.integers(1, 3)), st.sampled_from(("convolve", "correlate")), st.sampled_from(MODES), st.sampled_from(("auto", "direct", "fft"))
)
def test_convolve_and_correlate(arrays: tuple[Array, Array], name: str, mode: str, method: str) -> None:
    check_alike(name, *arrays, mode, method)


@given(
    pairs(st.just(2)), st.sampled_from(("convolve2d", "correlate2d")), st.sampled_from(MODES), st.sampled_from(("fill", "wrap", "symm")),
    st.sampled_from((0, 1, 2.5, -3)),
)  # fmt: skip
def test_images(arrays: tuple[Array, Array], name: str, mode: str, boundary: str, fill: float) -> None:
    check_alike(name, *arrays, mode, boundary, fill)


@given(pairs(st.integers(1, 3)), st.sampled_from(("fftconvolve", "oaconvolve")), st.sampled_from(MODES), st.data())
def test_along_some_axes(arrays: tuple[Array, Array], name: str, mode: str, data: st.DataObject) -> None:
    first, second = arrays
    axes = data.draw(st.none() | st.lists(st.integers(-first.ndim, first.ndim - 1), min_size=1, max_size=first.ndim))
    if axes is not None and data.draw(st.booleans()):  # of shapes that fit
        for axis in {axis % first.ndim for axis in range(first.ndim)} - {axis % first.ndim for axis in axes}:
            size = first.shape[axis] if data.draw(st.booleans()) else 1
            second = np.resize(second, (*second.shape[:axis], size, *second.shape[axis + 1 :]))
        first, second = (second, first) if data.draw(st.booleans()) else (first, second)
    check_alike(name, first, second, mode, axes)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("taps", [2, 7, 50, 400, 1500, 4000])
def test_lengths(taps: int, is_complex: bool) -> None:
    rng = np.random.default_rng(taps)
    for cells in (1, 49, 399, 1500, 2999, 8192):
        for dtype in ("f4", "f8"):
            x, h = (rng.standard_normal(count) + (1j * rng.standard_normal(count) if is_complex else 0) for count in (cells, taps))
            x, h = (
                each.astype(np.result_type(dtype, each) if is_complex and dtype == "f8" else "c8" if is_complex else dtype)
                for each in (x, h)
            )
            for mode in MODES:
                check_alike("oaconvolve", x, h, mode)
                check_alike("correlate", x, h, mode)


@pytest.mark.parametrize("dtype", ["f4", "c8", "f8", "c16"])
@pytest.mark.parametrize(("first", "second", "axes"), [
    ((5, 3000), (1, 100), 1), ((5, 3000), (5, 100), 1), ((1, 3000), (6, 100), 1), ((3000, 5), (300, 1), 0),
    ((3, 200, 90), (1, 20, 90), (1, 2)), ((200, 3, 90), (20, 3, 9), (0, 2)), ((90, 200), (80, 190), (0, 1)),
    ((700, 300), (5, 200), (0, 1)), ((40, 41, 42), (6, 5, 4), (0, 1, 2)),
])  # fmt: skip
def test_blocks(first: tuple[int, ...], second: tuple[int, ...], axes: int | tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(7)
    for mode in MODES:
        check_alike("fftconvolve", drawn(rng, first, dtype), drawn(rng, second, dtype), mode, axes)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "c16"])
@pytest.mark.parametrize("ndim", [5, 7, 9])
def test_many_axes(ndim: int, dtype: str) -> None:
    rng = np.random.default_rng(ndim)
    first, second = drawn(rng, (3,) * 3 + (2,) * (ndim - 3), dtype), drawn(rng, (2, 3, 1) + (2,) * (ndim - 3), dtype)
    for mode in ("full", "same"):
        check_alike("convolve", first, second, mode)
        check_alike("fftconvolve", second, first, mode, (0, 1, ndim - 1) if ndim == 5 else None)


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "u8"])
def test_large_images_of_integers(dtype: str, boundary: str) -> None:
    rng = np.random.default_rng(9)
    image, kernel = drawn(rng, (700, 500), dtype), drawn(rng, (5, 4), dtype)
    for mode in MODES:
        check_alike("correlate2d", image, kernel, mode, boundary)
    if boundary == "fill":
        check_alike("convolve2d", image, kernel, "full", boundary, 7)
        check_alike("convolve", image.ravel(), np.arange(300, dtype=dtype), "same", "direct")


@pytest.mark.parametrize("dtype", ["f4", "c16"])
@pytest.mark.parametrize(("first", "second"), [
    ((1, 3000), (5, 2900)), ((5, 3000), (1, 2900)), ((1, 200, 150), (3, 150, 1)), ((300, 1), (280, 1)), ((150_000,), (140_000,)),
    ((1, 70_000), (1, 69_000)), ((3, 20, 31, 32), (1, 18, 25, 22)),
])  # fmt: skip
def test_long_ones_with_axes_of_one_cell(first: tuple[int, ...], second: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(8)
    for mode in ("full", "same"):
        check_alike("convolve", drawn(rng, first, dtype), drawn(rng, second, dtype), mode)


@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "correlate2d"])
def test_of_nothing(name: str) -> None:
    shapes = itertools.product([(0,), (3,), (0, 2), (3, 0), (3, 2), ()], repeat=2)
    for (first, second), mode in itertools.product([tuple(map(np.ones, pair)) for pair in shapes], MODES):
        theirs, ours = (outcome(getattr(module, name), first, second, mode) for module in (scipy.signal, signal))
        if isinstance(theirs, Exception):  # of several axes ours may be sums of nothing
            assert isinstance(ours, ConvError) or (first.ndim > 1 and not ours.any())
        elif first.ndim > 1 or first.size * second.size or "fft" in name or "oa" in name:
            np.testing.assert_allclose(ours, theirs, rtol=1e-14, strict=True)
        else:
            assert isinstance(ours, ConvError)  # SciPy has sums of an empty row in one mode out of three


@pytest.mark.parametrize("arguments", [
    ([1], [2], "ful"), ([1], [2], None), ([1], [2], []), ([1], [2], 1), ([1, 2], [1], "full", "x"), ([1], [2], "same", None),
    (["a"], ["b"]), (None, None), ([None], [1]), ({}, [1]), ([[1], [1, 2]], [1]), ([1], [[1]]), (np.ones((2, 3)), np.ones((3, 2)), "valid"),
])  # fmt: skip
def test_errors_of_both_families(arguments: tuple[Any, ...]) -> None:
    for name in ("convolve", "correlate"):
        theirs, ours = (outcome(getattr(module, name), *arguments) for module in (scipy.signal, signal))
        assert isinstance(theirs, Exception)
        assert isinstance(ours, ConvError)
        assert isinstance(ours, TypeError if isinstance(theirs, TypeError) else ValueError)


@pytest.mark.parametrize("value", [1j, None, "a", [1, 2], [], 300, -1, np.nan])
def test_fill_values_that_do_not_fit(value: object) -> None:
    image = np.ones((2, 2), np.uint8)
    theirs, ours = (outcome(module.convolve2d, image, image, "full", "fill", value) for module in (scipy.signal, signal))
    assert isinstance(theirs, ValueError)
    assert isinstance(ours, ConvError)


@given(st.integers(0, 12), st.integers(0, 12), st.sampled_from(MODES))
def test_lags(first: int, second: int, mode: str) -> None:
    np.testing.assert_array_equal(
        signal.correlation_lags(first, second, mode), scipy.signal.correlation_lags(first, second, mode), strict=True
    )


def test_lengths_that_are_none() -> None:
    assert isinstance(outcome(scipy.signal.correlation_lags, 3.0, 2.0, "same"), TypeError)
    with pytest.raises(ConvTypeError, match=r"in1_len=3\.0"):
        signal.correlation_lags(3.0, 2.0, "same")  # type: ignore[arg-type]


@given(st.data())
def test_separable(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = data.draw(st.tuples(st.integers(7, 20), st.integers(7, 20)))  # SciPy reads beyond its memory where filters are longer
    image = drawn(rng, shape, data.draw(st.sampled_from([*DTYPES, "g", "G", "O"])))
    row, column = (
        drawn(rng, (data.draw(st.integers(0, 7)),), data.draw(st.sampled_from(["f4", "f8", "c8", "u1", "i8"]))) for _ in range(2)
    )
    theirs, ours = (outcome(module.sepfir2d, image, row, column) for module in (scipy.signal, signal))
    if isinstance(theirs, Exception):
        assert isinstance(ours, ConvError)
        assert isinstance(ours, type(theirs))
        return
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    scale = max(1.0, float(np.abs(image.astype(complex)).max() * np.abs(row).max() * np.abs(column).max() * row.size * column.size))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=10 * np.finfo(theirs.dtype).eps * scale)
