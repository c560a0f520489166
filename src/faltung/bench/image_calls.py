"""The filters of images that are timed beside SciPy's and OpenCV's: sizes, dtypes and kernels as they occur."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from faltung.bench.calls import Array, Call

__all__ = ["IMAGE_CALLS", "IMAGE_CLASSES"]

IMAGE_CLASSES = {
    "gaussian": "Gaussians",
    "mean": "means",
    "edges": "derivatives",
    "kernel": "kernels of two axes",
    "lines": "one axis",
    "volume": "colours, volumes, signals",
}
"""Keys, as typed, and titles."""

_TOLERANCE = {"uint8": 0.0, "float32": 2e-5, "float64": 1e-11}


def _gaussian(size: int, sigma: float, dtype: str, stored: str = "") -> Call:
    taps = 2 * int(4 * sigma + 0.5) + 1

    def run(module: ModuleType, x: Array, output: Array | None) -> Array:
        return module.gaussian_filter(x, sigma, output=output if output is not None else np.dtype(stored or dtype))  # type: ignore[no-any-return]

    def opencv(cv2: Any, x: Array) -> Mapping[str, Callable[[Array], Array]]:
        column = cv2.getGaussianKernel(taps, sigma, cv2.CV_64F)
        depth = {"uint8": cv2.CV_8U, "float32": cv2.CV_32F, "float64": cv2.CV_64F}[stored or dtype]
        ways: dict[str, Callable[[Array], Array]] = {
            "sepFilter2D": lambda dst: cv2.sepFilter2D(x, depth, column, column, dst=dst, borderType=cv2.BORDER_REFLECT)
        }
        if not stored:
            ways["GaussianBlur"] = lambda dst: cv2.GaussianBlur(x, (taps, taps), sigma, dst=dst, borderType=cv2.BORDER_REFLECT)
        return ways

    shown = dtype if not stored else f"{dtype}→{stored}"
    return Call(
        f"gaussian σ={sigma:g}, {size}², {shown}", "gaussian", "ndimage", (size, size), dtype, run, opencv, stored,
        tolerance=_TOLERANCE[stored or dtype],
    )  # fmt: skip


def _mean(size: int, cells: int, dtype: str) -> Call:
    def run(module: ModuleType, x: Array, output: Array | None) -> Array:
        return module.uniform_filter(x, cells, output=output)  # type: ignore[no-any-return]

    return Call(f"mean {cells}×{cells}, {size}², {dtype}", "mean", "ndimage", (size, size), dtype, run, tolerance=_TOLERANCE[dtype])


def _edges(name: str, size: int, dtype: str, **arguments: Any) -> Call:
    def run(module: ModuleType, x: Array, output: Array | None) -> Array:
        return getattr(module, name)(x, output=output, **arguments)  # type: ignore[no-any-return]

    tolerance = 50 * _TOLERANCE[dtype]  # of differences that nearly cancel
    return Call(f"{name}, {size}², {dtype}", "edges", "ndimage", (size, size), dtype, run, tolerance=tolerance)


def _kernel(size: int, taps: int, dtype: str, stored: str = "", *, is_outer: bool = False) -> Call:
    draw = np.random.default_rng(taps)
    weights = np.outer(draw.random(taps), draw.random(taps)) if is_outer else draw.random((taps, taps))
    weights /= weights.sum()

    def run(module: ModuleType, x: Array, output: Array | None) -> Array:
        return module.correlate(x, weights, output=output if output is not None else np.dtype(stored or dtype))  # type: ignore[no-any-return]

    def opencv(cv2: Any, x: Array) -> Mapping[str, Callable[[Array], Array]]:
        depth = {"uint8": cv2.CV_8U, "float32": cv2.CV_32F, "float64": cv2.CV_64F}[stored or dtype]
        ways: dict[str, Callable[[Array], Array]] = {
            "filter2D": lambda dst: cv2.filter2D(x, depth, weights, dst=dst, borderType=cv2.BORDER_REFLECT)
        }
        if is_outer:
            column, row = weights.sum(axis=1), weights.sum(axis=0)
            ways["sepFilter2D"] = lambda dst: cv2.sepFilter2D(x, depth, row, column, dst=dst, borderType=cv2.BORDER_REFLECT)
        return ways

    shown = dtype if not stored else f"{dtype}→{stored}"
    form = " outer product" if is_outer else ""
    return Call(
        f"{taps}×{taps}{form}, {size}², {shown}", "kernel", "ndimage", (size, size), dtype, run, opencv, stored,
        tolerance=_TOLERANCE[stored or dtype],
    )  # fmt: skip


def _line(size: int, taps: int, dtype: str, axis: int) -> Call:
    weights = np.random.default_rng(taps).random(taps)
    weights /= weights.sum()

    def run(module: ModuleType, x: Array, output: Array | None) -> Array:
        return module.correlate1d(x, weights, axis=axis, output=output)  # type: ignore[no-any-return]

    name = f"{taps} taps along axis {axis}, {size}², {dtype}"
    return Call(name, "lines", "ndimage", (size, size), dtype, run, tolerance=_TOLERANCE[dtype])


def _of_shape(name: str, function: str, shape: tuple[int, ...], dtype: str, **arguments: Any) -> Call:
    def run(module: ModuleType, x: Array, output: Array | None) -> Array:
        return getattr(module, function)(x, output=output, **arguments)  # type: ignore[no-any-return]

    return Call(name, "volume", "ndimage", shape, dtype, run, tolerance=_TOLERANCE[dtype])


def _all() -> Iterator[Call]:
    for dtype in ("uint8", "float32", "float64"):
        for size, sigma in ((512, 1), (512, 3), (512, 10), (512, 20), (1024, 5), (2048, 2), (4096, 1), (4096, 4)):
            yield _gaussian(size, sigma, dtype)
        for size, cells in ((512, 3), (512, 51), (2048, 7), (4096, 15)):
            yield _mean(size, cells, dtype)
        for size, taps in ((512, 3), (512, 7), (512, 15), (512, 31), (512, 51), (2048, 3), (2048, 9), (4096, 5)):
            yield _kernel(size, taps, dtype)
        yield _kernel(1024, 15, dtype, is_outer=True)
        for size, taps, axis in ((512, 9, 0), (512, 9, 1), (2048, 31, 0), (2048, 31, 1)):
            yield _line(size, taps, dtype, axis)
        yield _edges("sobel", 512, dtype)
        yield _edges("laplace", 2048, dtype)
        yield _edges("gaussian_laplace", 1024, dtype, sigma=2)
        yield _edges("gaussian_gradient_magnitude", 1024, dtype, sigma=2)
    for size, sigma in ((512, 2), (2048, 3)):
        yield _gaussian(size, sigma, "uint8", "float32")
    for size, taps in ((512, 7), (2048, 5)):
        yield _kernel(size, taps, "uint8", "float32")
    yield _edges("prewitt", 4096, "float32")
    yield _of_shape("gaussian σ=2 of colours, 1024²×3, uint8", "gaussian_filter", (1024, 1024, 3), "uint8", sigma=2, axes=(0, 1))
    yield _of_shape("gaussian σ=2, 128³, float32", "gaussian_filter", (128, 128, 128), "float32", sigma=2)
    yield _of_shape("mean 5³, 128³, float64", "uniform_filter", (128, 128, 128), "float64", size=5)
    yield _of_shape("gaussian σ=10 of a signal, 10⁶, float64", "gaussian_filter1d", (1_000_000,), "float64", sigma=10)
    yield _of_shape("mean 1000 of a signal, 10⁶, float32", "uniform_filter1d", (1_000_000,), "float32", size=1000)


IMAGE_CALLS: tuple[Call, ...] = tuple(sorted(_all(), key=lambda call: [*IMAGE_CLASSES].index(call.call_class)))
