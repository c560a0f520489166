"""Choices made from bytes, so that a few changed bytes are another case and a case is a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

__all__ = ["Draw"]

T = TypeVar("T")


class Draw:
    """Choices from the bytes of `data`, first to last; zeros when they are at an end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def is_empty(self) -> bool:
        return self.at >= len(self.data)

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def below(self, count: int) -> int:
        return (self.byte() if count <= 256 else self.byte() | self.byte() << 8) % count

    def between(self, least: int, most: int) -> int:
        return least + self.below(most - least + 1)

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def chance(self, one_in: int) -> bool:
        """True in one of so many cases; never where the bytes are at an end."""
        return self.byte() % one_in == one_in - 1

    def rest(self) -> bytes:
        left, self.at = self.data[self.at :], len(self.data)
        return left

    def huge(self) -> int:
        """A size: mostly small, now and then where 32, 53, 62, 63 and 64 bits end, or below 0."""
        kind = self.byte()
        if kind < 160:
            return kind % 8
        if kind < 180:
            return self.between(8, 300)
        value = 2 ** self.one_of((15, 20, 24, 30, 31, 32, 33, 40, 50, 53, 59, 60, 61, 62, 63, 64, 80)) + self.between(-1, 1)
        return -value if kind > 248 else value

    def framed(self, shape: Sequence[int], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
        """An array and a view of it with gaps, turned, shifted or reversed: whole numbers from -4 to 4 (0 to 4 where there is no sign)."""
        dtype = np.dtype(dtype)
        rng = np.random.default_rng(self.byte())
        order = rng.permutation(len(shape)) if self.chance(3) else np.arange(len(shape))
        gaps = [self.one_of((1, 1, 1, 2, 3, -1, -2)) if self.chance(2) else 1 for _ in shape]
        ends = [self.one_of((0, 0, 0, 1, 2)) for _ in shape]
        held = [size * abs(gap) + end for size, gap, end in zip(shape, gaps, ends, strict=True)]
        values = rng.integers(0 if dtype.kind in "ub" else -4, 5, [held[axis] for axis in order])
        base = values.astype(dtype) if dtype.kind != "c" else (values + 1j * np.flip(values)).astype(dtype)
        if self.chance(10) and dtype.itemsize > 1:  # at an odd address
            odd: np.ndarray = np.ndarray(base.shape, dtype, bytearray(base.nbytes + 1), 1)
            odd[...] = base
            base = odd
        if self.chance(16):
            base = base.astype(dtype.newbyteorder())
        view = base.transpose(np.argsort(order))
        view = view[(*(slice(0, size * abs(gap), abs(gap)) for size, gap in zip(shape, gaps, strict=True)), ...)]
        view = view[(*(slice(None, None, -1 if gap < 0 else 1) for gap in gaps), ...)]
        assert view.shape == tuple(shape)
        return base, view

    def array(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Such a view, now and then with an axis that repeats one cell, or only to be read."""
        view = self.framed(shape, dtype)[1]
        if shape and self.chance(8) and all(shape):
            axis = self.below(len(shape))
            view = np.broadcast_to(view[(slice(None),) * axis + (slice(0, 1),)], tuple(shape))
        return view
