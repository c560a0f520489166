"""Operations one after the other without returning to PyTorch: what lies between them stays in one block of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import torch
from faltung.engine.arrays import Array
from faltung.torch.acceleration.operations import Join, Operation, Value
from faltung.torch.tensors import as_array, as_tensor
from torch import Tensor

__all__ = ["Segment", "Step"]

Step = Callable[[list[Any]], object]
"""Computes one operation on the arrays of the segment's values, by their slots."""

ALIGNMENT = 64


@dataclass(eq=False)
class _Place:
    """Where a value lies: `channels` after the first of `within`, or at `offset` of the segment's memory, or outside of it."""

    value: Value
    slot: int
    first: int
    last: int
    within: _Place | None = None
    channels: int = 0
    offset: int | None = None
    parts: list[_Place] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        cells = int(np.prod(self.value.shape))
        return -(-cells * self.value.dtype.itemsize // ALIGNMENT) * ALIGNMENT


class Segment:
    """Some operations; a function of tensors.

    Attributes
    ----------
    operations : list of Operation
    inputs, outputs : list of Value
        What is taken from PyTorch, in the order of the arguments; what is given to it.
    nbytes : int
        Memory of what lies between.
    """

    def __init__(self, operations: list[Operation], wanted: Iterable[Value]) -> None:
        self.operations = operations
        made = {operation.result for operation in operations}
        taken = [value for operation in operations for value in operation.takes if value not in made]
        self.inputs = list(dict.fromkeys(taken))
        self.outputs = [value for value in wanted if value in made]
        self._places = self._placed()
        self.nbytes = self._allocated()
        self._steps: list[Step] = []
        self._free: list[list[Any]] = []
        self.__name__ = "faltung_segment"  # which torch.fx asks for

    def slot(self, value: Value) -> int:
        """Where steps find the array of a value."""
        return self._places[value].slot

    def bind(self, step_of: Callable[[Operation, Callable[[Value], int]], Step]) -> None:
        """Take the steps of the operations, with their weights."""
        self._steps = [
            step
            for operation in self.operations
            for step in (self._joining(operation) if isinstance(operation, Join) else [step_of(operation, self.slot)])
        ]

    def __call__(self, *tensors: Tensor) -> Any:
        """The outputs: one alone, or a list."""
        try:
            arrays = self._free.pop()
        except IndexError:  # asked beforehand, another thread may take the last
            arrays = self._arrays()
        places = self._places
        for value, tensor in zip(self.inputs, tensors, strict=True):
            arrays[places[value].slot] = as_array(tensor)
        results = []
        for value in self.outputs:
            tensor = torch.empty(value.shape, dtype=value.dtype)
            results.append(tensor)
            self._view(places[value], as_array(tensor), arrays)
        for step in self._steps:
            step(arrays)
        for place in self._foreign:
            arrays[place.slot] = None
        self._free.append(arrays)
        return results[0] if len(results) == 1 else results

    # -- where everything lies ----------------------------------------------------------------------

    def _placed(self) -> dict[Value, _Place]:
        last = len(self.operations)
        values = [*self.inputs, *(operation.result for operation in self.operations)]
        places = {value: _Place(value, slot, -1, -1) for slot, value in enumerate(values)}
        for number, operation in enumerate(self.operations):
            places[operation.result].first = places[operation.result].last = number
            for value in operation.takes:
                places[value].last = number
        for value in self.outputs:
            places[value].last = last
        for operation in self.operations:
            if isinstance(operation, Join):
                self._write_into(operation, places)
        self._foreign = [places[value] for value in self.inputs]
        for value in self.outputs:
            self._foreign += _family(places[value])
        return places

    def _write_into(self, join: Join, places: dict[Value, _Place]) -> None:
        """Let values be written where they are to be joined."""
        whole, channel = places[join.result], 0
        for value in join.takes:
            place = places[value]
            is_own = value not in self.inputs and value not in self.outputs and place.within is None and join.takes.count(value) == 1
            if is_own:
                place.within, place.channels = whole, channel
                whole.parts.append(place)
                whole.first, whole.last = min(whole.first, place.first), max(whole.last, place.last)
            channel += value.shape[1]

    def _allocated(self) -> int:
        """Give every place of its own an offset where nothing lies that is wanted at the same time; the memory needed."""
        outside = set(map(id, self._foreign))
        own = [place for place in self._places.values() if place.within is None and id(place) not in outside]
        placed: list[_Place] = []
        for place in sorted(own, key=lambda each: -each.nbytes):
            first, last = _lifetime(place)
            offset = 0
            for other in sorted(placed, key=lambda each: each.offset or 0):
                begin, end = _lifetime(other)
                assert other.offset is not None
                if begin <= last and first <= end and offset + place.nbytes > other.offset:
                    offset = max(offset, other.offset + other.nbytes)
            place.offset = offset
            placed.append(place)
        return max((place.offset + place.nbytes for place in placed if place.offset is not None), default=0)

    def _arrays(self) -> list[Any]:
        """Memory for one call, as the arrays of all values that lie in it."""
        arrays: list[Any] = [None] * len(self._places)
        memory = torch.empty(self.nbytes + ALIGNMENT, dtype=torch.uint8)
        start = -memory.data_ptr() % ALIGNMENT
        for place in self._places.values():
            if place.offset is not None:
                value, begin = place.value, start + place.offset
                size = int(np.prod(value.shape)) * value.dtype.itemsize
                self._view(place, as_array(memory[begin : begin + size].view(value.dtype).view(value.shape)), arrays)
        return arrays

    def _view(self, place: _Place, array: Array, arrays: list[Any]) -> None:
        """`array` holds a value, and those that are written into it."""
        arrays[place.slot] = array
        for part in place.parts:
            self._view(part, array[:, part.channels : part.channels + part.value.shape[1]], arrays)

    def _joining(self, join: Join) -> list[Step]:
        """Copies of what was not written where it is to be joined."""
        whole, channel, steps = self._places[join.result], 0, []
        for value in join.takes:
            if self._places[value].within is not whole:
                steps.append(_copy(self.slot(value), whole.slot, slice(channel, channel + value.shape[1])))
            channel += value.shape[1]
        return steps


def _copy(source: int, target: int, channels: slice) -> Step:
    def step(arrays: list[Any]) -> None:
        as_tensor(arrays[target][:, channels]).copy_(as_tensor(arrays[source]))

    return step


def _family(place: _Place) -> list[_Place]:
    return [place, *(each for part in place.parts for each in _family(part))]


def _lifetime(place: _Place) -> tuple[int, int]:
    """First and last operation for which a place is wanted, or what lies within it."""
    every = _family(place)
    return min(each.first for each in every), max(each.last for each in every)
