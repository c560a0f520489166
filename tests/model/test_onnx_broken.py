"""Files that are broken or made to break readers: one clear error each, within bounded memory and time."""

from __future__ import annotations

import io
import os
import pickle
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.model.from_onnx import read_onnx
from faltung.model.onnx_file import protobuf, reader
from faltung.model.operations import Unknown
from tests.support.onnx_parts import CONV, GOOD, OWN, array, function, info, model, node, subgraph, written

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", "")
    return buffer.getvalue()


# -- what is no model ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty, no ONNX model"),
        (pickle.dumps({"a": 1}, 2), "pickled Python objects.*can run any code"),
        (pickle.dumps({"a": 1}, 5), "pickled Python objects.*can run any code"),
        (zipped(), "zip archive, as torch.save.*can run any code"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "JPEG image"),
        (b"<!DOCTYPE html><html></html>", "page of HTML"),
        (b"\n  <html lang='en'>", "page of HTML"),
        (b'{"weights": []}', "is text"),
        (b"ir_version: 8\ngraph {\n}", "is text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x89HDF\r\n\x1a\n" + bytes(30), "HDF5"),
        (b"\x1c\0\0\0TFL3" + bytes(30), "TensorFlow Lite"),
        (struct.pack("<Q", 20) + b'{"a":{}}' + bytes(20), "safetensors"),
        (b"\x1f\x8b\x08" + bytes(30), "gzip"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (bytes(40), "damaged or cut off|no ONNX model|is damaged"),
        (b"\x08\x08", "no graph in it"),
    ],
)
def test_other_files_are_named(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(ConvTypeError, match=said) as error:
        read_onnx(written(tmp_path, data))
    assert "onnx" in error.value.remedy or "again" in error.value.remedy


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_file_of_pytorch_is_refused_by_its_name(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ConvTypeError, match="can run any code") as error:
        read_onnx(written(tmp_path, GOOD, f"model{suffix}"))
    assert "torch.onnx.export" in error.value.remedy
    assert "live" in error.value.remedy


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConvError, match="there is no file"):
        read_onnx(tmp_path / "nothing.onnx")
    with pytest.raises(ConvError, match="is a directory"):
        read_onnx(tmp_path)
    with pytest.raises(ConvError):
        read_onnx("a\0b")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConvError, match="there is no file"):
        read_onnx(pipe)


def test_what_is_no_path() -> None:
    for path in (3, None, b"model.onnx"):
        with pytest.raises(ConvTypeError, match="is no path"):
            read_onnx(path)  # type: ignore[arg-type]


def test_every_truncation_is_an_error_or_a_graph(tmp_path: Path) -> None:
    data = GOOD.SerializeToString()
    errors = 0
    for length in range(0, len(data), 3):
        try:
            read_onnx(written(tmp_path, data[:length]))
        except ConvError:
            errors += 1
    assert errors > 0.3 * len(data)


# -- graphs that break the rules -------------------------------------------------------------------


def raw(shape: list[int], data: bytes, kind: int = FLOAT) -> Any:
    tensor = onnx.TensorProto(name="w", data_type=kind, raw_data=data)
    tensor.dims.extend(shape)
    return tensor


def typed_wrongly() -> Any:
    proto = node("Conv", ["x", "w"], ["y"])
    proto.attribute.append(helper.make_attribute("strides", 2.5))
    return proto


def call(name: str, taken: str = "a", made: str = "b") -> Any:
    return node(name, [taken], [made], domain="local")


