"""What is promised beyond SciPy: exact integers, where NaN goes, the same bits from any number of threads, calls that are remembered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import faltung as fl
from faltung import signal
from faltung.signal.convolution import takes_spectra
from faltung.signal.long_rows import LONG, long_convolution
from faltung.signal.placing import Part, part_of, parts_of

Array = NDArray[Any]


@pytest.fixture
def threads() -> Iterator[None]:
    before = fl.get_num_threads()
    yield
    fl.set_num_threads(before)


def noise(*shape: int, dtype: str = "f8") -> Array:
    rng = np.random.default_rng(len(shape) + sum(shape))
    parts = rng.standard_normal(shape)
    return (parts + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else parts).astype(dtype)


def by_definition(x: Array, h: Array) -> Array:
    """The full convolution in Python's integers."""
    found = np.zeros(len(x) + len(h) - 1, object)
    for tap, value in enumerate(h.tolist()):
        found[tap : tap + len(x)] += x.astype(object) * int(value)
    return found


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize(
    ("dtype", "most"), [("u1", 256), ("i1", 127), ("i2", 2**15), ("u4", 2**32), ("i4", 2**20), ("i8", 2**63), ("u8", 2**53)]
)
@pytest.mark.parametrize("taps", [3, 300])
def test_integers_are_exact_modulo_their_range(dtype: str, most: int, taps: int, method: str) -> None:
    rng = np.random.default_rng(taps)
    kind = np.dtype(dtype)
    x, h = (
        rng.integers(-most if kind.kind == "i" else 0, most, count, "u8" if most > 2**62 and kind.kind == "u" else "i8").astype(kind)
        for count in (700, taps)
    )
    expected = np.array([value % 2 ** (8 * kind.itemsize) for value in by_definition(x, h)], f"u{kind.itemsize}").view(kind)
    np.testing.assert_array_equal(signal.convolve(x, h, method=method), expected, strict=True)
    np.testing.assert_array_equal(signal.convolve2d(x[None], h[None])[0], expected, strict=True)


