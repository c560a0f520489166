"""Operators one by one: shapes and dtypes are those of onnx's own backend tests, sizes of windows those of ONNX Runtime."""

from __future__ import annotations

import importlib
import itertools
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faltung import frameworks
from faltung.errors import ConvShapeError
from faltung.model import from_onnx
from faltung.model.from_onnx import read_onnx
from faltung.model.graph import Graph, Node
from faltung.model.operations import (
    Attend,
    Convolve,
    Crop,
    Elementwise,
    Join,
    Lookup,
    Multiply,
    Pool,
    Reduce,
    Same,
    Unknown,
)
from faltung.spec import ConvSpec
from tests.support.strategies import Problem, problems

onnx = pytest.importorskip("onnx")
helper = onnx.helper
FLOAT = onnx.TensorProto.FLOAT

FAMILIES = [
    "add", "argmax", "attention", "batch_normalization", "cast", "clip", "concat", "constantofshape", "conv", "convinteger",
    "convtranspose", "cumsum", "deformconv", "depthtospace", "dequantizelinear", "dropout", "dynamicquantizelinear", "einsum", "expand",
    "flatten", "gather", "gatherelements", "gathernd", "gemm", "globalaveragepool", "gridsample", "groupnormalization", "gru",
    "hardswish", "if_", "instance_normalization", "layernormalization", "loop", "lstm", "matmul", "matmulinteger", "onehot", "pad",
    "prelu", "qlinearconv", "qlinearmatmul", "quantizelinear", "rangeop", "reducemean", "reducesum", "reshape", "resize", "rnn",
    "roialign", "scan", "scatternd", "shape", "slice", "softmax", "spacetodepth", "split", "squeeze", "tile", "topk", "transpose",
    "unsqueeze", "upsample", "where",
]  # fmt: skip

# Of these the shape depends on numbers, or on states that are not read.
OPEN = (
    "constantofshape", "deform", "einsum_batch_diagonal", "local_window", "loop11", "onehot", "qk_matmul", "range", "with_past",
)  # fmt: skip


def cases() -> list[Any]:
    node = importlib.import_module("onnx.backend.test.case.node")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for family in FAMILIES:
            try:
                importlib.import_module(f"onnx.backend.test.case.node.{family}")
            except ModuleNotFoundError:  # an older onnx
                continue
    return [case for case in node._NodeTestCases if case.model is not None]


def read_case(case: Any, path: Path) -> Graph:
    """The model with its small whole numbers and factors as weights, as files have them, and the rest as inputs of their shapes."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    shapes = {}
    for value, array in zip(case.model.graph.input, case.data_sets[0][0], strict=False):
        if not isinstance(array, np.ndarray):
            continue
        is_setting = array.dtype.kind in "iub" or value.name in ("scales", "roi")
        if is_setting and array.size <= 64 and value.name not in ("x", "X", "data", "input", "indices"):
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
        else:
            shapes[value.name] = array.shape
    path.write_bytes(model.SerializeToString())
    return read_onnx(path, shapes)


def test_shapes_are_those_of_the_backend_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the files declare is not looked at, so that every shape is this package's own."""
    monkeypatch.setattr(from_onnx, "declared_of", lambda *_: {})
    compared, open_ = 0, []
    for case in cases():
        if case.name == "test_scan_sum":  # of version 8, which is refused
            continue
        graph = read_case(case, tmp_path / "case.onnx")
        for value, array in zip(graph.outputs, case.data_sets[0][1], strict=True):
            if not isinstance(array, np.ndarray):
                continue
            if value.shape is None:
                open_.append(case.name)
                continue
            assert value.shape == array.shape, case.name
            assert value.dtype in (array.dtype.name, "object"), case.name
            compared += 1
    assert compared > 700
    assert not [name for name in open_ if not any(part in name for part in OPEN)]


# -- windows against ONNX Runtime ------------------------------------------------------------------


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


