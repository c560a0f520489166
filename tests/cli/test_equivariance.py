"""`faltung equivariance`: the errors that the library measures, their picture, or one clear refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.model import Preprocess

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("PIL.Image")
helper = onnx.helper


def saved(path: Path, size: tuple[int | None, int | None]) -> Path:
    weight = np.random.default_rng(0).integers(-2, 3, (2, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["raw"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["raw"], ["y"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", 1, (1, 3, *size))], [helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path / "net.onnx", (None, None))


def test_what_is_measured(faltung: Any, as_json: Any, model: Path, photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    facts = as_json("equivariance", model, photo)
    expected = fl.equivariance(model, photo, preprocess=Preprocess((32, 32)))
    assert facts["stride"] == ["2", "2"]
    assert facts["relative"] == expected.relative.tolist()
    assert len(facts["relative"]) == 5
    assert [layer["name"] for layer in facts["layers"]] == ["first", "pool"]
    out = tmp_path / "shifts.png"
    result = faltung("equivariance", model, photo, "--shifts", 4, "--step", 2, "--out", out, columns=120)
    assert result.exit_code == 0, result.stderr
    assert "multiples of 2×2" in result.stdout
    assert out.stat().st_size > 1000


def test_windows(as_json: Any, model: Path, photo: Path, tmp_path: Path) -> None:
    fixed = saved(tmp_path / "fixed.onnx", (16, 20))
    facts = as_json("equivariance", fixed, photo, "--boundary", "crop", "--shifts", 5, "--step", 2)
    assert facts["shifts"] == [[0, 2, 4], [0, 2, 4]]
    assert facts["boundary"] == "crop"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--boundary", "crop"), "needs --shifts"),
        (("--boundary", "mirror"), "is not known"),
        (("--shifts", "-1"), "shifts go from 0 upwards"),
        (("--shifts", "32"), "the input has 32 cells"),
        (("--out", "plane.doc"), "no picture format"),
    ],
)
def test_what_is_refused(refused: Any, model: Path, photo: Path, arguments: Any, message: str) -> None:
    assert message in refused("equivariance", model, photo, *arguments)
