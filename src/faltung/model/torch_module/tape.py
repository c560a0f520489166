"""What ran, as it is written down: steps, the arrays between them, and what each living tensor holds at the moment.

Owns the bookkeeping of arrays: which weights a tensor comes from, what a view sees after its base was written to and the other way round.
Keeps shapes, never numbers; tensors are known by weak references alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakTensorKeyDictionary

import torch
from faltung.model.graph import Node, Value, Weight
from faltung.model.operations import Attend, Convolve, Crop, Elementwise, Multiply, Operation, Pad, Permute, Reshape, Same, Unknown
from torch import Tensor

__all__ = ["Frame", "Held", "Names", "Slot", "Step", "Tape", "dtype_name", "merged", "tensors_in"]


@dataclass(eq=False)
class Frame:
    """One run of a module's forward.

    Attributes
    ----------
    path : str
        By which the module was called.
    kind : str
        Its class.
    around : Frame or None
        The run that called it.
    steps : int
        How many steps were taken in it and in what it called.
    """

    path: str
    kind: str
    around: Frame | None = None
    steps: int = 0


@dataclass(eq=False)
class Slot:
    """An array that depends on the input, before it has a name."""

    shape: tuple[int, ...]
    dtype: str
    made_by: Step | None = None


@dataclass(eq=False)
class Step:
    """A node before it has a name."""

    frame: Frame
    call: str
    source: str
    operation: Operation
    inputs: list[Slot]
    outputs: list[Slot]
    weights: tuple[Weight, ...]


@dataclass(eq=False)
class Held:
    """What a tensor holds.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    slot : Slot or None
        None where it does not depend on the input.
    weights : tuple of Weight
        From which it was computed, where it does not depend on the input.
    base : Held or None
        What it is a view of.
    view : Operation or None
        Which view.
    version : int
        Writes to the base of all that were seen by `slot`.
    writes : int
        Of the base of all: writes to it and its views.
    written : Held or None
        The view of it that was written to last, of which `slot` does not know yet.
    foreign : bool
        Whether nobody knows where it comes from.
    owner : Tensor or None
        The parameter or buffer itself.
    """

    shape: tuple[int, ...]
    dtype: str
    slot: Slot | None = None
    weights: tuple[Weight, ...] = ()
    base: Held | None = None
    view: Operation | None = None
    version: int = 0
    writes: int = 0
    written: Held | None = None
    foreign: bool = False
    owner: Tensor | None = None

    @property
    def root(self) -> Held:
        """The base of all."""
        held = self
        while held.base is not None:
            held = held.base
        return held


class Tape:
    """Steps in their order, and what the tensors hold."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.frame = Frame("", "")
        self.aside: list[tuple[str, str]] = []
        self._held = WeakTensorKeyDictionary()

    # -- tensors -----------------------------------------------------------------------------------

    def held(self, tensor: Tensor) -> Held:
        """What a tensor holds; one that was never seen is a constant."""
        found: Held | None = self._held.get(tensor)
        if found is None:
            if is_lazy(tensor):  # about to be given its size
                return Held((), dtype_name(tensor.dtype))
            found = Held(tuple(tensor.shape), dtype_name(tensor.dtype), foreign=True)
            self._held[tensor] = found
        return found

    def knows(self, tensor: Tensor) -> bool:
        """Whether a tensor was seen."""
        return tensor in self._held

    def hold(self, tensor: Tensor, slot: Slot | None = None, weights: tuple[Weight, ...] = ()) -> Held:
        """A new tensor, with memory of its own."""
        held = Held(tuple(tensor.shape), dtype_name(tensor.dtype), slot, weights)
        self._held[tensor] = held
        return held

    def hold_view(self, tensor: Tensor, base: Held, view: Operation, slot: Slot | None) -> None:
        """A new tensor that sees the memory of another."""
        weights = () if slot is not None else base.weights
        self._held[tensor] = Held(tuple(tensor.shape), dtype_name(tensor.dtype), slot, weights, base, view, base.root.writes)

    def slot(self, held: Held) -> Slot | None:
        """The array that a tensor holds now: of a view of what was written to, it is seen anew; of its base, what was written is put in."""
        if held.base is not None and held.version != held.root.writes:
            seen = self.slot(held.base)
            assert held.view is not None
            held.version = held.root.writes
            held.weights = held.base.weights if seen is None else ()
            held.slot = seen and self._repair(held.view, [seen], held.shape, held.dtype)
        if held.written is not None:
            child, held.written = held.written, None
            held.slot = self._put(held, child)
            if held.slot is None:
                held.weights = merged([held.weights, child.weights])
        return held.slot

    def weights(self, held: Held) -> tuple[Weight, ...]:
        """From which it was computed, if it does not depend on the input."""
        return () if self.slot(held) is not None else held.weights

    def write(self, held: Held, slot: Slot | None, weights: tuple[Weight, ...] = ()) -> None:
        """A tensor's memory was written to."""
        path = [held]
        while path[-1].base is not None:
            path.append(path[-1].base)
        root = path[-1]
        for child, base in itertools.pairwise(path):
            is_stale = base.base is not None and base.version != root.writes
            if is_stale or base.written not in (None, child):
                self.slot(base)
        root.writes += 1
        for child, base in itertools.pairwise(path):
            base.written, base.version = child, root.writes
        held.slot, held.weights, held.version, held.written = slot, weights if slot is None else (), root.writes, None

    def _put(self, base: Held, child: Held) -> Slot | None:
        """What `base` holds after its view was written to."""
        old, new = base.slot, self.slot(child)
        if new is None:
            return old and self._repair(Elementwise("write"), [old], base.shape, base.dtype, child.weights)
        match child.view:
            case Same() if child.shape == base.shape:
                return new
            case Reshape():
                return self._repair(Reshape(), [new], base.shape, base.dtype)
            case Permute(order):
                back = tuple(order.index(dim) for dim in range(len(order)))
                return self._repair(Permute(back), [new], base.shape, base.dtype)
            case Crop(dim, start, 1, drops):
                shape = list(child.shape)
                if drops:
                    shape.insert(dim, 1)
                    new = self._repair(Reshape(), [new], tuple(shape), base.dtype)
                sides = [(0, 0)] * len(shape)
                sides[dim] = (start, base.shape[dim] - start - shape[dim])
                new = self._repair(Pad(tuple(sides)), [new], base.shape, base.dtype)
                return new if old is None else self._repair(Elementwise("write"), [old, new], base.shape, base.dtype)
        unknown = Unknown(f"part of an array is written to, through {type(child.view).__name__}")
        return self._repair(unknown, [slot for slot in (old, new) if slot is not None], base.shape, base.dtype)

    def _repair(
        self, operation: Operation, inputs: list[Slot], shape: tuple[int, ...], dtype: str, weights: tuple[Weight, ...] = ()
    ) -> Slot:
        """A step that no call took: what was written is seen elsewhere. It belongs to the module around the one that notices."""
        frame = self.frame.around or self.frame
        call = "write" if isinstance(operation, (Pad, Elementwise, Unknown)) else "view"
        return self.step(frame, call, "memory", operation, inputs, [Slot(shape, dtype)], weights).outputs[0]

    # -- steps -------------------------------------------------------------------------------------

    def step(
        self, frame: Frame, call: str, source: str, operation: Operation, inputs: list[Slot], outputs: list[Slot],
        weights: Iterable[Weight] = (),
    ) -> Step:  # fmt: skip
        """Write one down."""
        step = Step(frame, call, source, operation, inputs, outputs, tuple(weights))
        for slot in outputs:
            slot.made_by = step
        self.steps.append(step)
        around: Frame | None = frame
        while around is not None:
            around.steps += 1
            around = around.around
        return step

    def leave_aside(self, call: str, operation: Operation, weights: tuple[Weight, ...]) -> bool:
        """Whether what takes weights alone needs no step: it costs no products."""
        if isinstance(operation, (Multiply, Attend, Convolve, Unknown)) and weights:
            return False
        if weights and not isinstance(operation, (Same, Reshape, Permute, Crop)):
            self.aside.append((self.frame.path, call))
        return True


