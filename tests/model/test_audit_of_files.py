"""Audits of real ONNX files against runs by ONNX Runtime with every convolution and product watched."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

import faltung as fl

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

FILES = [
    ("onnx", "light_squeezenet.onnx", (1, 3, 224, 224)),
    ("onnx", "light_shufflenet.onnx", (1, 3, 224, 224)),
    ("onnx", "light_inception_v2.onnx", (1, 3, 224, 224)),
    ("rapidocr_onnxruntime", "ch_PP-OCRv4_det_infer.onnx", (1, 3, 160, 96)),
    ("rapidocr_onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx", (2, 3, 48, 192)),
    ("nudenet", "320n.onnx", (1, 3, 320, 320)),
    ("ddddocr", "common_old.onnx", (1, 1, 64, 120)),
]
WATCHED = ("Conv", "ConvTranspose", "ConvInteger", "Gemm", "MatMul", "MatMulInteger", "LSTM", "DynamicQuantizeLSTM")


def path_of(package: str, name: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    file = next(Path(found.submodule_search_locations[0]).rglob(name), None)
    return file or pytest.skip(f"{package} has no {name}")


def products_of_a_run(path: Path, shape: tuple[int, ...]) -> int:
    """Multiplications of one run, from the arrays that were really there: results, and weights as they are when the node runs."""
    model = onnx.load(str(path))
    nodes = [node for node in model.graph.node if node.op_type in WATCHED]
    known = {info.name for info in model.graph.output}
    # Every operand and result that some node makes, and weights of the file, are results of the run as well.
    made = {name for node in model.graph.node for name in node.output}
    stored = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    wanted = sorted({name for node in nodes for name in (*node.input[:3], node.output[0]) if name in made} - known)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    results = dict(zip([entry.name for entry in session.get_outputs()], session.run(None, {given.name: image}), strict=True))
    sizes = {name: array.shape for name, array in results.items()} | stored | {given.name: shape}
    return sum(products(node, sizes) for node in nodes)


def products(node: onnx.NodeProto, sizes: dict[str, tuple[int, ...]]) -> int:
    given, weight, result = sizes[node.input[0]], sizes[node.input[1]], sizes[node.output[0]]
    if "LSTM" in node.op_type:  # for each step and sample the weights of the input and of the state, of every direction
        return math.prod(given[:2]) * (math.prod(weight) + math.prod(sizes[node.input[2]]))
    if node.op_type == "ConvTranspose":
        return math.prod(given) * math.prod(weight[1:])
    if "Conv" in node.op_type:
        return math.prod(result) * math.prod(weight[1:])
    if node.op_type == "Gemm":
        transposed = next((attribute.i for attribute in node.attribute if attribute.name == "transA"), 0)
        return math.prod(result) * given[0 if transposed else 1]
    return math.prod(result) * given[-1]


@pytest.mark.parametrize(("package", "name", "shape"), FILES, ids=[name for _, name, _ in FILES])
def test_macs_are_those_of_a_run(package: str, name: str, shape: tuple[int, ...]) -> None:
    path = path_of(package, name)
    found = fl.audit(path, shape)
    assert found.totals.macs == products_of_a_run(path, shape) > 0
    assert not [entry for entry in found.uncounted if entry.is_unknown]
