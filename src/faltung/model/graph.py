"""A model as what ran or would run: nodes in order, and the arrays between them. Read from live modules or from files.

Owns the types that every reader fills and every report is made from. Knows no framework.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from faltung.errors import ConvTypeError
from faltung.model.operations import Operation

__all__ = ["Graph", "Node", "Value", "Weight", "no_such_layer"]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An array that a model takes or computes. Two are the same only if they are one object.

    Attributes
    ----------
    name : str
        As the file names it; of a live module that of the node that made it.
    shape : tuple of int or None
        Batch included; None where it depends on the numbers.
    dtype : str
        As NumPy names it; ``"bfloat16"`` too.
    """

    name: str
    shape: tuple[int, ...] | None
    dtype: str

    @property
    def bytes(self) -> int | None:
        """Of its numbers; None where the shape is not known."""
        return None if self.shape is None else math.prod(self.shape) * itemsize(self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """An array that belongs to the model. One that several nodes use is one object.

    Attributes
    ----------
    name : str
        As ``named_parameters`` or the file name it.
    shape : tuple of int
    dtype : str
    is_learned : bool
        A parameter, and not a statistic or a constant.
    read : callable, optional
        Gives the numbers; None where they are not in the file.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    is_learned: bool = True
    read: Callable[[], NDArray[Any]] | None = None

    @property
    def size(self) -> int:
        """Numbers."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Of its numbers."""
        return self.size * itemsize(self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation that runs.

    Attributes
    ----------
    name : str
        Unique. That of the module or of the node in the file; functional calls are named by the module around them, the call and, from the
        second on, a number: ``"layer1.relu"``, ``"layer1.relu (2)"``.
    module : str
        The module around it, ``""`` for the model itself; of a file the name's part before its last ``/``.
    operation : Operation
    source : str
        What the framework calls it: ``"Conv2d"``, ``"aten.add"``, ``"QLinearConv"``.
    inputs, outputs : tuple of Value
        Arrays that depend on the model's input; constants and weights are in `weights`.
    weights : tuple of Weight
        The weight of a convolution or product first.
    """

    name: str
    module: str
    operation: Operation
    source: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: tuple[Weight, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """All that runs, in an order in which it can run.

    Attributes
    ----------
    name : str
        Of the model's class, or of the file.
    nodes : tuple of Node
    inputs, outputs : tuple of Value
    unused : tuple of Weight
        Those that no node uses.
    notes : tuple of str
        What the reader wants to be known: a branch that was not followed, a shape that was assumed.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    unused: tuple[Weight, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def weights(self) -> list[Weight]:
        """Each once, in the order of their use, then those that are not used."""
        return list(dict.fromkeys([weight for node in self.nodes for weight in node.weights] + list(self.unused)))

    def makers(self) -> dict[Value, Node]:
        """The node that makes each value."""
        return {value: node for node in self.nodes for value in node.outputs}

    def node(self, name: str) -> Node:
        """The node of this name; where several lie in the module of this name, the last of them.

        Raises
        ------
        ConvTypeError
            There is none; the message names those that are like it.
        """
        found = next((node for node in self.nodes if node.name == name), None)
        inside = [node for node in self.nodes if node.module == name or node.module.startswith(f"{name}.")]
        if found is not None or inside:
            return found or inside[-1]
        raise no_such_layer(self.name, name, [node.name for node in self.nodes])


def no_such_layer(model: str, name: str, known: Sequence[str]) -> ConvTypeError:
    """What is said of a layer that a model does not have: those that are like it, or the first it has."""
    like = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
    first = ", ".join(map(repr, known[:8])) + (" …" if len(known) > 8 else "")
    return ConvTypeError(f"{model} has no layer {name!r}.", f"Did you mean {' or '.join(map(repr, like))}?" if like else f"It has {first}.")


_SMALL = ("float8_", "float6_", "float4_", "int4", "uint4", "int2", "uint2", "qint8", "quint8", "quint4", "quint2")
"""Types of a byte or less that NumPy has no names for."""
_LARGE = {"bfloat16": 2, "complex32": 4, "qint32": 4}


@functools.lru_cache(maxsize=64)
def itemsize(dtype: str) -> int:
    """Bytes of one number; one of less than a byte counts as a byte.

    >>> itemsize("bfloat16"), itemsize("int64"), itemsize("float8_e4m3fn")
    (2, 8, 1)
    """
    import numpy as np

    if dtype in _LARGE:
        return _LARGE[dtype]
    return 1 if dtype.startswith(_SMALL) else np.dtype(dtype).itemsize
