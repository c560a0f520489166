"""PyTorch's operators that put the same numbers elsewhere, as operations."""

from __future__ import annotations

from faltung.model.operations import Crop, Elementwise, Join, Lookup, Pad, Permute, Reshape, Same, Unknown
from faltung.model.torch_module.call import Call, Plan, repeated
from faltung.spec import ConvSpec

__all__ = ["cat", "columns", "crop", "glu", "pad", "permute", "repeat", "reshape", "roll", "select", "shuffle", "split", "stack"]


def reshape(call: Call) -> Plan:
    """The same numbers in the same order."""
    return Same() if call.results[0].shape == call.input.shape else Reshape()


def repeat(call: Call) -> Plan:
    """Copies behind one another; of a dimension of size 1 nothing but broadcasting."""
    times = call["repeats"]
    shape = (1,) * (len(times) - call.input.dim()) + tuple(call.input.shape)
    return Same() if all(size == 1 or count == 1 for size, count in zip(shape, times, strict=True)) else Lookup()


def permute(call: Call) -> Plan:
    """Dimensions in another order."""
    rank = call.input.dim()
    if "dims" in call.given:
        return Permute(tuple(dim % rank for dim in call["dims"]))
    if rank < 2:
        return Same()
    order = list(range(rank))
    first, second = (call.given.get(name, default) % rank for name, default in (("dim0", 0), ("dim1", 1)))
    order[first], order[second] = order[second], order[first]
    return Permute(tuple(order))


def crop(call: Call) -> Plan:
    """A slice."""
    dim, step = call["dim"] % call.input.dim(), call["step"]
    size = call.input.shape[dim]
    start, stop, _ = slice(call["start"], call["end"], step).indices(size)
    return Same() if (start, step) == (0, 1) and stop >= size else Crop(dim, start, step)


def select(call: Call) -> Plan:
    """One cell of a dimension, which is dropped."""
    dim = call["dim"] % call.input.dim()
    return Crop(dim, call["index"] % call.input.shape[dim], drops=True)


def split(call: Call) -> Plan:
    """Parts of a dimension, each an operation of its own."""
    dim = call["dim"] % call.input.dim()
    if call.operator.name == "unbind":
        return [Crop(dim, index, drops=True) for index in range(len(call.results))]
    starts = [sum(part.shape[dim] for part in call.results[:index]) for index in range(len(call.results))]
    return [Crop(dim, start) for start in starts]


def cat(call: Call) -> Plan:
    """Arrays behind one another."""
    # Empty tensors of one dimension are ignored, whatever the others' rank.
    return Join(call["dim"] % call.results[0].dim())


def stack(call: Call) -> Plan:
    """Arrays behind one another along a new dimension, which each of them is given first."""
    dim = call["dim"] % call.results[0].dim()
    shape = (*call.results[0].shape[:dim], 1, *call.results[0].shape[dim + 1 :])
    return Join(dim), [call.emit(Reshape(), [tensor], shape) if call.is_computed(tensor) else tensor for tensor in call["tensors"]]


def pad(call: Call) -> Plan:
    """Cells around dimensions; PyTorch counts these from the last."""
    sides, pad = [(0, 0)] * call.input.dim(), call["pad" if "pad" in call.given else "padding"]
    for axis in range(len(pad) // 2):
        sides[-1 - axis] = (pad[2 * axis], pad[2 * axis + 1])
    name = call.operator.name
    modes = {"reflection": "reflect", "replication": "replicate", "constant": "constant", "_pad_circular": "circular"}
    mode = call.given.get("mode") or next((mode for begin, mode in modes.items() if name.startswith(begin)), "constant")
    return Pad(tuple(sides), mode)


def roll(call: Call) -> Plan:
    """Cells shifted around: put in front on one side, cut off on the other."""
    if not call["dims"]:
        return Lookup()
    sides = [(0, 0)] * call.input.dim()
    for shift, dim in zip(call["shifts"], call["dims"], strict=True):
        size = call.input.shape[dim]
        moved = (sides[dim][0] + shift) % size if size else 0
        sides[dim] = (moved, -moved)
    return Pad(tuple(sides), "circular")


def glu(call: Call) -> Plan:
    """One half of the cells times the sigmoid of the other half."""
    dim = call["dim"] % call.input.dim()
    if not call.is_computed(call.input):
        return Elementwise("glu")
    shape = tuple(call.results[0].shape)
    halves = [call.emit(Crop(dim, start), [call.input], shape) for start in (0, shape[dim])]
    return Elementwise("glu"), halves


def columns(call: Call) -> Plan:
    """Windows as columns, or columns put back: a grid seen finer, permuted, seen coarser, if the windows lie side by side."""
    given, is_back = call.given, call.operator.name in ("col2im", "fold")
    image = call.results[0] if is_back else call.input
    if "spec" in given:
        spec = ConvSpec.parse(given["spec"])
        kernel, stride, dilation, padding = spec.kernel_size, spec.stride, spec.dilation, spec.sides(tuple(image.shape[-spec.ndim :]))
        pads = tuple(side for pair in padding for side in pair)
    else:
        kernel, stride, dilation, pads = (repeated(given[name], 2) for name in ("kernel_size", "stride", "dilation", "padding"))
    size = image.shape[-len(kernel) :]
    is_tiled = kernel == stride and not any(pads) and all(s == 1 for s in dilation)
    if not is_tiled or any(cells % tap for cells, tap in zip(size, kernel, strict=True)):
        return Unknown("windows that overlap as columns: their positions are not followed")
    lead, channels = tuple(image.shape[: -len(kernel) - 1]), image.shape[-len(kernel) - 1]
    if not call.is_computed(call.input):
        return Reshape()
    # (…, C, o, k, o, k) against (…, C, k, k, o, o).
    finer = [(cells // tap, tap) for cells, tap in zip(size, kernel, strict=True)]
    first = len(lead) + 1
    apart = [first + 2 * axis + 1 for axis in range(len(kernel))] + [first + 2 * axis for axis in range(len(kernel))]
    order = (*range(first), *apart)
    grid = (*lead, channels, *(part for pair in finer for part in pair))
    if not is_back:
        seen = call.emit(Reshape(), [call.input], grid)
        return Reshape(), [call.emit(Permute(order), [seen], tuple(grid[dim] for dim in order))]
    seen = call.emit(Reshape(), [call.input], tuple(grid[dim] for dim in order))
    return Reshape(), [call.emit(Permute(tuple(order.index(dim) for dim in range(len(order)))), [seen], grid)]


def shuffle(call: Call) -> Plan:
    """Pixels to channels, channels to pixels, and channels among themselves: a grid seen finer, permuted, seen coarser."""
    x, name = call.input, call.operator.name
    if not call.is_computed(x):
        return Reshape()
    *batch, channels, height, width = x.shape
    lead = len(batch)
    finer: tuple[int, ...]
    order: tuple[int, ...]
    if name == "pixel_shuffle":
        factor = call["upscale_factor"]
        finer, order = (channels // factor**2, factor, factor, height, width), (0, 3, 1, 4, 2)
    elif name == "pixel_unshuffle":
        factor = call["downscale_factor"]
        finer, order = (channels, height // factor, factor, width // factor, factor), (0, 2, 4, 1, 3)
    else:
        groups = call["groups"]
        finer, order = (groups, channels // groups, height, width), (1, 0, 2, 3)
    seen = call.emit(Reshape(), [x], (*batch, *finer))
    whole = (*range(lead), *(lead + dim for dim in order))
    permuted = call.emit(Permute(whole), [seen], (*batch, *(finer[dim] for dim in order)))
    return Reshape(), [permuted]
