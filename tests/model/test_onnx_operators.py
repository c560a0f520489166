"""Operators one by one, subgraphs, and the shapes of inputs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvShapeError
from faltung.model.from_onnx import read_onnx
from faltung.model.operations import (
    Attend,
    Convolve,
    Crop,
    Elementwise,
    Join,
    Lookup,
    Multiply,
    Reduce,
    Same,
)
from faltung.spec import ConvSpec
from tests.support.onnx_models import convolution, graph_of, model_of, node_of, ones

onnx = pytest.importorskip("onnx")
helper = onnx.helper
FLOAT = onnx.TensorProto.FLOAT

# -- single operators ------------------------------------------------------------------------------


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
