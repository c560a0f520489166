"""ONNX models as they are and as they should not be, for readers to be tested with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def info(name: str, shape: list[int | str | None] | None = None, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: list[Any], inputs: list[Any] | None = None, outputs: list[str] | None = None, weights: list[Any] | None = None, **more: Any
) -> Any:
    """A model that takes x of shape (1, 3, 8, 8) and returns what the last node makes."""
    given = [info("x", [1, 3, 8, 8])] if inputs is None else inputs
    made = [info(name) for name in ([nodes[-1].output[0]] if outputs is None else outputs)]
    graph = helper.make_graph(nodes, "graph", given, made, weights or [])
    more.setdefault("opset_imports", [helper.make_opsetid("", 17)])
    return helper.make_model(graph, ir_version=9, **more)


def written(folder: Path, proto: Any, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    return path


def array(name: str, *shape: int) -> Any:
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return helper.make_node(op, inputs, outputs, **attributes)


def subgraph(*nodes: Any, output: str) -> Any:
    return helper.make_graph(list(nodes), "inner", [], [info(output)])


def function(name: str, *nodes: Any) -> Any:
    return helper.make_function("local", name, ["a"], ["b"], list(nodes), [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)])


OWN = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]

CONV = [node("Conv", ["x", "w"], ["y"], name="first")]
GOOD = model(CONV, weights=[array("w", 4, 3, 3, 3)])
