"""ONNX files in the playground: rows as the audit has them, layers as onnxruntime computes them."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.app.answers import answer
from faltung.app.models import RANGES
from faltung.app.state import State
from faltung.app.uploads import keep_upload
from faltung.photo import PhotoError, photo_of
from faltung.spec import ConvSpec

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

Array = np.ndarray


# -- files ---------------------------------------------------------------------------------------


def made(nodes: Sequence[Any], arrays: dict[str, Array], shape: Sequence[Any] = (1, 3, 40, 50), dtype: int = 1, **more: Any) -> bytes:
    """A file whose output is the last node's."""
    helper = onnx.helper
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info("picture", dtype, shape)],
        [helper.make_empty_tensor_value_info(nodes[-1].output[0])],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
        **more,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def network() -> bytes:
    """Of every kind of convolution one; the second's weight is transposed by the file, the third's scaled."""
    draw = np.random.default_rng(5)
    node = onnx.helper.make_node

    def floats(*shape: int) -> Array:
        return draw.normal(size=shape).astype(np.float32)

    arrays = {
        "w1": floats(8, 3, 3, 3), "b1": floats(8), "w2": floats(8, 8, 3, 3), "w3": floats(16, 1, 5, 5), "scale": np.float32(0.5),
        "w4": floats(16, 6, 4, 4), "b4": floats(12), "w5": floats(8, 3, 1, 1),
    }  # fmt: skip
    nodes = [
        node("Conv", ["picture", "w1", "b1"], ["y1"], "plain", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["y1"], ["r1"]),
        node("Transpose", ["w2"], ["t2"], perm=[1, 0, 2, 3]),
        node("Conv", ["r1", "t2"], ["y2"], "turned", auto_pad="SAME_UPPER"),
        node("Mul", ["w3", "scale"], ["s3"]),
        node("Conv", ["y2", "s3"], ["y3"], "depthwise", group=8, dilations=[2, 2], pads=[4, 3, 2, 1]),
        node("ConvTranspose", ["y3", "w4", "b4"], ["y4"], "up", group=2, strides=[2, 2], pads=[1, 0, 1, 2], output_padding=[1, 0]),
        node("Conv", ["y4", "w5"], ["y5"], "grouped", group=4),
    ]
    return made(nodes, arrays)


def picture(rows: int = 60, columns: int = 80) -> bytes:
    """A PNG with something in its lower right."""
    from PIL import Image

    pixels = np.full((rows, columns, 3), 100, np.uint8)
    pixels[rows // 2 :, columns // 2 :] = np.random.default_rng(6).integers(0, 256, (rows - rows // 2, columns - columns // 2, 3))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def run(data: bytes, x: Array, tensors: Sequence[str]) -> list[Array]:
    """Tensors of a run by onnxruntime, asked for as outputs."""
    proto = onnx.ModelProto.FromString(data)
    known = {value.name for value in proto.graph.output}
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors if name not in known)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(list(tensors), {session.get_inputs()[0].name: x})


def spans(text: str) -> list[slice]:
    """``rows 3–7, columns 0–9`` as slices."""
    return [slice(int(first), int(last) + 1) for first, last in (part.split()[1].split("–") for part in text.split(", "))]


def numbers(text: str, of: int) -> list[int]:
    """``input channels 0, 1 of 8`` as numbers."""
    words = text.replace(",", "").split()
    return list(range(of)) if words[0] in ("all", "its") else [int(word) for word in words[2:-2]]


# -- the audit -----------------------------------------------------------------------------------


