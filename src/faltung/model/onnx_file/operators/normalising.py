"""Normalisation by statistics, stored or computed, and softmax."""

from __future__ import annotations

from collections.abc import Sequence

from faltung.errors import ConvShapeError
from faltung.model.onnx_file.calls import Call
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Shape, Tensor
from faltung.model.operations import Elementwise, Normalise

__all__ = ["CONTRIBUTED", "STANDARD"]


def _batch_norm(call: Call) -> list[Tensor]:
    """Inputs: x, factors, summands, means, variances; the statistics are constants unless it trains."""
    x, shape = call.tensor(0), call.tensor(0).shape
    trains = bool(call.attributes.integer("training_mode", 0)) or (
        call.version < 7 and not call.attributes.integer("is_test", 0) and len(call.outputs) > 1
    )
    dims = tuple(dim for dim in range(len(shape)) if dim != 1) if trains and shape is not None else ()
    scale, mean = call.optional(1), call.optional(3)
    if shape is not None and len(shape) > 1 and scale is not None and scale.shape not in (None, (shape[1],)):
        raise ConvShapeError(
            f"an input of {shape[1]} channels (shape {shape}) has factors of shape {scale.shape}.", "Export the file again."
        )
    statistics = None if mean is None else mean.shape
    results: list[tuple[Shape, str | None]] = [(shape, x.dtype)] + [(statistics, None)] * (len(call.outputs) - 1)
    return call.emit_all(Normalise("batch_norm", dims), call.inputs, results, learned=[scale, call.optional(2)])


def _over(name: str, dims_of: str) -> Operator:
    """Statistics of the input over some dimensions."""

    def read(call: Call) -> list[Tensor]:
        shape = call.rank_at_least(0, 1)
        dims = _dims(call, dims_of, len(shape))
        return [call.emit(Normalise(name, dims), call.inputs, shape, learned=call.inputs[1:])]

    return read


def _dims(call: Call, which: str, rank: int) -> tuple[int, ...]:
    if which == "maps":
        return tuple(range(2, rank))
    if which == "all":  # of a group of channels and its maps
        return tuple(range(1, rank))
    if which == "channels":
        return (1,)
    if which == "axes":
        return tuple(call.dim(axis, rank) for axis in call.attributes.ints("axes") or (0, 2, 3))
    return (call.dim(call.attributes.integer("axis", -1), rank),)


def _softmax(name: str) -> Operator:
    def read(call: Call) -> list[Tensor]:
        shape = call.rank_at_least(0, 1)
        if call.version < 13:  # the dimensions from the axis on are taken as one
            dims = tuple(range(call.dim(call.attributes.integer("axis", 1 if len(shape) > 1 else 0), len(shape)), len(shape)))
        else:
            dims = (call.dim(call.attributes.integer("axis", -1), len(shape)),)
        return [call.emit(Normalise(name, dims), [call.tensor(0)], shape)]

    return read


def _layer_norm(call: Call) -> list[Tensor]:
    shape = call.rank_at_least(0, 1)
    first = call.dim(call.attributes.integer("axis", -1), len(shape))
    name = "layer_norm" if call.op == "LayerNormalization" else "rms_norm"
    return _with_statistics(call, name, shape, first, call.inputs, learned=call.inputs[1:])


def _with_statistics(
    call: Call, name: str, shape: tuple[int, ...], first: int, inputs: Sequence[Tensor | None], *, learned: Sequence[Tensor | None]
) -> list[Tensor]:
    dims = tuple(range(first, len(shape)))
    statistics: Shape = (*shape[:first], *(1 for _ in dims))
    results: list[tuple[Shape, str | None]] = [(shape, None), (statistics, "float32"), (statistics, "float32")]
    return call.emit_all(Normalise(name, dims), inputs, results[: min(max(len(call.outputs), 1), 3)], learned=learned)


def _skip_norm(call: Call) -> list[Tensor | None]:
    """Two arrays and perhaps a bias are added, then normalised; the sum may be an output too."""
    x, skip, bias_at = call.tensor(0), call.tensor(1), 3 if call.op.startswith("SkipSimplified") else 4
    shape, bias = call.rank_at_least(0, 1), call.optional(bias_at)
    total = call.emit(Elementwise("add"), [x, skip, bias], shape, output=3 if len(call.outputs) > 3 else None, learned=[bias])
    parameters = [call.optional(index) for index in range(2, bias_at)]
    name = "rms_norm" if bias_at == 3 else "layer_norm"
    results = _with_statistics(call, name, shape, len(shape) - 1, [total, *parameters], learned=parameters)
    return [*results, *[None] * (3 - len(results)), total][: max(len(call.outputs), 1)]


STANDARD: dict[str, Operator] = {
    "BatchNormalization": _batch_norm, "GroupNormalization": _over("group_norm", "all"), "Hardmax": _softmax("hardmax"),
    "InstanceNormalization": _over("instance_norm", "maps"), "LRN": _over("local_response_norm", "channels"),
    "LayerNormalization": _layer_norm, "LogSoftmax": _softmax("log_softmax"), "LpNormalization": _over("lp_norm", "axis"),
    "MeanVarianceNormalization": _over("mean_variance_norm", "axes"), "RMSNormalization": _layer_norm,
    "SimplifiedLayerNormalization": _layer_norm, "Softmax": _softmax("softmax"),
}  # fmt: skip
CONTRIBUTED: dict[str, Operator] = {"SkipLayerNormalization": _skip_norm, "SkipSimplifiedLayerNormalization": _skip_norm}
