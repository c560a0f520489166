"""Receptive fields of ONNX files: published sizes on real ones, and interpolation as ONNX Runtime does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.model.operations import Pool
from faltung.model.read import graph_of
from faltung.model.tracing.positions import positions

onnx = pytest.importorskip("onnx")
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.mark.parametrize(
    ("name", "size"), [("bvlc_alexnet", 195), ("vgg19", 268), ("inception_v2", 699), ("resnet50", 427), ("squeezenet", 207)]
)
def test_published_sizes(name: str, size: int) -> None:
    """Araujo, Norris & Sim, Distill 2019; VGG-19 and ResNet-50 with its stride in 3×3 layers are sums by hand."""
    graph = graph_of(LIGHT / f"light_{name}.onnx")
    last = next((node for node in graph.nodes if isinstance(node.operation, Pool) and node.operation.how == "average"), None)
    # Inception pools means inside its blocks too: what counts is in front of the window of all places.
    wide = [node for node in graph.nodes if isinstance(node.operation, Pool) and node.operation.axes[0].kernel == 7]
    layer = graph.makers()[wide[-1].inputs[0]].name if wide and last else None
    field = fl.receptive_field(LIGHT / f"light_{name}.onnx", layer)
    assert field.size == (size, size)
    assert field.stride == ((16, 16) if name == "squeezenet" else (32, 32))


def test_a_file_is_not_run() -> None:
    with pytest.raises(fl.ConvTypeError, match="files are read, never run"):
        fl.receptive_field(LIGHT / "light_vgg19.onnx", measured=True)


PLACES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
MODES = [("linear", places, "floor") for places in PLACES] + [("cubic", places, "floor") for places in PLACES[:4]]
MODES += [("nearest", places, how) for places in PLACES[:4] for how in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")]


@pytest.mark.parametrize(("mode", "places", "rounding"), MODES)
def test_interpolation(tmp_path: Path, mode: str, places: str, rounding: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    for old, new in ((16, 32), (16, 24), (18, 12), (24, 8), (17, 11), (12, 23)):
        path = tmp_path / f"{old}-{new}.onnx"
        onnx.save(_resizing(old, new, mode, places, rounding), path)
        # Each sample has a single cell that is not zero.
        (seen,) = runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
            None, {"x": np.eye(old, dtype=np.float32)[:, None, :, None]}
        )
        graph = graph_of(path)
        sight, _ = positions(graph).of(graph.outputs[0])
        checked = 0
        for place in range(new):
            cells = np.flatnonzero(np.abs(seen[:, 0, place, 0]) > 1e-5)
            said = sight.at(place)
            assert said is not None
            if said[0] > 0 and said[1] < old - 1:
                assert (cells[0], cells[-1]) == said, (old, new, place)
                checked += 1
        assert checked >= new // 2


def _resizing(old: int, new: int, mode: str, places: str, rounding: str) -> Any:
    helper = onnx.helper
    node = helper.make_node(
        "Resize", ["x", "", "", "sizes"], ["y"], mode=mode, coordinate_transformation_mode=places, nearest_mode=rounding
    )
    x, y = (helper.make_tensor_value_info(name, 1, [old, 1, size, 1]) for name, size in (("x", old), ("y", new)))
    graph = helper.make_graph([node], "resizing", [x], [y], [helper.make_tensor("sizes", 7, [4], [old, 1, new, 1])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
