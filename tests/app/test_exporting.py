"""Exports are files that the programmes they are for can open."""

from __future__ import annotations

import base64
import io
import json
from xml.etree import ElementTree as ET

import pytest
from jsonschema_rs import Draft202012Validator

from faltung.app import exporting
from faltung.app.answers import answer
from faltung.viz.scene import schema

STATE = {"kernel_size": [3, 3], "input_size": [4, 4]}


def exported(**asked) -> bytes:
    given = answer("export", {"state": STATE, **asked})
    assert given["name"] == f"standard-convolution.{asked['format']}"
    assert given["mime"] == exporting.FORMATS[asked["format"]][1]
    return base64.b64decode(given["base64"], validate=True)


@pytest.mark.parametrize("style", exporting.STYLES)
def test_a_moving_svg_and_the_still_of_a_step(style: str) -> None:
    moving, still = (
        exported(format="svg", style=style).decode(),
        exported(format="svg", style=style, at={"frame": 0}, theme="dark").decode(),
    )
    assert ET.fromstring(moving).tag.endswith("svg")
    assert "@keyframes" in moving
    assert "@keyframes" not in still
    assert ET.fromstring(still).tag.endswith("svg")


def test_png_and_gif_have_as_many_frames_as_there_are_steps() -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    with image.open(io.BytesIO(exported(format="png", at={"frame": 1}))) as picture:
        assert (picture.format, getattr(picture, "n_frames", 1)) == ("PNG", 1)
        first = picture.convert("RGB").tobytes()
    with image.open(io.BytesIO(exported(format="png", at={"frame": 2}))) as picture:
        assert picture.convert("RGB").tobytes() != first
    with image.open(io.BytesIO(exported(format="gif"))) as film:
        assert (film.format, film.n_frames) == ("GIF", 4)


def test_long_films_are_drawn_smaller(monkeypatch) -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    with image.open(io.BytesIO(exported(format="gif"))) as film:
        width, height = film.size
    monkeypatch.setattr(exporting, "MOST_GIF_PIXELS", width * height)
    with image.open(io.BytesIO(exported(format="gif"))) as film:
        assert film.size == pytest.approx((width / 2, height / 2), abs=1)


def test_files_of_many_layers_have_names_of_a_bearable_length() -> None:
    state = {"kernel_size": [2], "input_size": [9], "then": [{"kernel_size": [2], "dilation": [2]}] * 3}
    assert answer("export", {"state": state, "format": "json"})["name"] == "standard-convolution-then-dilated-convolution-then-dilated.json"


def test_the_page_needs_nothing_but_itself() -> None:
    page = exported(format="html").decode()
    assert page.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in page


def test_data_are_the_state_and_the_scene() -> None:
    data = json.loads(exported(format="json"))
    Draft202012Validator(schema()).validate(data["scene"])
    assert answer("show", {"state": data["state"]})["scene"]["stages"][0]["spec"] == data["scene"]["stages"][0]["spec"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"format": "pdf"}, "format='pdf' is not known"),
        ({"format": "svg", "style": "oblique"}, "style='oblique' is not known"),
        ({"format": "svg", "theme": "pink"}, "theme='pink' is not known"),
        ({"format": "png", "at": {"frame": 4}}, "frame=4 is not there: there are 4"),
        ({"format": "png", "at": {"frame": -1}}, "frame=-1 is no whole number from 0"),
        ({"format": "svg", "at": {"stage": 1}}, "stage=1 is not there: there are 1"),
        ({"format": "svg", "at": {"frame": 0, "made": 10}}, "made=10 is not there: there are 10"),
        ({"format": "svg", "at": 3}, "at=3 is no object"),
        ({"format": "svg", "at": {"item": [1]}}, "item=[1] is no object"),
        ({"format": "svg", "at": {"item": {"grid": "weight", "channel": 0, "place": 0}}}, "grid='weight' is not known"),
        ({"format": "svg", "at": {"item": {"grid": "input", "channel": 1, "place": 0}}}, "channel=1 is not there: there are 1"),
        ({"format": "svg", "at": {"item": {"grid": "kernel", "channel": 0, "place": 9}}}, "place=9 is not there: there are 9"),
        ({"format": "svg", "at": {"item": {"grid": "bias", "channel": 0, "place": 0}}}, "channel=0 is not there: there are 0"),
        ({}, "format=None is no text"),
        ({"format": "png", "state": {"kernel_size": 9}}, "no output along axis 0"),
        ({"format": "gif", "state": {"input_size": 70}}, "more than 4096"),
        ({"format": "gif", "state": {"input_size": 30}}, "a moving picture would have 784 steps, more than 400"),
    ],
)
def test_what_cannot_be_exported_is_a_problem(asked, told: str) -> None:
    assert told in answer("export", {"state": STATE, **asked})["problem"]["message"]