@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
def test_booleans_are_true_where_a_product_is(method: str) -> None:
    x, h = np.zeros(3000, bool), np.ones(1000, bool)
    x[1500] = True
    expected = np.zeros(3999, bool)
    expected[1500:2500] = True
    np.testing.assert_array_equal(signal.convolve(x, h, method=method), expected, strict=True)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_stays_in_its_windows(value: float) -> None:
    for x, h, function in (
        (noise(100_000), noise(501), signal.convolve),
        (noise(100_000, dtype="f4"), noise(5, dtype="f4"), signal.fftconvolve),
        (noise(200, 150), noise(15, 15), signal.convolve),
        (noise(200, 150), noise(15, 15), signal.convolve2d),
    ):
        place = tuple(size // 2 for size in x.shape)
        x[place] = value
        reached = np.zeros(x.shape, bool)
        reached[tuple(slice(at - taps // 2, at + taps // 2 + 1) for at, taps in zip(place, h.shape, strict=True))] = True
        np.testing.assert_array_equal(~np.isfinite(function(x, h, "same")), reached)


def test_fft_warns_of_what_is_no_number() -> None:
    x = noise(50)
    x[20] = np.nan
    with pytest.warns(RuntimeWarning, match="Use of fft convolution on input with NAN"):
        signal.convolve(x, noise(5), method="fft")


def test_each_output_of_an_image_is_accurate_by_itself() -> None:
    """Beside values of 1e6, where a transform would leave nothing of small ones."""
    x = np.full((300, 300), 1e6, "f4")
    x[:, 150:] = np.float32(1e-6)
    h = np.abs(noise(31, 31, dtype="f4"))
    exact = signal.convolve2d(x.astype("f8"), h.astype("f8"), "valid")
    np.testing.assert_allclose(signal.convolve2d(x, h, "valid"), exact, rtol=1e-5)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("first", "second", "dtype", "axes"), [
    ((200_000,), (150_000,), "f4", None), ((200_000,), (150_000,), "c16", None), ((30_000,), (2001,), "c8", None),
    ((7, 20_000), (7, 301), "f4", 1), ((300, 200), (250, 190), "f8", None), ((5, 90, 80), (5, 30, 20), "c8", (1, 2)),
])  # fmt: skip
def test_the_same_bits_from_any_number_of_threads(first: tuple[int, ...], second: tuple[int, ...], dtype: str, axes: Any) -> None:
    x, h = noise(*first, dtype=dtype), noise(*second, dtype=dtype)
    found = []
    for count in (1, 2, 3):
        fl.set_num_threads(count)
        found.append(signal.fftconvolve(x, h, axes=axes))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("name", ["convolve", "correlate", "convolve2d", "correlate2d"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_a_call_that_is_remembered_gives_the_same_for_any_layout(name: str, dtype: str) -> None:
    x, h = ((10 * noise(*shape)).astype(dtype) for shape in ((90, 70), (7, 5)))
    function = getattr(signal, name)
    first = function(x, h, "same")
    wide = np.repeat(x, 2, axis=1)[:, ::2]
    for other, taps in ((x, h), (wide, h), (np.asfortranarray(x), np.asfortranarray(h)), (x[::-1][::-1], np.repeat(h, 3, axis=0)[::3])):
        np.testing.assert_array_equal(function(other, taps, "same"), first)
    assert (function(2 * x, h, "same") == 2 * first).all()


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize(("cells", "taps"), [(LONG, LONG // 3), (100_003, 99_991), (70_000, 61_441)])
def test_long_rows(cells: int, taps: int, dtype: str) -> None:
    x, h = np.zeros(cells, dtype), noise(taps, dtype=dtype)
    x[[0, 17, cells // 2, cells - 1]] = [1, -2, 3, 4]
    expected = np.zeros(cells + taps - 1, dtype)
    for place in (0, 17, cells // 2, cells - 1):
        expected[place : place + taps] += x[place] * h
    for part in (part_of("full", cells, taps), part_of("same", cells, taps), part_of("valid", cells, taps), Part(5, 1000)):
        found = np.empty(part.size, dtype)
        least = max(cells, taps, cells + taps - 1 - part.start, part.start + part.size)
        long_convolution(x, h, part, least, found)
        tolerance = 200 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(found, expected[part.start : part.start + part.size], rtol=0, atol=tolerance)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_the_method_named_is_the_one_taken(mode: str) -> None:
    for cells, taps, dtype, method in (
        ((1000,), (5,), "f8", "direct"), ((100_000,), (50_000,), "f4", "fft"), ((100_000,), (50_000,), "c16", "fft"),
        ((300, 300), (200, 200), "f8", "fft"), ((64, 64), (3, 3), "f4", "direct"),
    ):  # fmt: skip
        assert signal.choose_conv_method(np.ones(cells, dtype), np.ones(taps, dtype), mode) == method
    whole = takes_spectra((3000, 3000), (3000, 3000), parts_of(mode, (3000, 3000), (3000, 3000)), np.dtype("f8"), (False, False))
    assert whole == (mode != "valid")  # of which there is one


def test_a_method_is_chosen_of_shapes_that_do_not_fit() -> None:
    """As by SciPy: `convolve` refuses them."""
    assert signal.choose_conv_method(np.ones((5, 1)), np.ones((4, 2)), mode="valid") == "direct"


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
@pytest.mark.parametrize("taps", [(15, 2), (3, 3), (1, 3), (31, 1), (2, 3, 2)])
def test_narrow_arrays_have_the_bits_of_wide_ones(taps: tuple[int, ...], dtype: str) -> None:
    """Where few columns leave lanes empty, another axis lies in them, and sums keep their order all the same."""
    x, h = noise(*(40,) * (len(taps) - 1), 3, dtype=dtype), noise(*taps, dtype=dtype)
    wide = np.concatenate([x, np.zeros((*x.shape[:-1], 60), dtype)], axis=-1)
    expected = signal.convolve(wide, h, method="direct")
    assert (expected[..., : 2 + taps[-1]] == signal.convolve(x, h, method="direct")).all()
    if len(taps) == 2:
        assert (signal.convolve2d(wide, h) == expected).all()
        assert (signal.convolve2d(x, h) == expected[..., : 2 + taps[-1]]).all()
