"""What a convolution costs: parameters, multiply-accumulates, floating-point operations, bytes.

Counts are products of sizes that the spec gives. Receives the spec and imports of the package its errors alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltung.errors import ConvSpecError, one_of

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["Memory", "flops", "itemsize", "macs", "memory", "parameters"]

_ITEMSIZES = {"bool": 1, "int8": 1, "uint8": 1, "float16": 2, "bfloat16": 2, "int16": 2, "uint16": 2, "float32": 4, "int32": 4, "uint32": 4}
_ITEMSIZES |= {"float64": 8, "int64": 8, "uint64": 8, "complex64": 8, "complex128": 16}


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a layer's arrays occupy, each stored once."""

    input_bytes: int
    output_bytes: int
    weight_bytes: int
    bias_bytes: int

    @property
    def total_bytes(self) -> int:
        """All four together."""
        return self.input_bytes + self.output_bytes + self.weight_bytes + self.bias_bytes


def parameters(spec: ConvSpec) -> int:
    """Numbers that a layer would learn: weight and bias."""
    return math.prod(spec.weight_shape) + (spec.out_channels if spec.bias else 0)


def macs(spec: ConvSpec, input_size: tuple[int, ...]) -> int:
    """Multiply-accumulates for one sample, the products with padding cells included.

    A transposed convolution multiplies each *input* cell by the whole kernel (its adjoint's count), not
    each output cell: counting outputs is stride**ndim too high.
    """
    output_size = spec.output_size(input_size)  # of a transposed spec too: an input that does not fit is an error
    windows = input_size if spec.transposed else output_size
    return math.prod(windows) * math.prod(spec.weight_shape)


def flops(spec: ConvSpec, input_size: tuple[int, ...]) -> int:
    """Floating-point operations for one sample: two for each MAC, one for each bias addition."""
    bias_adds = spec.out_channels * math.prod(spec.output_size(input_size)) if spec.bias else 0
    return 2 * macs(spec, input_size) + bias_adds


def itemsize(dtype: object) -> int:
    """Bytes of one number of a dtype, or of its name."""
    known = getattr(dtype, "itemsize", None)
    if isinstance(known, int):
        return known
    return _ITEMSIZES[one_of("dtype", getattr(dtype, "__name__", dtype), _ITEMSIZES, ConvSpecError)]  # a name, or a type as numpy.float32


def memory(spec: ConvSpec, input_shape: tuple[int, ...], itemsize: int) -> Memory:
    """Bytes of input, output, weight and bias at `itemsize` bytes a number."""
    return Memory(
        input_bytes=math.prod(input_shape) * itemsize,
        output_bytes=math.prod(spec.output_shape(input_shape)) * itemsize,
        weight_bytes=math.prod(spec.weight_shape) * itemsize,
        bias_bytes=(spec.out_channels if spec.bias else 0) * itemsize,
    )
