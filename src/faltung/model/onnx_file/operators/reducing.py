"""Means, sums and extremes over whole dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from faltung.model.onnx_file.calls import Call
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Tensor
from faltung.model.operations import Reduce, Same

__all__ = ["CONTRIBUTED", "STANDARD"]

_NAMES = {
    "ReduceL1": "l1_norm", "ReduceL2": "norm", "ReduceLogSum": "log_sum", "ReduceLogSumExp": "log_sum_exp", "ReduceMax": "max",
    "ReduceMean": "mean", "ReduceMin": "min", "ReduceProd": "product", "ReduceSum": "sum", "ReduceSumSquare": "sum_of_squares",
}  # fmt: skip


def _reduced(call: Call, name: str, dims: Sequence[int], inputs: Sequence[Tensor | None], dtype: str | None = None) -> list[Tensor]:
    shape, keeps = call.shape(0), bool(call.attributes.integer("keepdims", 1))
    sizes = tuple(1 if dim in dims else size for dim, size in enumerate(shape) if keeps or dim not in dims)
    return [call.emit(Reduce(name, tuple(dims), keeps), inputs, sizes, dtype)]


def _reduce(name: str) -> Operator:
    def read(call: Call) -> list[Tensor]:
        x, shape, axes = call.tensor(0), call.shape(0), call.ints(1, "axes")
        if not axes and call.attributes.integer("noop_with_empty_axes", 0):
            return [call.emit(Same(), [x], shape)]
        dims = sorted({call.dim(axis, len(shape)) for axis in axes}) if axes else range(len(shape))
        return _reduced(call, name, tuple(dims), [x])

    return read


def _extreme(name: str) -> Operator:
    def read(call: Call) -> list[Tensor]:
        shape = call.rank_at_least(0, 1)
        return _reduced(call, name, (call.dim(call.attributes.integer("axis", 0), len(shape)),), [call.tensor(0)], "int64")

    return read


def _qlinear_mean(call: Call) -> list[Tensor]:
    shape = call.rank_at_least(0, 1)
    axes = call.attributes.ints("axes") or tuple(range(len(shape)))
    return _reduced(call, "mean", tuple(sorted({call.dim(axis, len(shape)) for axis in axes})), call.inputs)


STANDARD: dict[str, Operator] = {
    **{op: _reduce(name) for op, name in _NAMES.items()},
    "ArgMax": _extreme("argmax"),
    "ArgMin": _extreme("argmin"),
}
CONTRIBUTED: dict[str, Operator] = {"QLinearReduceMean": _qlinear_mean}
