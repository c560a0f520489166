"""What one operation costs: multiply-accumulates and floating-point operations, or why they are not counted.

Owns the convention. A MAC is a product of two numbers that is added to a sum: those of convolutions, matrix products and attention. FLOPs
are two for each MAC and one for each bias addition. Both are for one run on the input as given, its batch included. Of convolutions the
products with padding count, as every count of the field has it, and a transposed one multiplies each *input* by the whole kernel, cropped
results included. Everything else that calculates is uncounted, and listed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from faltung.errors import ConvShapeError
from faltung.model.graph import Node
from faltung.model.operations import (
    MOVES,
    Attend,
    Convolve,
    Crop,
    Elementwise,
    Join,
    Lookup,
    Multiply,
    Normalise,
    Pad,
    Permute,
    Pool,
    Reduce,
    Reshape,
    Resize,
    Same,
    Unknown,
)

__all__ = ["Cost", "Uncounted", "cost_of", "numbers_of"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operation costs.

    Attributes
    ----------
    how : {"counted", "free", "uncounted"}
        ``"free"`` moves numbers and calculates nothing.
    macs, flops : int
        0 where not counted.
    reason : str
        Why not.
    """

    how: Literal["counted", "free", "uncounted"]
    macs: int = 0
    flops: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Uncounted:
    """An operation that calculates and is in no sum.

    Attributes
    ----------
    name : str
    operation : str
        What the framework calls it.
    numbers : int or None
        How many it produces; None where that depends on the numbers.
    reason : str
    is_unknown : bool
        Its cost could be anything; of the others it is a few operations a number.
    """

    name: str
    operation: str
    numbers: int | None
    reason: str
    is_unknown: bool


def cost_of(node: Node) -> Cost:
    """What a node costs, one run.

    Raises
    ------
    ConvShapeError
        The input does not fit the convolution; the message names the node.
    """
    match node.operation:
        case Convolve():
            return _convolution(node, node.operation)
        case Multiply(macs, is_linear):
            adds = numbers_of(node) if is_linear and _adds_bias(node) else 0
            return Cost("counted", macs, 2 * macs + (adds or 0))
        case Attend(macs):
            return Cost("counted", macs, 2 * macs)
        case Join() | Permute() | Reshape() | Crop() | Pad() | Same() | Lookup():
            return Cost("free")
        case Elementwise(name) if name in MOVES:
            return Cost("free")
        case operation:
            return Cost("uncounted", reason=_reason(operation))


def numbers_of(node: Node) -> int | None:
    """How many numbers the node produces; None where a shape is not known."""
    shapes = [value.shape for value in node.outputs]
    return None if None in shapes else sum(math.prod(shape) for shape in shapes if shape is not None)


def _convolution(node: Node, operation: Convolve) -> Cost:
    shape = node.inputs[0].shape
    if shape is None:
        return Cost("uncounted", reason="the shape of its input depends on the numbers")
    spec = operation.spec
    try:
        batch, size = spec.split_shape(shape)
        macs, flops = (math.prod(batch) * count for count in (spec.macs(size), spec.flops(size)))
    except ConvShapeError as error:
        raise ConvShapeError(f"layer {node.name!r}: {error.problem}", error.remedy) from None
    return Cost("counted", macs, flops)


def _adds_bias(node: Node) -> bool:
    """Whether a product with a weight adds one number for each column, too."""
    if len(node.weights) < 2 or "int" in node.weights[1].dtype:  # of quantised products zero points follow
        return False
    shape = node.outputs[0].shape
    return shape is not None and bool(shape) and node.weights[1].size in (shape[-1], 1) and node.weights[1].dtype == node.weights[0].dtype


def _reason(operation: object) -> str:
    match operation:
        case Pool(axes, how):
            window = "×".join(str(axis.kernel) for axis in axes)
            return f"{'comparisons' if how == 'max' else 'additions'} over windows of {window}, no products with weights"
        case Elementwise():
            return "a few operations for each number, none of them a product that is summed"
        case Normalise(_, dims):
            statistics = "statistics over what is normalised, then " if dims else ""
            return f"{statistics}a factor and a summand for each number"
        case Reduce():
            return "additions or comparisons alone"
        case Resize(how):
            return "numbers are copied" if how == "nearest" else "a few products with fixed factors for each number"
        case Unknown(reason):
            return reason
    return "its cost is not known here"
