"""Operators that are not known here, and nodes whose shapes depend on numbers: kept in the graph, and said."""

from __future__ import annotations

from faltung.errors import shown
from faltung.model.onnx_file.calls import Call
from faltung.model.onnx_file.tensors import Tensor
from faltung.model.operations import Unknown

__all__ = ["left_open", "not_known"]


def not_known(call: Call) -> list[Tensor]:
    """Nodes of an operator that is in no table; shapes are those that the file declares, if it does."""
    domain = f" of the domain {shown(call.domain)}" if call.domain else ""
    return _kept(call, f"the operator {shown(call.op)}{domain} is not known")


def left_open(call: Call, reason: str) -> list[Tensor]:
    """A node whose operator is known, and why it is not read."""
    return _kept(call, reason)


def _kept(call: Call, reason: str) -> list[Tensor]:
    results = []
    for given in call.outputs or [""]:
        shape, dtype = call.reader.declared.get(given, (None, None)) if not call.site.prefix else (None, None)
        results.append((shape, dtype or next((tensor.dtype for tensor in call.inputs if tensor is not None), "float32")))
    return call.emit_all(Unknown(reason), call.inputs, results)
