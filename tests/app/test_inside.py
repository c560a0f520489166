"""Layers inside branches, loops and functions of an ONNX file open as the same layers of a file without these."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.app.answers import answer
from faltung.app.uploads import keep_upload
from faltung.photo import photo_of
from tests.app.test_models import Array, check_layer, picture, run

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

DRAW = np.random.default_rng(8)
ARRAYS = {
    name: DRAW.normal(size=shape).astype(np.float32)
    for name, shape in {"w1": (4, 3, 3, 3), "w2": (4, 4, 3, 3), "b2": (4,), "w3": (4, 4, 1, 1)}.items()
}
SHAPE = (1, 3, 40, 50)


def node(operation: str, inputs: Sequence[str], outputs: Sequence[str], name: str = "", **more: Any) -> Any:
    return onnx.helper.make_node(operation, inputs, outputs, name, **more)


def graph(nodes: Sequence[Any], outputs: Sequence[str], inputs: Sequence[Any] = (), arrays: dict[str, Array] | None = None) -> Any:
    empty = onnx.helper.make_empty_tensor_value_info
    given = [one if not isinstance(one, str) else empty(one) for one in inputs]
    stored = [onnx.numpy_helper.from_array(array, name) for name, array in (arrays or {}).items()]
    return onnx.helper.make_graph(list(nodes), "graph", given, [empty(name) for name in outputs], stored)


def model(nodes: Sequence[Any], arrays: dict[str, Array], functions: Sequence[Any] = ()) -> bytes:
    """A file whose output is the last node's; the picture goes through a convolution first."""
    first = [node("Conv", ["picture", "w1"], ["y1"], "first", pads=[1, 1, 1, 1]), node("Relu", ["y1"], ["r1"])]
    value = onnx.helper.make_tensor_value_info("picture", 1, SHAPE)
    made = graph([*first, *nodes], nodes[-1].output[:1], [value], ARRAYS | arrays)
    opsets = [onnx.helper.make_opsetid("", 17), *([onnx.helper.make_opsetid("own", 1)] if functions else [])]
    return onnx.helper.make_model(made, opset_imports=opsets, ir_version=8, functions=functions).SerializeToString()


FLAT = model([node("Conv", ["r1", "w2", "b2"], ["y2"], "inner", strides=[2, 1], pads=[1, 0, 1, 2])], {})
STRIDED: dict[str, Any] = {"strides": [2, 1], "pads": [1, 0, 1, 2]}


def of_if(least: float) -> bytes:
    """One convolution if the picture is lighter than that, another if it is not."""
    then = graph([node("Conv", ["r1", "w2", "own"], ["y"], "inner", **STRIDED)], ["y"], arrays={"own": ARRAYS["b2"]})
    other = graph([node("Conv", ["r1", "w3"], ["y"], "other"), node("Neg", ["y"], ["n"])], ["n"])
    nodes = [
        node("ReduceMean", ["picture"], ["mean"], keepdims=0),
        node("Greater", ["mean", "least"], ["light"]),
        node("If", ["light"], ["y2"], "choice", then_branch=then, else_branch=other),
        node("Relu", ["y2"], ["r2"]),
    ]
    return model(nodes, {"least": np.float32(least)})


def of_function() -> bytes:
    """Two calls of a function with an attribute, one of them inside another function."""
    strides = node("Conv", ["x", "w", "b"], ["y"], "inner", pads=[1, 0, 1, 2])
    strides.attribute.add(name="strides", ref_attr_name="by", type=onnx.AttributeProto.INTS)
    opset = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("own", 1)]
    inner = onnx.helper.make_function("own", "Strided", ["x", "w", "b"], ["z"], [strides, node("Identity", ["y"], ["z"])], opset, ["by"])
    call = node("Strided", ["doubled", "w", "b"], ["y"], "call", domain="own", by=[2, 1])
    outer = onnx.helper.make_function("own", "Twice", ["x", "w", "b"], ["y"], [node("Identity", ["x"], ["doubled"]), call], opset)
    nodes = [node("Twice", ["r1", "w2", "b2"], ["y2"], "outer", domain="own"), node("Relu", ["y2"], ["r2"])]
    return model(nodes, {}, [inner, outer])


