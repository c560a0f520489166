"""Drawings as SVG: well-formed, small, and each shape visible in exactly its frames."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from faltung.errors import ConvSpecError
from faltung.viz.pictures.animation import Animation
from faltung.viz.pictures.drawing import Drawing, Line, Polygon, Text
from faltung.viz.pictures.palette import PALETTES
from tests.viz.sample_drawing import sample, square

SVG = "{http://www.w3.org/2000/svg}"
SAMPLE = sample()


def identity(element: ET.Element) -> tuple[str, ...]:
    """What tells shapes apart: kind of element, role, and where it is."""
    place = [element.get(name, "") for name in ("x", "y", "width", "points", "d")]
    return (element.tag.removeprefix(SVG), element.get("class", ""), *place, element.text or "")


def drawn(root: ET.Element) -> list[tuple[ET.Element, ET.Element | None]]:
    """Every shape from back to front, and the group that it is in."""
    found: list[tuple[ET.Element, ET.Element | None]] = []
    for element in root:
        if element.tag == f"{SVG}g":
            found += [(shape, element) for shape in element]
        elif element.tag not in (f"{SVG}title", f"{SVG}desc", f"{SVG}style"):
            found.append((element, None))
    return found


def style_of(root: ET.Element) -> str:
    style = root.find(f"{SVG}style")
    assert style is not None
    return style.text or ""


def visibility_at(style: str, group: ET.Element, share: float) -> bool:
    """What CSS shows of a group after that share of the animation."""
    number = re.fullmatch(r"a i(\d+)", group.get("class", ""))
    assert number
    name = re.search(rf"\.i{number[1]}{{animation-name:([\w-]+)}}", style)
    assert name
    rules = re.search(rf"@keyframes {name[1]}{{((?:[^{{}}]*{{[^{{}}]*}})*)}}", style)
    assert rules
    steps = sorted(
        (float(at.removesuffix("%")), state)
        for places, state in re.findall(r"([\d.%,]+){visibility:(visible|hidden)}", rules[1])
        for at in places.split(",")
    )
    assert steps[0][0] == 0
    assert steps[-1][0] == 100
    return [state for at, state in steps if at <= share][-1] == "visible"


def shown_in_frame(root: ET.Element, frame: int, frames: int) -> list[tuple[str, ...]]:
    style = style_of(root)
    share = 100 * (frame + 0.5) / frames
    return [identity(shape) for shape, group in drawn(root) if group is None or visibility_at(style, group, share)]


def test_each_frame_shows_its_shapes_from_back_to_front() -> None:
    root = ET.fromstring(Animation(SAMPLE).to_svg())
    for frame in range(9):
        still = [identity(shape) for shape, _ in drawn(ET.fromstring(Animation(SAMPLE).to_svg(frame)))]
        assert shown_in_frame(root, frame, 9) == still
        arrows = sum(isinstance(shape, Line) and shape.arrow for shape in SAMPLE.visible(frame))
        assert len(still) == 1 + len(list(SAMPLE.visible(frame))) + arrows
        texts = [shape.text for shape in SAMPLE.visible(frame) if isinstance(shape, Text)]
        assert [text for kind, *_, text in still if kind == "text"] == texts


def test_without_motion_the_last_frame_is_seen() -> None:
    root = ET.fromstring(Animation(SAMPLE).to_svg())
    seen = [identity(shape) for shape, group in drawn(root) if group is None or group.get("visibility") != "hidden"]
    assert seen == shown_in_frame(root, 8, 9)
    assert "@media (prefers-reduced-motion:reduce){" in style_of(root)


@pytest.mark.parametrize("seconds", [0.7, 0.02, 1.0])
def test_the_animation_takes_frames_times_seconds(seconds: float) -> None:
    style = style_of(ET.fromstring(Animation(SAMPLE, seconds_per_frame=seconds).to_svg()))
    found = re.findall(r"\.a{animation:([\d.]+)s step-end infinite forwards}", style)
    assert [float(duration) for duration in found] == pytest.approx([9 * seconds])
    assert "step-end 1 forwards" in Animation(SAMPLE).to_svg(loop=False)


def test_it_is_small() -> None:
    assert len(Animation(SAMPLE).to_svg().encode()) < 40_000


def test_intervals_beyond_the_frames_are_cut_and_empty_ones_left_out() -> None:
    kinds = [("input", (-3, 9)), ("output", (1, 9)), ("zero", (2, 2)), ("blank", (-1, 1))]
    shapes = tuple(Polygon(square(0, 0), role, frames) for role, frames in kinds)
    root = ET.fromstring(Animation(Drawing(40, 40, shapes, 2, "", ("", ""))).to_svg())
    roles = [[role for _, role, *_ in shown_in_frame(root, frame, 2)] for frame in (0, 1)]
    assert roles == [["background", "input", "blank"], ["background", "input", "output"]]


def test_one_frame_does_not_move() -> None:
    drawing = Drawing(40, 40, (Polygon(square(0, 0), "input", (0, 1)),), 1, "still", ("",))
    assert "animation" not in Animation(drawing).to_svg()


@pytest.mark.parametrize("palette", PALETTES)
def test_every_role_that_is_drawn_has_a_rule_in_both_themes(palette: str) -> None:
    root = ET.fromstring(Animation(SAMPLE, palette).to_svg())
    light, _, dark = style_of(root).partition("@media (prefers-color-scheme:dark)")
    scope = root.get("class")
    for shape, _ in drawn(root):
        selector = f".{scope} {shape.tag.removeprefix(SVG)}.{shape.get('class', '').replace(' ', '.')}{{"
        assert light.count(selector) == 1
        assert dark.count(selector) == 1
    unused = re.findall(r"(?:^|\n)\.\w+ \w+\.([\w-]+){", light)
    assert set(unused) <= {shape.get("class", "") for shape, _ in drawn(root)}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chosen_theme_asks_nobody(theme: str) -> None:
    svg = Animation(SAMPLE, theme=theme).to_svg()  # type: ignore[arg-type]
    assert "prefers-color-scheme" not in svg
    assert ("#15181e" in svg) == (theme == "dark")


def test_no_request_and_no_script() -> None:
    svg = Animation(SAMPLE).to_svg()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|<script|href", svg)


def test_hostile_words_stay_words() -> None:
    hostile = "</style></title><script>alert(1)</script> & \"' \x00\x1b\ud800 ]]>"
    drawing = Drawing(40, 40, (Text((9, 9), hostile, "text", 9),), 1, hostile, (hostile,))
    for text in (Animation(drawing).to_svg(), Animation(drawing).to_svg(0)):
        root = ET.fromstring(text.encode())
        assert Counter(element.tag for element in root.iter())[f"{SVG}script"] == 0
        said = [root.findtext(f"{SVG}{tag}") for tag in ("title", "text")]
        assert said == [hostile.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\ud800", "\ufffd")] * 2


def test_numbers_need_no_more_than_hundredths() -> None:
    svg = Animation(Drawing(10, 10, (Polygon(square(1 / 3, -0.0001, 2.5), "input"),), 1, "", ("",))).to_svg()
    assert '<rect class="input" x="0.33" y="0" width="2.5" height="2.5"/>' in svg


def test_scale_changes_the_size_only() -> None:
    one, two = Animation(SAMPLE).to_svg(), Animation(SAMPLE).to_svg(scale=1.5)
    assert two == one.replace('width="480" height="260"', 'width="720" height="390"')


def test_the_same_drawing_has_the_same_bytes_and_another_another_scope() -> None:
    assert Animation(SAMPLE).to_svg() == Animation(sample()).to_svg()
    scopes = {ET.fromstring(Animation(SAMPLE, palette).to_svg()).get("class") for palette in PALETTES}
    assert len(scopes) == len(PALETTES)


def test_too_many_shapes_are_refused_with_the_limit() -> None:
    drawing = dataclasses.replace(SAMPLE, shapes=SAMPLE.shapes[:1] * 50_001)
    for write in (Animation(drawing).to_svg, Animation(drawing).to_html, lambda: Animation(drawing).to_svg(0)):
        with pytest.raises(ConvSpecError, match=r"50001 shapes.*the limit is 50000"):
            write()
    assert "the limit is 50000" in Animation(drawing)._repr_html_()
