"""Sequences of arrays, followed where their positions are known: exporters split with them."""

from __future__ import annotations

import numpy as np

from faltung.errors import ConvShapeError
from faltung.model.onnx_file.calls import Call, NoShapeError, shape_of
from faltung.model.onnx_file.operators.moving import concatenated, cropped, split_sizes
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Tensor, from_numbers
from faltung.model.operations import Crop, Reshape

__all__ = ["STANDARD"]


def _sequence(parts: list[Tensor]) -> Tensor:
    return Tensor(None, parts[0].dtype if parts else "float32", parts=tuple(parts))


def _parts(call: Call) -> list[Tensor]:
    found = call.tensor(0).parts
    if found is None:
        raise NoShapeError("a sequence whose arrays are not known")
    return list(found)


def _place(call: Call, index: int, count: int) -> int:
    numbers = call.numbers(index)
    if numbers is None:
        return count - 1
    place = int(numbers.reshape(-1)[0])
    if not -count <= place < count:
        raise ConvShapeError(f"{call.op} takes place {place} of a sequence of {count}.", "Export the file again.")
    return place % count


def _split(call: Call) -> list[Tensor]:
    """Parts of the sizes that are listed, or of one size; without any, each cell, whose dimension is dropped unless it is kept."""
    x, shape = call.tensor(0), call.shape(0)
    dim = call.dim(call.attributes.integer("axis", 0), len(shape))
    given = call.numbers(1)
    if given is None:
        drops = not call.attributes.integer("keepdims", 1)
        sizes = _chunks(shape[dim], 1)
    else:
        drops = False
        sizes = split_sizes(call, shape[dim]) if given.ndim else _chunks(shape[dim], int(given))
    parts, start = [], 0
    for size in sizes:
        parts.append(cropped(call, x, Crop(dim, start, drops=drops), size, output=None))
        start += size
    return [_sequence(parts)]


def _chunks(size: int, chunk: int) -> list[int]:
    if chunk < 1 or size // chunk > 10_000:
        raise ConvShapeError(f"parts of {chunk} cells of {size} are not read.", "Export the file again.")
    return [chunk] * (size // chunk) + [size % chunk] * (size % chunk > 0)


def _construct(call: Call) -> list[Tensor]:
    return [_sequence([tensor for tensor in call.inputs if tensor is not None])]


def _at(call: Call) -> list[Tensor]:
    parts = _parts(call)
    return [parts[_place(call, 1, len(parts))]]


def _insert(call: Call) -> list[Tensor]:
    parts, added = _parts(call), call.tensor(1)
    place = len(parts) if call.optional(2) is None else _place(call, 2, len(parts) + 1)
    return [_sequence([*parts[:place], added, *parts[place:]])]


def _erase(call: Call) -> list[Tensor]:
    parts = _parts(call)
    place = _place(call, 1, len(parts))
    return [_sequence(parts[:place] + parts[place + 1 :])]


def _length(call: Call) -> list[Tensor]:
    return [from_numbers(f"{call.name}:0", np.asarray(len(_parts(call)), np.int64))]


def _join(call: Call) -> list[Tensor]:
    parts = _parts(call)
    axis = call.attributes.integer("axis", 0)
    if not parts:
        raise NoShapeError("a sequence without arrays")
    if call.attributes.integer("new_axis", 0):
        dim = call.dim(axis, len(shape_of(parts[0])) + 1)
        shapes = [shape_of(part) for part in parts]
        parts = [
            call.emit(Reshape(), [part], (*shape[:dim], 1, *shape[dim:]), output=None) for part, shape in zip(parts, shapes, strict=True)
        ]
    return [concatenated(call, parts, axis)]


STANDARD: dict[str, Operator] = {
    "ConcatFromSequence": _join, "SequenceAt": _at, "SequenceConstruct": _construct, "SequenceErase": _erase, "SequenceInsert": _insert,
    "SequenceLength": _length, "SplitToSequence": _split,
}  # fmt: skip
