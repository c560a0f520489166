"""The compiled module, past everything that Python checks: a `ValueError`, a `TypeError` or no memory, but never a crash.

Arrays are real; names, sizes, strides and counts are anything. Each function may write `y` alone, between whose cells nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from faltung import _native
from faltung.engine import gradient_catalog
from faltung.engine.catalog import CHOICES
from tests.fuzz.draw import Draw

__all__ = ["check"]

DTYPES = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "bool")
MODES = ("zeros", "absent", "circular", "reflect", "replicate", "symmetric")
ISAS = (*_native.detected_isas(), *_native.detected_isas(), "none")
TYPES = ("float32", "float64", "uint64", "float16", "bfloat16", "int8")
REFUSALS = (ValueError, TypeError, MemoryError, OverflowError)
MOST_PRODUCTS = 1 << 22


def _threads(draw: Draw) -> int:
    return draw.one_of((1, 1, 2, 3, 8, 300, 0, -1, 2**31 - 1))


def _small(draw: Draw, axes: int) -> tuple[int, ...]:
    return tuple(draw.below(40) if draw.chance(6) else draw.below(8) for _ in range(axes))


def _pair(draw: Draw, shape: tuple[int, ...], dtype: str, other: str) -> tuple[np.ndarray, np.ndarray]:
    y_shape = _small(draw, len(shape)) if draw.chance(12) else shape
    return draw.array(shape, dtype), draw.framed(y_shape, other)[1]


def _lines(draw: Draw) -> None:
    shape = _small(draw, draw.one_of((3, 3, 3, 3, 2, 4)))
    x, y = _pair(draw, shape, draw.one_of(DTYPES), draw.one_of(DTYPES))

    def one_pass() -> Any:
        if draw.chance(3):
            return None
        taps = draw.between(1, 9) if not draw.chance(8) else abs(draw.huge())
        weights = np.arange(taps if not draw.chance(12) else draw.below(5), dtype=np.float64) if taps < 300 and draw.chance(2) else None
        before = draw.below(taps) if taps and taps < 256 and not draw.chance(8) else draw.huge()
        return weights, taps, before, draw.one_of(MODES), draw.one_of((0.0, 2.0, float("nan"), float("inf"), 1e300))

    _native.filter_lines(
        x, y, draw.one_of(ISAS), _threads(draw), one_pass(), one_pass(), draw.one_of((1, 1, 2, 3)) if not draw.chance(9) else draw.huge(),
        draw.chance(2),
    )  # fmt: skip


def _footprint(draw: Draw) -> None:
    axes = draw.between(1, 4)
    x, y = _pair(draw, _small(draw, axes), draw.one_of(DTYPES), draw.one_of(DTYPES))
    taps = tuple(draw.between(0 if draw.chance(9) else 1, 5) for _ in range(axes if not draw.chance(12) else axes + 1))
    weights = np.arange(np.prod(taps, dtype=int), dtype=np.float64).reshape(taps) - 2
    before = [draw.below(max(size, 1)) if not draw.chance(12) else draw.huge() for size in taps]
    _native.filter_footprint(
        x, y, draw.one_of(ISAS), _threads(draw), weights, before, [draw.one_of(MODES) for _ in range(axes)], 1.0, draw.chance(2)
    )


def _max_pool(draw: Draw) -> None:
    shape = _small(draw, 4)
    x = draw.array(shape, draw.one_of(("float32", "float64", "float32", "int64")))
    kernel = [draw.between(1, 4) if not draw.chance(9) else draw.huge() for _ in range(2)]
    stride = [draw.between(1, 3) if not draw.chance(9) else draw.huge() for _ in range(2)]
    before = [draw.below(3) if not draw.chance(9) else draw.huge() for _ in range(2)]
    size = [
        max(0, (n + b - k) // s + 1 + draw.below(2)) if 0 < s < 2**20 else 1
        for n, k, s, b in zip(shape[2:], kernel, stride, before, strict=True)
    ]
    y = draw.framed((*shape[:2], *(min(n, 50) for n in size)), x.dtype)[1]
    _native.max_pool(x, y, draw.one_of(ISAS), _threads(draw), kernel, stride, before)


def _normalise(draw: Draw) -> None:
    shape = _small(draw, 3)
    x, y = _pair(draw, shape, draw.one_of(("float32", "float64")), "float32")
    y = y.astype(x.dtype) if draw.chance(2) else y

    def factors() -> np.ndarray | None:
        return None if draw.chance(2) else draw.array((shape[1] + draw.chance(9),), x.dtype)

    _native.normalise_channels(x, y, draw.one_of(ISAS), _threads(draw), factors(), factors(), draw.one_of((1e-5, 0.0, -1.0, float("nan"))))


def _elementwise(draw: Draw) -> None:
    shape, which = _small(draw, draw.below(6)), draw.below(4)
    dtype = draw.one_of(("float32", "float64", "uint64", "int64", "uint16"))
    x, y = _pair(draw, shape, dtype, dtype)
    if which == 0:
        residual = x if draw.chance(2) else None
        names = ("none", "relu", "relu6", "silu", "sigmoid", "hardsigmoid", "hardswish", "gelu", "tanh")
        _native.finish(y, draw.one_of(ISAS), _threads(draw), draw.one_of(names), residual)
    elif which == 1:
        _native.is_within(x, 1e30, draw.one_of(ISAS), _threads(draw), draw.one_of(("", "float16", "bfloat16", "float32")), draw.chance(2))
    elif which == 2:
        other = draw.framed(shape, draw.one_of(("float32", "uint16")))[1]
        _native.convert(x, other, draw.one_of(("float16", "bfloat16", "float32")), draw.one_of(ISAS), _threads(draw))
    else:
        sums, cells = np.zeros(shape), np.zeros(shape, draw.one_of(DTYPES))
        _native.cut_off(sums if draw.chance(2) else draw.array(shape, "float64"), cells, 0.1, draw.one_of(ISAS), _threads(draw))


def _sizes(draw: Draw, count: int, *, hostile: bool) -> list[int]:
    return [draw.huge() if hostile and draw.chance(4) else draw.between(1, 9) for _ in range(count)]


def _problem(draw: Draw, hostile: bool) -> tuple[Any, tuple[int, ...]]:
    axes = draw.between(1, 3) if not draw.chance(20) else draw.below(64)
    groups, read, written = ((draw.huge() if hostile and draw.chance(6) else draw.one_of((1, 1, 2, 3, 8, 17))) for _ in range(3))
    size, kernel = _sizes(draw, axes, hostile=hostile), _sizes(draw, axes, hostile=hostile)
    kernel = [min(taps, 5) if not hostile else taps for taps in kernel]
    stride, dilation = ([draw.huge() if hostile and draw.chance(5) else draw.between(1, 3) for _ in range(axes)] for _ in range(2))
    before = [draw.huge() if hostile and draw.chance(5) else draw.between(-2, 4) for _ in range(axes)]
    out = [draw.huge() if hostile and draw.chance(5) else draw.between(0, 9) for _ in range(axes)]
    mode = draw.one_of((*MODES, "zeros", "zeros"))
    return _native.Problem(groups, read, written, size, out, kernel, stride, dilation, before, mode), (
        groups,
        read,
        written,
        *size,
        *out,
        *kernel,
    )


def _correlation(draw: Draw) -> None:
    hostile = draw.chance(3)
    name, dtype, isa = draw.one_of((*CHOICES[1:], "separable", "other")), draw.one_of(TYPES), draw.one_of(ISAS)
    if dtype in ("float16", "bfloat16") and isa == "none":
        return
    problem, sizes = _problem(draw, hostile)
    _native.Correlation.panel_bytes(name, dtype, isa, problem)
    if draw.chance(4):
        _native.spectral_shape(dtype, isa, problem)
        _native.dilated_tiling(dtype, problem)
    kernel = _native.Correlation(name, dtype, isa, problem)
    kernel.workspace_bytes(_threads(draw))
    axes = (len(sizes) - 3) // 3
    (groups, read, written), rest = sizes[:3], sizes[3:]
    size, out, taps = rest[:axes], rest[axes : 2 * axes], rest[2 * axes :]
    if kernel.packed_bytes > 1 << 26 or any(extent > 1 << 12 for extent in sizes):
        return
    if groups * read * written * np.prod(taps, dtype=float) * max(1.0, np.prod(out, dtype=float)) > MOST_PRODUCTS:
        return
    if np.prod(size, dtype=float) * groups * read > 1 << 20 or np.prod(out, dtype=float) * groups * written > 1 << 20:
        return
    stored = {"uint64": "int64", "float16": "uint16", "bfloat16": "uint16"}.get(dtype, dtype)
    batch = draw.below(3)
    packed = kernel.pack(draw.array((groups, written, read, *taps), stored), _threads(draw), draw.chance(2))
    x, y = draw.array((batch, groups, read, *size), stored), draw.framed((batch, groups, written, *out), stored)[1]
    bias = np.ones(groups * written, np.float32 if stored == "uint16" else stored) if draw.chance(2) else None
    residual = draw.array(y.shape, stored) if draw.chance(4) else None
    kernel.keeps_bound(x, packed, _threads(draw))
    kernel.run(x, packed, bias, y, draw.chance(3), _threads(draw), draw.one_of(("none", "relu", "gelu")), residual)


def _gradient(draw: Draw) -> None:
    hostile = draw.chance(3)
    name, dtype, isa = draw.one_of((*gradient_catalog.BY_NAME, "other")), draw.one_of(TYPES), draw.one_of(ISAS)
    problem, sizes = _problem(draw, hostile)
    _native.WeightGradient.panel_bytes(name, dtype, isa, problem)
    kernel = _native.WeightGradient(name, dtype, isa, problem)
    kernel.workspace_bytes(_threads(draw))
    axes = (len(sizes) - 3) // 3
    (groups, read, written), rest = sizes[:3], sizes[3:]
    size, out, taps = rest[:axes], rest[axes : 2 * axes], rest[2 * axes :]
    if any(extent > 1 << 10 for extent in sizes) or groups * read * written * np.prod(taps) * max(1, np.prod(out)) > MOST_PRODUCTS:
        return
    if max(np.prod(size) * read, np.prod(out) * written, np.prod(taps) * read * written) * groups > 1 << 20:
        return
    stored = {"uint64": "int64"}.get(dtype, dtype)
    batch = draw.below(3)
    x, grad = draw.array((batch, groups, read, *size), stored), draw.array((batch, groups, written, *out), stored)
    kernel.run(x, grad, draw.framed((groups, written, read, *taps), stored)[1], _threads(draw))


KINDS: tuple[Callable[[Draw], None], ...] = (_lines, _footprint, _max_pool, _normalise, _elementwise, _correlation, _correlation, _gradient)


def check(data: bytes) -> None:
    draw = Draw(data)
    try:
        draw.one_of(KINDS)(draw)
    except REFUSALS:
        return
