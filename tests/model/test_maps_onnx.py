"""Feature maps of ONNX files: against the same network in PyTorch, and files that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung import reference
from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.spec import ConvSpec

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper = onnx.helper

WEIGHT = np.random.default_rng(0).integers(-3, 4, (4, 3, 3, 3)).astype(np.float32)
SECOND = np.random.default_rng(1).integers(-3, 4, (2, 4, 1, 1)).astype(np.float32)
X = np.random.default_rng(2).integers(-5, 6, (1, 3, 9, 8)).astype(np.float32)


def model(**changes: Any) -> Any:
    """Two convolutions, one with a name and a batch norm of scale 1, one without and with x * sigmoid(x)."""
    values = {"scale": 1, "zero": 0, "var": 1}
    norm = [onnx.numpy_helper.from_array(np.full(4, value, np.float32), name) for name, value in values.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["raw"], name="stem", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["raw", "scale", "zero", "zero", "var"], ["normed"], epsilon=0.0),
        helper.make_node("Relu", ["normed"], ["active"]),
        helper.make_node("Constant", [], ["v"], value=onnx.numpy_helper.from_array(SECOND)),
        helper.make_node("Conv", ["active", "v"], ["second"]),
        helper.make_node("Sigmoid", ["second"], ["gate"]),
        helper.make_node("Mul", ["second", "gate"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, ["n", 3, None, None])],
        [helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(WEIGHT, "w"), *norm],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    onnx.save(model(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_convolutions_agree_with_the_definition(path: Path) -> None:
    found = fl.feature_maps(path, X)
    assert list(found) == ["stem", "second"]
    raw = reference.conv(ConvSpec(3, 4, (3, 3), stride=2, padding=1, bias=False), X, WEIGHT)
    np.testing.assert_array_equal(found["stem"].array, raw)
    np.testing.assert_array_equal(found["stem"].activation, np.maximum(raw, 0))
    second = reference.conv(ConvSpec(4, 2, (1, 1), bias=False), np.maximum(raw, 0), SECOND)
    np.testing.assert_array_equal(found["second"].array, second)
    np.testing.assert_allclose(found["second"].activation, second / (1 + np.exp(-second.astype(np.float64))), rtol=1e-5, atol=1e-6)
    assert [one.activation_name for one in found.values()] == ["Relu", "SiLU"]
    np.testing.assert_array_equal(found["stem"].weight, WEIGHT)
    np.testing.assert_array_equal(found["second"].weight, SECOND)


def written_out(kind: str) -> list[Any]:
    """Nodes from "scaled" to "y": an activation in the parts that exporters write."""
    if kind == "hardswish in parts":
        return [
            helper.make_node("Add", ["scaled", "three"], ["plus"]),
            helper.make_node("Clip", ["plus", "nil", "six"], ["clipped"]),
            helper.make_node("Mul", ["scaled", "clipped"], ["product"]),
            helper.make_node("Div", ["product", "six"], ["y"]),
        ]
    if kind == "hardswish by gate":
        return [
            helper.make_node("HardSigmoid", ["scaled"], ["gate"], alpha=1 / 6, beta=0.5),
            helper.make_node("Mul", ["gate", "scaled"], ["y"]),
        ]
    return [helper.make_node("Add", ["scaled", "x"], ["sum"]), helper.make_node("Relu", ["sum"], ["y"])]


@pytest.mark.parametrize("kind", ["hardswish in parts", "hardswish by gate", "residual"])
def test_activations_in_parts_behind_a_scale(tmp_path: Path, kind: str) -> None:
    numbers = {"three": 3.0, "six": 6.0, "nil": 0.0, "scale": 0.5}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["raw"], name="c"),
            helper.make_node("Mul", ["raw", "scale"], ["scaled"]),
            *written_out(kind),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 4, 3, 3])],
        [helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1), "w"),
         *(onnx.numpy_helper.from_array(np.float32(value), name) for name, value in numbers.items())],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "a.onnx")
    x = np.linspace(-12, 12, 36).reshape(1, 4, 3, 3).astype(np.float32)
    found = fl.feature_maps(tmp_path / "a.onnx", x)["c"]
    if kind == "residual":
        assert (found.activation, found.activation_name) == (None, "")
    else:
        assert found.activation_name == "HardSwish"
        np.testing.assert_allclose(found.activation, x / 2 * np.clip(x / 2 + 3, 0, 6) / 6, atol=1e-5)


def test_layers_by_node_or_tensor(path: Path) -> None:
    found = fl.feature_maps(str(path), X[0], ["active", "stem", "y"])
    assert list(found) == ["active", "stem", "y"]
    np.testing.assert_array_equal(found["active"].array, np.maximum(found["stem"].array, 0))
    assert fl.feature_maps(path, {"x": X}, "gate")["gate"].kind == "Sigmoid"


def test_the_file_stays_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    fl.feature_maps(path, X)
    assert path.read_bytes() == before


def test_what_does_not_fit(path: Path) -> None:
    with pytest.raises(ConvTypeError, match="Did you mean 'stem'"):
        fl.feature_maps(path, X, "stam")
    with pytest.raises(ConvShapeError, match=r"has shape \('any', 3, 'any', 'any'\), \(1, 4, 2, 2\) was given"):
        fl.feature_maps(path, np.zeros((1, 4, 2, 2), np.float32))
    with pytest.raises(ConvTypeError, match="is float32, complex128 was given"):
        fl.feature_maps(path, np.zeros((1, 3, 2, 2), complex))
    with pytest.raises(ConvTypeError, match="x has no input 'x'"):
        fl.feature_maps(path, {"z": X})


def test_files_that_are_refused(tmp_path: Path, path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    for content, said in ((b"", "is empty, no ONNX model"), (b"no model", "is no ONNX"), (path.read_bytes()[:200], "damaged or cut off")):
        broken.write_bytes(content)
        with pytest.raises(ConvError, match=said):
            fl.feature_maps(broken, X)
    with pytest.raises(ConvError, match="is a directory"):
        fl.feature_maps(tmp_path, X)


def test_weights_elsewhere_are_not_opened(tmp_path: Path) -> None:
    away = model()
    tensor = away.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = tensor.EXTERNAL
    for key, value in (("location", "../secret"), ("offset", "0"), ("length", "432")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (tmp_path / "away.onnx").write_bytes(away.SerializeToString())
    with pytest.raises(ConvError, match=r"has its weights in other files \('w' among them\), which are not opened"):
        fl.feature_maps(tmp_path / "away.onnx", X)


def elsewhere(location: str) -> onnx.TensorProto:
    """Two numbers of another file."""
    tensor = onnx.TensorProto(name="c", data_type=onnx.TensorProto.FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def hidden(where: str, location: str) -> onnx.ModelProto:
    """y = x + c, where c lies in another file and its tensor in an unusual place of this one."""
    sparse = onnx.SparseTensorProto(
        values=elsewhere(location), indices=helper.make_tensor("i", onnx.TensorProto.INT64, [2], [1, 3]), dims=[4]
    )
    constant = {"value": elsewhere(location)} if where == "function" else {"sparse_value": sparse}
    nodes = [helper.make_node("Constant", [], ["c"], **constant), helper.make_node("Add", ["x", "c"], ["y"])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions, sparse_initializers = [], []
    if where == "function":
        functions = [helper.make_function("own", "F", ["x"], ["y"], nodes, opsets[:1])]
        nodes = [helper.make_node("F", ["x"], ["y"], domain="own")]
    elif where == "sparse initializer":
        sparse_initializers, nodes = [sparse], nodes[1:]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, 2, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], sparse_initializer=sparse_initializers)
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=8)


@pytest.mark.parametrize("location", ["secret", "../secret", "{folder}/secret"])
@pytest.mark.parametrize("where", ["function", "sparse initializer", "sparse constant"])
def test_weights_elsewhere_are_found_wherever_they_hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, location: str) -> None:
    """What onnxruntime would read of a file that the model names, relative to the folder that this process happens to run in."""
    np.ones(2, np.float32).tofile(tmp_path / "secret")
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path if location == "secret" else tmp_path / "inside")
    path = tmp_path / "hidden.onnx"
    path.write_bytes(hidden(where, location.format(folder=tmp_path)).SerializeToString())
    with pytest.raises(ConvError, match=r"has its weights in other files \('c' among them\), which are not opened"):
        fl.feature_maps(path, np.zeros((1, 1, 2, 4), np.float32), "y")


def test_an_operator_that_onnxruntime_does_not_know(tmp_path: Path) -> None:
    odd = model()
    odd.graph.node[2].op_type = "Rely"
    onnx.save(odd, tmp_path / "odd.onnx")
    with pytest.raises(ConvError, match="onnxruntime cannot run odd"):
        fl.feature_maps(tmp_path / "odd.onnx", X)


def test_names_that_are_given_twice_and_nodes_that_lead_around(tmp_path: Path) -> None:
    twice = model()
    twice.graph.node[4].name = "stem"
    onnx.save(twice, tmp_path / "twice.onnx")
    with pytest.raises(ConvError, match="two nodes with same node name"):
        fl.feature_maps(tmp_path / "twice.onnx", X)
    around = model()
    around.graph.node.extend([helper.make_node("Identity", ["a"], ["b"]), helper.make_node("Identity", ["b"], ["a"])])
    around.graph.node[2].CopyFrom(helper.make_node("Identity", ["normed"], ["active"]))
    around.graph.node[1].CopyFrom(helper.make_node("Identity", ["normed"], ["normed"]))
    onnx.save(around, tmp_path / "around.onnx")
    for layer in (None, "a", "normed"):
        with pytest.raises(ConvError):
            fl.feature_maps(tmp_path / "around.onnx", X, layer)
