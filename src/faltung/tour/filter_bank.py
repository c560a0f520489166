"""Sixty-four named filters of 7 × 7 × 3, much like those that a network's first layer learns.

Edges, lines, spots and colours: Gabor functions, Laplacians of Gaussians and Gaussians in brightness and in
two colour contrasts. Fixed by formula, so every run gives the same maps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIDE", "filter_bank"]

SIDE = 7

Plane = NDArray[np.float64]

_CONTRASTS = {
    "brightness": np.array([1.0, 1.0, 1.0]),
    "red–green": np.array([0.5, -0.5, 0.0]),
    "blue–yellow": np.array([-0.25, -0.25, 0.5]),
}
_PRIMARIES = {"red": np.array([1.0, 0, 0]), "green": np.array([0, 1.0, 0]), "blue": np.array([0, 0, 1.0])}


def filter_bank() -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Names and weight of the bank.

    Returns
    -------
    names : tuple of 64 str
    weight : float32 array (64, 3, 7, 7)
        All but the six colour averages sum to 0 over each channel's plane; absolute values sum to 1.

    >>> names, weight = filter_bank()
    >>> len(names), len(set(names)), weight.shape
    (64, 64, (64, 3, 7, 7))
    """
    bank: list[tuple[str, NDArray[np.float64]]] = []
    for name, contrast, wavelength, width in (
        ("edge", "brightness", 5.0, 1.4),
        ("broad edge", "brightness", 9.0, 2.2),
        ("edge", "red–green", 7.0, 1.8),
        ("edge", "blue–yellow", 7.0, 1.8),
    ):
        for step in range(8):  # an edge has a bright side: eight directions around the full circle
            plane = _wave(45.0 * step, wavelength, width, phase=-90)
            bank.append((f"{name}, {contrast}, rising towards {45 * step}°", _in_colour(plane, _CONTRASTS[contrast])))
    for name, wavelength, width in (("line", 4.5, 1.3), ("broad line", 8.0, 2.0)):
        for step in range(8):  # a line has none: eight directions around half of it
            plane = _wave(22.5 * step, wavelength, width, phase=0)
            bank.append((f"{name}, across {22.5 * step:g}°", _in_colour(plane, _CONTRASTS["brightness"])))
    for contrast, weights in _CONTRASTS.items():
        for size, width in (("small", 0.8), ("middle", 1.2), ("large", 1.7)):
            bank.append((f"{size} spot, {contrast}", _in_colour(_spot(width), weights)))
    for colour, weights in {**_PRIMARIES, **_CONTRASTS}.items():
        bank.append((f"average, {colour}", _in_colour(_bell(1.5), weights)))
    bank.append(("checkerboard, brightness", _in_colour(_checkers(), _CONTRASTS["brightness"])))
    return tuple(name for name, _ in bank), np.stack([weight for _, weight in bank]).astype(np.float32)


def _in_colour(plane: Plane, weights: Plane) -> NDArray[np.float64]:
    """The plane on each channel, scaled so that absolute values sum to 1."""
    kernel = weights[:, None, None] * plane
    return np.asarray(kernel / np.abs(kernel).sum())


def _grid() -> tuple[Plane, Plane]:
    """Positions to the right and upwards, the middle cell at 0."""
    steps = np.arange(SIDE) - SIDE // 2
    return steps[None, :].astype(np.float64), -steps[:, None].astype(np.float64)


def _bell(width: float) -> Plane:
    right, up = _grid()
    return np.asarray(np.exp(-(right**2 + up**2) / (2 * width**2)))


def _without_mean(plane: Plane, width: float) -> Plane:
    """Take a multiple of the bell away so that the plane sums to 0."""
    bell = _bell(width)
    return np.asarray(plane - bell * (plane.sum() / bell.sum()))


def _wave(degrees: float, wavelength: float, width: float, phase: float) -> Plane:
    """A Gabor function: a wave along `degrees` under a bell. Phase 0 is even (a line), −90 odd (an edge rising along the direction)."""
    right, up = _grid()
    turn = math.radians(degrees)
    along = right * math.cos(turn) + up * math.sin(turn)
    wave = np.cos(2 * math.pi * along / wavelength + math.radians(phase))
    return _without_mean(wave * _bell(width), width)


def _spot(width: float) -> Plane:
    """Bright in the middle, dark around: minus the Laplacian of a Gaussian."""
    right, up = _grid()
    squared = right**2 + up**2
    return _without_mean((2 - squared / width**2) * _bell(width), width)


def _checkers() -> Plane:
    right, up = _grid()
    return _without_mean(np.where((right + up) % 2 == 0, 1.0, -1.0) * _bell(1.8), 1.8)