def test_sizes_of_transposed_convolutions(tmp_path: Path) -> None:
    """Rules, wanted sizes, asymmetric padding, cells appended, at strides below and above the kernel."""
    settings_ = [
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER"},
        {"auto_pad": "SAME_LOWER", "output_padding": [1]},
        {"auto_pad": "VALID"},
        {"pads": [1, 0]},
        {"pads": [0, 1], "dilations": [2]},
        {"output_padding": [1]},
        {"output_shape": [9]},
        {"output_shape": [8], "auto_pad": "SAME_UPPER"},
        {"output_shape": [8], "auto_pad": "SAME_LOWER"},
        {},
    ]
    met = 0
    for kernel, stride, size, more in itertools.product((1, 2, 3, 4), (1, 2, 3), (3, 4), settings_):
        model = one("ConvTranspose", [("x", (1, 2, size)), ("w", (2, 3, kernel))], strides=[stride], **more)
        expected = run_shape(model)
        if expected is None:
            continue
        if "output_shape" not in more and "SAME" in more.get("auto_pad", ""):
            expected = (1, 3, size * stride)  # as the standard has it; ONNX Runtime gives less where the kernel is below the stride
        assert graph_of(model, tmp_path).outputs[0].shape == expected, (kernel, stride, size, more)
        met += 1
    assert met > 150


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_sizes_of_pools(tmp_path: Path, op: str) -> None:
    """The last window, partly filled, counts if it begins inside; rules settle the size themselves."""
    met = 0
    for kernel, stride, size, ceil in itertools.product((1, 2, 3), (1, 2, 3), (4, 5, 6, 7), (0, 1)):
        for more in ({}, {"pads": [1, 0]}, {"pads": [0, 1]}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}):
            if any(pad >= kernel for pad in more.get("pads", ())):
                continue
            model = one(op, [("x", (1, 2, size))], kernel_shape=[kernel], strides=[stride], ceil_mode=ceil, **more)
            expected = run_shape(model)
            if expected is not None:
                assert graph_of(model, tmp_path).outputs[0].shape == expected, (kernel, stride, size, ceil, more)
                met += 1
    assert met > 200


# -- specs there and back --------------------------------------------------------------------------


def executed(code: str) -> Any:
    names: dict[str, Any] = {}
    exec(code, names)
    return names["model"]


def written_and_read(problem: Problem, path: Path) -> Graph:
    """The model that a spec writes, its weights as such, read for the problem's input."""
    model = executed(frameworks.to_onnx(problem.spec))
    for name, shape in [("weight", problem.spec.weight_shape)] + ([("bias", (problem.spec.out_channels,))] if problem.spec.bias else []):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(shape, np.float32), name))
    path.write_bytes(model.SerializeToString())
    return read_onnx(path, problem.input_shape)


def convolution(graph: Graph) -> Node:
    (node,) = [node for node in graph.nodes if isinstance(node.operation, Convolve)]
    return node


