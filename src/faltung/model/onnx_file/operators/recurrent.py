"""Recurrent layers, counted by their formulas: products of each step's input, and of the state before it, with the gates' weights."""

from __future__ import annotations

from faltung.errors import ConvShapeError
from faltung.model.onnx_file.calls import Call
from faltung.model.onnx_file.operators.table import Operator
from faltung.model.onnx_file.tensors import Shape, Tensor
from faltung.model.operations import Multiply

__all__ = ["CONTRIBUTED", "STANDARD"]

_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def _recurrent(call: Call) -> list[Tensor]:
    """Inputs: X (T, N, I), W (D, gates·H, I), R (D, gates·H, H), biases, lengths, states; Y is (T, D, N, H), the last states (D, N, H)."""
    weight, state = call.tensor(1), call.tensor(2)
    shape, (directions, rows, inputs), recurrent = call.shape(0), _three(call, 1), _three(call, 2)
    if call.domain:  # quantised when it runs; the weights lie the other way
        rows, inputs, recurrent = inputs, rows, (recurrent[0], recurrent[2], recurrent[1])
    gates, hidden = _GATES[call.op.removeprefix("DynamicQuantize")], recurrent[2]
    if len(shape) != 3 or shape[2] != inputs or recurrent != (directions, gates * hidden, hidden) or rows != gates * hidden:
        raise ConvShapeError(
            f"{call.op} takes {shape} with weights {weight.shape} and {state.shape};"
            f" (T, N, I), (D, {gates}·H, I) and (D, {gates}·H, H) are needed.",
            "Give an input_shape that fits, or export the file again.",
        )
    is_batch_first = bool(call.attributes.integer("layout", 0))
    steps, batch = (shape[1], shape[0]) if is_batch_first else (shape[0], shape[1])
    macs = directions * steps * batch * gates * hidden * (inputs + hidden)
    all_states: Shape = (batch, steps, directions, hidden) if is_batch_first else (steps, directions, batch, hidden)
    last: Shape = (batch, directions, hidden) if is_batch_first else (directions, batch, hidden)
    results: list[tuple[Shape, str | None]] = [(all_states, None), (last, None), (last, None)]
    count = max(min(len(call.outputs), 3 if gates == 4 else 2), 1)
    learned = [weight, state, call.optional(3), call.optional(7)]
    return call.emit_all(Multiply(macs, is_linear=False), call.inputs, results[:count], learned=learned)


def _three(call: Call, index: int) -> tuple[int, int, int]:
    shape = call.shape(index)
    if len(shape) != 3:
        raise ConvShapeError(f"input {index + 1} of {call.op} has shape {shape}, three dimensions are needed.", "Export the file again.")
    return shape[0], shape[1], shape[2]


STANDARD: dict[str, Operator] = dict.fromkeys(_GATES, _recurrent)
CONTRIBUTED: dict[str, Operator] = {"DynamicQuantizeLSTM": _recurrent}
