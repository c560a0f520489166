"""Shapes are those of onnx's own backend tests, sizes of windows those of ONNX Runtime; specs come back as they were written."""

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
from faltung.model import from_onnx
from faltung.model.from_onnx import read_onnx
from faltung.model.graph import Graph
from faltung.model.operations import (
    Convolve,
    Pool,
    Unknown,
)
from tests.support.onnx_models import convolution, graph_of, model_of, one, run_shape
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
