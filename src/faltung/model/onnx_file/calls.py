"""One node of a file while it is read: its inputs, attributes and version, and the nodes of the graph that it becomes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.model.graph import Node, Value
from faltung.model.onnx_file.attributes import Attributes
from faltung.model.onnx_file.tensors import Array, Shape, Stored, Tensor, checked_shape
from faltung.model.operations import Operation, Same

if TYPE_CHECKING:
    from faltung.model.onnx_file.reader import Reader

__all__ = ["Call", "Draft", "NoShapeError", "Site", "brief", "has_many_floats", "shape_of"]


class NoShapeError(Exception):
    """A shape or number is needed that depends on what is computed, or what is said instead. Caught in this package."""

    def __init__(self, reason: str = "shapes or settings depend on numbers that are computed") -> None:
        super().__init__(reason)
        self.reason = reason


def brief(text: str, limit: int = 60) -> str:
    r"""A text of a file on one line, without quotes, cut at `limit` letters.

    >>> brief("conv\n1"), brief("x" * 100, 4)
    ('conv\\n1', 'xxxx…')
    """
    return repr(text[:limit])[1:-1] + ("…" if len(text) > limit else "")


@dataclass(frozen=True, slots=True)
class Site:
    """Where in the model nodes stand: names before theirs, versions of the operators, attributes of the function around, depth."""

    prefix: str
    opsets: dict[str, int]
    outer: Attributes | None = None
    functions: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A node of the graph before all uses of its weights are known; of each weight, whether this use learns it."""

    name: str
    operation: Operation
    source: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    stored: dict[Stored, bool]

    def node(self) -> Node:
        """The node."""
        weights = tuple(array.weight() for array in self.stored)
        return Node(self.name, self.name.rpartition("/")[0], self.operation, self.source, self.inputs, self.outputs, weights)


@dataclass(slots=True, eq=False)
class Call:
    """A node of the file, its names looked up.

    Attributes
    ----------
    reader : Reader
    site : Site
    proto : NodeProto
    name : str
        Unique.
    op, domain : str
    version : int
        Of the operators of the domain.
    inputs : list of Tensor or None
        None where an optional one is left out.
    attributes : Attributes
    outputs : list of str
        Their names, ``""`` where one is not wanted.
    """

    reader: Reader
    site: Site
    proto: Any
    name: str
    op: str
    domain: str
    version: int
    inputs: list[Tensor | None]
    attributes: Attributes
    outputs: list[str]

    # -- what it is given --------------------------------------------------------------------------

    def tensor(self, index: int) -> Tensor:
        """An input that must be there."""
        found = self.optional(index)
        if found is None:
            raise ConvTypeError(f"{self.op} needs an input {index + 1}, it has {len(self.inputs)}.", "The file is damaged or incomplete.")
        return found

    def optional(self, index: int) -> Tensor | None:
        """An input or None."""
        return self.inputs[index] if index < len(self.inputs) else None

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of an input.

        Raises
        ------
        NoShapeError
            It depends on the numbers.
        """
        return shape_of(self.tensor(index))

    def rank_at_least(self, index: int, rank: int) -> tuple[int, ...]:
        """The shape of an input that needs so many dimensions."""
        shape = self.shape(index)
        if len(shape) < rank:
            raise ConvShapeError(
                f"{self.op} takes {rank} or more dimensions, its input has shape {shape}.", "Give an input_shape with all dimensions."
            )
        return shape

    def numbers(self, index: int) -> Array | None:
        """The numbers of an optional input, None where it is left out.

        Raises
        ------
        NoShapeError
            They are computed.
        """
        given = self.optional(index)
        if given is None:
            return None
        if given.numbers is None:
            raise NoShapeError
        return given.numbers

    def ints(self, index: int, attribute: str) -> tuple[int, ...] | None:
        """Whole numbers that are an input in new versions and an attribute in old ones."""
        found = self.numbers(index)
        if found is None:
            return self.attributes.ints(attribute)
        if found.dtype.kind not in "iu":
            raise ConvTypeError(f"{attribute} of {self.op} has type {found.dtype}, whole numbers are needed.", "Export the file again.")
        return tuple(int(number) for number in found.reshape(-1))

    def dim(self, number: int, rank: int, what: str = "axis") -> int:
        """A dimension, negative ones counted from the last."""
        if not -rank <= number < rank:
            raise ConvShapeError(f"{what}={number} of {self.op} is no dimension of an array that has {rank}.", "Export the file again.")
        return number % rank

    # -- what it becomes ---------------------------------------------------------------------------

    def emit(
        self,
        operation: Operation,
        inputs: Sequence[Tensor | None],
        shape: Shape,
        dtype: str | None = None,
        *,
        output: int | None = 0,
        learned: Sequence[Tensor | None] = (),
    ) -> Tensor:
        """Add a node with one result.

        Parameters
        ----------
        operation : Operation
        inputs : list of Tensor
            What it works on, constants among them.
        shape, dtype
            Of the result; the dtype is that of the first input where none is given.
        output : int or None
            Which output of the file's node it is; None for what lies between several nodes made of one.
        learned : list of Tensor
            Those of the inputs whose numbers are learned.
        """
        return self.emit_all(operation, inputs, [(shape, dtype)], first=output, learned=learned)[0]

    def emit_all(
        self,
        operation: Operation,
        inputs: Sequence[Tensor | None],
        results: Sequence[tuple[Shape, str | None]],
        *,
        first: int | None = 0,
        learned: Sequence[Tensor | None] = (),
    ) -> list[Tensor]:
        """Add a node with several results, the outputs of the file's node from `first` on."""
        present = [part for tensor in inputs if tensor is not None for part in ([tensor] if tensor.parts is None else tensor.parts)]
        is_constant = all(tensor.is_constant for tensor in present)
        stored: dict[Stored, bool] = {}
        for tensor in present:
            # What is calculated with weights alone prepares them: norms, other orders of gates.
            is_learned = any(tensor is one for one in learned) or (is_constant and has_many_floats(tensor))
            for place, array in enumerate(tensor.stored if tensor.is_constant else ()):
                stored[array] = stored.get(array, False) or (is_learned and place == 0)
        name = self.reader.unique(self.name)
        made = []
        for index, (shape, dtype) in enumerate(results):
            given = "" if first is None or first + index >= len(self.outputs) else self.outputs[first + index]
            label = self.site.prefix + given if given else f"{name}:{index}"
            checked = None if shape is None else checked_shape(shape, f"output {index + 1}")
            kind = dtype or (present[0].dtype if present else "float32")
            made.append(Tensor(checked, kind, Value(label, checked, kind)))
        values = tuple(tensor.value for tensor in present if tensor.value is not None)
        outputs = tuple(tensor.value for tensor in made if tensor.value is not None)
        self.reader.add(Draft(name, operation, self.op, values, outputs, stored))
        return made

    def computed(self, tensor: Tensor) -> Tensor:
        """The same as a value: of a constant, by a node that has no input."""
        if tensor.value is not None:
            return tensor
        return self.emit(Same(), [tensor], tensor.shape, tensor.dtype, output=None)

    def note(self, text: str) -> None:
        """Tell the reader of the report."""
        self.reader.note(f"{shown(self.name)}: {text}")


def has_many_floats(tensor: Tensor) -> bool:
    """Whether it is a constant that may be learned: a single float is a constant of some formula."""
    return tensor.is_constant and "float" in tensor.dtype and tensor.shape is not None and math.prod(tensor.shape) > 1


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """Its shape, or `NoShapeError`."""
    if tensor.shape is None:
        raise NoShapeError
    return tensor.shape
