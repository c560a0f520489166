"""Whole numbers for floats: into them, out of them, and operators that stay among them."""

from __future__ import annotations

from faltung.model.onnx_file.calls import Call, NoShapeError
from faltung.model.onnx_file.operators.table import Operator, broadcast
from faltung.model.onnx_file.tensors import DTYPES, Tensor
from faltung.model.operations import Elementwise, Join, Normalise

__all__ = ["CONTRIBUTED", "STANDARD"]


def _quantise(call: Call) -> list[Tensor]:
    x, zero = call.tensor(0), call.optional(2)
    dtype = DTYPES.get(call.attributes.integer("output_dtype", 0), ("uint8",))[0] if zero is None else zero.dtype
    return [call.emit(Elementwise("quantize"), call.inputs, x.shape, dtype)]


def _dequantise(call: Call) -> list[Tensor]:
    x, scale = call.tensor(0), call.tensor(1)
    return [call.emit(Elementwise("dequantize"), call.inputs, x.shape, scale.dtype, learned=[x])]


def _dynamic(call: Call) -> list[Tensor]:
    x = call.tensor(0)
    return call.emit_all(Elementwise("quantize"), [x], [(x.shape, "uint8"), ((), "float32"), ((), "uint8")])


def _of_two(name: str) -> Operator:
    """Inputs: a, its scale and zero point, b and its, those of the result."""

    def read(call: Call) -> list[Tensor]:
        a, b = call.tensor(0), call.tensor(3)
        others = [call.optional(index) for index in (1, 2, 4, 5, 6, 7)]
        return [call.emit(Elementwise(name), [a, b, *others], broadcast(call, [a, b]))]

    return read


def _of_one(name: str) -> Operator:
    def read(call: Call) -> list[Tensor]:
        return [call.emit(Elementwise(name, activates=True), call.inputs, call.tensor(0).shape)]

    return read


def _softmax(call: Call) -> list[Tensor]:
    shape = call.rank_at_least(0, 1)
    first = call.dim(call.attributes.integer("axis", -1), len(shape))
    dims = tuple(range(first, len(shape))) if call.attributes.integer("opset", 13) < 13 else (first,)
    return [call.emit(Normalise("softmax", dims), call.inputs, shape)]


def _concat(call: Call) -> list[Tensor]:
    """Inputs: the scale and zero point of the result, then each array with its own."""
    arrays = [call.tensor(index) for index in range(2, len(call.inputs), 3)]
    if not arrays or any(array.shape is None for array in arrays):
        raise NoShapeError
    shapes = [array.shape for array in arrays if array.shape is not None]
    dim = call.dim(call.attributes.integer("axis", 0), len(shapes[0]))
    size = sum(shape[dim] for shape in shapes)
    others = [tensor for tensor in call.inputs if not any(tensor is array for array in arrays)]
    return [call.emit(Join(dim), [*arrays, *others], (*shapes[0][:dim], size, *shapes[0][dim + 1 :]))]


STANDARD: dict[str, Operator] = {"DequantizeLinear": _dequantise, "DynamicQuantizeLinear": _dynamic, "QuantizeLinear": _quantise}
CONTRIBUTED: dict[str, Operator] = {
    "DequantizeLinear": _dequantise, "QLinearAdd": _of_two("add"), "QLinearConcat": _concat, "QLinearLeakyRelu": _of_one("leaky_relu"),
    "QLinearMul": _of_two("multiply"), "QLinearSigmoid": _of_one("sigmoid"), "QLinearSoftmax": _softmax, "QuantizeLinear": _quantise,
}  # fmt: skip
