"""The functions of `faltung.signal` that are timed beside SciPy's: long signals, images and batches, with kernels as they occur."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from faltung.bench.calls import Array, Call

__all__ = ["SIGNAL_CALLS", "SIGNAL_CLASSES"]

SIGNAL_CLASSES = {
    "signal": "signals of a million samples",
    "signal-images": "images by scipy.signal's functions",
    "signal-large": "both arrays large, or batches",
}
"""Keys, as typed, and titles."""

_TOLERANCE = {"uint8": 0.0, "float32": 1e-5, "float64": 1e-12, "complex64": 1e-5, "complex128": 1e-12}


def _drawn(shape: tuple[int, ...], dtype: str) -> Array:
    draw = np.random.default_rng(1)
    if np.dtype(dtype).kind == "u":
        return draw.integers(0, 256, shape).astype(dtype)
    parts = draw.standard_normal(shape)
    return (parts + 1j * draw.standard_normal(shape) if np.dtype(dtype).kind == "c" else parts).astype(dtype)


def _call(name: str, call_class: str, function: str, shape: tuple[int, ...], taps: tuple[int, ...], dtype: str, *arguments: Any) -> Call:
    kernel = _drawn(taps, dtype)

    def run(module: ModuleType, x: Array, output: Array | None) -> Array:  # noqa: ARG001 - there is none to be given
        return getattr(module, function)(x, kernel, *arguments)  # type: ignore[no-any-return]

    return Call(name, call_class, "signal", shape, dtype, run, takes_output=False, tolerance=_TOLERANCE[dtype])


def _separable(size: int, taps: int, dtype: str) -> Call:
    row = _drawn((taps,), dtype)

    def run(module: ModuleType, x: Array, output: Array | None) -> Array:  # noqa: ARG001
        return module.sepfir2d(x, row, row)  # type: ignore[no-any-return]

    name = f"sepfir2d {taps} taps, {size}², {dtype}"
    return Call(name, "signal-images", "signal", (size, size), dtype, run, takes_output=False, tolerance=_TOLERANCE[dtype])


def _signals() -> Iterator[Call]:
    samples = (10**6,)
    for dtype in ("float32", "float64", "complex64", "uint8"):
        for taps in (3, 31, 255, 1023, 10_001, 100_000):
            yield _call(f"convolve {taps} taps, 10⁶, {dtype}", "signal", "convolve", samples, (taps,), dtype, "same")
    for function, taps in (("fftconvolve", 1023), ("oaconvolve", 31), ("oaconvolve", 1023), ("oaconvolve", 10_001), ("correlate", 255)):
        for dtype in ("float32", "float64"):
            yield _call(f"{function} {taps} taps, 10⁶, {dtype}", "signal", function, samples, (taps,), dtype, "same")


def _images() -> Iterator[Call]:
    for dtype in ("float32", "float64", "uint8"):
        for size, taps in ((512, 3), (512, 7), (512, 15), (1024, 3), (1024, 7), (2048, 3), (4096, 3)):
            shapes = (size, size), (taps, taps)
            yield _call(f"convolve2d {taps}×{taps}, {size}², {dtype}", "signal-images", "convolve2d", *shapes, dtype, "same", "symm")
        for size, taps in ((512, 3), (512, 15), (512, 51), (1024, 31), (2048, 7), (2048, 51), (4096, 15)):
            shapes = (size, size), (taps, taps)
            yield _call(f"convolve {taps}×{taps}, {size}², {dtype}", "signal-images", "convolve", *shapes, dtype, "same")
    for size, taps, dtype in ((512, 5, "float32"), (512, 15, "float64"), (2048, 5, "float32"), (2048, 31, "float32")):
        yield _separable(size, taps, dtype)
    yield _call("convolve 15×15, 1024², complex64", "signal-images", "convolve", (1024, 1024), (15, 15), "complex64", "same")


def _large() -> Iterator[Call]:
    key = "signal-large"
    yield _call("fftconvolve 10⁶ by 10⁶, float32", key, "fftconvolve", (10**6,), (10**6,), "float32")
    yield _call("fftconvolve 10⁶ by 10⁶, float64", key, "fftconvolve", (10**6,), (10**6,), "float64")
    yield _call("correlate 10⁵ by 10⁵, float64", key, "correlate", (10**5,), (10**5,), "float64")
    yield _call("fftconvolve 1000² by 1000², float64", key, "fftconvolve", (1000, 1000), (1000, 1000), "float64")
    yield _call("convolve 7×7×7, 100³, float32", key, "convolve", (100, 100, 100), (7, 7, 7), "float32", "same")
    yield _call("oaconvolve 1001 taps, 64 rows of 10⁵, float32", key, "oaconvolve", (64, 100_000), (1, 1001), "float32", "full", 1)
    yield _call("fftconvolve 101 taps, 1000 rows of 1000, float64", key, "fftconvolve", (1000, 1000), (1, 101), "float64", "same", 1)


SIGNAL_CALLS: tuple[Call, ...] = (*_signals(), *_images(), *_large())