def of_branch_in_function() -> bytes:
    """A function that chooses: its branches take what the function was given."""
    then = graph([node("Conv", ["x", "w", "b"], ["y"], "inner", **STRIDED)], ["y"])
    other = graph([node("Neg", ["x"], ["y"])], ["y"])
    opset = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("own", 1)]
    nodes = [node("Cast", ["c"], ["is_on"], to=9), node("If", ["is_on"], ["z"], "choice", then_branch=then, else_branch=other)]
    function = onnx.helper.make_function("own", "Choose", ["x", "w", "b", "c"], ["z"], nodes, opset)
    outside = [
        node("ReduceMax", ["picture"], ["most"], keepdims=0),
        node("Choose", ["r1", "w2", "b2", "most"], ["y2"], "call", domain="own"),
        node("Relu", ["y2"], ["r2"]),
    ]
    return model(outside, {}, [function])


def of_loop(turns: int) -> bytes:
    """A convolution that is repeated on what it gave."""
    conv = node("Conv", ["x", "own", "b2"], ["y"], "inner", pads=[1, 1, 1, 1])
    body = graph(
        [conv, node("Identity", ["go"], ["on"]), node("Tanh", ["y"], ["next"])],
        ["on", "next"],
        [onnx.helper.make_tensor_value_info("turn", 7, []), onnx.helper.make_tensor_value_info("go", 9, []),
         onnx.helper.make_tensor_value_info("x", 1, [1, 4, 40, 50])],
        {"own": ARRAYS["w2"]},
    )  # fmt: skip
    body.output[0].CopyFrom(onnx.helper.make_tensor_value_info("on", 9, []))
    body.output[1].CopyFrom(onnx.helper.make_tensor_value_info("next", 1, [1, 4, 40, 50]))
    nodes = [node("Loop", ["turns", "", "r1"], ["y2"], "again", body=body), node("Relu", ["y2"], ["r2"])]
    return model(nodes, {"turns": np.int64(turns)})


def opened(data: bytes, layer: str, **more: Any) -> dict[str, Any]:
    return answer("layer", {"upload": keep_upload(data), "layer": layer, **more})


def names(data: bytes) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in answer("model", {"upload": keep_upload(data)})["layers"] if row["spec"]}


CASES = {
    "branch": (of_if(0.1), "choice/then_branch/inner"),
    "function": (of_function(), "outer/call/inner"),
    "branch in a function": (of_branch_in_function(), "call/choice/then_branch/inner"),
}


