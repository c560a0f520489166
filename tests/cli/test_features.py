"""`faltung features`: a table of layers, pictures and arrays of one, or one clear refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("PIL.Image")
helper = onnx.helper


def saved(path: Path, shape: tuple[Any, ...], perm: tuple[int, ...] | None = None, element: int = 1) -> Path:
    """A file of one convolution, 1 on the first channel, behind a cast and a transposition where asked for."""
    weight = np.zeros((2, 3 if 3 in shape else 1, 1, 1), np.float32)
    weight[0, 0], weight[1, 0] = 1, -1
    nodes = [helper.make_node("Cast", ["x"], ["cast"], to=1)]
    if perm:
        nodes.append(helper.make_node("Transpose", ["cast"], ["turned"], perm=perm))
    nodes += [helper.make_node("Conv", [nodes[-1].output[0], "w"], ["raw"], name="first"), helper.make_node("Relu", ["raw"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", element, shape)], [helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path / "net.onnx", (1, 3, None, None))


def test_layers_are_listed(faltung: Any, as_json: Any, model: Path, photo: Path) -> None:
    result = faltung("features", model, photo, columns=200)
    assert result.exit_code == 0, result.stderr
    row = next(line for line in result.stdout.splitlines() if line.startswith("first"))
    assert "1×2×32×32" in row
    assert "Relu" in row
    facts = as_json("features", model, photo)
    assert facts["layers"][0]["statistics"]["max"] == pytest.approx([200 / 255, -90 / 255], abs=0.05)  # resampled
    assert facts["layers"][0]["activation_statistics"]["dead"] == [1]


def test_a_layer_is_drawn_or_stored(faltung: Any, model: Path, photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for show in ("raw", "activation", "both", "kernels"):
        out = tmp_path / f"{show}.png"
        result = faltung("features", model, photo, "--layer", "first", "--show", show, "--out", out)
        assert result.exit_code == 0, result.stderr
        assert out.stat().st_size > 1000
    out = tmp_path / "maps.npy"
    assert faltung("features", model, photo, "--layer", "first", "--mean", "0.5,0,0", "--std", "0.5", "--out", out).exit_code == 0
    maps = np.load(out)
    np.testing.assert_allclose(maps[0, 0, :, 0], (90 / 255 - 0.5) / 0.5, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "perm", "element", "expected"),
    [
        ((1, 3, 12, 16), None, 1, 90 / 255),
        ((1, 12, 16, 3), (0, 3, 1, 2), 1, 90 / 255),
        ((1, 12, 16, 3), (0, 3, 1, 2), 2, 90),
        ((1, 1, 12, 16), None, 1, (0.299 * 90 + 0.587 * 20 + 0.114 * 10) / 255),
    ],
)
def test_the_input_is_made_as_the_file_wants_it(
    faltung: Any, tmp_path: Path, photo: Path, shape: Any, perm: Any, element: int, expected: float
) -> None:
    out = tmp_path / "maps.npy"
    result = faltung("features", saved(tmp_path / "n.onnx", shape, perm, element), photo, "--layer", "first", "--out", out)
    assert result.exit_code == 0, result.stderr
    maps = np.load(out)
    assert maps.shape == (1, 2, 12, 16)
    assert maps[0, 0, 6, 2] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "fist"), "Did you mean 'first'"),
        (("--out", "maps.png"), "--layer names none"),
        (("--layer", "first", "--out", "maps.xyz"), "no picture format has the ending '.xyz'"),
        (("--layer", "first", "--out", "maps.npy", "--show", "both"), "--show both is a picture"),
        (("--size", "3by3"), "is no height and width"),
        (("--size", "99999x99999"), "more than 67108864"),
        (("--mean", "a"), "is neither a number nor three"),
        (("--std", "0"), "is not above 0"),
        (("--show", "some"), "--show='some' is not known"),
        (("--maps", "0"), "--maps=0 is below 1"),
    ],
)
def test_what_is_refused(refused: Any, model: Path, photo: Path, arguments: Any, message: str) -> None:
    assert message in refused("features", model, photo, *arguments)


def test_files_that_are_refused(refused: Any, model: Path, photo: Path, tmp_path: Path) -> None:
    assert "there is no file" in refused("features", tmp_path / "non.onnx", photo)
    assert "is a PNG image, no ONNX model" in refused("features", photo, photo)
    assert "no image" in refused("features", model, model)
    assert "takes 12x16 alone" in refused("features", saved(tmp_path / "f.onnx", (1, 3, 12, 16)), photo, "--size", "9x9")
