"""`faltung animate`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from faltung.viz.scene import schema


def test_a_gif(faltung, tmp_path) -> None:
    out = tmp_path / "a.gif"
    done = faltung("animate", "conv2d(1, 1, 3, stride=2, padding=1)", "--input", "5x5", "--out", out)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "strided convolution, 9 steps" in done.stdout.replace("\n", " ")
    with Image.open(out) as image:
        assert image.n_frames == 9


@pytest.mark.parametrize("options", [[], ["--style", "stacked"], ["--pyramid"], ["--no-numbers", "--theme", "dark", "--palette", "grey"]])
def test_an_svg(as_json, tmp_path, options) -> None:
    out = tmp_path / "a.svg"
    facts = as_json("animate", "conv2d(1, 1, 3)", "--out", out, *options)
    assert facts["frames"] == 9
    assert facts["input"] == [5, 5]
    assert facts["bytes"] == out.stat().st_size < 100_000
    assert ET.parse(out).getroot().tag.endswith("svg")


def test_a_still(faltung, tmp_path) -> None:
    paths = [tmp_path / f"{frame}.svg" for frame in (0, -1)]
    for path, frame in zip(paths, ("0", "-1"), strict=True):
        assert faltung("animate", "conv1d(1, 1, 3)", "--frame", frame, "--out", path).exit_code == 0
    first, last = (path.read_text() for path in paths)
    assert first != last
    assert "@keyframes" not in first


def test_several_stages_and_the_scene(faltung, tmp_path) -> None:
    out = tmp_path / "scene.json"
    assert faltung("animate", "conv2d(3, 3, 3, groups=3)", "conv2d(3, 4, 1)", "--input", "1x3x4x4", "--out", out).exit_code == 0
    made = json.loads(out.read_text())
    assert [stage["input"]["channels"] for stage in made["stages"]] == [3, 3]
    assert set(made) == set(schema()["properties"])


def test_the_default_size_holds_the_kernel(as_json, tmp_path) -> None:
    assert as_json("animate", "conv2d(1, 1, (7, 1), dilation=2)", "--out", tmp_path / "a.svg")["input"] == [13, 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conv2d(1, 1, 3)", "--out", "a.bmp"], "has the ending '.bmp'"),
        (["conv2d(1, 1, 3)", "--out", "a.svg", "--style", "oblique"], "style='oblique' is not known"),
        (["conv2d(1, 1, 3)", "--out", "a.svg", "--input", "224x224"], "more than 4096, the most that a scene shows"),
        (["conv2d(1, 1, 3)", "--out", "a.svg", "--frame", "9"], "frame=9 does not exist: there are 9"),
        (["conv2d(1, 1, 3)", "--out", "a.svg", "--frame", "last"], "--frame='last' is neither a number nor 'all'"),
        (["conv2d(1, 1, 3)", "--out", "no/where/a.svg"], "there is no folder"),
        (["conv2d(1, 1, 3)", "--out", "no/where/a.json"], "there is no folder"),
        (["conv4d(1, 1, 1)", "--out", "a.svg"], "4 spatial axes, pictures have up to 3"),
    ],
)
def test_what_can_be_wrong(refused, tmp_path, monkeypatch, arguments, message) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in " ".join(refused("animate", *arguments).split())
    assert list(tmp_path.iterdir()) == []
