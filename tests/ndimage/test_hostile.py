"""The filters as people call them at their worst, against SciPy: any shape, dtype and layout, outputs that lie anywhere, wrong arguments.

What no two libraries agree on is left out: conversions of numbers that the output cannot hold, and outputs that overlap the input, where
SciPy reads what it has written; there the right answer is that into another array.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faltung import ndimage
from faltung.errors import ConvError

Array = NDArray[Any]

DTYPES = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16", ">f4", ">i2")
MODES = ("reflect", "mirror", "nearest", "wrap", "constant", "grid-mirror", "grid-wrap", "grid-constant")
ONE_AXIS = ("correlate1d", "convolve1d", "gaussian_filter1d", "uniform_filter1d", "sobel", "prewitt")
SEVERAL = ("gaussian_filter", "uniform_filter", "laplace", "gaussian_laplace", "gaussian_gradient_magnitude", "correlate", "convolve")
FAMILIES = (TypeError, ValueError, RuntimeError, IndexError, ZeroDivisionError)


class Subclass(np.ndarray[Any, Any]):
    """Of arrays."""


def drawn(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Whole numbers and halves, so that sums are exact and nothing hangs on rounding."""
    kind = np.dtype(dtype).kind
    if kind in "biu":
        return rng.integers(0, 2 if kind == "b" else 6, shape).astype(dtype)
    parts = rng.integers(-8, 9, shape) / 2
    return (parts + 1j * rng.integers(-8, 9, shape) if kind == "c" else parts).astype(dtype)


