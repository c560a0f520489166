"""How far the filters of `faltung.ndimage` look: for each axis of an array the cells before and after its own, and whether it wraps.

Owns what their arguments mean for that. Knows no chunks: `filtering` cuts by what is said here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from faltung.dask.filtering import Looks
from faltung.errors import ConvSpecError, shown
from faltung.ndimage.arguments import checked_axes, checked_axis, checked_mode, for_each
from faltung.ndimage.correlation import footprint_windows
from faltung.ndimage.passes import Pass
from faltung.ndimage.smoothing import gaussian_passes
from faltung.normal_form import integer

__all__ = ["DEFAULT_TRUNCATE", "along", "around", "as_told", "of_footprint", "of_passes", "of_smoothing"]

DEFAULT_TRUNCATE = 4.0


def along(x: Any, axis: int, before: int, size: int, mode: str) -> Looks:
    """Along one axis a window of `size` cells, `before` of them before its output's own."""
    return of_passes(x, [_window(checked_axis(axis, x.ndim), before, size, mode)])


def of_passes(x: Any, passes: Sequence[Pass]) -> Looks:
    """One pass along each axis, or none."""
    reaches, wraps = [(0, 0)] * x.ndim, [False] * x.ndim
    for one in passes:
        reaches[one.axis] = (one.before, one.size - 1 - one.before)
        wraps[one.axis] = one.mode == "circular"
    return reaches, wraps


def around(x: Any, mode: Any, axes: Any = None) -> Looks:
    """One cell on either side, along `axes`, each of which has a mode."""
    named = checked_axes(axes, x.ndim)
    modes = for_each("mode", mode, len(named))
    return of_passes(x, [_window(axis, 1, 3, its_mode) for axis, its_mode in zip(named, modes, strict=True)])


def of_footprint(x: Any, taps: tuple[int, ...], mode: Any, origin: Any, axes: Any, *, flips: bool) -> Looks:
    """A kernel of several axes, of the shape `taps`; where it `flips`, it is that of a convolution."""
    windows = zip(*footprint_windows(x.shape, taps, axes, origin, flips=flips), strict=True)
    return of_passes(x, [_window(axis, before, size, mode) for axis, (before, size) in enumerate(windows)])


def of_smoothing(x: Any, sigma: Any, mode: Any, options: Mapping[str, Any]) -> Looks:
    """What smooths before derivatives are taken, with the `options` of `gaussian_filter`."""
    truncate, radius = options.get("truncate", DEFAULT_TRUNCATE), options.get("radius")
    return of_passes(x, gaussian_passes(x.ndim, sigma, 0, _one_border(mode), truncate, radius, None))


def as_told(x: Any, depth: Any, mode: Any) -> Looks:
    """By the depth that a user gives."""
    reaches = []
    for one in for_each("depth", depth, x.ndim):
        sides = (one, one) if not np.iterable(one) else tuple(one)
        if len(sides) != 2:
            raise ConvSpecError(f"depth={shown(depth)}: {shown(one)} is neither a number nor a pair.", "Give (before, after).")
        reaches.append((integer("depth", sides[0], least=0), integer("depth", sides[1], least=0)))
    return reaches, [checked_mode(_one_border(mode)) == "circular"] * x.ndim


def _window(axis: int, before: int, size: int, mode: Any) -> Pass:
    return Pass(axis, before, checked_mode(mode), 0.0, None, size)


def _one_border(mode: Any) -> str:
    """The mode of all axes; several, where none wraps, count as one: the filter's own border stands at the ends of the array."""
    modes = [mode] if isinstance(mode, str) else list(mode)
    wrapping = [checked_mode(one) == "circular" for one in modes]
    if any(wrapping) and not all(wrapping):
        raise ConvSpecError(
            f"mode={shown(mode)} wraps for some of the derivatives and not for others, which smooth along all axes.",
            "Use one mode for all axes, or add up gaussian_filter with an order for each.",
        )
    return str(modes[0]) if modes else "reflect"
