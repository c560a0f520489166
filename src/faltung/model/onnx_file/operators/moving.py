"""Operators that move numbers and calculate nothing: reshapes, slices, splits, padding, joins."""

from __future__ import annotations

import math
from collections.abc import Sequence

from faltung.errors import ConvShapeError, ConvTypeError, one_of, shown
from faltung.model.onnx_file.calls import Call, NoShapeError, shape_of
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Shape, Tensor
from faltung.model.operations import Crop, Join, Lookup, Operation, Pad, Permute, Reshape, Same

__all__ = ["CONTRIBUTED", "STANDARD", "concatenated", "cropped", "slices_of", "split_sizes", "target_shape"]

_PADDING = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def target_shape(call: Call, shape: Shape) -> tuple[int, ...]:
    """The shape that a `Reshape` asks for: 0 stands for the size before, -1 for what is left."""
    target = call.ints(1, "shape")
    if target is None:
        raise ConvTypeError("Reshape has no shape.", "The file is damaged or incomplete: export it again.")
    copies = not call.attributes.integer("allowzero", 0)
    if shape is None:
        if -1 in target or (copies and 0 in target):
            raise NoShapeError
        return tuple(target)
    sizes = [shape[place] if size == 0 and copies and place < len(shape) else size for place, size in enumerate(target)]
    total, rest = math.prod(shape), math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and rest > 0 and total % rest == 0:
        sizes[sizes.index(-1)] = total // rest
    elif total == 0 and rest == 0 and sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = 0
    if -1 in sizes or math.prod(sizes) != total:
        raise ConvShapeError(
            f"Reshape cannot lay {total} numbers of shape {shape} into {shown(tuple(target))}.", "Give an input_shape for which they fit."
        )
    return tuple(sizes)


def _reshape(call: Call) -> list[Tensor]:
    x = call.tensor(0)
    return [call.emit(Reshape(), [x], target_shape(call, x.shape))]


