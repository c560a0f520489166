"""Attention as one operator: two products, of queries with keys and of what comes of them with values."""

from __future__ import annotations

from faltung.errors import ConvShapeError
from faltung.model.onnx_file.calls import Call, NoShapeError
from faltung.model.onnx_file.operators.products import product
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Shape, Tensor
from faltung.model.operations import Attend

__all__ = ["CONTRIBUTED", "STANDARD"]


def _attention(call: Call) -> list[Tensor]:
    """Queries, keys and values as (N, heads, S, D), or (N, S, heads·D) with the heads as attributes."""
    if call.optional(4) is not None or len(call.outputs) > 1:
        raise NoShapeError("attention with states of earlier calls is not counted")
    q, k, v = (call.shape(index) for index in range(3))
    if not len(q) == len(k) == len(v) or len(q) not in (3, 4):
        raise ConvShapeError(f"Attention takes {q}, {k} and {v}; three or four dimensions each are needed.", "Export the file again.")
    if len(q) == 4:
        (batch, heads, places, depth), seen, width = q, k[2], v[3]
        shape: Shape = (batch, heads, places, width)
    else:
        batch, places, seen = q[0], q[1], k[1]
        heads, pairs = call.attributes.integer("q_num_heads", 1), call.attributes.integer("kv_num_heads", 1)
        if heads < 1 or pairs < 1 or q[2] % heads or v[2] % pairs:
            raise ConvShapeError(f"{heads} and {pairs} heads do not divide {q[2]} and {v[2]} channels.", "Export the file again.")
        depth, width = q[2] // heads, v[2] // pairs
        shape = (batch, places, heads * width)
    return [call.emit(Attend(batch * heads * places * seen * (depth + width)), call.inputs, shape)]


def _many_heads(call: Call) -> list[Tensor]:
    """Queries (N, S, D), keys (N, L, D) and values (N, L, V), the heads side by side."""
    if any(tensor is None for tensor in call.inputs[:3]) or len(call.inputs) < 3 or len(call.outputs) > 1:
        raise NoShapeError("attention with packed arrays or states of earlier calls is not counted")
    q, k, v = (call.shape(index) for index in range(3))
    if not len(q) == len(k) == len(v) == 3:
        raise NoShapeError("attention of packed arrays is not counted")
    return [call.emit(Attend(q[0] * q[1] * k[1] * (q[2] + v[2])), call.inputs, (*q[:2], v[2]), learned=[call.optional(3)])]


def _with_weights(call: Call) -> list[Tensor]:
    """Queries, keys and values by one product of (N, S, D) with (D, 3·D), then attention."""
    if len(call.outputs) > 1 or call.attributes.ints("qkv_hidden_sizes"):
        raise NoShapeError("attention with states of earlier calls, or with sizes of its own, is not counted")
    x, weight, bias = call.tensor(0), call.tensor(1), call.optional(2)
    shape = call.rank_at_least(0, 3)
    joined = product(call, x, weight, [bias], x.dtype, output=None)
    if joined.shape is None or joined.shape[-1] % 3:
        raise NoShapeError
    width = joined.shape[-1] // 3
    return [call.emit(Attend(2 * shape[0] * shape[1] ** 2 * width), [joined, *call.inputs[3:]], (*shape[:2], width))]


STANDARD: dict[str, Operator] = {"Attention": _attention}
CONTRIBUTED: dict[str, Operator] = {"Attention": _with_weights, "MultiHeadAttention": _many_heads}
