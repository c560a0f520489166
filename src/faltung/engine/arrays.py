"""Arrays in and out: what is accepted, in which type it is computed, and what the kernels need of it.

Owns the dtype rules of the package. Knows nothing of convolution.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faltung.engine.native import chosen_isa, convert, get_num_threads
from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.extras import optional

__all__ = [
    "HALVES", "Array", "Described", "ElementTypes", "address", "as_array", "as_passed", "converted",
    "element_types", "element_types_of", "is_finite", "narrowed", "new_array", "out_array", "promoted", "trailing", "widened",
]  # fmt: skip

Array = NDArray[Any]

HALVES = ("float16", "bfloat16")


class HasDtype(Protocol):
    """An array of any kind."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its elements."""


@dataclass(frozen=True, slots=True)
class Described:
    """An array by what is checked of it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


_SERVED = "bool, integers, float16, bfloat16, float32, float64, complex64, complex128"


@dataclass(frozen=True)
class ElementTypes:
    """How one dtype is computed.

    Attributes
    ----------
    stored : dtype
        Of the arrays together, after promotion.
    native : str
        What the kernels sum in: ``"float32"``, ``"float64"``, or ``"uint64"`` for integers modulo 2**64.
    result : dtype
        Of the result.
    is_complex : bool
        Real and imaginary parts are computed apart, each in `native`.
    """

    stored: np.dtype[Any]
    native: str
    result: np.dtype[Any]
    is_complex: bool = False

    @functools.cached_property
    def is_exact(self) -> bool:
        """Whether sums are exact (integers; past 64 bits they wrap)."""
        return self.native == "uint64"

    @functools.cached_property
    def parts(self) -> np.dtype[Any]:
        """The dtype in which an array, or each part of a complex one, goes to the kernels."""
        return np.dtype(self.native)

    @functools.cached_property
    def is_half(self) -> bool:
        """Whether arrays are stored in 16 bits a number, and summed in float32."""
        return self.native == "float32" and self.stored.itemsize == 2

    @functools.cached_property
    def form(self) -> str:
        """What kernels are chosen by: `native`, or the name of the half precision that is stored."""
        return self.stored.name if self.is_half else self.native

    @functools.cached_property
    def _read(self) -> np.dtype[Any]:
        """The dtype of arrays that the kernels read."""
        return self.result if self.is_exact else self.stored if self.is_complex else self.parts

    @functools.cached_property
    def step_bytes(self) -> int:
        """Bytes of a number as kernels read and write it, a part of a complex one: strides are multiples of it."""
        return 2 if self.is_half else self.parts.itemsize

    @property
    def is_converted(self) -> bool:
        """Whether arrays stored in `stored` are converted before the kernels read them."""
        return not self.is_complex and self.stored.itemsize != self.parts.itemsize

    def to_native(self, array: Array) -> Array:
        """`array` as the kernels take it: native element type and byte order, aligned; any strides.

        A complex array stays complex: its ``.real`` and ``.imag`` are what the kernels read.
        """
        if self.is_half:
            return widened(self.to_kernel(array))
        return self._as_read(array, self._read)

    def to_kernel(self, array: Array) -> Array:
        """As `to_native`, but half precision stays as it is."""
        return self._as_read(array, self.stored) if self.is_half else self.to_native(array)

    def _as_read(self, array: Array, dtype: np.dtype[Any]) -> Array:
        try:
            if array.dtype != dtype:
                array = array.astype(dtype)
            flags = array.flags
            if not flags.carray and (not flags.aligned or any(stride % self.step_bytes for stride in array.strides)):
                array = array.copy()
        except (MemoryError, ValueError):  # of repeated cells, that take no memory themselves
            raise _unallocatable("a copy", array.shape, dtype) from None
        return array.view(np.uint64) if self.is_exact else array


def new_array(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, zeros: bool = False) -> Array:
    """An array to be written, of zeros or of anything; `name` is what a message calls it.

    Raises
    ------
    ConvShapeError
        There is no memory for it.
    """
    try:
        return np.zeros(shape, dtype) if zeros else np.empty(shape, dtype)
    except (MemoryError, ValueError):
        raise _unallocatable(name, shape, dtype) from None


def converted(array: Array, dtype: np.dtype[Any]) -> Array:
    """`array` in `dtype`; itself where it is.

    Raises
    ------
    ConvShapeError
        There is no memory for it.
    """
    try:
        return array.astype(dtype, copy=False)
    except (MemoryError, ValueError):  # of repeated cells, that take no memory themselves
        raise _unallocatable("a copy", array.shape, dtype) from None


def as_passed(array: Array) -> Array:
    """Half precision by its bits, as the compiled module takes it."""
    return array.view(np.uint16) if array.dtype.itemsize == 2 else array


def widened(array: Array) -> Array:
    """Half precision in float32; laid in memory alike."""
    try:
        wide = np.empty_like(array, dtype=np.float32)
    except (MemoryError, ValueError):
        raise _unallocatable("a copy", array.shape, np.dtype(np.float32)) from None
    convert(array.view(np.uint16), wide, array.dtype.name, chosen_isa(), get_num_threads())
    return wide


def narrowed(wide: Array, target: Array) -> None:
    """Store float32 numbers as half precision, rounded to the nearest; `target` as kernels write it."""
    convert(wide, target.view(np.uint16), target.dtype.name, chosen_isa(), get_num_threads())


def address(array: Array) -> int:
    """Where its first cell lies."""
    where: int = array.__array_interface__["data"][0]
    return where


def is_finite(array: Array) -> bool:
    """Whether no number of `array` is infinite or NaN.

    Raises
    ------
    ConvShapeError
        There is no memory to tell.
    """
    try:
        return bool(np.isfinite(array).all())
    except (MemoryError, ValueError):
        raise _unallocatable("a mask", array.shape, np.dtype(bool)) from None


def _unallocatable(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ConvShapeError:
    return ConvShapeError(
        f"{name} of shape {shape} in {dtype} needs {math.prod(shape) * dtype.itemsize} bytes, which cannot be allocated.",
        "Use a smaller batch or input, or convolve it in parts.",
    )


def as_array(name: str, value: object) -> Array:
    """`value` as a NumPy array, without copying where it can be avoided.

    Raises
    ------
    ConvTypeError
        It is no array of numbers, or one that lives on another device.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        array = np.asarray(value)
        if array.dtype != object or not hasattr(value, "__dlpack__"):
            return array
        reason = "NumPy sees an object in it, no numbers."
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    try:
        return np.from_dlpack(value)  # type: ignore[arg-type]
    except (AttributeError, TypeError, ValueError, RuntimeError, BufferError):
        raise ConvTypeError(
            f"{name} of type {type(value).__name__} cannot be read as an array: {reason}",
            "Give a NumPy array, or anything with __array__ or a CPU __dlpack__ (a tensor: x.detach().cpu()).",
        ) from None


