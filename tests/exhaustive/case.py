"""One shape with whole numbers in it, what is expected of it in every direction, and how large the sums are that errors are measured by."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.exhaustive.expected import Meeting, meeting_of
from tests.exhaustive.shapes import Shape

__all__ = ["DIRECTIONS", "Case"]

Array = np.ndarray

DIRECTIONS = ("forward", "input gradient", "weight gradient")
MOST = 4
"""The largest number in any array."""


@dataclass(frozen=True)
class Case:
    """A shape and the seed of its numbers.

    Numbers are whole, from -4 to 4, so that every sum is exact in every dtype but where half precision rounds the result once.
    """

    shape: Shape
    seed: int

    @functools.cached_property
    def meeting(self) -> Meeting:
        return meeting_of(*self.shape)

    @property
    def batch(self) -> int:
        return 2 if np.prod(self.shape[1]) <= 200 else 1

    @functools.cached_property
    def arrays(self) -> dict[str, Array]:
        """x, weight, bias, grad, and `factored`: a weight that is one outer product of its rows."""
        spec, size = self.shape
        rng = np.random.default_rng(self.seed)
        x_shape = (self.batch, spec.in_channels, *size)
        shapes = {"x": x_shape, "weight": spec.weight_shape, "bias": (spec.out_channels,), "grad": spec.output_shape(x_shape)}
        arrays = {name: rng.integers(-MOST, MOST + 1, shape).astype(float) for name, shape in shapes.items()}
        outer = [
            rng.integers(1, 3, (*spec.weight_shape[:2], *(k if i == a else 1 for i, k in enumerate(spec.kernel_size))))
            for a in range(spec.ndim)
        ]
        return arrays | {"factored": functools.reduce(np.multiply, outer).astype(float)}

    @functools.cached_property
    def _known(self) -> dict[Any, Any]:
        return {}

    def expected(self, direction: str, weight: str = "weight") -> Array:
        """In double precision, exact."""
        if (direction, weight) not in self._known:
            sums = self._sums(direction, self.meeting, {**self.arrays, "weight": self.arrays[weight]})
            bias = self.arrays["bias"].reshape(-1, *(1,) * self.shape[0].ndim)
            self._known[direction, weight] = sums + bias if direction == "forward" else sums
        result: Array = self._known[direction, weight]
        return result

    def scale(self, direction: str, weight: str, *, beyond: bool) -> float:
        """The largest sum of magnitudes of one result; `beyond`: at places beyond the border and the kernel as well."""
        key = ("scale", direction, weight, beyond)
        if key not in self._known:
            self._known[key] = self._scale(direction, weight, beyond=beyond)
        return float(self._known[key])

    def _scale(self, direction: str, weight: str, *, beyond: bool) -> float:
        arrays = {name: np.abs(array) for name, array in {**self.arrays, "weight": self.arrays[weight]}.items()}
        meetings = [self.meeting]
        if beyond and direction == "weight gradient":
            meetings.append(self.meeting.further(3))
        elif beyond:
            gathers = (direction == "forward") != self.shape[0].transposed
            meetings.append(self.meeting.widened() if gathers else self.meeting.uncropped())
        largest = max(float(self._sums(direction, meeting, arrays).max(initial=0)) for meeting in meetings)
        return largest + (MOST if direction == "forward" else 0)

    def _sums(self, direction: str, meeting: Meeting, arrays: dict[str, Array]) -> Array:
        spec, _ = self.shape
        x, grad = (self._grouped(arrays[name]) for name in ("x", "grad"))
        weight = arrays["weight"].reshape(spec.groups, spec.weight_shape[0] // spec.groups, *spec.weight_shape[1:])
        if direction == "weight gradient":
            large, small = (grad, x) if spec.transposed else (x, grad)
            sums = meeting.weight_grad(large, small)
            return sums.reshape(spec.weight_shape[0], *sums.shape[2:])
        given = x if direction == "forward" else grad
        sums = (meeting.scatter if (direction == "forward") == spec.transposed else meeting.gather)(given, weight)
        return sums.reshape(len(sums), sums.shape[1] * sums.shape[2], *sums.shape[3:])

    def _grouped(self, array: Array) -> Array:
        groups = self.shape[0].groups
        return array.reshape(len(array), groups, array.shape[1] // groups, *array.shape[2:])


def in_dtype(array: Array, dtype: Any) -> Array:
    """Whole numbers as `dtype`: half precision rounds once."""
    wide = {"i": np.int64, "u": np.int64}.get(np.dtype(dtype).kind, np.float32 if np.dtype(dtype).itemsize == 2 else np.float64)
    return array.astype(wide).astype(dtype)
