"""What is known without the model's input: constants, sizes, and the small sums with which files make shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from faltung.errors import ConvTypeError, shown
from faltung.model.onnx_file.calls import Call, NoShapeError
from faltung.model.onnx_file.tensors import (
    DTYPES,
    MOST_NUMBERS,
    Array,
    Stored,
    Tensor,
    checked_shape,
    dtype_name,
    filled,
    from_numbers,
    is_small,
)

__all__ = ["VIEWS", "known"]

VIEWS = {"Cast", "CastLike", "DequantizeLinear", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
"""Of constants: the same weights, under another name or seen in another shape."""

_NUMBERS = "biuf"


def known(call: Call) -> list[Tensor] | None:
    """The outputs of a node, if they are constants."""
    if call.domain:
        return None
    if call.op == "Constant":
        return [_constant(call)]
    if call.op in ("Shape", "Size"):
        shape = call.tensor(0).shape
        return None if shape is None else [from_numbers(_name(call), _size(call, shape))]
    if any(tensor is not None and tensor.numbers is None for tensor in call.inputs) or not call.inputs:
        return None
    arrays = [None if tensor is None else tensor.numbers for tensor in call.inputs]
    if call.op == "ConstantOfShape":
        return [_of_shape(call, arrays[0])]
    if any(array is not None and array.dtype.kind not in _NUMBERS for array in arrays):
        return None
    fold = _FOLDS.get(call.op)
    if fold is None:
        return None
    try:
        with np.errstate(all="ignore"):
            results = [np.asarray(array) for array in fold(call, *arrays)]
    except (NoShapeError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
        return None  # what is wrong is told by who reads the operator
    if any(not is_small(array.shape, array.dtype.name) for array in results):
        return None
    return [from_numbers(_name(call, index), array) for index, array in enumerate(results)]


def _name(call: Call, index: int = 0) -> str:
    given = call.outputs[index] if index < len(call.outputs) else ""
    return call.site.prefix + given if given else f"{call.name}:{index}"


def _constant(call: Call) -> Tensor:
    name, attributes = _name(call), call.attributes
    proto = attributes.tensor("value")
    if proto is not None:
        return call.reader.constant(proto, name)
    for attribute, dtype in (("value_int", np.int64), ("value_float", np.float32)):
        if attribute in attributes:
            number = attributes.integer(attribute, 0) if dtype is np.int64 else attributes.number(attribute, 0.0)
            return from_numbers(name, np.asarray(number, dtype))
    for attribute, dtype in (("value_ints", np.int64), ("value_floats", np.float32)):
        found = attributes.ints(attribute, most=2**31) if dtype is np.int64 else attributes.floats(attribute)
        if found is not None:
            return from_numbers(name, np.asarray(found, dtype))
    if "value_string" in attributes or "value_strings" in attributes:
        texts = attributes.texts("value_strings")
        dims: tuple[int, ...] = () if texts is None else (len(texts),)
        return Tensor(dims, "object", stored=(Stored(name, dims, "object", None),))
    if "sparse_value" in attributes:
        sparse = attributes.sparse("sparse_value")
        dims, kind = checked_shape(sparse.dims, f"the sparse tensor {shown(name)}"), dtype_name(sparse.values.data_type)
        return Tensor(dims, kind, stored=(Stored(name, dims, kind, None),))
    raise ConvTypeError("Constant has no value.", "The file is damaged or incomplete: export it again.")


def _size(call: Call, shape: tuple[int, ...]) -> Array:
    if call.op == "Size":
        return np.asarray(min(math.prod(shape), 2**63 - 1), np.int64)
    end = call.attributes.integer("end", len(shape))
    return np.asarray(shape[slice(call.attributes.integer("start", 0), end)], np.int64)


def _of_shape(call: Call, dims: Array | None) -> Tensor:
    if dims is None or dims.ndim != 1 or dims.dtype.kind not in "iu":
        raise ConvTypeError("ConstantOfShape needs a list of sizes.", "Export the file again.")
    shape = checked_shape([int(size) for size in dims], "its result")
    proto = call.attributes.tensor("value")
    number: Array = np.asarray(0, np.float32)
    if proto is not None:
        value = call.reader.constant(proto, _name(call))
        if value.numbers is None or value.numbers.size != 1:
            raise NoShapeError
        number = value.numbers.reshape(())
    if is_small(shape, number.dtype.name):
        return from_numbers(_name(call), np.full(shape, number))
    return filled(_name(call), shape, number)


# -- sums ------------------------------------------------------------------------------------------

Fold = Callable[..., list[Array]]


def _fits(*shape: int) -> None:
    if math.prod(shape) > 4 * MOST_NUMBERS:
        raise NoShapeError


def _each(function: Callable[..., Any]) -> Fold:
    """A function of numbers at the same place; a number of any type fits to the first array's."""

    def fold(_: Call, *arrays: Array) -> list[Array]:
        _fits(*np.broadcast_shapes(*(array.shape for array in arrays)))
        return [np.asarray(function(*arrays))]

    return fold


