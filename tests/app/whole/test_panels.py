"""Facts, plan, code, exports, photographs: what the reader takes away is right and opens elsewhere."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.app.whole.conftest import Open
from tests.app.whole.reader import Reader

Image = pytest.importorskip("PIL.Image")
torch = pytest.importorskip("torch")


def exported(reader: Reader, title: str, folder: Path) -> Path:
    with reader.page.expect_download() as waiting:
        reader.page.get_by_role("button", name=title, exact=True).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def numbers_shown(reader: Reader) -> list[str]:
    """What stands in the output's cells."""
    return [text.replace("−", "-") for text in reader.page.locator(".views-output .views-tile .views-cell").all_inner_texts()]


def test_the_code_that_is_copied_runs_and_gives_what_is_shown(reader: Reader) -> None:
    reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reader.go("transposed=true&stride=2x2&bias=true")
    reader.page.get_by_role("tab", name="NumPy").click()
    reader.page.get_by_role("button", name="Copy", exact=True).click()
    reader.page.get_by_role("status").get_by_text("copied").wait_for()
    code = reader.page.evaluate("navigator.clipboard.readText()")
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.replace("[", " ").replace("]", " ").split() == numbers_shown(reader)


def test_the_summary_says_what_the_facts_say(reader: Reader) -> None:
    reader.go("in_channels=3&out_channels=8&stride=2x2&input_size=9x9")
    entries = reader.page.locator(".summary div").all_inner_texts()
    layer = torch.nn.Conv2d(3, 8, 3, stride=2, bias=False)
    output = tuple(layer(torch.zeros(1, 3, 9, 9)).shape[1:])
    said = dict(entry.split("\n") for entry in entries)
    assert said["output"] == " × ".join(map(str, output))
    assert said["parameters"] == str(layer.weight.numel())
    assert said["MACs"].replace("\u202f", "").replace(" ", "").replace(",", "") == str(layer.weight.numel() * output[1] * output[2])
    assert said["receptive field"] == "3 × 3"
    reader.page.get_by_text("Why, and why not the others").click()
    assert reader.page.locator(".why .chosen th").inner_text() == said["computed by"]
    assert reader.page.locator(".why .refused").count() > 0


@pytest.mark.parametrize("title", ["SVG", "PNG", "GIF", "HTML", "JSON"])
def test_exports_open(reader: Reader, tmp_path: Path, title: str) -> None:
    reader.go("input_size=4x4")
    path = exported(reader, title, tmp_path)
    assert path.suffix == f".{title.lower()}"
    data = path.read_bytes()
    if title == "GIF":
        assert Image.open(io.BytesIO(data)).n_frames >= 4
    elif title == "PNG":
        assert Image.open(io.BytesIO(data)).convert("L").getextrema()[0] < 64
    elif title == "JSON":
        assert json.loads(data)["scene"]["stages"][0]["output"]["size"] == [2, 2]
    elif title == "SVG":
        assert data.startswith(b"<svg")
    else:
        page = reader.page.context.new_page()
        page.goto(path.as_uri())
        page.locator(".views-output .views-cell").first.wait_for()
        page.close()


def test_exports_say_what_is_wrong(reader: Reader) -> None:
    reader.go("kernel_size=9x9")
    assert reader.page.get_by_role("button", name="GIF", exact=True).is_disabled()


def test_a_photograph_becomes_the_input_and_is_filtered_at_full_resolution(reader: Reader, tmp_path: Path) -> None:
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[:, 45:] = 200
    Image.fromarray(picture).save(tmp_path / "<b>half.png")
    reader.go("input_size=4x6&weight=[[[[-1,0,1]]]]&kernel_size=1x3")
    with reader.page.expect_file_chooser() as chooser:
        reader.page.get_by_role("button", name="Choose a photograph …").click()
    chooser.value.set_files(tmp_path / "<b>half.png")
    result = reader.page.get_by_role("img", name="The result")
    result.wait_for()
    pixels = reader.page.evaluate(
        """async (image) => {
        await image.decode();
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return [canvas.width, canvas.height, ...context.getImageData(0, 30, canvas.width, 1).data.filter((_, at) => at % 4 === 0)];
    }""",
        result.element_handle(),
    )
    width, height, *row = pixels
    assert (width, height) == (88, 60)
    assert {at for at, level in enumerate(row) if level} == {43, 44}  # the windows over the edge, and no other
    assert "88 × 60 in " in reader.page.locator("figcaption").last.inner_text()
    reader.press("Use it as the input above, made small")
    reader.until(lambda: numbers_shown(reader)[:4] == ["0", "200", "200", "0"])
    reader.set("Input size, width", 8)  # the input is made anew of the photograph
    reader.until(lambda: numbers_shown(reader)[:6] == ["0", "0", "200", "200", "0", "0"])
    reader.page.get_by_role("combobox", name="Through").select_option("box")
    reader.until(lambda: "90 × 60" in reader.page.locator("figcaption").last.inner_text())


def test_what_is_no_photograph_is_told(open_page: Open, tmp_path: Path) -> None:
    reader = open_page()
    (tmp_path / "text.png").write_text("<svg onload=alert(1)>")
    with reader.page.expect_file_chooser() as chooser:
        reader.page.get_by_role("button", name="Choose a photograph …").click()
    chooser.value.set_files(tmp_path / "text.png")
    said = reader.page.locator(".photograph [role=status]")
    reader.until(lambda: "no image" in said.inner_text())
    assert "svg" not in said.inner_text()
    assert reader.page.get_by_role("img", name="The result").count() == 0


def test_pictures_that_are_no_longer_shown_are_given_back(open_page: Open) -> None:
    reader = open_page()
    reader.page.evaluate("""() => {
        window.held = new Set();
        const make = URL.createObjectURL, free = URL.revokeObjectURL;
        URL.createObjectURL = (blob) => { const url = make.call(URL, blob); window.held.add(url); return url; };
        URL.revokeObjectURL = (url) => { window.held.delete(url); free.call(URL, url); };
    }""")
    reader.press("Use the example")
    result = reader.page.get_by_role("img", name="The result")
    result.wait_for()
    for kernel in ("sobel_x", "sobel_y", "box"):
        before = result.get_attribute("src")
        reader.page.get_by_role("combobox", name="Through").select_option(kernel)
        reader.until(lambda before=before: result.get_attribute("src") != before)
    assert reader.page.evaluate("window.held.size") == 2  # the photograph and its result
