"""What a layer costs, as the sum that gives it: text for people, with the numbers put in.

Receives the spec; the counts themselves are `cost`'s. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from faltung.amounts import grouped

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["flops_sum", "macs_sum", "parameters_sum", "product", "times", "weight_product"]


def times(sizes: Sequence[int]) -> str:
    """Sizes with a multiplication sign between.

    >>> times((112, 112))
    '112 × 112'
    """
    return " × ".join(map(grouped, sizes))


def product(factors: Sequence[int]) -> str:
    """Factors of a multiplication, close together.

    >>> product((3, 7, 7))
    '3·7·7'
    """
    return "·".join(map(str, factors))


def parameters_sum(spec: ConvSpec) -> str:
    """The parameters as a product.

    >>> from faltung.spec import ConvSpec
    >>> parameters_sum(ConvSpec(3, 64, 7, ndim=2))
    '64·(3·7·7) + 64 = 9 472'
    """
    bias = f" + {spec.out_channels}" if spec.bias else ""
    return f"{weight_product(spec)}{bias} = {grouped(spec.parameters)}"


def weight_product(spec: ConvSpec) -> str:
    """The weight's size: channels of its first axis times what each of them holds."""
    first, *rest = spec.weight_shape
    return f"{first}·({product(rest)})"


def macs_sum(spec: ConvSpec, size: tuple[int, ...]) -> str:
    """The multiply-accumulates as windows times weight.

    >>> from faltung.spec import ConvSpec
    >>> macs_sum(ConvSpec(3, 64, 7, stride=2, padding=3, ndim=2), (224, 224))
    '112·112·64·(3·7·7) = 118 013 952'
    """
    windows = size if spec.transposed else spec.output_size(size)
    return f"{product(windows)}·{weight_product(spec)} = {grouped(spec.macs(size))}"


def flops_sum(spec: ConvSpec, size: tuple[int, ...]) -> str:
    """Two operations a MAC, and one addition of the bias for each output."""
    bias = f" + {product((spec.out_channels, *spec.output_size(size)))}" if spec.bias else ""
    return f"2·{grouped(spec.macs(size))}{bias} = {grouped(spec.flops(size))}"
