"""What is exported as a picture is what the page shows: the step that the player stands at, and the cell that is held."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from faltung.app.answers import answer
from tests.app.whole.conftest import Open
from tests.app.whole.reader import Reader

pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")

STATE = {"input_size": [4, 4], "in_channels": 2, "out_channels": 2, "groups": 2}
FRAGMENT = "input_size=4x4&in_channels=2&out_channels=2&groups=2"


def exported(reader: Reader, title: str, folder: Path) -> bytes:
    with reader.page.expect_download() as waiting:
        reader.page.get_by_role("button", name=title, exact=True).click()
    path = folder / "exported"
    waiting.value.save_as(path)
    return path.read_bytes()


def drawn(file_format: str, **at: Any) -> bytes:
    asked = {"state": STATE, "format": file_format, "theme": "light"}
    return base64.b64decode(answer("export", asked | ({"at": at} if at else {}))["base64"])


def test_the_step_of_the_player_and_the_cell_that_is_held(open_page: Open, tmp_path: Path) -> None:
    reader = open_page(FRAGMENT)
    for _ in range(3):
        reader.page.get_by_role("button", name="Step forward").click()
    stepped = {"frame": 2, "item": {"grid": "output", "channel": 0, "place": 1}}  # of 2 channels, cell after cell
    assert exported(reader, "PNG", tmp_path) == drawn("png", **stepped)
    assert exported(reader, "SVG", tmp_path) == drawn("svg", **stepped)
    reader.page.locator('.views-input .views-cell[data-key="21"]').click()  # of channel 1, in the second row
    held = {"frame": 2, "item": {"grid": "input", "channel": 1, "place": 5}}
    assert exported(reader, "PNG", tmp_path) == drawn("png", **held) != drawn("png", **stepped)
    reader.page.keyboard.press("Escape")
    reader.page.get_by_role("button", name="by product").click()
    reader.page.get_by_role("button", name="Step forward").click()
    assert exported(reader, "PNG", tmp_path) == drawn("png", **stepped, made=2)
    assert exported(reader, "Moving SVG", tmp_path) == drawn("svg")


def test_the_second_stage(open_page: Open, tmp_path: Path) -> None:
    then = [{"kernel_size": [1, 1], "out_channels": 3}]
    reader = open_page('input_size=3x3&then=[{"kernel_size":[1,1],"out_channels":3}]'.replace('"', "%22"))
    reader.page.get_by_role("button", name="2. pointwise").first.click()
    reader.page.get_by_role("button", name="Last step").click()
    at = {"stage": 1, "item": {"grid": "output", "channel": 2, "place": 0}}
    asked = {"state": {"input_size": [3, 3], "then": then}, "format": "png", "theme": "light", "at": at}
    assert exported(reader, "PNG", tmp_path) == base64.b64decode(answer("export", asked)["base64"])


def test_the_page_says_that_it_is_busy(open_page: Open) -> None:
    reader = open_page("input_size=4x4")
    seen = []

    def hold(route: Any) -> None:
        seen.append(
            reader.page.evaluate("""() => {
                const panel = document.querySelector("section.export"), bar = panel.querySelector("progress");
                return [panel.ariaBusy, bar.checkVisibility(), panel.querySelector("[role=status]").textContent,
                        [...panel.querySelectorAll("button")].every((button) => button.disabled)];
            }""")
        )
        route.continue_()

    reader.page.route("**/ask/export", hold)
    with reader.page.expect_download():
        reader.page.get_by_role("button", name="GIF", exact=True).click()
    assert seen == [["true", True, "GIF is being made …", True]]
    reader.page.get_by_role("status").get_by_text("is downloaded").wait_for()
    assert not reader.page.locator("section.export progress").is_visible()
    assert reader.page.get_by_role("button", name="GIF", exact=True).is_enabled()
