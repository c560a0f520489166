"""`faltung audit`: ONNX files on the screen, as JSON, as Markdown, as a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import faltung as fl

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

MACS = 16 * 16 * 16 * 3 * 9 + 16 * 16 * 32 * 16 * 9 + 32 * 10


def saved(path: Path, nodes: list, weights: dict[str, tuple[int, ...]], shape: list[object]) -> Path:
    rng = np.random.default_rng(0)
    tensors = [numpy_helper.from_array(rng.standard_normal(size).astype(np.float32), name) for name, size in weights.items()]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)]
    onnx.save(helper.make_model(helper.make_graph(nodes, "small", inputs, outputs, tensors)), path)
    return path


def small(path: Path, shape: list[object]) -> Path:
    nodes = [
        helper.make_node("Conv", ["image", "stem.w", "stem.b"], ["a"], name="/stem/Conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"], name="/stem/Relu"),
        helper.make_node("Conv", ["b", "body.w"], ["c"], name="/body/<i>[red]Conv", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"], name="/head/Pool"),
        helper.make_node("Flatten", ["d"], ["e"], name="/head/Flatten"),
        helper.make_node("Gemm", ["e", "head.w", "head.b"], ["scores"], name="/head/Gemm", transB=1),
    ]
    weights = {"stem.w": (16, 3, 3, 3), "stem.b": (16,), "body.w": (32, 16, 3, 3), "head.w": (10, 32), "head.b": (10,)}
    return saved(path, nodes, weights, shape)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small(tmp_path / "small.onnx", ["batch", 3, 32, 32])


def test_sums_and_rows(faltung, model: Path) -> None:
    result = faltung("audit", model)
    assert result.exit_code == 0, result.stderr
    assert f"{MACS:,}".replace(",", " ") in result.stdout
    assert "5 386" in result.stdout
    rows = [line for line in result.stdout.splitlines() if line.startswith("/")]
    assert len(rows) == 3
    assert "/body/<i>[red]Conv" in result.stdout.replace("\n  ", "")
    assert "GlobalAveragePool" in result.stdout.partition("Not counted")[2]


@pytest.mark.parametrize("columns", [80, 140])
def test_nothing_is_wider_than_the_terminal(faltung, model: Path, columns: int) -> None:
    lines = faltung("audit", model, columns=columns).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert ("field" in "\n".join(lines)) == (columns == 140)


def test_the_table_of_markdown_and_the_page(faltung, model: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = faltung("audit", model, "--html", page, "--markdown")
    assert result.exit_code == 0
    assert result.stdout == fl.audit(model).to_markdown()
    assert page.read_text(encoding="utf-8") == fl.audit(model).to_html()
    assert "<i>[red]" not in page.read_text(encoding="utf-8")
    assert str(page.name) in faltung("audit", model, "--html", page, columns=200).stdout


def test_json_is_the_audit(as_json, model: Path, tmp_path: Path) -> None:
    assert as_json("audit", model) == json.loads(fl.audit(model).to_json())
    data = as_json("audit", small(tmp_path / "open.onnx", ["batch", 3, "height", "width"]), "--input", "4x3x64x64")
    assert data["inputs"][0]["shape"] == [4, 3, 64, 64]
    assert data["totals"]["macs"] == 4 * (4 * (MACS - 320) + 320)


def test_inputs_by_name(as_json, refused, tmp_path: Path) -> None:
    path = small(tmp_path / "open.onnx", ["batch", 3, "height", "width"])
    assert as_json("audit", path, "--input", "image=2x3x64x64")["inputs"][0]["shape"] == [2, 3, 64, 64]
    assert "names no input" in refused("audit", path, "--input", "image=2x3x64x64", "--input", "2x3x64x64")
    assert "is not a shape" in refused("audit", path, "--input", "image=2x3xa")


def test_sorting_filtering_and_depth(faltung, as_json, model: Path) -> None:
    names = [layer["name"] for layer in as_json("audit", model, "--sort", "macs")["layers"]]
    assert names[0] == "/body/<i>[red]Conv"
    assert [layer["name"] for layer in as_json("audit", model, "--filter", "stem")["layers"]] == ["/stem/Conv", "/stem/Relu"]
    assert [layer["name"] for layer in as_json("audit", model, "--kind", "linear")["layers"]] == ["/head/Gemm"]
    tree = faltung("audit", model, "--depth", "1").stdout
    assert [line.split()[0] for line in tree.splitlines() if line.startswith("  ")][:3] == ["stem", "body", "head"]
    assert "/stem/Relu" in faltung("audit", model, "--all").stdout
    assert "/stem/Relu" not in faltung("audit", model).stdout.partition("Not counted")[0]


def test_bad_input(refused, model: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "model.pt"
    pickled.write_bytes(b"\x80\x04N.")
    assert "pickled Python objects" in refused("audit", pickled)
    assert "there is no file" in refused("audit", tmp_path / "none.onnx")
    assert "is not a shape" in refused("audit", model, "--input", "1x3xtwo")
    assert "Did you mean 'macs'" in refused("audit", model, "--sort", "mac")
    assert "no layer of small.onnx fits --filter='nothing'" in refused("audit", model, "--filter", "nothing")
    assert "contradict each other" in refused("audit", model, "--json", "--markdown")
    assert "does not exist" in refused("audit", tmp_path / "folder" / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:200])
    refused("audit", broken)


def test_a_shape_that_does_not_fit_names_the_layer(refused, tmp_path: Path) -> None:
    message = refused("audit", small(tmp_path / "wrong.onnx", [1, 4, 32, 32]))
    assert "/stem/Conv" in message
    assert "4" in message
    message = refused("audit", small(tmp_path / "open.onnx", [1, 3, "height", "width"]))
    assert "height" in message


def test_help_says_how_modules_are_audited(faltung) -> None:
    text = faltung("audit", "--help").stdout
    assert "faltung.audit(model, (1, 3, 224, 224))" in " ".join(text.split())


def test_a_report_of_a_file_and_a_picture(faltung, refused, model: Path, photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("matplotlib")
    page = tmp_path / "report.html"
    assert "--html names none" in refused("audit", model, "--image", photo)
    assert faltung("audit", model, "--image", photo, "--html", page).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert 'id="maps"' in text
    assert 'id="shifts"' in text
    assert 'id="heat"' not in text
