"""Numbers for a scene: read from arrays or nested lists, or made up.

Standard library only: NumPy arrays and tensors are read through their ``tolist``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.viz.numbers import Number
from faltung.viz.windows import Index

__all__ = ["Block", "example_input", "example_weight", "read"]


@dataclass(frozen=True, slots=True)
class Block:
    """An array of Python numbers: its shape, and its elements in C order."""

    shape: Index
    flat: tuple[Number, ...]

    def rows(self, length: int) -> Iterator[tuple[Number, ...]]:
        """The elements in runs of `length`.

        >>> list(Block((2, 2), (1, 2, 3, 4)).rows(2))
        [(1, 2), (3, 4)]
        """
        return (self.flat[start : start + length] for start in range(0, len(self.flat), length))


def read(name: str, value: object, limit: int) -> Block:
    """`value`, an array or a nested list, with its shape.

    Raises
    ------
    ConvShapeError
        Lists of one level differ in length, or there are more than `limit` elements.
    ConvTypeError
        An element is no number.

    >>> read("x", [[1, 2, 3], [4, 5, 6]], limit=100)
    Block(shape=(2, 3), flat=(1, 2, 3, 4, 5, 6))
    """
    extents = getattr(value, "shape", None)
    if isinstance(extents, tuple) and math.prod(extents) > limit:
        _refuse(name, "*".join(map(str, extents)), math.prod(extents), limit)
    level: list[Any] = [_plain(value)]
    shape: list[int] = []
    while any(isinstance(entry, list) for entry in level):
        lengths = [len(entry) if isinstance(entry, list) else None for entry in level]
        first, other = lengths[0], next((length for length in lengths if length != lengths[0]), lengths[0])
        if first is None or other != first:
            raise ConvShapeError(
                f"{name} is no array: along axis {len(shape)} it holds {_extent(first)} and {_extent(other)}.",
                "Give every list of one level the same length.",
            )
        shape.append(first)
        if math.prod(shape) > limit:
            _refuse(name, "*".join(map(str, shape)), math.prod(shape), limit)
        level = list(itertools.chain.from_iterable(level))
    return Block(tuple(shape), tuple(_number(name, entry) for entry in level))


def example_input(channels: int, size: Index) -> Block:
    """Small numbers of one digit, the same every time.

    >>> example_input(1, (2, 3)).flat
    (3, 0, 1, 2, 2, 0)
    """
    return _cycled((channels, *size), _INPUTS)


def example_weight(shape: Index) -> Block:
    """Small weights, most of them 0, 1 or 2.

    >>> example_weight((1, 1, 3)).flat
    (0, 1, 2)
    """
    return _cycled(shape, _WEIGHTS)


# Of prime lengths, so that neither rows nor channels of a usual size repeat one another.
_INPUTS = (3, 0, 1, 2, 2, 0, 1, 3, 1, 2, 3, 0, 0, 2, 1, 1, 3, 0, 2, 1, 0, 3, 2)
_WEIGHTS = (0, 1, 2, 2, -1, 0, 1, 0, 1, 2, -1)


def _cycled(shape: Index, pattern: Sequence[int]) -> Block:
    return Block(shape, tuple(itertools.islice(itertools.cycle(pattern), math.prod(shape))))


def _plain(value: object) -> object:
    """Lists all the way down of what has lists in it."""
    for read_out in ("detach", "tolist"):  # a tensor with gradients says no to the second without the first
        if hasattr(value, read_out):
            value = getattr(value, read_out)()
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _number(name: str, value: object) -> Number:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float | complex):
        return value
    raise ConvTypeError(f"{name} holds {shown(value)} of type {type(value).__name__}, which is no number.", "Give int, float or complex.")


def _extent(length: int | None) -> str:
    return "a number" if length is None else f"a list of {length}"


def _refuse(name: str, arithmetic: str, count: int, limit: int) -> None:
    raise ConvShapeError(
        f"{name} has {arithmetic} = {count} values, more than {limit}, the most that a scene shows.", "Cut out a part of it."
    )
