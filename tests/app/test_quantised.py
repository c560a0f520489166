"""Quantised layers of ONNX files open as convolutions of the numbers that they stand for, as onnxruntime computes them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.app.answers import answer
from faltung.app.state import State
from faltung.app.uploads import keep_upload
from faltung.photo import photo_of
from tests.app.test_models import Array, made, numbers, picture, run, spans

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

DRAW = np.random.default_rng(9)


def network(per_channel: bool) -> bytes:
    """The picture through a layer of each way to be quantised."""
    node = onnx.helper.make_node
    many = 6 if per_channel else 1

    def stored(*shape: int) -> Array:
        return DRAW.integers(-100, 100, shape).astype(np.int8)

    def scales(count: int) -> Array:
        found = DRAW.uniform(0.002, 0.02, count).astype(np.float32)
        return found if count > 1 else found[0]

    zeros = np.zeros(many, np.int8) if per_channel else np.int8(3)
    arrays = {
        "s": np.float32(1 / 255), "z": np.uint8(10), "w1": stored(6, 3, 3, 3), "ws1": scales(many), "wz1": zeros, "ys": np.float32(0.05),
        "yz": np.uint8(120), "b1": DRAW.integers(-500, 500, 6).astype(np.int32), "w2": stored(6, 6, 3, 3), "wz2": np.int8(-2),
        "w3": stored(6, 1, 3, 3), "ws3": scales(many), "b3": DRAW.normal(size=6).astype(np.float32),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", ["picture", "s", "z"], ["q0"]),
        node("QLinearConv", ["q0", "s", "z", "w1", "ws1", "wz1", "ys", "yz", "b1"], ["q1"], "linear", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("DequantizeLinear", ["q1", "ys", "yz"], ["y1"]),
        node("DynamicQuantizeLinear", ["y1"], ["q2", "s2", "z2"]),
        node("ConvInteger", ["q2", "w2", "z2", "wz2"], ["i2"], "integer", pads=[1, 1, 0, 0]),
        node("Cast", ["i2"], ["y2"], to=1),
        node("DequantizeLinear", ["w3", "ws3"], ["d3"], axis=0),
        node("Conv", ["y2", "d3", "b3"], ["y3"], "floats", group=6),
    ]
    return made(nodes, arrays)


def shown(data: bytes, layer: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    found = answer("layer", {"upload": keep_upload(data), "layer": layer, "photo": keep_upload(picture()), **more})
    return found, {row["name"]: row for row in found["facts"][0]["rows"]}


def computed(found: dict[str, Any], rows: dict[str, Any], wanted: Array) -> tuple[Array, Array]:
    """The state's output by the engine, and the same part of what the network gave."""
    state = State.from_dict(found["state"])
    (spec,) = state.specs()
    arrays = [np.array(found["state"][name]["values"], np.float64) for name in ("x", "weight")]
    bias = np.array(found["state"]["bias_values"]["values"]) if spec.bias else None
    outputs = numbers(rows["output channels"]["value"], wanted.shape[1])
    return fl.conv(spec, arrays[0], arrays[1], bias), wanted[0, outputs][(slice(None), *spans(rows["output"]["value"]))]


def x_of(size: tuple[int, int]) -> Array:
    return fl.model.Preprocess(size, 0.0, 1.0)(photo_of(picture()))


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_linear_one_gives_what_the_network_rounds(per_channel: bool) -> None:
    data = network(per_channel)
    found, rows = shown(data, "linear")
    stored, scale = run(data, x_of((40, 50)), ["q1", "ys"])
    y, wanted = computed(found, rows, stored.astype(np.float64))
    inside = (wanted > 0) & (wanted < 255)
    assert inside.any()
    assert np.abs(y - (wanted - 120) * scale)[inside].max() <= scale * 0.501
    assert rows["weights, as stored"]["value"].startswith("int8, scale ")
    assert ("one for each output channel" in rows["weights, as stored"]["value"]) == per_channel
    assert rows["input, as stored"]["value"] == "uint8, scale 0.003922, zero point 10"
    assert rows["outputs, as stored"]["value"] == "scale 0.05, zero point 120"
    assert "Input, as stored: uint8, scale 0.003922, zero point 10; shown as (stored − zero point) · scale." in found["note"]