def _flatten(call: Call) -> list[Tensor]:
    shape = call.shape(0)
    axis = call.attributes.integer("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise ConvShapeError(f"axis={axis} of Flatten is no dimension of {shape}.", "Export the file again.")
    axis += len(shape) if axis < 0 else 0
    return [call.emit(Reshape(), [call.tensor(0)], (math.prod(shape[:axis]), math.prod(shape[axis:])))]


def _squeeze(call: Call) -> list[Tensor]:
    shape, axes = call.shape(0), call.ints(1, "axes")
    dims = {call.dim(axis, len(shape)) for axis in axes} if axes is not None else {dim for dim, size in enumerate(shape) if size == 1}
    for dim in dims:
        if shape[dim] != 1:
            raise ConvShapeError(
                f"Squeeze drops dimension {dim} of {shape}, whose size is not 1.", "Give an input_shape for which it is 1."
            )
    return [call.emit(Reshape(), [call.tensor(0)], tuple(size for dim, size in enumerate(shape) if dim not in dims))]


def _unsqueeze(call: Call) -> list[Tensor]:
    shape, axes = call.shape(0), call.ints(1, "axes") or ()
    rank = len(shape) + len(axes)
    dims = {call.dim(axis, rank) for axis in axes}
    if len(dims) != len(axes):
        raise ConvShapeError(f"axes={shown(axes)} of Unsqueeze has a dimension twice.", "Export the file again.")
    rest = iter(shape)
    return [call.emit(Reshape(), [call.tensor(0)], tuple(1 if dim in dims else next(rest) for dim in range(rank)))]


def _transpose(call: Call) -> list[Tensor]:
    x, order = call.tensor(0), call.attributes.ints("perm")
    if order is None:
        order = tuple(reversed(range(len(shape_of(x)))))
    if sorted(order) != list(range(len(order))) or (x.shape is not None and len(x.shape) != len(order)):
        raise ConvShapeError(f"perm={shown(order)} does not order the dimensions of {x.shape}.", "Export the file again.")
    return [call.emit(Permute(order), [x], None if x.shape is None else tuple(x.shape[dim] for dim in order))]


def _concat(call: Call) -> list[Tensor]:
    call.tensor(0)
    return [concatenated(call, [tensor for tensor in call.inputs if tensor is not None], call.attributes.integer("axis", 1))]


def concatenated(call: Call, tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Arrays behind one another."""
    known = [tensor.shape for tensor in tensors if tensor.shape is not None]
    if not known:
        raise NoShapeError
    first = known[0]
    dim = call.dim(axis, len(first))
    for shape in known:
        if len(shape) != len(first) or any(a != b for place, (a, b) in enumerate(zip(first, shape, strict=True)) if place != dim):
            raise ConvShapeError(
                f"Concat joins {first} and {shape} along dimension {dim}; all other sizes must be equal.",
                "Give an input_shape for which the branches meet: sizes divisible by the network's stride.",
            )
    joined = None if len(known) < len(tensors) else (*first[:dim], sum(shape[dim] for shape in known), *first[dim + 1 :])
    learned = [tensor for tensor in tensors if tensor.is_constant and "float" in tensor.dtype and tensor.numbers is None]
    return call.emit(Join(dim), tensors, joined, learned=learned)


# -- parts -----------------------------------------------------------------------------------------


def slices_of(call: Call, shape: Sequence[int]) -> list[slice]:
    """What a `Slice` takes of each dimension."""
    starts, ends = call.ints(1, "starts"), call.ints(2, "ends")
    if starts is None or ends is None or len(starts) != len(ends):
        raise ConvTypeError(
            f"Slice has starts={shown(starts)} and ends={shown(ends)}.", "The file is damaged or incomplete: export it again."
        )
    axes = call.ints(3, "axes") or tuple(range(len(starts)))
    steps = call.ints(4, "steps") or (1,) * len(starts)
    if not len(starts) == len(axes) == len(steps):
        raise ConvTypeError(f"Slice has {len(starts)} starts, {len(axes)} axes and {len(steps)} steps.", "Export the file again.")
    slices = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            raise ConvShapeError("Slice has a step of 0.", "Export the file again.")
        slices[call.dim(axis, len(shape))] = slice(start, end, step)
    return slices


def _slice(call: Call) -> list[Tensor]:
    """A crop for each dimension that is cut."""
    x = call.tensor(0)
    steps = []
    for dim, (part, size) in enumerate(zip(slices_of(call, shape_of(x)), shape_of(x), strict=True)):
        cells = range(*part.indices(size))
        if cells != range(size):
            steps.append((Crop(dim, cells.start, cells.step), len(cells)))
    if not steps:
        return [call.emit(Same(), [x], x.shape)]
    for index, (operation, size) in enumerate(steps):
        x = cropped(call, x, operation, size, output=0 if index == len(steps) - 1 else None)
    return [x]


def cropped(call: Call, x: Tensor, operation: Crop, size: int, *, output: int | None = 0) -> Tensor:
    """`size` cells of a dimension."""
    shape = shape_of(x)
    kept = () if operation.drops else (size,)
    return call.emit(operation, [x], (*shape[: operation.dim], *kept, *shape[operation.dim + 1 :]), output=output)


def split_sizes(call: Call, size: int) -> list[int]:
    """Cells of each part of a `Split`."""
    given = call.ints(1, "split")
    if given:
        parts = list(given)
    else:
        count = call.attributes.integer("num_outputs", len(call.outputs))
        if not 0 < count <= max(len(call.outputs), 1):
            raise ConvShapeError(f"Split makes {count} parts and has {len(call.outputs)} outputs.", "Export the file again.")
        chunk = -(-size // count)
        parts = [max(min(chunk, size - index * chunk), 0) for index in range(count)]
    if sum(parts) != size or min(parts) < 0:
        raise ConvShapeError(f"Split takes parts of {shown(parts)} cells from {size}.", "Give an input_shape for which they fit.")
    return parts


def _split(call: Call) -> list[Tensor]:
    x = call.tensor(0)
    shape = shape_of(x)
    dim = call.dim(call.attributes.integer("axis", 0), len(shape))
    results, start = [], 0
    for index, size in enumerate(split_sizes(call, shape[dim])):
        results.append(cropped(call, x, Crop(dim, start), size, output=index))
        start += size
    return results


# -- larger arrays ---------------------------------------------------------------------------------


def _pad(call: Call) -> list[Tensor]:
    x = call.tensor(0)
    shape = shape_of(x)
    pads = call.ints(1, "pads" if call.version > 1 else "paddings")
    given = call.ints(3, "")
    axes = tuple(range(len(shape))) if given is None else tuple(call.dim(axis, len(shape)) for axis in given)
    if pads is None or len(pads) != 2 * len(axes):
        raise ConvShapeError(
            f"pads={shown(pads)} does not fit {len(axes)} dimensions: two entries each are needed.", "Export the file again."
        )
    sides = [(0, 0)] * len(shape)
    for place, dim in enumerate(axes):
        sides[dim] = (pads[place], pads[place + len(axes)])
    mode = _PADDING[one_of("mode", call.attributes.text("mode", "constant"), _PADDING, ConvTypeError)]
    sizes = tuple(before + size + after for size, (before, after) in zip(shape, sides, strict=True))
    return [call.emit(Pad(tuple(sides), mode), [x], sizes)]


def _expand(call: Call) -> list[Tensor]:
    x, target = call.tensor(0), call.ints(1, "")
    shape = shape_of(x)
    rank = max(len(shape), len(target or ()))
    asked = target or ()
    pairs = zip((1,) * (rank - len(shape)) + shape, (1,) * (rank - len(asked)) + asked, strict=True)
    sizes = []
    for own, wanted in pairs:
        if own != wanted and 1 not in (own, wanted):
            raise ConvShapeError(f"Expand cannot repeat {shape} to {shown(target)}.", "Give an input_shape for which they fit.")
        sizes.append(wanted if own == 1 else own)
    return [call.emit(Same(), [x], tuple(sizes), learned=[x])]


def _tile(call: Call) -> list[Tensor]:
    x, repeats = call.tensor(0), call.ints(1, "repeats")
    shape = shape_of(x)
    if repeats is None or len(repeats) != len(shape):
        raise ConvShapeError(f"Tile repeats {shape} by {shown(repeats)}: a count for each dimension is needed.", "Export the file again.")
    same = all(count == 1 or size == 1 for count, size in zip(repeats, shape, strict=True))
    operation: Operation = Same() if same else Lookup()
    return [call.emit(operation, [x], tuple(size * count for size, count in zip(shape, repeats, strict=True)))]


# -- channels and places ---------------------------------------------------------------------------


def _depth_to_space(call: Call) -> list[Tensor]:
    n, c, h, w = _four(call)
    block = _block(call, c)
    if call.attributes.text("mode", "DCR") == "CRD":
        split, order = (n, c // block**2, block, block, h, w), (0, 1, 4, 2, 5, 3)
    else:
        split, order = (n, block, block, c // block**2, h, w), (0, 3, 4, 1, 5, 2)
    return [_rearranged(call, split, order, (n, c // block**2, h * block, w * block))]


def _space_to_depth(call: Call) -> list[Tensor]:
    n, c, h, w = _four(call)
    block = call.attributes.integer("blocksize", 1)
    if block < 1 or h % block or w % block:
        raise ConvShapeError(f"blocks of {block} do not divide a map of {h}×{w}.", "Give an input_shape whose sizes they divide.")
    split = (n, c, h // block, block, w // block, block)
    return [_rearranged(call, split, (0, 3, 5, 1, 2, 4), (n, c * block**2, h // block, w // block))]


def _rearranged(call: Call, split: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    x = call.emit(Reshape(), [call.tensor(0)], split, output=None)
    x = call.emit(Permute(order), [x], tuple(split[dim] for dim in order), output=None)
    return call.emit(Reshape(), [x], shape)


def _four(call: Call) -> tuple[int, ...]:
    shape = call.shape(0)
    if len(shape) != 4:
        raise ConvShapeError(f"{call.op} takes (N, C, H, W), its input has shape {shape}.", "Give an input_shape with four dimensions.")
    return shape


def _block(call: Call, channels: int) -> int:
    block = call.attributes.integer("blocksize", 1)
    if block < 1 or channels % block**2:
        raise ConvShapeError(f"blocks of {block}×{block} do not divide {channels} channels.", "Export the file again.")
    return block


STANDARD: dict[str, Operator] = {
    "Concat": _concat, "DepthToSpace": _depth_to_space, "Expand": _expand, "Flatten": _flatten, "Pad": _pad, "Reshape": _reshape,
    "Slice": _slice, "SpaceToDepth": _space_to_depth, "Split": _split, "Squeeze": _squeeze, "Tile": _tile, "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}  # fmt: skip
CONTRIBUTED: dict[str, Operator] = {"Pad": _pad}
