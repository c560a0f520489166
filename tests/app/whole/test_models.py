"""The second tab: a model's audit, and each of its convolutions in the playground with its own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.app.whole.reader import Reader

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
functional = pytest.importorskip("torch.nn.functional")
for needed in ("onnxruntime", "PIL"):
    pytest.importorskip(needed)

GENERATOR = np.random.default_rng(3)
FIRST = GENERATOR.integers(-3, 4, (4, 3, 3, 3)).astype(np.float32)
SECOND = GENERATOR.integers(-3, 4, (2, 4, 1, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions with a rectifier between, on 3 channels of 12 by 12."""
    helper, arrays = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="<b>relu"),
        helper.make_node("Conv", ["b", "w2"], ["y"], name="<img src=x onerror=alert(1)>"),
    ]
    graph = helper.make_graph(
        nodes, "two layers",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 12, 12])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 2, 6, 6])],
        [arrays.from_array(FIRST, "w1"), arrays.from_array(SECOND, "w2")],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("models") / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def load(reader: Reader, path: Path) -> None:
    reader.page.get_by_role("tab", name="Your model").click()
    with reader.page.expect_file_chooser() as chooser:
        reader.page.get_by_role("button", name="Choose an ONNX file …").click()
    chooser.value.set_files(path)
    reader.page.locator(".models[aria-busy=false]").wait_for()


def numbers(reader: Reader, selector: str) -> Any:
    texts = reader.page.locator(selector).all_inner_texts()
    return np.array([float(text.replace("−", "-")) for text in texts])


@pytest.fixture
def loaded(reader: Reader, model: Path) -> Reader:
    load(reader, model)
    return reader


def test_the_audit_counts_every_layer(loaded: Reader) -> None:
    table = loaded.page.locator(".layers-table")
    rows = [row.split("\t") for row in table.locator("tbody tr").all_inner_texts()]
    assert [rows[0][at].strip() for at in (0, 2, 3, 4)] == ["first", "3 × 12 × 12", "4 × 6 × 6", str(FIRST.size)]
    assert rows[0][5].strip() == "3.888 k"  # 108 weights at each of 6 * 6 places
    total = loaded.page.locator(".audit .facts tr", has_text="parameters").locator(".value").first
    assert total.inner_text() == str(FIRST.size + SECOND.size)
    assert table.get_by_role("button").count() == 2
    assert loaded.page.locator(".audit img").count() == 0


def test_axe_finds_nothing_wrong_with_it(loaded: Reader) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(loaded.page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"][:4]]) for one in found] == []


def test_a_layer_opens_with_its_own_numbers(loaded: Reader) -> None:
    loaded.page.get_by_role("button", name="first", exact=True).click()
    loaded.page.locator(".opened").wait_for()
    loaded.settle()
    assert loaded.page.get_by_role("tab", name="Convolution").get_attribute("aria-selected") == "true"
    x = numbers(loaded, ".views-input .views-tile .views-cell")
    assert len(set(x)) > 20  # a picture, not made-up numbers
    code: dict[str, Any] = {}
    exec(loaded.code("NumPy").replace("print(y)", ""), code)
    np.testing.assert_array_equal(code["weight"], FIRST[: len(code["weight"])])
    expected = functional.conv2d(torch.tensor(np.asarray(code["x"], np.float32))[None], torch.tensor(FIRST), stride=2, padding=1)
    np.testing.assert_allclose(np.squeeze(code["y"]), expected[0, : len(code["weight"])].numpy(), rtol=1e-4, atol=1e-4)
    assert code["x"].shape == (3, 12, 12)


def test_what_opens_is_text_and_can_be_undone(loaded: Reader) -> None:
    loaded.page.get_by_role("button", name="<img src=x onerror=alert(1)>", exact=True).click()
    loaded.page.locator(".opened").wait_for()
    loaded.settle()
    assert "<img src=x" in loaded.page.locator(".opened h2").inner_text()
    assert "kernel_size=1x1" in loaded.fragment
    loaded.set("Output channel shown first", 99)
    loaded.page.locator(".opened .wrong").wait_for()
    loaded.press("Undo")
    assert "kernel_size" not in loaded.fragment


def test_what_is_no_model_is_told(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"<script>alert(1)</script>")
    load(reader, tmp_path / "no.onnx")
    said = reader.page.locator(".models > [role=status]").inner_text()
    assert "no.onnx" in said
    assert "…" not in said
