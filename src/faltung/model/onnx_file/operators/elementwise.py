"""Operators that work on each cell for itself, of arrays that are broadcast against one another."""

from __future__ import annotations

import math

from faltung.model.onnx_file.calls import Call, has_many_floats
from faltung.model.onnx_file.operators.table import Operator, broadcast
from faltung.model.onnx_file.tensors import DTYPES, Tensor
from faltung.model.operations import Elementwise, Same

__all__ = ["CONTRIBUTED", "STANDARD"]


def _activation(name: str) -> Operator:
    def read(call: Call) -> list[Tensor]:
        x = call.tensor(0)
        return [call.emit(Elementwise(name, activates=True), [x], x.shape)]

    return read


def _unary(name: str, dtype: str | None = None) -> Operator:
    def read(call: Call) -> list[Tensor]:
        x = call.tensor(0)
        return [call.emit(Elementwise(name), [x], x.shape, dtype)]

    return read


def _several(name: str, dtype: str | None = None) -> Operator:
    def read(call: Call) -> list[Tensor]:
        tensors = [tensor for tensor in call.inputs if tensor is not None]
        call.tensor(0)
        # Before version 7 the second array was laid along an axis of the first.
        shape = (
            tensors[0].shape
            if not call.domain and call.version < 7 and call.attributes.integer("broadcast", 0)
            else broadcast(call, tensors)
        )
        learned = [tensor for tensor in tensors if has_many_floats(tensor)]
        return [call.emit(Elementwise(name), tensors, shape, dtype, learned=learned)]

    return read


def _prelu(call: Call) -> list[Tensor]:
    x, slope = call.tensor(0), call.tensor(1)
    return [call.emit(Elementwise("prelu", activates=True), [x, slope], x.shape, learned=[slope])]


def _clip(call: Call) -> list[Tensor]:
    x = call.tensor(0)
    if call.version < 11:
        low, high = call.attributes.number("min", -math.inf), call.attributes.number("max", math.inf)
    else:
        given = [call.optional(1), call.optional(2)]
        numbers = [None if one is None or one.numbers is None or one.numbers.size != 1 else float(one.numbers.item()) for one in given]
        computed = [one for one in given if one is not None and not one.is_constant]
        if computed:
            return [call.emit(Elementwise("clamp", activates=True), [x, *computed], x.shape)]
        low = -math.inf if numbers[0] is None else numbers[0]
        high = math.inf if numbers[1] is None else numbers[1]
    name = {(0.0, 6.0): "relu6", (0.0, math.inf): "relu"}.get((low, high), "clamp")
    return [call.emit(Elementwise(name, activates=True), [x], x.shape)]


def _cast(call: Call) -> list[Tensor]:
    x = call.tensor(0)
    dtype = call.tensor(1).dtype if call.op == "CastLike" else DTYPES.get(call.attributes.integer("to", 0), (x.dtype,))[0]
    return [call.emit(Same(), [x], x.shape, dtype)]


def _same(call: Call) -> list[Tensor]:
    x = call.tensor(0)
    return [call.emit(Same(), [x], x.shape)]


def _dropout(call: Call) -> list[Tensor]:
    x = call.tensor(0)
    return call.emit_all(Same(), [x], [(x.shape, x.dtype), (x.shape, "bool")][: max(len(call.outputs), 1)])


def _where(call: Call) -> list[Tensor]:
    tensors = [call.tensor(0), call.tensor(1), call.tensor(2)]
    learned = [tensor for tensor in tensors if has_many_floats(tensor)]
    return [call.emit(Elementwise("where"), tensors, broadcast(call, tensors), tensors[1].dtype, learned=learned)]


def _bias_then(name: str) -> Operator:
    """A bias added, then an activation: two nodes."""

    def read(call: Call) -> list[Tensor]:
        x, bias = call.tensor(0), call.optional(1)
        if bias is not None:
            x = call.emit(Elementwise("add"), [x, bias], x.shape, output=None, learned=[bias])
        return [call.emit(Elementwise(name, activates=True), [x], x.shape)]

    return read


_ACTIVATIONS = {
    "Celu": "celu", "Elu": "elu", "Gelu": "gelu", "HardSigmoid": "hardsigmoid", "HardSwish": "hardswish", "LeakyRelu": "leaky_relu",
    "Mish": "mish", "Relu": "relu", "Selu": "selu", "Shrink": "shrink", "Sigmoid": "sigmoid", "Softplus": "softplus",
    "Softsign": "softsign", "Swish": "silu", "Tanh": "tanh", "ThresholdedRelu": "thresholded_relu",
}  # fmt: skip
_UNARY = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh",
    "BitwiseNot": "bitwise_not", "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Exp": "exp", "Floor": "floor",
    "Log": "log", "Neg": "negative", "Not": "not", "Reciprocal": "reciprocal", "Round": "round", "Sign": "sign",
    "Sin": "sin", "Sinh": "sinh", "Sqrt": "sqrt", "Tan": "tan",
}  # fmt: skip
_SEVERAL = {
    "Add": "add", "And": "and", "BitShift": "shift", "BitwiseAnd": "bitwise_and", "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor",
    "Div": "divide", "Max": "maximum", "Mean": "mean", "Min": "minimum", "Mod": "modulo", "Mul": "multiply", "Or": "or", "Pow": "power",
    "Sub": "subtract", "Sum": "add", "Xor": "xor",
}  # fmt: skip
_COMPARED = {
    "Equal": "equal", "Greater": "greater", "GreaterOrEqual": "greater_or_equal", "Less": "less", "LessOrEqual": "less_or_equal",
}  # fmt: skip

STANDARD: dict[str, Operator] = {
    **{name: _activation(plain) for name, plain in _ACTIVATIONS.items()},
    **{name: _unary(plain) for name, plain in _UNARY.items()},
    **{name: _several(plain) for name, plain in _SEVERAL.items()},
    **{name: _several(plain, "bool") for name, plain in _COMPARED.items()},
    "Cast": _cast, "CastLike": _cast, "Clip": _clip, "Dropout": _dropout, "Identity": _same, "IsInf": _unary("is_inf", "bool"),
    "IsNaN": _unary("is_nan", "bool"), "PRelu": _prelu, "Trilu": _unary("triangle"), "Where": _where,
}  # fmt: skip
CONTRIBUTED: dict[str, Operator] = {
    "BiasGelu": _bias_then("gelu"), "FastGelu": _bias_then("gelu"), "Gelu": _activation("gelu"), "QuickGelu": _activation("quick_gelu"),
}  # fmt: skip
