"""What runs of Faltung's kernels consist of: convolutions with all that is done in their pass, and what stands between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from faltung.spec import ConvSpec
from torch import fx

__all__ = ["FIRST", "FLAT", "LAST", "TOKENS", "Conv", "Join", "MaxPool", "Normalise", "Operation", "Sum", "Value"]

FIRST, LAST, FLAT, TOKENS = "(N, C, *size)", "(N, *size, C)", "(N, C, positions)", "(N, positions, C)"
"""How a graph may see a value."""


@dataclass(eq=False)
class Value:
    """An array (N, C, *size); in memory in this order where an operation made it.

    Attributes
    ----------
    shape : tuple of int
    dtype : torch.dtype
    made_by : Operation or None
        None for what PyTorch made.
    node : Node or None
        The node of the graph that stands for what PyTorch made.
    layout : str
        How that node sees it.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    made_by: Operation | None = field(default=None, repr=False)
    node: fx.Node | None = None
    layout: str = FIRST


@dataclass(eq=False)
class Operation:
    """Something that takes values and makes one."""

    takes: list[Value]
    result: Value

    def __post_init__(self) -> None:
        self.result.made_by = self


@dataclass(eq=False)
class Conv(Operation):
    """``activation(conv(x) + bias + residual)``; what was folded into weight and bias follows in `folds`.

    Attributes
    ----------
    spec : ConvSpec
        Its bias is that of the layer alone.
    weight : Node or None
        None for ones.
    bias : Node or None
    folds : list of tuple
        ``("batch norm", weight, bias, mean, variance, epsilon)`` and ``("scale", weight)``, in their order.
    activation : str or None
    residual : bool
        Whether a second value is taken.
    is_padded : bool
        Whether the padding was a call of its own.
    by_pytorch : bool
        Whether PyTorch's own convolution is to be called.
    """

    spec: ConvSpec
    weight: fx.Node | None
    bias: fx.Node | None
    folds: list[tuple[Any, ...]] = field(default_factory=list)
    activation: str | None = None
    is_padded: bool = False
    by_pytorch: bool = False

    @property
    def has_residual(self) -> bool:
        """Whether a second value is added."""
        return len(self.takes) == 2

    @property
    def fused(self) -> tuple[str, ...]:
        """What is done in the same pass, as reports name it."""
        padding = ("padding",) if self.is_padded else ()
        residual = ("residual",) if self.has_residual else ()
        activation = () if self.activation is None else (self.activation,)
        return (*padding, *(fold[0] for fold in self.folds), *residual, *activation)


@dataclass(eq=False)
class Sum(Operation):
    """``activation(x)``, or ``activation(x + y)``."""

    activation: str | None = None


@dataclass(eq=False)
class Join(Operation):
    """Values one after the other along the channels."""


@dataclass(eq=False)
class MaxPool(Operation):
    """The largest number of each window."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(eq=False)
class Normalise(Operation):
    """At each position mean 0 and variance 1 over the channels, then weight and bias."""

    weight: fx.Node | None
    bias: fx.Node | None
    epsilon: float
