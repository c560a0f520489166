"""Arrays as a file holds them, checked against their own shapes; and what a name stands for while a graph is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.geometry import MAX_EXTENT
from faltung.model.graph import Value, Weight

__all__ = [
    "DTYPES", "MOST_FLOATS", "MOST_NUMBERS", "Array", "Shape", "Stored", "Tensor", "checked_shape", "dtype_name", "filled", "from_numbers",
    "from_proto", "is_small",
]  # fmt: skip

Array = NDArray[Any]
Shape = tuple[int, ...] | None

MOST_NUMBERS = 4096
"""Arrays of whole numbers up to this size are calculated with: shapes, axes, indices."""

MOST_FLOATS = 64
"""The same of floats: factors of a resize. Larger ones are weights, and what is done with them is an operation of the model."""

MOST_DIMS = 64

# Of each data type of ONNX: its name, bits of a number, the field that holds numbers that are not raw, numbers for each entry there.
DTYPES: dict[int, tuple[str, int, str, float]] = {
    1: ("float32", 32, "float_data", 1),
    2: ("uint8", 8, "int32_data", 1),
    3: ("int8", 8, "int32_data", 1),
    4: ("uint16", 16, "int32_data", 1),
    5: ("int16", 16, "int32_data", 1),
    6: ("int32", 32, "int32_data", 1),
    7: ("int64", 64, "int64_data", 1),
    8: ("object", 0, "string_data", 1),
    9: ("bool", 8, "int32_data", 1),
    10: ("float16", 16, "int32_data", 1),
    11: ("float64", 64, "double_data", 1),
    12: ("uint32", 32, "uint64_data", 1),
    13: ("uint64", 64, "uint64_data", 1),
    14: ("complex64", 64, "float_data", 0.5),
    15: ("complex128", 128, "double_data", 0.5),
    16: ("bfloat16", 16, "int32_data", 1),
    17: ("float8_e4m3fn", 8, "int32_data", 1),
    18: ("float8_e4m3fnuz", 8, "int32_data", 1),
    19: ("float8_e5m2", 8, "int32_data", 1),
    20: ("float8_e5m2fnuz", 8, "int32_data", 1),
    21: ("uint4", 4, "int32_data", 2),
    22: ("int4", 4, "int32_data", 2),
    23: ("float4_e2m1fn", 4, "int32_data", 2),
    24: ("float8_e8m0fnu", 8, "int32_data", 1),
    25: ("uint2", 2, "int32_data", 4),
    26: ("int2", 2, "int32_data", 4),
}  # fmt: skip

_FOLDED = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}


def dtype_name(number: int) -> str:
    """The name of a data type; those without one count as objects."""
    return DTYPES[number][0] if number in DTYPES else "object"


@dataclass(slots=True, eq=False)
class Stored:
    """An array of the file, which becomes one `Weight`. The nodes that use it say whether it is learned."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Array] | None
    is_learned: bool = False
    _weight: Weight | None = None

    def weight(self) -> Weight:
        """Always the same object; to be asked for when all uses are known, as one of them may say that it is learned."""
        if self._weight is None:
            self._weight = Weight(self.name, self.shape, self.dtype, self.is_learned, self.read)
        return self._weight


@dataclass(slots=True, eq=False)
class Tensor:
    """What a name stands for: a value that a node computes, or a constant made of arrays of the file.

    Attributes
    ----------
    shape : tuple of int or None
    dtype : str
    value : Value or None
        None of constants.
    stored : tuple of Stored
        Behind a constant: itself, or an array and the scale and zero point it is multiplied with.
    known : array or None
        Numbers of a small constant that were calculated.
    is_view : bool
        The numbers of the file are seen otherwise: transposed, multiplied with their scale.
    parts : tuple of Tensor or None
        Of a sequence, which is no array.
    """

    shape: Shape
    dtype: str
    value: Value | None = None
    stored: tuple[Stored, ...] = ()
    known: Array | None = None
    is_view: bool = False
    parts: tuple[Tensor, ...] | None = None

    @property
    def is_constant(self) -> bool:
        """Whether it does not depend on the model's input, nor is computed by a node."""
        return self.value is None and self.parts is None

    @property
    def numbers(self) -> Array | None:
        """The numbers of a small constant, else None."""
        if self.known is None and self.is_constant and len(self.stored) == 1 and not self.is_view:
            stored, read = self.stored[0], self.stored[0].read
            if read is not None and is_small(stored.shape, stored.dtype):
                self.known = np.asarray(read())
        return self.known


def is_small(shape: Sequence[int], dtype: str) -> bool:
    """Whether arrays like this are calculated with."""
    return dtype in _FOLDED and math.prod(shape) <= (MOST_FLOATS if dtype.startswith("float") else MOST_NUMBERS)


def from_numbers(name: str, numbers: Array) -> Tensor:
    """A constant that was calculated."""
    stored = Stored(name, numbers.shape, numbers.dtype.name, lambda: numbers)
    return Tensor(numbers.shape, numbers.dtype.name, stored=(stored,), known=numbers)


def filled(name: str, shape: tuple[int, ...], number: Array) -> Tensor:
    """A constant of one number everywhere, which takes no memory however large it is."""
    return Tensor(shape, number.dtype.name, stored=(Stored(name, shape, number.dtype.name, lambda: np.broadcast_to(number, shape)),))


def checked_shape(dims: Sequence[int], what: str) -> tuple[int, ...]:
    """`dims` if they are sizes of an array that could be: each from 0 to 2**62 - 1, at most 64."""
    if len(dims) > MOST_DIMS:
        raise ConvShapeError(f"{what} has {len(dims)} dimensions, more than {MOST_DIMS}.", "NumPy arrays have at most 64.")
    for axis, size in enumerate(dims):
        if not 0 <= size <= MAX_EXTENT:
            fault = "negative" if size < 0 else f"more than {MAX_EXTENT} = 2**62 - 1"
            raise ConvShapeError(f"{what} has size {shown(size)} along dimension {axis}, which is {fault}.", "Export the file again.")
    return tuple(int(size) for size in dims)


def from_proto(proto: Any, name: str, to_array: Callable[[Any], Array]) -> Tensor:
    """A constant of the file, its shape checked against its data; nothing is allocated. External data is not looked at.

    Raises
    ------
    ConvShapeError
        The shape and the data contradict each other.
    """
    what = f"the tensor {shown(name)}"
    if proto.data_type not in DTYPES:
        raise ConvTypeError(f"{what} has data type {proto.data_type}, which is not known.", "Export it with a current version of ONNX.")
    dtype, bits, typed, per_entry = DTYPES[proto.data_type]
    shape = checked_shape(proto.dims, what)
    if proto.data_location == 1:
        return Tensor(shape, dtype, stored=(Stored(name, shape, dtype, None),))
    size = math.prod(shape)
    if proto.HasField("raw_data") and dtype != "object":
        held, needed, unit = len(proto.raw_data), -(-size * bits // 8), "bytes"
    else:
        held, needed, unit = len(getattr(proto, typed)), math.ceil(size / per_entry) if size < 2**53 else size, f"entries in {typed}"
    if held != needed:
        raise ConvShapeError(
            f"{what} has shape {shown(shape)} of {dtype}, which takes {needed} {unit}; the file has {held}.",
            "The file is damaged: export or download it again.",
        )
    return Tensor(shape, dtype, stored=(Stored(name, shape, dtype, lambda: to_array(proto)),))
