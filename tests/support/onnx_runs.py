"""ONNX files run by ONNX Runtime with the result of every node as an output: real shapes, and products counted from them."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

__all__ = ["branch", "counted", "file_of", "instrumented", "without_branches"]

NUMPY = {1: np.float32, 2: np.uint8, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}


def file_of(package: str, *paths: str) -> Path:
    """The first of these files inside an installed package, which is not imported; the test is skipped where there is none."""
    spec = importlib.util.find_spec(package)
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent
    for path in () if folder is None else paths:
        if (folder / path).is_file():
            return folder / path
    pytest.skip(f"{package} with {paths[0]} is not installed: make test installs tests/networks.txt")


def branch(model: Any, name: str, shapes: dict[str, tuple[int, ...]]) -> Any:
    """A model of which a branch of its one `If` is the graph, for inputs of these shapes."""
    onnx = pytest.importorskip("onnx")
    node = next(node for node in model.graph.node if node.op_type == "If")
    graph = next(attribute.g for attribute in node.attribute if attribute.name == name)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    made.graph.CopyFrom(graph)
    made.graph.input.extend(model.graph.input)
    made.graph.initializer.extend(model.graph.initializer)
    for given in made.graph.input:
        for dim, size in zip(given.type.tensor_type.shape.dim, shapes.get(given.name, ()), strict=False):
            dim.dim_value = size
    taken = {given for inner in made.graph.node for given in inner.input}
    outside = [inner for inner in model.graph.node if inner.op_type == "Constant" and inner.output[0] in taken]
    for inner in reversed(outside):
        made.graph.node.insert(0, inner)
    return made


def without_branches(model: Any, folder: Path) -> Any:
    """The same by ONNX Runtime, which leaves out what never runs and nothing else that is looked at here."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "basic.onnx")
    options.log_severity_level = 3
    runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "basic.onnx")


def instrumented(model: Any, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shape of every array at the top of a model, from a run on zeros; those of weights too."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    names = [name for node in model.graph.node for name in node.output if name]
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {}
    for given in model.graph.input:
        if given.name in weights:
            continue
        sizes = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
        feed[given.name] = np.zeros(shapes.get(given.name, sizes), NUMPY[given.type.tensor_type.elem_type])
    results = session.run(names, feed)
    made = {name: tuple(np.shape(array)) for name, array in zip(names, results, strict=True)}
    return weights | made | {name: array.shape for name, array in feed.items()}


def counted(model: Any, shapes: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    """Multiplications of convolutions, and of matrix products and recurrent layers, from real shapes."""
    convolutions = products = 0
    for node in model.graph.node:
        given = [shapes.get(name, ()) for name in node.input]
        made = shapes[node.output[0]]
        match node.op_type:
            case "Conv" | "ConvInteger" | "FusedConv":
                convolutions += math.prod(made) * math.prod(given[1][1:])
            case "QLinearConv":
                convolutions += math.prod(made) * math.prod(given[3][1:])
            case "ConvTranspose":
                convolutions += math.prod(given[0]) * math.prod(given[1][1:])
            case "MatMul" | "MatMulInteger":
                products += math.prod(made) * given[0][-1]
            case "Gemm":
                flips = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
                products += math.prod(made) * given[0][0 if flips else 1]
            case "LSTM":
                directions, rows, inputs = given[1]
                products += given[0][0] * given[0][1] * directions * rows * (inputs + rows // 4)
            case "DynamicQuantizeLSTM":
                directions, inputs, rows = given[1]
                products += given[0][0] * given[0][1] * directions * rows * (inputs + rows // 4)
    return convolutions, products
