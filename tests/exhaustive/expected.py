"""What a convolution and both gradients are, tap by tap in double precision: exact for whole numbers, and fast enough for every shape.

It is compared with the definition on a sample (`tests/functional/test_corpus.py`) and shares no code with the engine. One sum serves all:
along each axis position o of the small side and tap k meet cell ``o*stride + k*dilation - before`` of the large side.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import faltung as fl

__all__ = ["Meeting", "meeting_of"]

Array = np.ndarray


@dataclass(frozen=True)
class Meeting:
    """Which cells of a large and a small side meet at which tap.

    Arrays are (N, groups, channels, *size), weights (groups, small side's channels, large side's channels, *kernel).
    """

    large: tuple[int, ...]
    small: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]

    @property
    def _extent(self) -> tuple[int, ...]:
        """From the first cell that any window covers to the last."""
        axes = zip(self.small, self.kernel, self.stride, self.dilation, strict=True)
        return tuple((out - 1) * step + (taps - 1) * apart + 1 for out, taps, step, apart in axes)

    def _inside(self) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Where the large side lies in this extent, and what of it does."""
        places, cells = [], []
        for size, extent, before in zip(self.large, self._extent, self.before, strict=True):
            first, skipped = max(before, 0), max(-before, 0)
            count = max(0, min(extent - first, size - skipped))
            places.append(slice(first, first + count))
            cells.append(slice(skipped, skipped + count))
        return (..., *places), (..., *cells)

    def _windows(self) -> Iterator[tuple[tuple[slice, ...], tuple[int, ...]]]:
        for tap in itertools.product(*map(range, self.kernel)):
            axes = zip(tap, self.small, self.stride, self.dilation, strict=True)
            yield (..., *(slice(k * apart, k * apart + (out - 1) * step + 1, step) for k, out, step, apart in axes)), (..., *tap)

    def _extended(self, large: Array) -> Array:
        extended = np.zeros((*large.shape[:3], *self._extent))
        places, cells = self._inside()
        extended[places] = large[cells]
        return extended

    def gather(self, large: Array, weight: Array) -> Array:
        """For each position of the small side the sum over its window."""
        extended, result = self._extended(large), np.zeros((*large.shape[:2], weight.shape[1], math.prod(self.small)))
        for window, tap in self._windows():
            cells = extended[window].reshape(*large.shape[:3], -1)
            result += weight[tap] @ cells
        return result.reshape(*result.shape[:3], *self.small)

    def scatter(self, small: Array, weight: Array) -> Array:
        """Each position of the small side stamps the kernel onto the large side."""
        extended = np.zeros((*small.shape[:2], weight.shape[2], *self._extent))
        flat = small.reshape(*small.shape[:3], -1)
        for window, tap in self._windows():
            extended[window] += (weight[tap].swapaxes(-1, -2) @ flat).reshape(*extended.shape[:3], *self.small)
        result = np.zeros((*extended.shape[:3], *self.large))
        places, cells = self._inside()
        result[cells] = extended[places]
        return result

    def weight_grad(self, large: Array, small: Array) -> Array:
        """For each tap the sum of the products that it is in."""
        extended = self._extended(large)
        flat = small.reshape(*small.shape[:3], -1)
        result = np.zeros((small.shape[1], small.shape[2], large.shape[2], *self.kernel))
        for window, tap in self._windows():
            cells = extended[window].reshape(*large.shape[:3], -1)
            result[tap] = (flat @ cells.swapaxes(-1, -2)).sum(axis=0)
        return result

    def widened(self) -> Meeting:
        """The same with every place at which the kernel still meets a cell: the outputs of ``padding="full"``."""
        small, before = [], []
        for size, taps, step, apart, front in zip(self.large, self.kernel, self.stride, self.dilation, self.before, strict=True):
            ahead = max(0, -(-((taps - 1) * apart - front) // step))
            before.append(front + ahead * step)
            small.append((size - 1 + before[-1]) // step + 1)
        return Meeting(self.large, tuple(small), self.kernel, self.stride, self.dilation, tuple(before))

    def uncropped(self) -> Meeting:
        """The same with all cells that a window covers."""
        return Meeting(self._extent, self.small, self.kernel, self.stride, self.dilation, (0,) * len(self.small))

    def further(self, taps: int) -> Meeting:
        """The same with so many taps more on either side of the kernel."""
        kernel = tuple(size + 2 * taps for size in self.kernel)
        before = tuple(front + taps * apart for front, apart in zip(self.before, self.dilation, strict=True))
        return Meeting(self.large, self.small, kernel, self.stride, self.dilation, before)


def meeting_of(spec: fl.ConvSpec, size: tuple[int, ...]) -> Meeting:
    """Of a spec that pads with zeros and does not flip, for an input of `size`."""
    assert spec.padding_mode == "zeros"
    assert not spec.flip
    out = spec.output_size(size)
    large, small = (out, size) if spec.transposed else (size, out)
    before = tuple(front for front, _ in spec.sides(size))
    return Meeting(large, small, spec.kernel_size, spec.stride, spec.dilation, before)
