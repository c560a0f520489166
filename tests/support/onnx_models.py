"""Small ONNX models, made and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faltung.model.from_onnx import read_onnx
from faltung.model.graph import Graph, Node
from faltung.model.operations import (
    Convolve,
)

__all__ = ["convolution", "graph_of", "model_of", "node_of", "one", "ones", "run_shape"]

onnx = pytest.importorskip("onnx")
helper = onnx.helper
FLOAT = onnx.TensorProto.FLOAT


def one(op: str, inputs: list[tuple[str, tuple[int, ...]]], *, version: int = 17, outputs: int = 1, **attributes: Any) -> Any:
    names = [name for name, _ in inputs]
    made = [f"y{index}" for index in range(outputs)]
    node = helper.make_node(op, names, made, name="node", **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs],
        [helper.make_empty_tensor_value_info(name) for name in made],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)


def run_shape(model: Any) -> tuple[int, ...] | None:
    """The shape that ONNX Runtime gives, None where it refuses."""
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    feed = {}
    for value in model.graph.input:
        feed[value.name] = np.zeros([dim.dim_value for dim in value.type.tensor_type.shape.dim], np.float32)
    try:
        session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return tuple(session.run(None, feed)[0].shape)
    except Exception:  # noqa: BLE001 - of a dozen classes
        return None


def graph_of(model: Any, folder: Path) -> Graph:
    path = folder / "one.onnx"
    path.write_bytes(model.SerializeToString())
    return read_onnx(path)


def model_of(nodes: list[Any], inputs: dict[str, tuple[int | str, ...]], weights: dict[str, Any], version: int = 17) -> Any:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(nodes[-1].output[0])],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    domains = [helper.make_opsetid("", version), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=8)


def node_of(op: str, taken: str, made: str) -> Any:
    return helper.make_node(op, [taken], [made])


def ones(*shape: int, dtype: str = "float32") -> Any:
    return np.ones(shape, dtype)


def convolution(graph: Graph) -> Node:
    (node,) = [node for node in graph.nodes if isinstance(node.operation, Convolve)]
    return node
