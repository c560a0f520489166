"""A stranger's path through the page, from opening it to a link that brings everything back.

With `FALTUNG_SCREENSHOTS` naming a folder, a picture of every step is left there, in both themes and two widths.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.app.whole.conftest import Open
from tests.app.whole.reader import Reader

Image = pytest.importorskip("PIL.Image")
functional = pytest.importorskip("torch.nn.functional")
torch = pytest.importorskip("torch")


def output_cells(reader: Reader) -> list[str]:
    return [text.replace("−", "-") for text in reader.page.locator(".views-output .views-tile .views-cell").all_inner_texts()]


def transposed_by_pytorch(reader: Reader, stride: int) -> list[str]:
    """What stands in the output, from the input and the kernel that stand on the page."""

    def grid(name: str) -> Any:
        cells = reader.page.locator(f".views-{name} .views-tile .views-cell" if name == "input" else f".views-{name} .views-cell")
        numbers = [float(text.replace("−", "-")) for text in cells.all_inner_texts()]
        side = round(len(numbers) ** 0.5)
        return torch.tensor(numbers).reshape(1, 1, side, side)

    result = functional.conv_transpose2d(grid("input"), grid("kernel"), stride=stride)
    return [f"{number:g}" for number in result.flatten().tolist()]


SCREENSHOTS = os.environ.get("FALTUNG_SCREENSHOTS", "")
WIDTHS = [1280, 390] if SCREENSHOTS else [1280]
THEMES = ["light", "dark"] if SCREENSHOTS else ["light"]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_stranger_finds_the_way(open_page: Open, tmp_path: Path, width: int, theme: str) -> None:
    reader = open_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = reader.page
    steps = iter(range(1, 20))

    def picture(name: str) -> None:
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS) / f"{width}-{theme}-{next(steps):02}-{name}.png", full_page=True)

    picture("opened")
    if width < 800:
        page.get_by_text("Controls", exact=True).click()
    reader.tick("Transposed")
    reader.go("transposed=true&input_size=4x4")  # as the link of a colleague
    assert output_cells(reader) == transposed_by_pytorch(reader, 1)
    picture("transposed")

    formula = page.locator(".views-formula .views-title")
    cell = page.locator(".views-output .views-tile .views-cell").nth(7)
    cell.hover()
    hovered = formula.inner_text()
    assert hovered.startswith("y[0, 1, 1] = ")
    picture("hovered")
    cell.click()
    page.locator("h1").hover()
    assert formula.inner_text() == hovered
    picture("pinned")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Step forward", exact=True).click()
    page.get_by_role("button", name="Step forward", exact=True).click()
    assert formula.inner_text().startswith("x[0, 0, 1] = 0 feeds 9 outputs")
    picture("stepped")

    for label in ("Stride, height", "Stride, width"):
        reader.set(label, 2)
    page.get_by_role("button", name="Last step", exact=True).click()
    assert output_cells(reader) == transposed_by_pytorch(reader, 2)
    picture("stride")

    reader.set("Output padding, height", 2)
    assert "output_padding=2" in reader.problem()
    picture("broken")
    page.locator(".remedies button").first.click()
    reader.settle()
    assert reader.problem() == ""
    picture("mended")

    photo = np.random.default_rng(7).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photograph.png")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photograph …").click()
    chooser.value.set_files(tmp_path / "photograph.png")
    page.get_by_role("img", name="The result").wait_for()
    reader.press("Use it as the input above, made small")
    reader.until(lambda: "x=[" in reader.fragment)
    picture("photograph")

    with page.expect_download() as download:
        page.get_by_role("button", name="GIF", exact=True).click()
    download.value.save_as(tmp_path / "picture.gif")
    with Image.open(tmp_path / "picture.gif") as gif:
        assert gif.n_frames > 15

    page.get_by_role("tab", name="NumPy").click()
    code = str(page.get_by_role("region", name="Code").text_content())
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [f"{float(word):g}" for word in said.replace("[", " ").replace("]", " ").split()] == [
        f"{float(text):g}" for text in output_cells(reader)
    ]

    before = output_cells(reader), reader.facts(), reader.fragment
    page.reload()
    reader.settle()
    assert (output_cells(reader), reader.facts(), reader.fragment) == before
    picture("reloaded")