def laid(draw: st.DrawFn, array: Array) -> Any:
    """The same numbers in another memory, or in something else that holds numbers."""
    match draw(st.integers(0, 8)):
        case 0:
            return array[tuple(slice(None, None, -1) for _ in array.shape)]
        case 1:
            return np.asfortranarray(array)
        case 2:
            return np.repeat(array, 2, axis=-1)[..., ::2]
        case 3:
            array.flags.writeable = False
        case 4:
            return array.T
        case 5:
            return array.view(Subclass)
        case 6:
            return np.ma.masked_array(array, mask=array == array.flat[0] if array.size else False)
        case 7 if array.size and np.dtype(array.dtype) in (np.float64, np.int64):
            return array.tolist()
    return array


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Any, tuple[Any, ...], dict[str, Any]]:
    """A function, its input, and its arguments but the output."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ndim = draw(st.integers(1, 4))
    sizes = st.just(1) | st.integers(1, (30, 12, 7, 4)[ndim - 1]) | st.integers(0, 2)
    shape = tuple(draw(st.lists(sizes, min_size=ndim, max_size=ndim)))
    x = laid(draw, drawn(rng, shape, draw(st.sampled_from(DTYPES))))
    ndim = np.ndim(x)
    name = draw(st.sampled_from(ONE_AXIS + SEVERAL))
    keywords: dict[str, Any] = {"mode": draw(st.sampled_from(MODES))}
    keywords["cval"] = draw(st.sampled_from((0, 1, 2.5, -3)))
    axes: tuple[int, ...] = tuple(range(ndim))
    if name in ONE_AXIS:
        keywords["axis"] = draw(st.integers(-ndim, ndim - 1) | st.sampled_from((ndim, 7)))
    elif draw(st.booleans()):
        axes = tuple(draw(st.lists(st.integers(-ndim, ndim - 1), min_size=1, max_size=ndim)))
        keywords["axes"] = axes
    if draw(st.booleans()) and name not in ("correlate1d", "convolve1d", "gaussian_filter1d", "uniform_filter1d", "sobel", "prewitt"):
        keywords["mode"] = draw(st.lists(st.sampled_from(MODES), min_size=len(axes), max_size=len(axes) + 1))
    if name in ("correlate1d", "convolve1d"):
        arguments: tuple[Any, ...] = (
            drawn(rng, (draw(st.sampled_from((0, 1, 2, 3, 5, 8, 40))),), draw(st.sampled_from(("f8", "i4", "c16")))),
        )
    elif name in ("correlate", "convolve"):
        taps = tuple(draw(st.lists(st.sampled_from((1, 2, 3, 5)), min_size=len(axes), max_size=len(axes))))
        arguments = (drawn(rng, taps, draw(st.sampled_from(("f8", "i4", "f4", "c16")))),)
    elif name in ("uniform_filter", "uniform_filter1d"):
        arguments = (draw(st.sampled_from((2, 3, 4, 9, 40))),)
    else:
        arguments = (draw(st.sampled_from((0.3, 1.0, 2.5))),) if name.startswith("gaussian") else ()
    if draw(st.booleans()) and name in ("correlate1d", "convolve1d", "correlate", "convolve", "uniform_filter1d", "uniform_filter"):
        keywords["origin"] = draw(st.integers(-2, 2))
    if draw(st.booleans()) and name in ("gaussian_filter", "gaussian_filter1d"):
        keywords["order"] = draw(st.integers(-1, 3))
    return name, x, arguments, keywords


def outcome(module: Any, name: str, x: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The result, or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return getattr(module, name)(x, *arguments, **keywords)
        except Exception as error:  # noqa: BLE001 - any of them is compared
            return error


def check_alike(ours: Any, theirs: Any, x: Any, arguments: tuple[Any, ...]) -> None:
    """The same numbers within what either may round, dtype and kind of array; or errors of one family."""
    if isinstance(theirs, Exception):
        assert isinstance(ours, ConvError), f"{theirs!r}; here {ours!r}"
        assert any(isinstance(theirs, family) and isinstance(ours, family) for family in FAMILIES), f"{theirs!r}; here {ours!r}"
        return
    assert not isinstance(ours, Exception), repr(ours)
    assert type(ours) is type(theirs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    if theirs.dtype.kind in "biu":
        np.testing.assert_array_equal(ours, theirs)
        return
    narrow = any(np.asarray(each).dtype.char in "fF" for each in (theirs, x))
    weights = np.asarray(arguments[0] if arguments else 1)
    scale = float(np.abs(np.asarray(x)).max(initial=1.0)) * max(4.0, float(np.abs(weights).sum()), weights.size)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=scale * 40 * (1e-7 if narrow else 2e-16))


@settings(max_examples=400)
@given(calls(), st.data())
def test_outputs_of_their_own(call: tuple[str, Any, tuple[Any, ...], dict[str, Any]], data: st.DataObject) -> None:
    name, x, arguments, keywords = call
    is_complex = any(np.iscomplexobj(each) for each in (x, *arguments))
    # Means of integers are integers; other results need not fit into the input's dtype.
    is_kept = np.asarray(x).dtype.kind in "fc" or name.startswith("uniform")
    dtype = np.dtype(data.draw(st.sampled_from(("c8", "c16") if is_complex else ("f4", "f8", ">f8"))))
    outputs = (None, dtype) if is_kept and not is_complex else (dtype,)
    output = data.draw(st.sampled_from(outputs))
    keywords = keywords if output is None else {**keywords, "output": output}
    ours, theirs = (outcome(module, name, x, arguments, keywords) for module in (ndimage, scipy.ndimage))
    check_alike(ours, theirs, x, arguments)


@settings(max_examples=300)
@given(calls(), st.sampled_from(("plain", "turned", "strided", "backward", "swapped", "in place", "overlapping", "read-only", "too large")))
def test_outputs_that_are_given(call: tuple[str, Any, tuple[Any, ...], dict[str, Any]], kind: str) -> None:
    name, given_x, arguments, keywords = call
    is_complex = any(np.iscomplexobj(each) for each in (given_x, *arguments))
    dtype = np.dtype("c16" if is_complex else "f8")
    x = np.array(given_x, dtype) if kind in ("in place", "overlapping") else given_x
    shape = np.shape(x)
    memory = np.full(tuple(2 * size + 1 for size in shape), 7, dtype)
    match kind:
        case "strided" | "read-only":
            output = memory[tuple(slice(1, None, 2) for _ in shape)]
            output.flags.writeable = kind == "strided"
        case "backward":
            output = memory[tuple(slice(size, None, -1) if size else slice(0) for size in shape)][tuple(map(slice, shape))]
        case "turned":
            output = np.full(shape[::-1], 7, dtype).T
        case "swapped":
            output = np.full(shape, 7, dtype.newbyteorder())
        case "too large":
            output = np.full((*shape[:-1], shape[-1] + 1), 7, dtype)
        case "in place":
            output = x
        case "overlapping":
            held = np.zeros((shape[0] + 1, *shape[1:]), dtype)
            held[1:] = x
            x, output = held[1:], held[:-1]
        case _:
            output = np.full(shape, 7, dtype)
    apart = np.array(x) if kind in ("in place", "overlapping") else x
    theirs = outcome(scipy.ndimage, name, apart, arguments, {**keywords, "output": output.copy()})
    ours = outcome(ndimage, name, x, arguments, {**keywords, "output": output})
    if kind == "read-only":
        assert isinstance(ours, ConvError)
        assert (memory == 7).all()
        return
    check_alike(ours, theirs, apart, arguments)
    if isinstance(ours, Exception):
        return
    assert ours is output
    if kind == "strided":
        outside = np.ones(memory.shape, bool)
        outside[tuple(slice(1, None, 2) for _ in shape)] = False
        assert (memory[outside] == 7).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_weights_and_borders_that_are_no_numbers(dtype: str, value: float) -> None:
    """What becomes of NaN in integers is the processor's; it is no error, and cells whose windows do not meet it are as ever."""
    x = np.arange(400).reshape(20, 20).astype(dtype)
    assert ndimage.correlate1d(x, [1, value, 1]).shape == x.shape
    assert ndimage.correlate(x, np.full((3, 3), value)).shape == x.shape
    inside = (slice(6, -6),) * 2
    result = ndimage.correlate(x, np.ones((13, 13)), mode="constant", cval=value)
    assert (result[inside] == scipy.ndimage.correlate(x, np.ones((13, 13)), mode="constant", cval=value)[inside]).all()


def test_weights_past_the_range_of_float32_do_not_warn() -> None:
    result = ndimage.correlate(np.ones((4, 4), np.float32), np.full((3, 3), 1e300))
    assert np.isinf(result).all()