@given(problem=problems(max_axes=3, flip=False, modes=["zeros"]))
def test_specs_there_and_back(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> None:
    graph = written_and_read(problem, tmp_path_factory.getbasetemp() / "spec.onnx")
    spec, node = problem.spec, convolution(graph)
    assert isinstance(node.operation, Convolve)
    found = node.operation.spec
    assert graph.outputs[0].shape == problem.output_shape
    assert not [node for node in graph.nodes if isinstance(node.operation, Unknown)]
    same = ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups", "bias", "transposed")
    assert all(getattr(found, name) == getattr(spec, name) for name in same)
    shape = node.inputs[0].shape
    assert shape is not None
    if len(graph.nodes) == 1:  # else ONNX needs other nodes around the convolution
        assert found.macs(shape[2:]) == spec.macs(problem.input_size)
        if not spec.transposed:
            assert found.sides(shape[2:]) == spec.sides(shape[2:])
        elif not isinstance(spec.padding, str) and all(side >= 0 for pair in spec.padding for side in pair):
            assert (found.padding, found.output_padding) == (spec.padding, spec.output_padding)
    assert [weight.shape for weight in node.weights] == [spec.weight_shape] + [(spec.out_channels,)] * spec.bias
    assert all(weight.is_learned for weight in node.weights)


@settings(max_examples=60)
@given(problem=problems(max_axes=3, transposed=False))
def test_padding_of_every_mode_is_followed(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Modes that ONNX has no word for are sums on shapes, which leave no trace but crops, pads and look-ups."""
    assume(problem.input_size != (0,) * len(problem.input_size))
    graph = written_and_read(problem, tmp_path_factory.getbasetemp() / "mode.onnx")
    node = convolution(graph)
    assert isinstance(node.operation, Convolve)
    shape = node.inputs[0].shape
    assert shape is not None
    assert graph.outputs[0].shape == problem.output_shape
    assert node.operation.spec.macs(shape[2:]) == problem.spec.macs(problem.input_size)


# -- single operators ------------------------------------------------------------------------------


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


def test_quantised_weights_stand_behind_their_scale(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["v"]),
        helper.make_node("Conv", ["x", "v"], ["y"]),
    ]
    weights = {"w": ones(4, 3, 3, 3, dtype="int8"), "scale": np.float32(0.5), "zero": np.int8(1)}
    graph = graph_of(model_of(nodes, {"x": (1, 3, 8, 8)}, weights), tmp_path)
    (node,) = graph.nodes
    assert node.operation == Convolve(ConvSpec(3, 4, (3, 3), bias=False))
    assert [(weight.name, weight.dtype, weight.is_learned) for weight in node.weights] == [
        ("w", "int8", True), ("scale", "float32", False), ("zero", "int8", False)
    ]  # fmt: skip


def test_one_weight_of_two_layers_is_one_object(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Transpose", ["w"], ["t"]),
        helper.make_node("MatMul", ["a", "t"], ["y"]),
    ]
    graph = graph_of(model_of(nodes, {"x": (2, 5, 70)}, {"w": ones(70, 80)}), tmp_path)
    assert [node.operation for node in graph.nodes] == [Multiply(2 * 5 * 70 * 80, is_linear=True)] * 2
    assert len(graph.weights()) == 1
    assert graph.nodes[0].weights[0] is graph.nodes[1].weights[0]


def test_a_weight_that_is_computed_is_followed(tmp_path: Path) -> None:
    """As weight normalisation leaves it: the factor's length is divided away before the convolution."""
    nodes = [
        helper.make_node("ReduceL2", ["v"], ["n"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Div", ["v", "n"], ["u"]),
        helper.make_node("Mul", ["u", "g"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
    ]
    graph = graph_of(model_of(nodes, {"x": (1, 8, 9, 9)}, {"v": ones(16, 8, 3, 3), "g": ones(16, 1, 1, 1)}), tmp_path)
    node = convolution(graph)
    assert node.operation == Convolve(ConvSpec(8, 16, (3, 3), padding=1, bias=False))
    assert [value.name for value in node.inputs] == ["x", "w"]
    assert sum(weight.size for weight in graph.weights() if weight.is_learned) == 16 * 8 * 9 + 16


@pytest.mark.parametrize(("op", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_layers_by_their_formula(tmp_path: Path, op: str, gates: int) -> None:
    """Each step multiplies its input and the state before it by each gate's weights: counted one by one."""
    steps, batch, inputs, hidden, directions = 5, 2, 7, 11, 2
    node = helper.make_node(op, ["x", "w", "r"], ["y", "last"], hidden_size=hidden, direction="bidirectional")
    weights = {"w": ones(directions, gates * hidden, inputs), "r": ones(directions, gates * hidden, hidden)}
    graph = graph_of(model_of([node], {"x": (steps, batch, inputs)}, weights), tmp_path)
    macs = 0
    for _ in itertools.product(range(directions), range(steps), range(batch), range(gates), range(hidden)):
        macs += inputs + hidden
    assert graph.nodes[0].operation == Multiply(macs, is_linear=False)
    assert graph.nodes[0].outputs[0].shape == (steps, directions, batch, hidden)
    assert sum(weight.size for weight in graph.weights() if weight.is_learned) == directions * gates * hidden * (inputs + hidden)


def test_a_fused_convolution_is_three_nodes(tmp_path: Path) -> None:
    node = helper.make_node("FusedConv", ["x", "w", "b", "z"], ["y"], name="f", domain="com.microsoft", activation="Relu", pads=[1] * 4)
    inputs: dict[str, tuple[int | str, ...]] = {"x": (1, 3, 8, 8), "z": (1, 4, 8, 8)}
    graph = graph_of(model_of([node], inputs, {"w": ones(4, 3, 3, 3), "b": ones(4)}), tmp_path)
    assert [(node.name, type(node.operation)) for node in graph.nodes] == [("f", Convolve), ("f (2)", Elementwise), ("f (3)", Elementwise)]
    assert graph.nodes[-1].operation == Elementwise("relu", activates=True)
    assert graph.outputs[0].shape == (1, 4, 8, 8)


def test_attention_by_both_products(tmp_path: Path) -> None:
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"])
    inputs: dict[str, tuple[int | str, ...]] = {"q": (2, 3, 5, 8), "k": (2, 3, 7, 8), "v": (2, 3, 7, 6)}
    graph = graph_of(model_of([node], inputs, {}, version=23), tmp_path)
    assert graph.nodes[0].operation == Attend(2 * 3 * (5 * 8 * 7 + 5 * 7 * 6))
    assert graph.outputs[0].shape == (2, 3, 5, 6)


def test_parts_are_crops(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], axis=1),
        helper.make_node("Slice", ["b", "from", "to", "axes", "steps"], ["c"]),
        helper.make_node("Gather", ["c", "second"], ["d"], axis=3),
    ]
    weights = {
        "from": np.array([1, -1]),
        "to": np.array([7, -9]),
        "axes": np.array([2, 3]),
        "steps": np.array([2, -1]),
        "second": np.array(1),
    }
    graph = graph_of(model_of(nodes, {"x": (1, 4, 8, 8)}, weights), tmp_path)
    assert [node.operation for node in graph.nodes] == [
        Crop(1, 0), Crop(1, 2), Crop(2, 1, 2), Crop(3, 7, -1), Crop(3, 1, drops=True)
    ]  # fmt: skip
    assert graph.outputs[0].shape == (1, 2, 3)


def test_parts_of_a_sequence_are_followed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("SplitToSequence", ["x", "two"], ["s"], axis=1),
        helper.make_node("SequenceAt", ["s", "last"], ["a"]),
        helper.make_node("SequenceInsert", ["s", "a"], ["t"]),
        helper.make_node("ConcatFromSequence", ["t"], ["y"], axis=1),
    ]
    graph = graph_of(model_of(nodes, {"x": (1, 5, 8)}, {"two": np.array(2), "last": np.array(-1)}), tmp_path)
    assert [node.operation for node in graph.nodes] == [Crop(1, 0), Crop(1, 2), Crop(1, 4), Join(1)]
    assert [value.shape for value in graph.nodes[-1].inputs] == [(1, 2, 8), (1, 2, 8), (1, 1, 8), (1, 1, 8)]
    assert graph.outputs[0].shape == (1, 6, 8)


def test_branches_of_a_constant_condition(tmp_path: Path) -> None:
    def branch(op: str) -> Any:
        return helper.make_graph([helper.make_node(op, ["x"], [op])], op, [], [helper.make_empty_tensor_value_info(op)])

    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Equal", ["n", "one"], ["c"]),
        helper.make_node("If", ["c"], ["y"], name="if", then_branch=branch("Relu"), else_branch=branch("Tanh")),
    ]
    graph = graph_of(model_of(nodes, {"x": (1, 3)}, {"zero": np.array(0), "one": np.array(1)}), tmp_path)
    assert [(node.name, node.operation) for node in graph.nodes] == [
        ("if/then_branch/Relu_0", Elementwise("relu", activates=True)), ("if", Same())
    ]  # fmt: skip
    assert graph.notes == ("'if': its condition is always True: then_branch is read, else_branch never runs.",)


def test_a_loop_is_read_once_and_says_how_often_it_runs(tmp_path: Path) -> None:
    infos = [helper.make_empty_tensor_value_info(name) for name in ("i", "k", "s", "k2", "s2", "l")]
    body = helper.make_graph(
        [node_of("Identity", "k", "k2"), helper.make_node("MatMul", ["s", "w"], ["s2"]), node_of("Relu", "s2", "l")],
        "body", infos[:3], infos[3:],
    )  # fmt: skip
    node = helper.make_node("Loop", ["count", "", "x"], ["last", "all"], name="loop", body=body)
    model = model_of([node], {"x": (2, 5)}, {"count": np.array(7), "w": ones(5, 5)})
    model.graph.output.append(helper.make_empty_tensor_value_info("all"))
    graph = graph_of(model, tmp_path)
    assert [node.operation.macs for node in graph.nodes if isinstance(node.operation, Multiply)] == [2 * 5 * 5]
    assert [value.shape for value in graph.outputs] == [(7, 2, 5), (7, 2, 5)] or [value.shape for value in graph.outputs] == [
        (2, 5),
        (7, 2, 5),
    ]
    assert graph.notes == ("'loop': the body of this Loop is here once and counted once; it runs 7 times.",)


def test_a_loop_whose_state_grows_has_no_shape(tmp_path: Path) -> None:
    infos = [helper.make_empty_tensor_value_info(name) for name in ("i", "k", "s", "k2", "s2")]
    body = helper.make_graph(
        [helper.make_node("Identity", ["k"], ["k2"]), helper.make_node("Concat", ["s", "x"], ["s2"], axis=0)], "body", infos[:3], infos[3:]
    )
    node = helper.make_node("Loop", ["count", "", "x"], ["y"], body=body)
    graph = graph_of(model_of([node], {"x": (2, 5)}, {"count": np.array(3)}), tmp_path)
    assert graph.outputs[0].shape is None


def test_shapes_that_depend_on_numbers_are_none_and_nothing_crashes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["a"]),
        helper.make_node("Cast", ["a"], ["b"], to=FLOAT),
        helper.make_node("Unsqueeze", ["b", "axis"], ["c"]),
        helper.make_node("Conv", ["c", "w"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("Shape", ["e"], ["s"]),
        helper.make_node("Reshape", ["x", "s"], ["y"]),
    ]
    graph = graph_of(model_of(nodes, {"x": (4, 4)}, {"axis": np.array([0]), "w": ones(2, 2, 3)}), tmp_path)
    assert all(value.shape is None for node in graph.nodes for value in node.outputs)
    assert convolution(graph).operation == Convolve(ConvSpec(2, 2, (3,), bias=False))
    assert isinstance(graph.nodes[0].operation, Lookup)


# -- inputs ----------------------------------------------------------------------------------------


def test_an_open_batch_is_one_and_is_said(tmp_path: Path) -> None:
    model = model_of([helper.make_node("GlobalAveragePool", ["x"], ["y"])], {"x": ("N", 3, 8, 8)}, {})
    graph = graph_of(model, tmp_path)
    assert graph.inputs[0].shape == (1, 3, 8, 8)
    assert graph.notes == ("the size 'N' is left open by the file: read with 1.",)
    assert graph.nodes[0].operation == Reduce("mean", (2, 3), keeps=True)


@pytest.mark.parametrize(
    ("given_shape", "said"),
    [
        (None, r"leaves sizes open: 'x' \(N, 3, H, W\), 'm' \(N, H\)"),
        ((1, 3, 8), r"has 3 dimensions; the file takes 'x'"),
        ((1, 4, 8, 8), "size 4 along dimension 1, the file fixes it at 3"),
        ({"X": (1, 3, 8, 8)}, "names 'X', which is no input"),
        ({"x": (1, 3, 8, 8), "m": (1, 9)}, "'H' is 8 already"),
        ((1, 3, -8, 8), "below 0"),
        ("abc", "no sequence of sizes"),
        ((1, 3, 2.5, 8), "int is needed"),
    ],
)
def test_shapes_that_do_not_fit(tmp_path: Path, given_shape: Any, said: str) -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": ("N", 3, "H", "W"), "m": ("N", "H")}, {})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ConvShapeError, match=said) as error:
        read_onnx(tmp_path / "m.onnx", given_shape)
    assert error.value.remedy


def test_a_name_of_a_size_counts_for_all_inputs(tmp_path: Path) -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": ("N", 3, "H", "W"), "m": ("N", "H")}, {})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    for given_shape in ((2, 3, 8, 9), {"x": (2, 3, 8, 9)}, [(2, 3, 8, 9), (2, 8)]):
        assert [value.shape for value in read_onnx(tmp_path / "m.onnx", given_shape).inputs] == [(2, 3, 8, 9), (2, 8)]


# -- old files -------------------------------------------------------------------------------------

OLD = {
    "Pad": (2, {"pads": [0, 1, 0, 2]}, (2, 8)),
    "Slice": (9, {"starts": [1], "ends": [4], "axes": [1]}, (2, 3)),
    "Squeeze": (11, {"axes": [2]}, None),
    "Unsqueeze": (11, {"axes": [0, 3]}, (1, 2, 5, 1)),
    "Upsample": (7, {"scales": [1.0, 2.0]}, (2, 10)),
    "Clip": (6, {"min": 0.0, "max": 6.0}, (2, 5)),
    "Reshape": (1, {"shape": [5, -1]}, (5, 2)),
    "Softmax": (11, {"axis": 0}, (2, 5)),
    "ReduceMean": (11, {"axes": [-1], "keepdims": 0}, (2,)),
    "TopK": (1, {"k": 3, "axis": 1}, (2, 3)),
    "Split": (11, {"axis": 1, "split": [2, 3]}, (2, 2)),
}


@pytest.mark.parametrize("op", OLD)
def test_settings_that_were_attributes_once(tmp_path: Path, op: str) -> None:
    version, attributes, expected = OLD[op]
    shape = (2, 5, 1) if expected is None else (2, 5)
    outputs = 2 if op in ("TopK", "Split") else 1
    graph = graph_of(one(op, [("x", shape)], version=version, outputs=outputs, **attributes), tmp_path)
    assert graph.outputs[0].shape == (expected or (2, 5))
    assert not isinstance(graph.nodes[0].operation, Unknown)


def test_sums_along_an_axis_of_old_files(tmp_path: Path) -> None:
    graph = graph_of(one("Add", [("x", (2, 3, 5)), ("b", (3,))], version=6, broadcast=1, axis=1), tmp_path)
    assert graph.outputs[0].shape == (2, 3, 5)


def test_pools_carry_their_windows(tmp_path: Path) -> None:
    graph = graph_of(one("MaxPool", [("x", (1, 2, 9, 9))], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1], ceil_mode=1), tmp_path)
    operation = graph.nodes[0].operation
    assert isinstance(operation, Pool)
    assert (operation.how, operation.ceil) == ("max", True)
    assert [(axis.kernel, axis.stride, axis.padding) for axis in operation.axes] == [(3, 2, (1, 0)), (2, 1, (0, 1))]


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), data=st.data())
def test_reshapes_keep_all_numbers(shape: list[int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    total = math.prod(shape)
    first = data.draw(st.sampled_from([size for size in range(1, total + 1) if total % size == 0]))
    target = data.draw(st.sampled_from([[first, -1], [-1, first], [first, total // first], [-1]]))
    model = model_of([helper.make_node("Reshape", ["x", "t"], ["y"])], {"x": tuple(shape)}, {"t": np.array(target)})
    graph = graph_of(model, tmp_path_factory.getbasetemp())
    assert graph.outputs[0].shape == np.zeros(shape).reshape(target).shape
