"""One call of a PyTorch operator, as the readers of operators see it: its arguments by name, its results, which of them are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from faltung.model.graph import Weight
from faltung.model.operations import Elementwise, Operation
from faltung.model.torch_module.tape import Slot, Tape, dtype_name, merged, tensors_in
from torch import Tensor

__all__ = ["Call", "Operator", "Plan", "Reader", "repeated"]

Plan = Operation | list[Operation] | tuple[Operation, Sequence[Any]]
"""One node; a node for each result; or one node and what it takes, in this order: tensors and slots, others are left out."""


@dataclass(frozen=True, eq=False)
class Operator:
    """What is known of an operator before it is called.

    Attributes
    ----------
    name : str
        Without namespace and overload: ``"relu_"``.
    source : str
        With its namespace: ``"aten.relu_"``.
    parameters : tuple of (str, object)
        Names and defaults.
    written : tuple of str
        Parameters whose memory it writes to.
    is_view : bool
        Whether its results may see the memory of its first argument.
    is_factory : bool
        Whether it takes of its arguments nothing but their shapes.
    reader : callable or None
    """

    name: str
    source: str
    parameters: tuple[tuple[str, Any], ...]
    written: tuple[str, ...]
    is_view: bool
    is_factory: bool
    reader: Reader | None

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Every argument by name, defaults put in."""
        given = dict(self.parameters)
        for (name, _), value in zip(self.parameters, args, strict=False):
            given[name] = value
        return given | kwargs


@dataclass(eq=False)
class Call:
    """One call that has run.

    Attributes
    ----------
    operator : Operator
    given : dict
        Arguments by name.
    results : list of Tensor
    tape : Tape
    """

    operator: Operator
    given: dict[str, Any]
    results: list[Tensor]
    tape: Tape

    def __getitem__(self, name: str) -> Any:
        return self.given[name]

    @property
    def name(self) -> str:
        """As nodes are called after it."""
        return self.operator.name.strip("_") or self.operator.name

    @property
    def input(self) -> Tensor:
        """The first tensor it takes."""
        return self.arguments()[0]

    def arguments(self) -> list[Tensor]:
        """The tensors that it reads, in order."""
        outs = {"out"} if "out" in self.operator.written else set()
        return [tensor for name, value in self.given.items() if name not in outs for tensor in tensors_in(value)]

    def computed(self) -> list[Tensor]:
        """Those of its arguments that depend on the input."""
        return [tensor for tensor in self.arguments() if self.is_computed(tensor)]

    def is_computed(self, tensor: Tensor | Slot) -> bool:
        """Whether it depends on the input."""
        return isinstance(tensor, Slot) or self.tape.slot(self.tape.held(tensor)) is not None

    def taken(self, values: Sequence[Any]) -> tuple[list[Slot], tuple[Weight, ...]]:
        """Of what an operation takes the arrays that depend on the input, and the weights."""
        slots, weights = [], []
        for value in values:
            for each in [value] if isinstance(value, Slot) else tensors_in(value):
                slot = each if isinstance(each, Slot) else self.tape.slot(self.tape.held(each))
                if slot is None:
                    weights.append(self.tape.held(each).weights)
                else:
                    slots.append(slot)
        return slots, merged(weights)

    def emit(self, operation: Operation, values: Sequence[Any], shape: Sequence[int]) -> Slot:
        """A step before the last one; its result."""
        slots, weights = self.taken(values)
        outputs = [Slot(tuple(shape), slots[0].dtype if slots else dtype_name(self.results[0].dtype))]
        return self.tape.step(self.tape.frame, self.name, self.operator.source, operation, slots, outputs, weights).outputs[0]

    def emit_constant(self, tensor: Tensor) -> None:
        """A step that gives what does not depend on the input, so that it counts as computed from now on."""
        held, frame = self.tape.held(tensor), self.tape.frame.around or self.tape.frame
        slot = Slot(tuple(tensor.shape), dtype_name(tensor.dtype))
        self.tape.step(frame, "constant", "constant", Elementwise("constant"), [], [slot], self.tape.weights(held))
        held.slot, held.weights = slot, ()


Reader = Callable[[Call], Plan]


def repeated(value: Any, ndim: int) -> tuple[int, ...]:
    """A setting for each axis, where one may stand for all.

    >>> repeated([2], 3), repeated((1, 2), 2)
    ((2, 2, 2), (1, 2))
    """
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * ndim if len(values) == 1 else values
