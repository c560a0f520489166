"""Bytes as an ONNX file: as a graph, audited, and as the page shows it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import faltung as fl
from faltung.app import models, uploads
from faltung.app.answers import answer
from faltung.model.auditing.audit import audit
from faltung.model.from_onnx import read_onnx

__all__ = ["check", "seeds"]


def check(data: bytes) -> None:
    if not data:
        return
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        path.write_bytes(data)
        try:
            audit(read_onnx(path), low_rank=False).to_markdown()
        except fl.ConvError as error:
            assert len(str(error)) < 20_000, len(str(error))
    models._OPENED.clear()
    answer("model", {"upload": uploads.keep_upload(data), "name": "model.onnx"})


def seeds() -> Iterator[bytes]:
    from onnx import helper

    from tests.support.onnx_models import model_of, ones
    from tests.support.onnx_parts import CONV, GOOD, array, model, node, subgraph

    layers = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("ConvTranspose", ["p", "t"], ["u"], strides=[2, 2], output_padding=[1, 1]),
        helper.make_node("Reshape", ["u", "s"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    weights = {"w": ones(4, 3, 3, 3), "b": ones(4), "t": ones(4, 2, 2, 2), "s": ones(2, dtype="int64") * [1, -1], "m": ones(126, 3)}
    yield model_of(layers, {"x": (1, 3, 11, 13)}, weights).SerializeToString()
    yield GOOD.SerializeToString()
    choice = node("If", ["c"], ["z"], then_branch=subgraph(*CONV, output="y"), else_branch=subgraph(node("Abs", ["x"], ["q"]), output="q"))
    loop = node("Concat", ["z", "z"], ["k"], axis=1)
    yield model([node("Constant", [], ["c"], value_int=1), choice, loop], weights=[array("w", 4, 3, 3, 3)]).SerializeToString()