def element_types_of(**arrays: HasDtype | None) -> ElementTypes:
    """The `ElementTypes` of several named arrays together, promoted by ``numpy.result_type``."""
    names = tuple(name for name, array in arrays.items() if array is not None)
    return promoted(names, tuple(array.dtype for array in arrays.values() if array is not None))


@functools.lru_cache(maxsize=1024)
def promoted(names: tuple[str, ...], dtypes: tuple[np.dtype[Any], ...]) -> ElementTypes:
    """How arrays of these dtypes are computed together; `names` are those of the arguments, for errors."""
    for name, dtype in zip(names, dtypes, strict=True):
        element_types(dtype, name)
    if all(dtype.kind in "bui" for dtype in dtypes):
        # uint64 with a signed type: NumPy's result_type is float64, which is not exact.
        common = np.result_type(*dtypes)
        return element_types(common if common.kind != "f" else np.dtype(np.int64), "the result")
    try:
        return element_types(np.result_type(*dtypes), "the result")
    except TypeError:
        listed = ", ".join(f"{name} {dtype}" for name, dtype in zip(names, dtypes, strict=True))
        raise ConvTypeError(f"{listed}: NumPy has no common dtype for these.", "Convert them to one dtype with astype.") from None


def element_types(dtype: object, name: str = "dtype") -> ElementTypes:
    """How arrays of `dtype` are computed; `name` is what a message calls it.

    Raises
    ------
    ConvTypeError
        It is no dtype, or none that is served.
    MissingExtraError
        It is the name of bfloat16, a type of ml-dtypes, which is not installed.

    >>> element_types("int16").result, element_types("float16").native
    (dtype('int64'), 'float32')
    """
    if isinstance(dtype, str) and dtype == "bfloat16":
        dtype = optional("ml_dtypes", extra="peers", purpose="bfloat16 in NumPy", package="ml-dtypes").bfloat16
    try:
        stored = np.dtype(dtype)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise ConvTypeError(f"{name}={shown(dtype)} is no dtype.", f"Served: {_SERVED}.") from None
    return _element_types(stored, name)


@functools.lru_cache(maxsize=256)
def _element_types(stored: np.dtype[Any], name: str) -> ElementTypes:
    if stored.name == "bfloat16":
        return ElementTypes(stored, "float32", stored)
    match stored.kind, stored.itemsize:
        case (("b" | "i"), _):
            return ElementTypes(stored, "uint64", np.dtype(np.int64))
        case "u", _:
            return ElementTypes(stored, "uint64", np.dtype(np.uint64))
        case "f", (2 | 4):
            return ElementTypes(stored.newbyteorder("="), "float32", stored.newbyteorder("="))
        case "f", 8:
            return ElementTypes(stored.newbyteorder("="), "float64", stored.newbyteorder("="))
        case "c", (8 | 16):
            native = "float32" if stored.itemsize == 8 else "float64"
            return ElementTypes(stored.newbyteorder("="), native, stored.newbyteorder("="), is_complex=True)
    raise ConvTypeError(f"{name} has dtype {stored}, which cannot be convolved.", f"Convert it with astype. Served: {_SERVED}.")


def trailing(index: Iterable[Any]) -> tuple[Any, ...]:
    """An index of an array's last axes."""
    return (..., *index)


def out_array(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array | None:
    """`out` checked: a writable array of `shape` into which `dtype` can be cast.

    Raises
    ------
    ConvTypeError, ConvShapeError
    """
    if out is None:
        return None
    if not isinstance(out, np.ndarray):
        raise ConvTypeError(f"out is of type {type(out).__name__}, a NumPy array is needed.", f"Use np.empty({shape}, {dtype.name!r}).")
    if out.shape != shape:
        raise ConvShapeError(f"out has shape {out.shape}, the result {shape}.", f"Use np.empty({shape}, {dtype.name!r}).")
    if not out.flags.writeable:
        raise ConvTypeError("out is read-only.", "Give a writable array, or leave out= away.")
    if not np.can_cast(dtype, out.dtype, "same_kind"):
        raise ConvTypeError(
            f"out has dtype {out.dtype}, the result {dtype} cannot be stored in it.", f"Use np.empty({shape}, {dtype.name!r})."
        )
    return out
