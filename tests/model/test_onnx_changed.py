"""Models with bytes, numbers and names changed at random: a graph or an error, and never anything else."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.errors import ConvError
from faltung.model.from_onnx import read_onnx
from tests.support.onnx_parts import GOOD, OWN, array, function, info, model, node, subgraph, written

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
INT64 = onnx.TensorProto.INT64


def seeds() -> list[bytes]:
    """Small real models of many kinds, for changing bytes of."""
    condition = info("c", [], onnx.TensorProto.BOOL)
    branches = {
        "then_branch": subgraph(node("Relu", ["x"], ["t"]), output="t"),
        "else_branch": subgraph(node("Conv", ["x", "w"], ["e"]), output="e"),
    }
    body = helper.make_graph(
        [node("Add", ["s", "s"], ["s2"]), node("Identity", ["k"], ["k2"])],
        "body",
        [info("i", [], INT64), info("k", [], onnx.TensorProto.BOOL), info("s")],
        [info("k2"), info("s2"), info("s2")],
    )
    shape = [
        node("Shape", ["x"], ["s"]),
        node("Slice", ["s", "zero", "one"], ["n"]),
        node("Concat", ["n", "minus"], ["t"], axis=0),
        node("Reshape", ["x", "t"], ["y"]),
    ]
    numbers = [numpy_helper.from_array(np.array([number]), name) for name, number in (("zero", 0), ("one", 1), ("minus", -1))]
    layers = [
        node("Pad", ["x", "p"], ["a"]),
        node("ConvTranspose", ["a", "w"], ["b"], strides=[2, 2]),
        node("MaxPool", ["b"], ["d"], kernel_shape=[2, 2]),
        node("Split", ["d"], ["e", "f"], axis=1, num_outputs=2),
        node("Resize", ["e", "", "r"], ["g"]),
        node("ReduceMean", ["g"], ["h"], axes=[2, 3]),
        node("F", ["h"], ["y"], domain="local"),
    ]
    weights = [array("w", 3, 4, 3, 3), numpy_helper.from_array(np.array([0, 0, 1, 1] * 2), "p"), array("r", 4)]
    protos = [
        GOOD,
        model([node("If", ["c"], ["y"], **branches)], [info("x", ["N", 3, 8, 8]), condition], weights=[array("w", 4, 3, 3, 3)]),
        model([node("Loop", ["one", "", "x"], ["y", "z"], body=body)], weights=numbers),
        model(shape, weights=numbers),
        model(layers, opset_imports=OWN, weights=weights, functions=[function("F", node("Sigmoid", ["a"], ["b"]))]),
    ]
    return [proto.SerializeToString() for proto in protos]


SEEDS = seeds()


@pytest.mark.parametrize("data", SEEDS)
def test_the_seeds_themselves_are_read(tmp_path: Path, data: bytes) -> None:
    assert read_onnx(written(tmp_path, data)).nodes


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A model with some bytes set, cut out, repeated or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["set", "bit", "cut", "put", "repeat"])):
            case "set":
                data[at] = draw(st.integers(0, 255))
            case "bit":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at : at + draw(st.integers(1, 8))]
            case "put":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case _:
                data[at:at] = data[at : at + 20]
        data = data or bytearray(b"\0")
    return bytes(data)


@settings(max_examples=300)
@given(data=changed())
def test_changed_bytes_give_a_graph_or_an_error(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.getbasetemp(), data, "changed.onnx")
    try:
        graph = read_onnx(path)
    except ConvError as error:
        assert len(str(error)) < 2000  # noqa: PT017
    else:
        assert all(size >= 0 for one in graph.nodes for value in one.outputs for size in value.shape or ())


WILD = [0, 1, -1, 2, 3, 7, 64, 2**31, 2**62, 2**63 - 1, -(2**63)]


def messages(message: Any) -> list[Any]:
    """A message and all inside it."""
    found = [message]
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if hasattr(value, "append") else [value]:
                found += messages(inner)
    return found


def change(message: Any, draw: Any) -> None:
    """Clear a field, repeat or drop an entry, or put a wild number or a strange name into it."""
    fields = [field for field, _ in message.ListFields()]
    if not fields:
        return
    field = draw.choice(fields)
    value, name = getattr(message, field.name), field.name
    strange: list[Any] = (
        WILD if isinstance(value, int) else ["", "x", "y", "Loop", "If", "Pad", "Slice", "Gather", "Concat", "Range", "Expand"]
    )
    if draw.random() < 0.2:
        message.ClearField(name)
    elif hasattr(value, "append") and field.message_type is not None:
        value.append(draw.choice(list(value)))
    elif hasattr(value, "append"):
        at = draw.randrange(len(value))
        if isinstance(value[at], int):
            value[at] = draw.choice(WILD)
        else:
            del value[at]
    elif isinstance(value, int | str):
        with contextlib.suppress(ValueError, TypeError):  # out of a field's range
            setattr(message, name, draw.choice(strange))


@settings(max_examples=300)
@given(seed=st.integers(0, len(SEEDS) - 1), draw=st.randoms(use_true_random=False))
def test_changed_messages_give_a_graph_or_an_error(seed: int, draw: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Files that decode, and whose numbers and names make no sense; nothing is left to the net under all readers of operators."""
    proto = onnx.ModelProto.FromString(SEEDS[seed])
    for _ in range(draw.randint(1, 4)):
        change(draw.choice(messages(proto)), draw)
    path = written(tmp_path_factory.getbasetemp(), proto, "messages.onnx")
    try:
        graph = read_onnx(path)
    except ConvError as error:
        assert len(str(error)) < 2000  # noqa: PT017
        assert "cannot be read (" not in str(error)  # noqa: PT017
    else:
        assert all(size >= 0 for one in graph.nodes for value in one.outputs for size in value.shape or ())


@settings(max_examples=100)
@given(data=st.binary(max_size=200))
def test_any_bytes_give_an_error(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.getbasetemp(), data, "any.onnx")
    try:
        read_onnx(path)
    except ConvError as error:
        assert str(error)  # noqa: PT017
