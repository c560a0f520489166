"""What `pip install 'faltung[pandas]'` promises: an audit as a table of pandas, here of an ONNX file, which the extra `onnx` reads."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

import faltung as fl

weight = np.ones((8, 3, 3, 3), np.float32)
graph = helper.make_graph(
    [helper.make_node("Conv", ["x", "w"], ["y"], name="first")],
    "small",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 16, 16))],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, 14, 14))],
    [numpy_helper.from_array(weight, "w")],
)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    table = fl.audit(path).to_pandas()
assert isinstance(table, pd.DataFrame)
assert list(table["parameters"]) == [weight.size]
