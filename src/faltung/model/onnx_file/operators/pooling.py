"""Pooling windows, whose sizes are the geometry's, and pooling over whole maps."""

from __future__ import annotations

from collections.abc import Sequence

from faltung.errors import ConvShapeError
from faltung.geometry import Axis
from faltung.model.onnx_file.calls import Call, NoShapeError
from faltung.model.onnx_file.operators.convolutions import padding_of
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Shape, Tensor
from faltung.model.operations import Pool, Reduce
from faltung.normal_form import per_axis

__all__ = ["CONTRIBUTED", "STANDARD", "pooled"]


def pooled(call: Call, x: Tensor, how: str) -> tuple[Pool, Shape]:
    """The window that the attributes describe, and the shape of what it gives on `x`."""
    kernel = call.attributes.ints("kernel_shape")
    if not kernel:
        raise ConvShapeError("kernel_shape is missing.", "The file is damaged or incomplete: export it again.")
    ndim = len(kernel)
    kernel = per_axis("kernel_shape", kernel, ndim, least=1)
    strides = per_axis("strides", call.attributes.ints("strides") or 1, ndim, least=1)
    dilations = per_axis("dilations", call.attributes.ints("dilations") or 1, ndim, least=1)
    padding = padding_of(call, ndim)
    sides: Sequence[tuple[int, int] | str] = (padding,) * ndim if isinstance(padding, str) else padding
    axes = tuple(Axis(index, *row) for index, row in enumerate(zip(kernel, strides, dilations, sides, strict=True)))
    ceil = bool(call.attributes.integer("ceil_mode", 0)) and not isinstance(padding, str)
    if x.shape is None:
        return Pool(axes, how, ceil), None
    if len(x.shape) != ndim + 2:
        raise ConvShapeError(
            f"its input has shape {x.shape}, a window of {kernel} takes {ndim + 2} dimensions.",
            "Give an input_shape with batch and channels.",
        )
    sizes = tuple(axis.output_size(size, ceil=ceil) for axis, size in zip(axes, x.shape[2:], strict=True))
    return Pool(axes, how, ceil), (*x.shape[:2], *sizes)


def _pool(how: str) -> Operator:
    def read(call: Call) -> list[Tensor]:
        x = call.computed(call.tensor(0))
        operation, shape = pooled(call, x, how)
        results: list[tuple[Shape, str | None]] = [(shape, x.dtype), (shape, "int64")]
        return call.emit_all(operation, [x], results[: max(len(call.outputs), 1)])

    return read


def _global(name: str) -> Operator:
    def read(call: Call) -> list[Tensor]:
        x, shape = call.tensor(0), call.rank_at_least(0, 3)
        dims = tuple(range(2, len(shape)))
        return [call.emit(Reduce(name, dims, keeps=True), [x], (*shape[:2], *(1 for _ in dims)))]

    return read


def _qlinear_average(call: Call) -> list[Tensor]:
    if call.attributes.integer("channels_last", 0):
        raise NoShapeError("pooling with channels last is not read")
    x = call.computed(call.tensor(0))
    operation, shape = pooled(call, x, "average")
    return [call.emit(operation, [x, *call.inputs[1:]], shape)]


def _qlinear_global(call: Call) -> list[Tensor]:
    shape = call.rank_at_least(0, 3)
    last = bool(call.attributes.integer("channels_last", 0))
    dims = tuple(range(1, len(shape) - 1)) if last else tuple(range(2, len(shape)))
    sizes = tuple(1 if dim in dims else size for dim, size in enumerate(shape))
    return [call.emit(Reduce("mean", dims, keeps=True), call.inputs, sizes)]


STANDARD: dict[str, Operator] = {
    "AveragePool": _pool("average"), "GlobalAveragePool": _global("mean"), "GlobalLpPool": _global("norm"), "GlobalMaxPool": _global("max"),
    "LpPool": _pool("lp"), "MaxPool": _pool("max"),
}  # fmt: skip
CONTRIBUTED: dict[str, Operator] = {"QLinearAveragePool": _qlinear_average, "QLinearGlobalAveragePool": _qlinear_global}
