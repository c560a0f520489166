"""What `pip install 'faltung[onnx]'` promises: a model file is read, counted and run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import faltung as fl

weight = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
x = np.random.default_rng(1).standard_normal((1, 3, 16, 16)).astype(np.float32)
graph = helper.make_graph(
    [
        helper.make_node("Conv", ["x", "w"], ["a"], name="first", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["y"], name="second"),
    ],
    "small",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, 16, 16))],
    [numpy_helper.from_array(weight, "w")],
)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    audit = fl.audit(path)
    assert audit.totals.parameters == weight.size
    assert audit.totals.macs == weight.size * 256
    assert tuple(fl.receptive_field(path, "first").size) == (3, 3)
    maps = fl.feature_maps(path, x)
    assert np.allclose(maps["first"].array, fl.conv2d(x, weight, padding=1), atol=1e-4)