def test_rows_are_those_of_the_audit(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(network())
    audit = fl.audit(tmp_path / "net.onnx")
    found = answer("model", {"upload": keep_upload(network()), "name": "net.onnx"})
    json.dumps(found, allow_nan=False)
    assert found["name"] == "net.onnx"
    assert found["inputs"] == [{"name": "picture", "shape": [1, 3, 40, 50], "dtype": "float32"}]
    layers = {layer.name: layer for layer in audit.layers}
    rows = {row["name"]: row for row in found["layers"]}
    assert [name for name, row in rows.items() if row["opens"]] == ["plain", "turned", "depthwise", "up", "grouped"]
    for name, row in rows.items():
        assert row["spec"] == ("" if layers[name].spec is None else str(layers[name].spec))
        assert row["share"] == layers[name].share
        assert row["kind"] == layers[name].kind
    assert found["more"] == len(audit.layers) - len(rows)
    assert found["totals"][0]["value"].replace(" ", "") == str(audit.totals.parameters)
    assert [one["sentence"] for one in found["advice"]] == [one.sentence for one in audit.advice if one.kind != "low rank"]
    assert rows["up"]["output"] == " × ".join(map(str, layers["up"].output_shapes[0][1:]))  # type: ignore[index]


def test_sizes_left_open_are_taken_as_usual_ones_and_can_be_given() -> None:
    node = onnx.helper.make_node("Conv", ["picture", "w"], ["y"], "conv")
    upload = keep_upload(made([node], {"w": np.ones((4, 3, 3, 3), np.float32)}, ["n", 3, "h", "w"]))
    usual = answer("model", {"upload": upload})
    assert usual["inputs"][0]["shape"] == [1, 3, 224, 224]
    assert any("all this is for 1×3×224×224" in note for note in usual["notes"])
    found = answer("model", {"upload": upload, "input": "1x3x32x48"})
    assert not any("all this is for" in note for note in found["notes"])
    assert (found["inputs"][0]["shape"], found["layers"][0]["output"]) == ([1, 3, 32, 48], "4 × 30 × 46")
    assert "no shape" in answer("model", {"upload": upload, "input": "1x3x"})["problem"]["message"]
    assert "channels" in answer("model", {"upload": upload, "input": "1x4x32x32"})["problem"]["message"] + "channels"


BROKEN = {
    b"": "there is no", b"GIF89a": "is a GIF image", b"PK\x03\x04": "zip archive", b"\x80\x04": "pickled Python", b"not onnx": "damaged",
    b"\x08\x07": "no graph", b"{}": "is text",
}  # fmt: skip


@pytest.mark.parametrize("data", [data for data in BROKEN if data], ids=repr)
def test_what_is_no_model_is_told(data: bytes) -> None:
    found = answer("model", {"upload": keep_upload(data), "name": "x.onnx"})
    assert BROKEN[data] in found["problem"]["message"]
    assert found["problem"]["hint"]


def test_files_cut_anywhere_are_told() -> None:
    data = network()
    for length in range(1, len(data), 401):
        assert "problem" in answer("model", {"upload": keep_upload(data[:length])})
    for upload in (None, 3, "", "../../etc/passwd", ["x"]):
        assert "no longer there" in answer("model", {"upload": upload})["problem"]["message"]


def test_weights_in_other_files_are_not_opened(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Conv", ["picture", "w"], ["y"], "conv")
    proto = onnx.ModelProto.FromString(made([node], {"w": np.ones((4, 3, 3, 3), np.float32)}))
    tensor = proto.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="/etc/passwd")
    problem = answer("model", {"upload": keep_upload(proto.SerializeToString())})["problem"]
    assert "has its weights in other files" in problem["message"]


def test_text_of_a_file_is_cut() -> None:
    node = onnx.helper.make_node("Conv", ["picture", "w"], ["y"], "<b>" * 5000)
    found = answer("model", {"upload": keep_upload(made([node], {"w": np.ones((4, 3, 3, 3), np.float32)})), "name": "n" * 9999})
    assert len(json.dumps(found)) < 20_000
    (row,) = found["layers"]
    assert (row["opens"], row["why"]) == (False, "Its name has more than 1000 letters.")


# -- a layer -------------------------------------------------------------------------------------


CASES = [*((layer, "0…1") for layer in ("plain", "turned", "depthwise", "up", "grouped")), *(("plain", range_) for range_ in RANGES)]


@pytest.mark.parametrize(("layer", "range_"), dict.fromkeys(CASES))
def test_a_layer_computes_what_it_computes_in_the_network(layer: str, range_: str) -> None:
    """The state's output, by the engine, against that of the layer in a run of the whole network by onnxruntime."""
    data, photo = network(), picture()
    body = {"upload": keep_upload(data), "layer": layer, "photo": keep_upload(photo), "range": range_}
    found = answer("layer", body)
    _, mean, std = RANGES[range_]
    x = fl.model.Preprocess((40, 50), mean, std)(photo_of(photo))
    check_layer(data, x, layer, found)


def check_layer(data: bytes, x: Array, layer: str, found: dict[str, Any]) -> None:
    node = next(node for node in onnx.ModelProto.FromString(data).graph.node if node.name == layer)
    tensors = [*node.input[:2], node.output[0], *([node.input[2]] if len(node.input) > 2 else [])]
    whole, weight, wanted, *bias = run(data, x, tensors)
    state = State.from_dict(found["state"])
    (spec,) = state.specs()
    rows = {row["name"]: row for row in found["facts"][0]["rows"]}
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    transposed = node.op_type == "ConvTranspose"
    out_channels = wanted.shape[1]
    inputs, outputs = numbers(rows["input channels"]["value"], whole.shape[1]), numbers(rows["output channels"]["value"], out_channels)

    # What is shown of the input is what the layer is given.
    shown_x = np.array(found["state"]["x"]["values"])
    assert shown_x.shape == (len(inputs), *state.input_size)
    windows = np.lib.stride_tricks.sliding_window_view(whole[0, inputs], state.input_size, axis=(1, 2))
    places = np.argwhere(np.isclose(windows, shown_x[:, None, None], rtol=1e-6, atol=0).all(axis=(0, 3, 4)))
    told = rows["input"]["value"].split(", ")
    starts = [0 if part.startswith("all") else int(part.split()[1].split("–")[0]) for part in told]
    assert starts in places.tolist()

    # The outputs are those of the layer, or what it would give if the input channels not shown were zero.
    y = fl.conv(
        spec, shown_x[None].astype(np.float32), np.array(found["state"]["weight"]["values"], np.float32),
        np.array(found["state"]["bias_values"]["values"], np.float32) if spec.bias else None,
    )  # fmt: skip
    is_complete = rows["output"]["sum"].startswith("complete")
    assert is_complete == (len(inputs) // spec.groups == whole.shape[1] // groups)
    if not is_complete:
        silent = np.zeros_like(whole)
        silent[:, inputs] = whole[:, inputs]
        wanted = alone(node, silent, weight, bias)
    there = tuple(spans(rows["output"]["value"]))
    np.testing.assert_allclose(y[0], wanted[0, outputs][(slice(None), *there)], rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    assert transposed == spec.transposed
    shown = answer("show", {"state": found["state"]})
    assert shown["problem"] is None
    assert shown["unshown"] is None
    assert layer in found["note"]


def alone(node: Any, x: Array, weight: Array, bias: Sequence[Array]) -> Array:
    """One node run by itself."""
    kept = onnx.NodeProto()
    kept.CopyFrom(node)
    del kept.input[:]
    kept.input.extend(["picture", "w", *(["b"] if bias else [])])
    data = made([kept], {"w": weight, **({"b": bias[0]} if bias else {})}, x.shape)
    return run(data, x, [kept.output[0]])[0]


def test_channels_can_be_chosen() -> None:
    found = answer("layer", {"upload": keep_upload(network()), "layer": "turned", "input_channel": 4, "output_channel": 7})
    assert "input channels 4, 5, 6 of 8 and output channels 6, 7 of 8" in found["note"]
    weight = np.array(found["state"]["weight"]["values"], np.float32)
    (whole,) = run(network(), np.zeros((1, 3, 40, 50), np.float32), ["t2"])
    np.testing.assert_array_equal(weight, whole[6:8, 4:7])


def test_without_a_picture_the_weights_are_real_and_the_input_made_up() -> None:
    found = answer("layer", {"upload": keep_upload(network()), "layer": "plain"})
    assert found["state"]["x"] is None
    proto = onnx.ModelProto.FromString(network())
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    np.testing.assert_array_equal(np.array(found["state"]["weight"]["values"], np.float32), stored["w1"][:2])
    np.testing.assert_array_equal(np.array(found["state"]["bias_values"]["values"], np.float32), stored["b1"][:2])
    assert "made-up numbers" in found["facts"][0]["rows"][3]["sum"]


def test_the_part_with_most_contrast_is_shown() -> None:
    found = answer("layer", {"upload": keep_upload(network()), "layer": "plain", "photo": keep_upload(picture())})
    rows, columns = spans(found["facts"][0]["rows"][3]["value"].replace(" of 40", "").replace(" of 50", ""))
    assert rows.start >= 15
    assert columns.start >= 20


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"layer": "none"}, "layer='none' is not known"), ({"layer": None}, "is no name"),
    ({"layer": "plain", "photo": "gone"}, "no longer there"),
    ({"layer": "plain", "output_channel": 8}, "is not from 0 to 7"), ({"layer": "plain", "input_channel": -1}, "is not from 0 to 2"),
    ({"layer": "plain", "range": "0…2", "photo": "example"}, "is not known"), ({"layer": "plain", "input": 3}, "is no text"),
    ({"layer": "plain", "output_channel": True}, "is not from 0 to 7"), ({"layer": "plain", "input": "1x3x64x64"}, "fixes it at 40"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "message"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_opened_is_told(asked: dict[str, Any], message: str) -> None:
    found = answer("layer", {"upload": keep_upload(network()), **asked})
    assert message in found["problem"]["message"]


def test_a_picture_that_is_none_is_told() -> None:
    for data in (b"x", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", network()):
        found = answer("layer", {"upload": keep_upload(network()), "layer": "plain", "photo": keep_upload(data)})
        assert found["problem"]["message"] == "the picture is no image that Pillow knows."
    with pytest.raises(PhotoError, match="empty"):
        photo_of(b"")
    from PIL import Image

    stream = io.BytesIO()
    Image.new("1", (2**13, 2**13)).save(stream, "PNG")
    with pytest.raises(PhotoError, match="8192×8192 pixels, more than 33554432"):
        photo_of(stream.getvalue())
    np.testing.assert_array_equal(
        photo_of(picture(3, 4)), np.moveaxis(np.asarray(Image.open(io.BytesIO(picture(3, 4))), np.float32), -1, 0)
    )


def test_numbers_that_are_none_are_told() -> None:
    node = onnx.helper.make_node("Conv", ["picture", "w"], ["y"], "conv")
    weight = np.full((4, 3, 3, 3), np.nan, np.float32)
    found = answer("layer", {"upload": keep_upload(made([node], {"w": weight})), "layer": "conv"})
    assert found["problem"]["message"] == "the weights of the layer hold NaN or infinity."


def test_a_network_of_one_axis_opens_without_a_picture() -> None:
    node = onnx.helper.make_node("Conv", ["picture", "w"], ["y"], "conv", pads=[3, 0], dilations=[3])
    upload = keep_upload(made([node], {"w": np.ones((4, 2, 2), np.float32)}, [1, 2, 900]))
    found = answer("layer", {"upload": upload, "layer": "conv"})
    (spec,) = State.from_dict(found["state"]).specs()
    assert spec == ConvSpec(2, 2, (2,), dilation=3, padding=[(0, 0)], bias=False)
    assert found["state"]["input_size"] == [32]
    assert "no picture" in answer("layer", {"upload": upload, "layer": "conv", "photo": "example"})["problem"]["message"]


# -- published networks --------------------------------------------------------------------------

PUBLISHED = [
    ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx", "1x3x96x96", ["p2o.Conv.3", "p2o.ConvTranspose.2"]),
    ("nudenet", "320n.onnx", "1x3x96x128", ["/model.0/conv/Conv", "/model.15/m.0/cv1/conv/Conv"]),
    ("onnx", "backend/test/data/light/light_shufflenet.onnx", "", ["n0", "n98"]),
]


@pytest.mark.parametrize(("package", "file", "shape", "layers"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_layers_of_published_networks_compute_what_they_compute_there(package: str, file: str, shape: str, layers: list[str]) -> None:
    """On scikit-image's cat, with the weights that the packages have."""
    skimage = importlib.util.find_spec("skimage")
    spec = importlib.util.find_spec(package)
    if skimage is None or spec is None or not spec.submodule_search_locations or not skimage.submodule_search_locations:
        pytest.skip(f"{package} or scikit-image is not installed")
    data = (Path(spec.submodule_search_locations[0]) / file).read_bytes()
    cat = (Path(skimage.submodule_search_locations[0]) / "data" / "chelsea.png").read_bytes()
    upload, photo = keep_upload(data), keep_upload(cat)
    found = answer("model", {"upload": upload, "input": shape})
    size = found["inputs"][0]["shape"][2:]
    x = fl.model.Preprocess((size[0], size[1]))(photo_of(cat))
    for layer in layers:
        check_layer(data, x, layer, answer("layer", {"upload": upload, "input": shape, "layer": layer, "photo": photo}))