def _divided(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    if not np.all(b):
        raise NoShapeError
    quotient = np.abs(a) // np.abs(b)  # ONNX rounds towards zero
    return np.asarray(np.where((a < 0) != (b < 0), -quotient, quotient), a.dtype)


def _mod(call: Call, a: Array, b: Array) -> list[Array]:
    _fits(*np.broadcast_shapes(a.shape, b.shape))
    if not np.all(b):
        raise NoShapeError
    return [np.asarray(np.fmod(a, b) if call.attributes.integer("fmod", 0) else np.mod(a, b))]


def _reduced(function: Callable[..., Any]) -> Fold:
    def fold(call: Call, x: Array, axes: Array | None = None) -> list[Array]:
        given = call.attributes.ints("axes") if axes is None else tuple(int(axis) for axis in axes)
        if not given and call.attributes.integer("noop_with_empty_axes", 0):
            return [x]
        dims = tuple(call.dim(axis, x.ndim) for axis in given) if given else None
        return [np.asarray(function(x, axis=dims, keepdims=bool(call.attributes.integer("keepdims", 1))), x.dtype)]

    return fold


def _cast(call: Call, x: Array) -> list[Array]:
    dtype = DTYPES.get(call.attributes.integer("to", 0), ("object",))[0]
    if not is_small(x.shape, dtype):
        raise NoShapeError
    return [x.astype(dtype)]


def _range(_: Call, start: Array, limit: Array, step: Array) -> list[Array]:
    first, last, by = start.item(), limit.item(), step.item()
    if not by or not math.isfinite((last - first) / by):
        raise NoShapeError
    _fits(max(math.ceil((last - first) / by), 0))
    return [np.arange(first, last, by, dtype=start.dtype)]


def _gather(call: Call, x: Array, indices: Array) -> list[Array]:
    axis = call.dim(call.attributes.integer("axis", 0), x.ndim)
    _fits(x.size, max(indices.size, 1))
    return [np.asarray(np.take(x, indices, axis=axis))]


def _slice(call: Call, x: Array, *_: Array | None) -> list[Array]:
    from faltung.model.onnx_file.operators.moving import slices_of

    return [x[tuple(slices_of(call, x.shape))]]


def _concat(call: Call, *arrays: Array) -> list[Array]:
    _fits(sum(array.size for array in arrays))
    return [np.concatenate(arrays, axis=call.dim(call.attributes.integer("axis", 0), arrays[0].ndim))]


def _expand(_: Call, x: Array, shape: Array) -> list[Array]:
    sizes = np.broadcast_shapes(x.shape, tuple(int(size) for size in shape))
    _fits(*sizes)
    return [np.broadcast_to(x, sizes).copy()]


def _tile(_: Call, x: Array, repeats: Array) -> list[Array]:
    _fits(x.size, *(int(count) for count in repeats))
    return [np.tile(x, tuple(int(count) for count in repeats))]


def _reshape(call: Call, x: Array, *_: Array | None) -> list[Array]:
    from faltung.model.onnx_file.operators.moving import target_shape

    return [x.reshape(target_shape(call, x.shape))]


def _squeeze(call: Call, x: Array, *_: Array | None) -> list[Array]:
    given = call.ints(1, "axes")
    return [np.squeeze(x, axis=None if given is None else tuple(given))]


def _unsqueeze(call: Call, x: Array, *_: Array | None) -> list[Array]:
    return [np.expand_dims(x, axis=tuple(call.ints(1, "axes") or ()))]


def _transpose(call: Call, x: Array) -> list[Array]:
    return [np.transpose(x, call.attributes.ints("perm"))]


def _split(call: Call, x: Array, *_: Array | None) -> list[Array]:
    from faltung.model.onnx_file.operators.moving import split_sizes

    dim = call.dim(call.attributes.integer("axis", 0), x.ndim)
    places = np.cumsum(split_sizes(call, x.shape[dim]))[:-1]
    return list(np.split(x, places, axis=dim))


def _clip(_: Call, x: Array, low: Array | None = None, high: Array | None = None) -> list[Array]:
    return [x] if low is None and high is None else [np.asarray(np.clip(x, low, high), x.dtype)]


_FOLDS: dict[str, Fold] = {
    "Abs": _each(np.abs), "Add": _each(np.add), "And": _each(np.logical_and), "Cast": _cast, "Ceil": _each(np.ceil), "Clip": _clip,
    "Concat": _concat, "Div": _each(_divided), "Equal": _each(np.equal), "Expand": _expand, "Floor": _each(np.floor), "Gather": _gather,
    "Greater": _each(np.greater), "GreaterOrEqual": _each(np.greater_equal), "Identity": lambda _, x: [x], "Less": _each(np.less),
    "LessOrEqual": _each(np.less_equal), "Max": _each(lambda *arrays: np.max(np.broadcast_arrays(*arrays), axis=0)),
    "Min": _each(lambda *arrays: np.min(np.broadcast_arrays(*arrays), axis=0)), "Mod": _mod, "Mul": _each(np.multiply),
    "Neg": _each(np.negative), "NonZero": lambda _, x: [np.asarray(np.nonzero(np.atleast_1d(x)), np.int64)], "Not": _each(np.logical_not),
    "Or": _each(np.logical_or), "Range": _range, "ReduceMax": _reduced(np.max), "ReduceMin": _reduced(np.min),
    "ReduceProd": _reduced(np.prod), "ReduceSum": _reduced(np.sum), "Reshape": _reshape, "Round": _each(np.round), "Slice": _slice,
    "Split": _split, "Sqrt": _each(np.sqrt), "Squeeze": _squeeze, "Sub": _each(np.subtract), "Tile": _tile, "Transpose": _transpose,
    "Unsqueeze": _unsqueeze, "Where": _each(np.where), "Xor": _each(np.logical_xor),
}  # fmt: skip