class Names:
    """Steps as nodes, arrays as values."""

    def __init__(self, inputs: Sequence[tuple[str, Slot]]) -> None:
        self.values = {slot: Value(name, slot.shape, slot.dtype) for name, slot in inputs}
        self._taken: dict[str, int] = {}

    def node(self, step: Step) -> Node:
        """The node of a step, named after what ran; those before it have been named."""
        frame, is_alone = step.frame, step.frame.steps == 1
        own = is_alone and frame.path != ""
        name = self._unique(frame.path if own else ".".join(part for part in (frame.path, step.call) if part))
        module = frame.path.rpartition(".")[0] if is_alone else frame.path
        for index, slot in enumerate(step.outputs):
            self.values[slot] = Value(f"{name}:{index}" if index else name, slot.shape, slot.dtype)
        source = frame.kind if is_alone and frame.kind else step.source
        inputs, outputs = (tuple(self.values[slot] for slot in slots) for slots in (step.inputs, step.outputs))
        return Node(name, module, step.operation, source, inputs, outputs, step.weights)

    def _unique(self, name: str) -> str:
        count = self._taken[name] = self._taken.get(name, 0) + 1
        numbered = name if count == 1 else f"{name} ({count})"
        if count > 1 and numbered in self._taken:
            return self._unique(name)
        self._taken.setdefault(numbered, 1)
        return numbered


def merged(groups: Iterable[tuple[Weight, ...]]) -> tuple[Weight, ...]:
    """Weights of several, each once."""
    return tuple(dict.fromkeys(weight for group in groups for weight in group))


def dtype_name(dtype: torch.dtype) -> str:
    """As NumPy names it.

    >>> dtype_name(torch.bfloat16)
    'bfloat16'
    """
    return str(dtype).removeprefix("torch.")


def tensors_in(value: Any) -> list[Tensor]:
    """Every tensor among an operator's arguments or results."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for each in value for tensor in tensors_in(each)]
    return []