def test_a_whole_numbered_one_gives_the_same_whole_numbers() -> None:
    data = network(False)
    weight, zero, x, x_zero = run(data, x_of((40, 50)), ["w2", "wz2", "q2", "z2"])
    found, rows = shown(data, "integer", input_channel=2)
    part = np.array(found["state"]["weight"]["values"])
    assert (part == weight[:2, 2:5].astype(int) - int(zero)).all()
    assert rows["weights, as stored"]["value"] == "int8, no scale, zero point -2"
    assert rows["input, as stored"]["value"].startswith("uint8, no scale, zero point ")
    whole = x[:, 2:5].astype(np.float64) - float(x_zero)
    wanted = fl.conv("conv2d(3, 2, 3, padding=((1, 0), (1, 0)), bias=False)", whole, part)
    y, expected = computed(found, rows | {"output channels": {"value": "output channels 0, 1 of 2"}}, wanted)
    assert (y == expected).all()


def test_floats_of_stored_whole_numbers_say_how_they_are_stored() -> None:
    for per_channel in (False, True):
        data = network(per_channel)
        found, rows = shown(data, "floats")
        (y3,) = run(data, x_of((40, 50)), ["y3"])
        y, wanted = computed(found, rows, y3)
        np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5 * np.abs(y3).max())
        assert rows["weights, as stored"]["value"].startswith("int8, scale ")
        assert rows["weights, as stored"]["sum"] == "shown as (stored − zero point) · scale"
        assert "input, as stored" not in rows


def test_weights_are_real_without_a_picture() -> None:
    data = network(True)
    for layer in ("linear", "integer", "floats"):
        with_picture, _ = shown(data, layer)
        without = answer("layer", {"upload": keep_upload(data), "layer": layer})
        assert without["state"]["x"] is None
        assert without["state"]["weight"] == with_picture["state"]["weight"]
        assert without["state"]["bias_values"] == with_picture["state"]["bias_values"]


def test_all_are_offered() -> None:
    rows = answer("model", {"upload": keep_upload(network(False))})["layers"]
    assert [row["name"] for row in rows if row["opens"]] == ["linear", "integer", "floats"]


# -- a published network ---------------------------------------------------------------------------


def test_layers_of_a_published_network_give_the_whole_numbers_that_they_give_there() -> None:
    """ddddocr's reader of text, all of whose convolutions are ConvInteger."""
    spec = importlib.util.find_spec("ddddocr")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("ddddocr is not installed")
    data = (Path(spec.submodule_search_locations[0]) / "common.onnx").read_bytes()
    proto = onnx.ModelProto.FromString(data)
    nodes = {node.name: node for node in proto.graph.node if node.op_type == "ConvInteger"}
    upload, photo = keep_upload(data), keep_upload(picture())
    rows = {row["name"]: row for row in answer("model", {"upload": upload, "input": "1x1x64x160"})["layers"]}
    assert all(rows[name]["opens"] for name in nodes)
    x = fl.model.Preprocess((64, 160), 0.0, 1.0, channels=1)(photo_of(picture()))
    for name in (*list(nodes)[:2], list(nodes)[-1]):
        found = answer("layer", {"upload": upload, "input": "1x1x64x160", "layer": name, "photo": photo})
        told = {row["name"]: row for row in found["facts"][0]["rows"]}
        whole, weight, *zeros = run(data, x, list(nodes[name].input))
        inputs = numbers(told["input channels"]["value"], whole.shape[1])
        silent = np.full_like(whole, zeros[0])
        silent[:, inputs] = whole[:, inputs]
        y, wanted = computed(found, told, alone(nodes[name], silent, weight, zeros))
        assert (y == wanted).all()
        assert told["weights, as stored"]["value"].startswith(f"{weight.dtype}, no scale, zero point ")


def alone(node: Any, x: Array, weight: Array, zeros: list[Array]) -> Array:
    """One node run by itself."""
    kept = onnx.NodeProto()
    kept.CopyFrom(node)
    del kept.input[:]
    kept.input.extend(["picture", "w", *(f"z{number}" for number in range(len(zeros)))])
    arrays = {"w": weight, **{f"z{number}": zero for number, zero in enumerate(zeros)}}
    dtype = onnx.helper.np_dtype_to_tensor_dtype(x.dtype)
    return run(made([kept], arrays, x.shape, dtype), x, [kept.output[0]])[0]
