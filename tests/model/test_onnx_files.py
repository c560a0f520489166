"""Real ONNX files: every shape is that of a run by ONNX Runtime, every count that of the shapes it ran with."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from faltung.errors import ConvShapeError
from faltung.model.from_onnx import read_onnx
from faltung.model.graph import Graph
from faltung.model.operations import Convolve, Multiply, Unknown
from tests.support.onnx_runs import branch, counted, file_of, instrumented, without_branches

onnx = pytest.importorskip("onnx")

LIGHT = "backend/test/data/light/light_"
FILES = {
    "paddle text detection": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 64, 96)}),
    "paddle text recognition": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx", {"x": (2, 3, 48, 64)}),
    "paddle text direction": ("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (1, 3, 48, 192)}),
    "yolov8": ("nudenet", "320n.onnx", {"images": (1, 3, 64, 96)}),
    "quantised": ("ddddocr", "common_old.onnx|common.onnx", {"input1": (1, 1, 64, 96)}),
    "yolox": ("ddddocr", "common_det.onnx", {}),
    "voice, half precision": ("silero_vad", "data/silero_vad_openvino_16k.onnx", {}),
    "resnet": ("onnx", f"{LIGHT}resnet50.onnx", {}),
    "shufflenet": ("onnx", f"{LIGHT}shufflenet.onnx", {}),
    "squeezenet": ("onnx", f"{LIGHT}squeezenet.onnx", {}),
    "densenet": ("onnx", f"{LIGHT}densenet121.onnx", {}),
    "inception": ("onnx", f"{LIGHT}inception_v2.onnx", {}),
}


def macs_of(graph: Graph) -> tuple[int, int]:
    """Of convolutions, and of products."""
    convolutions = products = 0
    for node in graph.nodes:
        if isinstance(node.operation, Convolve):
            batch, size = node.operation.spec.split_shape(node.inputs[0].shape or ())
            convolutions += math.prod(batch) * node.operation.spec.macs(size)
        elif isinstance(node.operation, Multiply):
            products += node.operation.macs
    return convolutions, products


def check_shapes(graph: Graph, real: dict[str, tuple[int, ...]]) -> int:
    """Compare the shapes of all values that the run has too; how many those are."""
    met = 0
    for node in graph.nodes:
        for value in node.outputs:
            if value.name in real and value.shape is not None:
                assert value.shape == real[value.name], f"{node.name}: {value.name}"
                met += 1
    return met


@pytest.mark.parametrize("name", FILES)
def test_shapes_and_counts_are_those_of_a_run(name: str) -> None:
    package, path, shapes = FILES[name]
    file = file_of(package, *path.split("|"))
    model = onnx.load(file)
    graph = read_onnx(file, shapes)
    real = instrumented(model, shapes)
    assert not [node for node in graph.nodes if isinstance(node.operation, Unknown)]
    assert check_shapes(graph, real) > 0.5 * len(graph.nodes)
    assert all(value.shape == real[value.name] for value in graph.outputs)
    assert macs_of(graph) == counted(model, real)
    assert sum(macs_of(graph)) > 0


@pytest.mark.parametrize("samples", [576, 288])
def test_a_model_that_is_one_if(tmp_path: Path, samples: int) -> None:
    """Of silero's voice detector a branch is for each sampling rate; on fewer samples both run."""
    file = file_of("silero_vad", "data/silero_vad.onnx")
    shapes = {"input": (1, samples), "state": (2, 1, 128)}
    graph = read_onnx(file, shapes)
    expected = []
    for name in ("then_branch", "else_branch")[: 1 if samples == 576 else 2]:
        model = without_branches(branch(onnx.load(file), name, shapes), tmp_path)
        expected.append(counted(model, instrumented(model, shapes)))
    assert macs_of(graph) == tuple(map(sum, zip(*expected, strict=True)))
    inside = {node.name.split("/")[1] for node in graph.nodes if node.name.startswith("If_0/")}
    assert inside == ({"then_branch"} if samples == 576 else {"then_branch", "else_branch"})
    assert any("else_branch does not take inputs of this shape" in note for note in graph.notes) == (samples == 576)
    assert any("both are counted" in note for note in graph.notes) == (samples == 288)
    assert [value.shape for value in graph.outputs] == [(1, 1), (2, 1, 128)]


def test_open_sizes_are_asked_for() -> None:
    with pytest.raises(ConvShapeError) as error:
        read_onnx(file_of("silero_vad", "data/silero_vad.onnx"))
    assert "'input' (?, ?), 'state' (2, ?, 128), 'sr' ()" in error.value.problem
    assert "input_shape={'input': (1, 512)" in error.value.remedy


# Parameters and MACs as the papers' authors and their own frameworks count them.
@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [("resnet50", 25_557_032, 4_089_184_256), ("vgg19", 143_667_240, 19_632_062_464), ("bvlc_alexnet", 60_965_224, None)],
)
def test_known_networks(name: str, parameters: int, macs: int | None) -> None:
    """Files whose weights are made by `ConstantOfShape`: nothing as large as they say is allocated."""
    graph = read_onnx(file_of("onnx", f"{LIGHT}{name}.onnx"))
    assert sum(weight.size for weight in graph.weights() if weight.is_learned) == parameters
    assert macs in (None, sum(macs_of(graph)))


def test_quantised_weights_are_as_many_as_those_they_were_made_of() -> None:
    """ddddocr ships one network twice; the quantised file counts the same products."""
    shape = (1, 1, 64, 200)
    plain, quantised = (read_onnx(file_of("ddddocr", name), shape) for name in ("common.onnx", "common_old.onnx"))
    assert macs_of(plain) == macs_of(quantised)
    learned: list[Any] = [sum(weight.size for weight in graph.weights() if weight.is_learned) for graph in (plain, quantised)]
    assert learned[0] == learned[1]
    assert {node.weights[0].dtype for node in quantised.nodes if isinstance(node.operation, Convolve)} == {"uint8"}
