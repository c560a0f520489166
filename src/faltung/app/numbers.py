"""The numbers of an input or a kernel: given, named or made up, and fitted to the shape that the controls ask for.

Standard library only, but for kernels and photographs named, which are read at call time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError, shown
from faltung.viz.numbers import Number
from faltung.viz.scene.values import Block, example_input, example_weight

__all__ = ["INPUTS", "INPUT_TITLES", "MAX_VALUES", "Given", "bias_block", "input_block", "nested", "read_given", "weight_block"]

MAX_VALUES = 2**16
MAX_DEPTH = 5
MAX_NAME = 200
LARGEST = 2**53
"""Integers beyond it are no longer exact where JSON numbers are doubles, as in every browser."""

_DIGIT = (
    "............",
    "............",
    "...######...",
    "...######...",
    "........##..",
    ".......##...",
    ".....####...",
    ".....####...",
    ".....##.....",
    "....##......",
    "....##......",
    "............",
)


@dataclass(frozen=True)
class Given:
    """Numbers as a state holds them: a name, or a shape and the numbers in C order."""

    name: str | None = None
    block: Block | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"named": self.name} if self.block is None else {"values": nested(self.block)}


def read_given(name: str, value: object) -> Given | None:
    """Numbers of a state from JSON: null, ``{"named": …}``, ``{"values": …}`` or a list.

    >>> read_given("x", {"values": [[1, 2], [3, 4]]})
    Given(name=None, block=Block(shape=(2, 2), flat=(1, 2, 3, 4)))
    """
    if value is None:
        return None
    if isinstance(value, list):
        return Given(block=_block(name, value))
    if isinstance(value, Mapping) and len(value) == 1:
        if "named" in value:
            named = value["named"]
            if not isinstance(named, str):
                raise ConvTypeError(f"{name}.named={shown(named)} is no text.", 'Write {"named": "impulse"}.')
            if len(named) > MAX_NAME:
                raise ConvSpecError(f"{name}.named has {len(named)} characters, more than {MAX_NAME}.", 'Write {"named": "impulse"}.')
            return Given(named)
        if "values" in value:
            return None if value["values"] is None else Given(block=_block(name, value["values"]))
    raise ConvTypeError(f"{name}={shown(value)} holds no numbers.", 'Give null, {"values": [[1, 2], [3, 4]]} or {"named": "impulse"}.')


def _block(name: str, value: object) -> Block:
    """A nested list as a block: every level of one length, every entry a finite number, no more than `MAX_VALUES`."""
    level: list[Any] = [value]
    shape: list[int] = []
    while any(isinstance(entry, list) for entry in level):
        lengths = {len(entry) if isinstance(entry, list) else -1 for entry in level}
        if len(lengths) > 1:
            raise ConvShapeError(
                f"{name} is no array: along axis {len(shape)} its lists differ.", "Give every list of one level one length."
            )
        (length,) = lengths
        shape.append(length)
        if length == 0:
            raise ConvShapeError(f"{name} holds an empty list.", "Give at least one number, or null for made-up ones.")
        if len(shape) > MAX_DEPTH:
            raise ConvShapeError(f"{name} has more than {MAX_DEPTH} axes.", "An input has its channels and up to 3 axes.")
        if math.prod(shape) > MAX_VALUES:
            raise ConvShapeError(f"{name} has more than {MAX_VALUES} numbers.", "Cut out a part of it.")
        level = list(itertools.chain.from_iterable(level))
    if not shape:
        raise ConvTypeError(f"{name}={shown(value)} is no list.", "Give the numbers in nested lists.")
    return Block(tuple(shape), tuple(_number(name, entry) for entry in level))


def _number(name: str, value: object) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConvTypeError(f"{name} holds {shown(value)} of type {type(value).__name__}, which is no number.", "Give numbers.")
    if not (abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value)):
        raise ConvSpecError(
            f"{name} holds {shown(value)}, which is no finite number up to 2**53.", "Give numbers up to 2**53 = 9007199254740992."
        )
    return value


def nested(block: Block) -> Any:
    """A block as nested lists.

    >>> nested(Block((2, 1), (1, 2)))
    [[1], [2]]
    """
    level: list[Any] = list(block.flat)
    for extent in reversed(block.shape[1:]):
        level = [level[start : start + extent] for start in range(0, len(level), extent)]
    return level


# -- fitted to a shape ---------------------------------------------------------------------------


def fitted(given: Block, wanted: Block) -> Block:
    """`wanted` with the numbers of `given` wherever both have a cell; of another number of axes `wanted` alone.

    >>> fitted(Block((1, 2), (7, 8)), Block((2, 3), (1, 2, 3, 4, 5, 6))).flat
    (7, 8, 3, 4, 5, 6)
    """
    if given.shape == wanted.shape:
        return given
    if len(given.shape) != len(wanted.shape):
        return wanted
    values = list(wanted.flat)
    common = [range(min(extents)) for extents in zip(given.shape, wanted.shape, strict=True)]
    for index in itertools.product(*common):
        values[_flat(index, wanted.shape)] = given.flat[_flat(index, given.shape)]
    return Block(wanted.shape, tuple(values))


def _flat(index: Sequence[int], shape: Sequence[int]) -> int:
    place = 0
    for entry, extent in zip(index, shape, strict=True):
        place = place * extent + entry
    return place


def input_block(given: Given | None, channels: int, size: tuple[int, ...]) -> Block:
    """The numbers of an input (channels, *size)."""
    if given is None:
        return example_input(channels, size)
    if given.block is not None:
        return fitted(given.block, example_input(channels, size))
    made = INPUTS[given.name or ""]
    if made is None:
        from faltung.app.photographs import default_cells

        return default_cells(channels, size)
    plane = [made(index, size) for index in itertools.product(*map(range, size))]
    return Block((channels, *size), tuple(plane) * channels)


def weight_block(given: Given | None, shape: tuple[int, ...]) -> Block:
    """The weights, of ``spec.weight_shape``; a named kernel is that of every pair of channels."""
    if given is None:
        return example_weight(shape)
    if given.block is not None:
        return fitted(given.block, example_weight(shape))
    from faltung.app.named import kernel_of_size

    return Block(shape, kernel_of_size(given.name or "", shape[2:]) * (shape[0] * shape[1]))


def bias_block(given: Given | None, channels: int) -> Block:
    """One number an output channel; made up they count from 1."""
    counted = Block((channels,), tuple(1 + channel % 9 for channel in range(channels)))
    if given is None:
        return counted
    return counted if given.block is None else fitted(given.block, counted)


# -- inputs that have names ----------------------------------------------------------------------

Index = tuple[int, ...]


def _impulse(index: Index, size: Index) -> int:
    return int(all(place == extent // 2 for place, extent in zip(index, size, strict=True)))


def _digit(index: Index, size: Index) -> int:
    """A seven, drawn on 12 by 12 cells; along one axis a row of it."""
    places = (*((5, 12) if len(index) == 1 else (index[-2], size[-2])), index[-1], size[-1])
    row, column = ((2 * place + 1) * len(_DIGIT) // (2 * extent) for place, extent in (places[:2], places[2:]))
    return 9 * (_DIGIT[row][column] == "#")


def _noise(index: Index, _: Index) -> int:
    mixed = 2166136261  # FNV-1a: the same everywhere, whatever the size
    for place in index:
        mixed = (mixed ^ place) * 16777619 % 2**32
    return ((mixed ^ mixed >> 15) * 2654435769 % 2**32 >> 16) % 10


INPUTS: dict[str, Callable[[Index, Index], int] | None] = {
    "counting": lambda index, size: 1 + _flat(index, size),
    "ramp": lambda index, _: index[-1],
    "edge": lambda index, size: 9 * (index[-1] >= size[-1] // 2),
    "impulse": _impulse,
    "constant": lambda *_: 1,
    "checkerboard": lambda index, _: 9 * (sum(index) % 2),
    "noise": _noise,
    "digit": _digit,
    "photo": None,
}
"""Inputs by name: the number of a cell from its index and the size; None: read from a picture."""

INPUT_TITLES = {
    "counting": "1, 2, 3, …",
    "ramp": "ramp: brighter to the right",
    "edge": "edge: dark, then bright",
    "impulse": "impulse: a single 1",
    "constant": "ones everywhere",
    "checkerboard": "checkerboard",
    "noise": "noise",
    "digit": "the digit 7",
    "photo": "a photograph, made small",
}
