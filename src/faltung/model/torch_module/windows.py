"""PyTorch's pooling, interpolation and normalisation as operations."""

from __future__ import annotations

from faltung.geometry import Axis
from faltung.model.operations import Normalise, Pool, Reduce, Resize, Unknown
from faltung.model.torch_module.call import Call, Plan, Reader, repeated

__all__ = ["adaptive", "batch_norm", "group_norm", "instance_norm", "layer_norm", "pool", "resize", "softmax", "window_axes"]


def window_axes(call: Call, ndim: int) -> tuple[Axis, ...]:
    """The windows of a pooling operator along its axes."""
    given = call.given
    kernel = repeated(given["kernel_size"], ndim)
    stride, padding, dilation = (
        repeated(given.get(name) or default, ndim) for name, default in (("stride", kernel), ("padding", 0), ("dilation", 1))
    )
    rows = zip(kernel, stride, dilation, padding, strict=True)
    return tuple(Axis(index, size, step, spread, (pad, pad)) for index, (size, step, spread, pad) in enumerate(rows))


def pool(how: str, ndim: int) -> Reader:
    """Windows of one size."""
    return lambda call: Pool(window_axes(call, ndim), how, bool(call["ceil_mode"]))


def adaptive(how: str, ndim: int) -> Reader:
    """As many windows as are asked for: all cells, equal parts, or windows of several sizes."""

    def reader(call: Call) -> Plan:
        sizes, results = call.input.shape[-ndim:], call.results[0].shape[-ndim:]
        rank = call.input.dim()
        if all(size == 1 for size in results):
            return Reduce("mean" if how == "average" else "max", tuple(range(rank - ndim, rank)), keeps=True)
        if all(result and size % result == 0 for size, result in zip(sizes, results, strict=True)):
            steps = [size // result for size, result in zip(sizes, results, strict=True)]
            return Pool(tuple(Axis(index, step, step) for index, step in enumerate(steps)), how)
        return Resize("area")

    return reader


def batch_norm(call: Call) -> Plan:
    """By statistics of the batch where it trains."""
    trains = call.given.get("training", call.given.get("train", False))
    return Normalise("batch_norm", tuple(dim for dim in range(call.input.dim()) if dim != 1) if trains else ())


def instance_norm(call: Call) -> Plan:
    """By statistics of each channel."""
    return Normalise("instance_norm", tuple(range(2, call.input.dim())) if call["use_input_stats"] else ())


def group_norm(call: Call) -> Plan:
    """By statistics of channels and places."""
    return Normalise("group_norm", tuple(range(1, call.input.dim())))


def layer_norm(call: Call) -> Plan:
    """By statistics of the last dimensions."""
    rank = call.input.dim()
    return Normalise(call.operator.name.removeprefix("native_"), tuple(range(rank - len(call["normalized_shape"]), rank)))


def softmax(call: Call) -> Plan:
    """Divided by a sum over a dimension."""
    return Normalise(call.operator.name.strip("_"), (call["dim"] % max(call.input.dim(), 1),))


def resize(how: str) -> Reader:
    """Interpolation."""

    def reader(call: Call) -> Plan:
        if call.operator.name.startswith("_upsample_nearest_exact"):
            resize = Resize(how, "half_pixel", "round_prefer_ceil")
        else:
            resize = Resize(how, "align_corners" if call.given.get("align_corners") else "")
        factors = call.given.get("scale_factors") or ()
        if factors and resize.places != "align_corners":
            # PyTorch then steps by the factor that was given, not by the quotient of the sizes.
            sizes, results = (tensor.shape[-len(factors) :] for tensor in (call.input, call.results[0]))
            for size, factor, result in zip(sizes, factors, results, strict=True):
                if size * factor != result:
                    return Unknown(f"{size} cells times {factor} are {size * factor}, not {result}: the places between are not followed")
        return resize

    return reader
