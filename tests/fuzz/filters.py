"""Filters of images and signals with arguments of every kind, against SciPy: the same numbers, or an error from both."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal

from faltung import ndimage, signal
from faltung.errors import ConvError
from tests.fuzz.draw import Draw

__all__ = ["check"]

DTYPES = ("float32", "float64", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool", "complex64")
MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-wrap", "grid-mirror", "grid-constant", "other")


def _image(draw: Draw) -> np.ndarray:
    axes = draw.between(0 if draw.chance(9) else 1, 3)
    return draw.array(
        [draw.below(70) if draw.chance(7) else draw.between(0 if draw.chance(9) else 1, 9) for _ in range(axes)], draw.one_of(DTYPES)
    )


def _ndimage(draw: Draw) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    x = _image(draw)
    name = draw.one_of(
        ("gaussian_filter", "uniform_filter", "correlate", "convolve", "sobel", "laplace", "correlate1d", "uniform_filter1d", "prewitt")
    )
    options: dict[str, Any] = {"mode": draw.one_of(MODES)}
    if draw.chance(3):
        options["cval"] = draw.one_of((1, 2.5, -3, 1e9))
    if draw.chance(4):
        options["output"] = draw.one_of(DTYPES)
    axis = draw.between(-2, 2)
    if name == "gaussian_filter":
        return name, (x, draw.one_of((0, 0.5, 1, 2.5, (1, 2), -1))), options | ({"order": draw.below(4)} if draw.chance(3) else {})
    if name == "uniform_filter":
        return name, (x, draw.one_of((1, 2, 3, 8, (2, 3), 0))), options | ({"origin": draw.between(-2, 2)} if draw.chance(3) else {})
    if name in ("correlate", "convolve"):
        taps = draw.array(
            [draw.between(1, 4) for _ in range(x.ndim if not draw.chance(12) else 2)], draw.one_of(("float64", "int64", "float32"))
        )
        return name, (x, taps), options | ({"origin": draw.between(-2, 2)} if draw.chance(3) else {})
    if name == "correlate1d":
        return (
            name,
            (x, draw.array([draw.below(7)], "float64"), axis),
            options | ({"origin": draw.between(-2, 2)} if draw.chance(3) else {}),
        )
    if name == "uniform_filter1d":
        return name, (x, draw.between(0, 12), axis), options
    return name, (x,) if name == "laplace" else (x, axis), options


def _signal(draw: Draw) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    name = draw.one_of(("convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "correlate2d"))
    first, second = _image(draw), _image(draw)
    options: dict[str, Any] = {"mode": draw.one_of(("full", "same", "valid"))}
    if name in ("convolve", "correlate"):
        options["method"] = draw.one_of(("auto", "direct", "fft"))
    if name.endswith("2d"):
        options |= {"boundary": draw.one_of(("fill", "wrap", "symm")), "fillvalue": draw.one_of((0, 2))}
    return name, (first, second), options


def check(data: bytes) -> None:
    draw = Draw(data)
    ours, theirs = ((ndimage, scipy.ndimage), (signal, scipy.signal))[draw.below(2)]
    name, arguments, options = _ndimage(draw) if ours is ndimage else _signal(draw)
    try:
        found = getattr(ours, name)(*arguments, **options)
    except ConvError:
        return  # tests/ndimage and tests/signal compare what is refused
    if any(isinstance(array, np.ndarray) and array.size == 0 for array in arguments):
        return
    try:
        # Copies: SciPy 1.17 takes what lies beyond an axis of stride 0 for cval.
        wanted = getattr(theirs, name)(*(np.array(one) if isinstance(one, np.ndarray) else one for one in arguments), **options)
    except Exception:
        return
    assert found.shape == wanted.shape, (name, found.shape, wanted.shape)
    assert found.dtype == wanted.dtype, (name, found.dtype, wanted.dtype)
    sizes = [float(np.abs(array.astype(complex)).sum()) for array in arguments if isinstance(array, np.ndarray)]
    if found.dtype.kind in "biu":
        # Negative numbers become ones near 2**64 there, which no sum of float64 holds, in whatever order.
        if ours is ndimage and not (found.dtype == np.uint64 and (arguments[0] < 0).any()):
            np.testing.assert_array_equal(found, wanted)
        elif ours is signal and options.get("method") != "fft":  # by which SciPy rounds
            steps = np.abs(found.astype(object) - wanted.astype(object))
            assert not (steps > 1).any(), (name, options)
        return
    bound = max(1.0, *sizes, abs(options.get("cval", 0)) * 300) * (
        1e-4 if ours is signal else {4: 1e-4, 8: 1e-10, 2: 1e-2}[found.real.dtype.itemsize]
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=bound)  # transforms of SciPy are of float32 where one array is
