"""What layers that work along dimensions of one array do to its positions: windows, padding, resizing, cropping, means.

Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from faltung.geometry import Axis
from faltung.model.operations import Crop, Resize
from faltung.model.tracing import layout as lay
from faltung.model.tracing.layout import Part
from faltung.model.tracing.sight import Seen
from faltung.reach import of_axis, of_resize, of_shift, of_step

__all__ = ["cropped", "padded", "reduced", "resized", "rolled", "shape_of", "windows"]

Shape = tuple[int, ...]


def shape_of(seen: Seen) -> Shape:
    """The array's shape."""
    return tuple(math.prod(part.size for part in dim) for dim in seen.layout)


def windows(seen: Seen, axes: Sequence[Axis], shape: Shape, why: str) -> Seen:
    """A convolution's or pooling's windows over the last dimensions."""
    for dim, axis in zip(range(len(shape) - len(axes), len(shape)), axes, strict=True):
        before = shape_of(seen)[dim]
        repeats = (axis.stride, 1) if axis.transposed else (1, axis.stride)
        layer = of_axis(axis, before)
        seen = seen.window(dim, layer, repeats, shape[dim], f"{why}: a window over positions that lie in another order")
    return seen


def padded(seen: Seen, sides: Sequence[tuple[int, int]], shape: Shape, why: str) -> Seen:
    """Cells put around dimensions, or cut off."""
    for dim, (before, after) in enumerate(sides):
        if before or after:
            seen = seen.window(dim, of_shift(before), (1, 1), shape[dim], f"{why}: padding of positions that lie in another order")
    return seen


def rolled(sides: Sequence[tuple[int, int]], shape: Shape) -> list[tuple[int, int]]:
    """Cells that leave on one side and come back on the other: of the two ways around, the shorter."""
    return [
        (near := (before + size // 2) % size - size // 2, -near) if before + after == 0 else (before, after)
        for (before, after), size in zip(sides, shape, strict=True)
    ]


def resized(seen: Seen, resize: Resize, shape: Shape, why: str) -> Seen:
    """Interpolation along the dimensions whose size changes."""
    for dim, (old, new) in enumerate(zip(shape_of(seen), shape, strict=True)):
        if old != new:
            layer = of_resize(old, new, resize.how, places=resize.places, rounding=resize.rounding)
            wide, narrow = (old - 1, new - 1) if resize.places == "align_corners" and new > 1 else (old, new)
            shared = math.gcd(wide, narrow)
            repeats = (narrow // shared, wide // shared)
            seen = seen.window(dim, layer, repeats, new, f"{why}: positions resized that lie in another order")
    return seen


def cropped(seen: Seen, crop: Crop, shape: Shape, why: str) -> Seen:
    """Some cells of one dimension, at even distances."""
    dim = crop.dim % len(seen.layout)
    parts = seen.layout[dim]
    old = math.prod(part.size for part in parts)
    start = crop.start + old if crop.start < 0 else crop.start
    size = 1 if crop.drops else shape[dim]
    inner = math.prod(part.size for part in parts[1:])
    if (start, crop.step, size) != (0, 1, old):
        if crop.step > 0 and lay.is_aligned(parts, seen.layout):
            seen = seen.window(dim, of_step(start, crop.step), (1, crop.step), size, why)
        elif size == 1 and all(part.is_known for part in parts):
            seen = seen.taken(dim, start)
        elif crop.step == 1 and not parts[0].axes and not start % inner and not size % inner:
            seen = seen.with_dim(dim, lay.joined([Part(size // inner), *parts[1:]]))
        else:
            axes = lay.carried([parts])
            seen = seen.lose(axes, f"{why}: cells taken of positions that lie in another order").with_dim(dim, [Part(size)])
    return seen.taken(dim).with_dim(dim, []) if crop.drops else seen


def reduced(seen: Seen, dims: Iterable[int], keeps: bool, why: str) -> Seen:
    """What stands for all cells along some dimensions."""
    places = sorted(dim % len(seen.layout) for dim in dims)
    seen = seen.mixed(places, why)
    for dim in places:
        seen = seen.taken(dim)
    return seen if keeps else replace(seen, layout=tuple(parts for dim, parts in enumerate(seen.layout) if dim not in places))