@pytest.mark.parametrize("photo", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_layer_inside_is_the_layer_outside(case: str, photo: bool) -> None:
    data, layer = CASES[case]
    given = {"photo": keep_upload(picture())} if photo else {}
    flat, found = opened(FLAT, "inner", **given), opened(data, layer, **given)
    assert names(data)[layer]["opens"]
    assert found["state"] == flat["state"]
    assert (found["state"]["x"] is not None) == photo
    if photo:
        check_layer(FLAT, fl.model.Preprocess((40, 50), 0.0, 1.0)(photo_of(picture())), "inner", flat)


def test_a_branch_that_does_not_run_says_so() -> None:
    data, photo = of_if(0.9), keep_upload(picture())
    problem = opened(data, "choice/then_branch/inner", photo=photo)["problem"]
    assert "does not run on this picture: its condition is false" in problem["message"]
    assert "its weights are real" in problem["hint"]
    other = opened(data, "choice/else_branch/other", photo=photo)
    assert other["note"].endswith("It lies in the else_branch of 'choice', which runs on this picture.")
    weight = np.array(other["state"]["weight"]["values"], np.float32)
    assert (weight[..., 0, 0] == ARRAYS["w3"][:2, :3, 0, 0]).all()
    without = opened(data, "choice/then_branch/inner")
    assert without["state"]["weight"] == opened(FLAT, "inner")["state"]["weight"]
    assert without["note"].endswith("whether that runs depends on what goes in.")


def test_of_a_loop_the_first_turn_is_shown() -> None:
    data, photo = of_loop(3), keep_upload(picture())
    found = opened(data, "again/body/inner", photo=photo)
    assert found["note"].endswith("It lies in the body of a loop: its input is that of the first turn.")
    straight = model([node("Conv", ["r1", "w2", "b2"], ["y2"], "inner", pads=[1, 1, 1, 1])], {})
    assert found["state"] == opened(straight, "inner", photo=photo)["state"]
    none = opened(of_loop(0), "again/body/inner", photo=photo)
    assert "makes no turn" in none["problem"]["message"]


def test_names_inside_are_kept_apart() -> None:
    """A branch gives its arrays names that the main graph has for others."""
    then = graph([node("Conv", ["r1", "w2", "b2"], ["t"], "inner", **STRIDED), node("Relu", ["t"], ["u"])], ["u"])
    other = graph([node("Neg", ["r1"], ["t"])], ["t"])
    nodes = [
        node("ReduceMax", ["picture"], ["most"], keepdims=0),
        node("Cast", ["most"], ["is_on"], to=9),
        node("If", ["is_on"], ["first"], "one", then_branch=then, else_branch=other),
        node("If", ["is_on"], ["second"], "two", then_branch=then, else_branch=other),
        node("Add", ["first", "second"], ["sum"]),
    ]
    data = model(nodes, {})
    run(data, fl.model.Preprocess((40, 50), 0.0, 1.0)(photo_of(picture())), ["sum"])
    photo = keep_upload(picture())
    for layer in ("one/then_branch/inner", "two/then_branch/inner"):
        assert opened(data, layer, photo=photo)["state"] == opened(FLAT, "inner", photo=photo)["state"]


def test_what_a_loop_holds_further_in_stays_closed() -> None:
    inner = graph([node("Conv", ["x", "w2"], ["y"], "inner", pads=[1, 1, 1, 1])], ["y"])
    other = graph([node("Neg", ["x"], ["y"])], ["y"])
    body = graph(
        [node("If", ["go"], ["next"], "choice", then_branch=inner, else_branch=other), node("Identity", ["go"], ["on"])],
        ["on", "next"],
        ["turn", "go", "x"],
    )
    data = model([node("Loop", ["turns", "", "r1"], ["y2"], "again", body=body)], {"turns": np.int64(2)})
    row = names(data)["again/body/choice/then_branch/inner"]
    assert (row["opens"], row["why"]) == (False, "It lies inside the body of a loop, further in.")


@pytest.mark.parametrize("file", ["silero_vad.onnx", "silero_vad_op18_ifless.onnx"])
def test_layers_in_the_branches_of_a_published_network_open_with_their_weights(file: str) -> None:
    """A network of sound, which chooses by the sampling rate: one branch for each."""
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("silero-vad is not installed")
    data = (Path(spec.submodule_search_locations[0]) / "data" / file).read_bytes()
    rows = names(data)
    assert len(rows) >= 6
    stored = branch_weights(onnx.ModelProto.FromString(data).graph)
    for name, row in rows.items():
        assert row["opens"]
        found = opened(data, name)
        weight = np.array(found["state"]["weight"]["values"], np.float32)
        outputs, inputs = weight.shape[:2]
        assert any(one.shape[2:] == weight.shape[2:] and (one[:outputs, :inputs] == weight).all() for one in stored)
        assert "depends on what goes in" in found["note"]
    problem = opened(data, name, photo="example")["problem"]
    assert "takes 3 inputs" in problem["message"]
    assert "made-up numbers" in problem["hint"]


def branch_weights(graph: Any) -> list[Array]:
    """Every stored array of three axes, in a graph and inside it."""
    to_array = onnx.numpy_helper.to_array
    found = [to_array(tensor) for tensor in graph.initializer if len(tensor.dims) == 3]
    for one in graph.node:
        for attribute in one.attribute:
            if attribute.HasField("g"):
                found += branch_weights(attribute.g)
            if attribute.HasField("t") and len(attribute.t.dims) == 3:
                found.append(to_array(attribute.t))
    return found