LATER = node("Relu", ["y"], ["z"])  # takes what the If makes
BROKEN: dict[str, tuple[Callable[[], Any], str]] = {
    "circle": (
        lambda: model([node("Add", ["x", "b"], ["a"], name="one"), node("Relu", ["a"], ["b"], name="two")]),
        "circle: 'one' → 'two'",
    ),
    "itself": (lambda: model([node("Add", ["x", "a"], ["a"], name="one")]), "circle: 'one' → 'one'"),
    "made twice": (lambda: model([node("Relu", ["x"], ["a"]), node("Tanh", ["x"], ["a"])]), "two nodes make 'a'"),
    "named as an input": (lambda: model([node("Relu", ["x"], ["x"])]), "circle|two arrays"),
    "two inputs": (lambda: model([node("Relu", ["x"], ["y"])], [info("x", [1]), info("x", [1])]), "two inputs have the name 'x'"),
    "weights twice": (lambda: model(CONV, weights=[array("w", 4, 3, 3, 3)] * 2), "the name 'w' is given to two arrays"),
    "nothing makes it": (lambda: model([node("Add", ["x", "weight"], ["y"], name="n")]), r"node 'n' \(Add\): it takes 'weight', which"),
    "no such output": (lambda: model([node("Relu", ["x"], ["y"])], outputs=["z"]), "outputs takes 'z'"),
    "branch of itself": (
        lambda: model([node("If", ["c"], ["y"], then_branch=subgraph(LATER, output="z"), else_branch=subgraph(output="x"))],
                      [info("x", [1]), info("c", [], onnx.TensorProto.BOOL)]),
        "circle",
    ),
    "function of itself": (
        lambda: model([call("F", "x", "y")], opset_imports=OWN, functions=[function("F", call("F"))]),
        "calls itself",
    ),
    "functions of each other": (
        lambda: model([call("F", "x", "y")], opset_imports=OWN, functions=[
            function("F", call("G")), function("G", call("F"))]),
        "calls itself",
    ),
    "2**20 calls": (
        lambda: model([call("F0", "x", "y")], opset_imports=OWN, functions=[
            function(f"F{i}", call(f"F{i + 1}", "a", "c"), call(f"F{i + 1}", "c", "b")) for i in range(20)
        ] + [function("F20", node("Relu", ["a"], ["b"]))]),
        "more than 1000 nodes",
    ),
    "deep functions": (
        lambda: model([call("F0", "x", "y")], opset_imports=OWN, functions=[
            function(f"F{i}", call(f"F{i + 1}")) for i in range(2000)
        ] + [function("F2000", node("Relu", ["a"], ["b"]))]),
        "functions are nested more than",
    ),
    "too few bytes": (lambda: model(CONV, weights=[raw([4, 3, 3, 3], bytes(8))]), r"takes 432 bytes; the file has 8"),
    "10**12 cells": (lambda: model(CONV, weights=[raw([10**6, 10**6], bytes(8))]), "takes 4000000000000 bytes; the file has 8"),
    "2**63 cells": (lambda: model(CONV, weights=[raw([2**63 - 1, 3, 3, 3], b"")]), "more than 4611686018427387903"),
    "fewer than none": (lambda: model(CONV, weights=[raw([-4, 3, 3, 3], bytes(8))]), "size -4 along dimension 0, which is negative"),
    "no data": (
        lambda: model(CONV, weights=[onnx.TensorProto(name="w", data_type=FLOAT, dims=[4, 3, 3, 3])]),
        "takes 108 entries in float_data",
    ),
    "unknown type": (lambda: model(CONV, weights=[raw([1], b"", 99)]), "data type 99, which is not known"),
    "wrong attribute": (lambda: model([typed_wrongly()], weights=[array("w", 4, 3, 3, 3)]), "'strides' is of type float, ints is needed"),
    "channels": (lambda: model(CONV, weights=[array("w", 4, 5, 3, 3)]), r"node 'first' \(Conv\): input has 3 channels"),
    "no window fits": (lambda: model(CONV, weights=[array("w", 4, 3, 11, 11)]), r"node 'first' \(Conv\): no output along axis 0"),
    "no axes": (lambda: model(CONV, weights=[array("w", 4, 3)]), "its weight has shape"),
    "stride 0": (lambda: model([node("Conv", ["x", "w"], ["y"], strides=[0, 0])], weights=[array("w", 4, 3, 3, 3)]), "is below 1"),
    "group 0": (lambda: model([node("Conv", ["x", "w"], ["y"], group=0)], weights=[array("w", 4, 3, 3, 3)]), "group=0 is below 1"),
    "huge padding": (lambda: model([node("Conv", ["x", "w"], ["y"], pads=[2**62] * 4)], weights=[array("w", 4, 3, 3, 3)]), "too large"),
    "sum of shapes": (
        lambda: model([node("Add", ["x", "w"], ["y"])], weights=[array("w", 5, 8)]),
        "sizes 5 and 8 along dimension -2 do not fit",
    ),
    "no sum": (lambda: model([node("Concat", ["x", "w"], ["y"], axis=7)], weights=[array("w", 5, 8)]), "axis=7 of Concat is no dimension"),
    "no inputs": (lambda: model([node("Relu", [], ["y"])]), "Relu needs an input 1, it has 0"),
    "no graph": (lambda: model([node("If", ["c"], ["y"])], [info("c", [], onnx.TensorProto.BOOL)]), "If has no then_branch"),
    "too many outputs": (lambda: model([node("Relu", ["x"], ["y", "z"])]), "has no output 'z'"),
    "newer operators": (
        lambda: model(CONV, weights=[array("w", 4, 3, 3, 3)], opset_imports=[helper.make_opsetid("", 999)]),
        "version 999 of the operators",
    ),
    "empty graph": (lambda: helper.make_model(helper.make_graph([], "nothing", [], [])), "empty graph"),
    "negative size": (lambda: model([node("Relu", ["x"], ["y"])], [info("x", [1, -7])]), "size -7 along dimension 1, which is negative"),
    "endless reshape": (
        lambda: model([node("Reshape", ["x", "s"], ["y"])], weights=[numpy_helper.from_array(np.array([10**12, -1]), "s")]),
        r"cannot lay 192 numbers",
    ),
    "endless lists": (
        lambda: model([node("RandomNormal", [], ["y"], shape=[2**62] * 10**5)]),
        "has 100000 entries, more than 4096",
    ),
    "endless parts": (
        lambda: model([node("SplitToSequence", ["x"], ["s"]), node("SequenceAt", ["s", "i"], ["y"])], [info("x", [2**60, 3])],
                      weights=[numpy_helper.from_array(np.array(0), "i")]),
        "parts of 1 cells of 1152921504606846976 are not read",
    ),
    "endless pads": (lambda: model([node("Conv", ["x", "w"], ["y"], pads=[1] * 4000)], weights=[array("w", 4, 3, 3, 3)]), "4000 entries"),
    "endless tiles": (
        lambda: model([node("Tile", ["x", "s"], ["y"])], weights=[numpy_helper.from_array(np.array([2**60] * 4), "s")]),
        "more than 4611686018427387903",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_rules_is_said(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_NODES", 1000)
    make, said = BROKEN[name]
    proto = make()
    with pytest.raises(ConvError, match=said) as error:
        read_onnx(written(tmp_path, proto))
    assert error.value.remedy
    assert len(str(error.value)) < 1000


def test_a_newer_format_is_said(tmp_path: Path) -> None:
    newer = model(CONV, weights=[array("w", 4, 3, 3, 3)])
    newer.ir_version = 999
    with pytest.raises(ConvTypeError, match="version 999 of the format") as error:
        read_onnx(written(tmp_path, newer))
    assert "pip install -U onnx" in error.value.remedy


# -- files made to exhaust -------------------------------------------------------------------------


def length(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def wrapped(field: int, data: bytes) -> bytes:
    return length(field << 3 | 2) + length(len(data)) + data


def test_bombs_are_refused_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bytes for each node, eight bytes for each of packed ones, a graph in a graph in a graph."""
    monkeypatch.setattr(protobuf, "MOST_FIELDS", 10_000)
    monkeypatch.setattr(protobuf, "MOST_PACKED", 10_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    nodes = b"\x08\x08" + wrapped(7, b"\x0a\x00" * 2_000_000)
    with pytest.raises(ConvTypeError, match="more than 10000 fields"):
        read_onnx(written(tmp_path, nodes))
    numbers = b"\x08\x08" + wrapped(7, wrapped(5, wrapped(7, bytes(2_000_000))))
    with pytest.raises(ConvTypeError, match="bytes of packed integers"):
        read_onnx(written(tmp_path, numbers))
    deep = b""
    for _ in range(60):
        deep = wrapped(1, wrapped(5, wrapped(6, deep)))
    with pytest.raises(ConvTypeError, match="nested more than 100 deep"):
        read_onnx(written(tmp_path, b"\x08\x08" + wrapped(7, deep)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize("word", [b"first", b"Conv", b"BATCH", b"pads"])
def test_names_that_are_no_text_are_refused(tmp_path: Path, word: bytes) -> None:
    """Protobuf gives bytes then, where it promises text."""
    data = model(
        [node("Conv", ["x", "w"], ["y"], name="first", pads=[0] * 4)], [info("x", ["BATCH", 3, 8, 8])], weights=[array("w", 4, 3, 3, 3)]
    )
    assert word in data.SerializeToString()
    with pytest.raises(ConvTypeError, match="is no text in UTF-8"):
        read_onnx(written(tmp_path, data.SerializeToString().replace(word, b"\xff" * len(word))))


def test_arrays_as_large_as_a_file_says_are_never_made(tmp_path: Path) -> None:
    """10**18 cells of a constant, of an input, of a padded one: numbers that are calculated with, and nothing else."""
    sizes = numpy_helper.from_array(np.array([10**6] * 3), "s")
    graph = read_onnx(
        written(
            tmp_path,
            model([node("ConstantOfShape", ["s"], ["c"]), node("Add", ["c", "x"], ["y"])], [info("x", [10**6, 1, 1])], weights=[sizes]),
        )
    )
    assert graph.outputs[0].shape == (10**6,) * 3
    filled = graph.nodes[0].weights[0]
    assert filled.size == 10**18
    assert filled.read is not None
    assert filled.read().strides == (0, 0, 0)  # one number, shown everywhere


def test_names_stay_as_they_are_and_messages_are_short(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>\n\x1b[31m" + "x" * 100_000
    graph = read_onnx(written(tmp_path, model([node("Relu", ["x"], ["y"], name=bad)])))
    assert graph.nodes[0].name == bad
    with pytest.raises(ConvError) as error:
        read_onnx(written(tmp_path, model([node("Relu", ["nothing"], [bad], name=bad)])))
    assert len(str(error.value)) < 500
    assert "\x1b" not in str(error.value)


def test_nodes_of_one_name_are_told_apart(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["a"], name="n"), node("Relu", ["a"], ["b"], name="n"), node("Relu", ["b"], ["c"], name="n (2)")]
    graph = read_onnx(written(tmp_path, model([*nodes, node("Relu", ["c"], ["d"])])))
    assert [one.name for one in graph.nodes] == ["n", "n (2)", "n (2) (2)", "Relu_3"]


def test_nodes_in_another_order_are_put_into_one(tmp_path: Path) -> None:
    graph = read_onnx(
        written(tmp_path, model([node("Relu", ["a"], ["b"], name="second"), node("Tanh", ["x"], ["a"], name="first")], outputs=["b"]))
    )
    assert [one.name for one in graph.nodes] == ["first", "second"]


def test_unknown_operators_are_in_the_graph(tmp_path: Path) -> None:
    nodes = [node("Whirl", ["x"], ["a"], domain="com.example"), node("Relu", ["a"], ["b"]), node("Frobnicate", ["b"], ["c"])]
    graph = read_onnx(written(tmp_path, model(nodes)))
    reasons = [one.operation.reason for one in graph.nodes if isinstance(one.operation, Unknown)]
    assert reasons == ["the operator 'Whirl' of the domain 'com.example' is not known", "the operator 'Frobnicate' is not known"]
    assert [value.shape for one in graph.nodes for value in one.outputs] == [None, None, None]


def test_data_in_other_files_is_not_opened(tmp_path: Path) -> None:
    weight = array("w", 4, 3, 3, 3)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    graph = read_onnx(written(tmp_path, model(CONV, weights=[weight])))
    found = graph.nodes[0].weights[0]
    assert (found.shape, found.read) == ((4, 3, 3, 3), None)
    assert any("in other files, which are not opened" in note for note in graph.notes)


def test_errors_of_shapes_keep_their_class(tmp_path: Path) -> None:
    with pytest.raises(ConvShapeError, match="node 'first'"):
        read_onnx(written(tmp_path, model(CONV, weights=[array("w", 4, 5, 3, 3)])))
