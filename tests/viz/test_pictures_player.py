"""The player: a page that requests nothing, a fragment that shares a notebook with others, hostile words."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from faltung.viz.pictures.animation import Animation
from faltung.viz.pictures.drawing import Drawing, Text
from faltung.viz.pictures.palette import PALETTES
from tests.viz.sample_drawing import sample

ANIMATION = Animation(sample())
HOSTILE = "</script><script>alert(1)</script></style></title><!-- <img src=x onerror=alert(2)> \"' {{x}} &amp; \x00"
VOID = {"meta", "link", "input", "path", "rect", "polygon", "img", "br"}


class Page(HTMLParser):
    """Elements with their attributes, and the text of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str) -> list[str]:
        return [data for name, data in self.texts if name == tag]


def test_the_page_requests_nothing_and_its_policy_knows_its_own() -> None:
    text = ANIMATION.to_html()
    page = Page(text)
    for _, attributes in page.elements:
        assert not {"src", "srcset", "action", "style"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(|fetch\(|import\(", text)
    (policy,) = (meta["content"] or "" for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        own = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashes = ["'sha256-" + base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() + "'" for part in own]
        assert rules[rule].split() == hashes
        assert len(own) == len(page.all(tag)) == {"style": 2, "script": 1}[tag]


def test_controls_have_names_and_wait_for_the_script() -> None:
    page = Page(ANIMATION.to_html())
    buttons = page.all("button")
    assert [button["data-do"] for button in buttons] == ["first", "back", "toggle", "forward", "last"]
    assert all(button["aria-label"] and button["type"] == "button" for button in buttons)
    assert all(element["aria-label"] for tag in ("input", "select") for element in page.all(tag))
    (controls,) = (element for element in page.all("div") if element.get("class") == "faltung-controls")
    assert "hidden" in controls
    assert [element["aria-live"] for element in page.all("p")] == ["polite"]
    assert page.text("title") == page.text("h1") * 2 == [ANIMATION.title] * 2  # of the page and of the picture


def test_every_frame_is_said_in_words_and_shown_without_script() -> None:
    page = Page(ANIMATION.to_html())
    assert page.text("li") == list(ANIMATION.captions)
    groups = [tuple(map(int, (group["data-frames"] or "").split())) for group in page.all("g")]
    seen = [group for group in page.all("g") if group.get("visibility") != "hidden"]
    assert len(seen) == sum(first <= 8 < end for first, end in groups)
    assert "@keyframes" in ANIMATION.to_html()


@pytest.mark.parametrize("whole", [True, False])
def test_hostile_words_stay_words(whole: bool) -> None:
    drawing = Drawing(40, 40, (Text((9, 9), HOSTILE, "text", 9),), 2, HOSTILE, (HOSTILE, "</li><script>alert(3)</script>"))
    friendly = Drawing(40, 40, (Text((9, 9), "a", "text", 9),), 2, "a", ("a", "a"))
    pages = [Page(Animation(each).to_html() if whole else Animation(each)._repr_html_()) for each in (drawing, friendly)]
    counts = [Counter(tag for tag, _ in page.elements) for page in pages]
    assert counts[0] == counts[1]
    said = HOSTILE.replace("\x00", "\ufffd")
    assert "".join(pages[0].text("li")).startswith(said)
    assert [element["aria-label"] for element in pages[0].all("div") if element.get("role") == "group"] == [said]


def test_fragments_of_one_page_do_not_meet() -> None:
    fragments = [Animation(sample(), name, theme)._repr_html_() for name in PALETTES for theme in ("auto", "light", "dark")]
    named: Counter[str] = Counter()
    for fragment in fragments:
        page = Page(fragment)
        assert not [attributes for _, attributes in page.elements if "id" in attributes]
        (player,) = (element for element in page.all("div") if element.get("role") == "group")
        look = (player["class"] or "").split()[1]
        (svg,) = (element["class"] or "" for element in page.all("svg") if "xmlns" in element)
        named.update([look, svg])
        style, drawn = page.text("style")
        selectors = re.findall(r"(?:^|\n)([^@\n}][^{}\n]*){", re.sub(r"@media[^{]*{", "", drawn))
        assert selectors
        assert all(f".{svg}" in selector for selector in selectors)
        assert set(re.findall(r"@keyframes ([\w-]+)", drawn)) == {f"{svg}-{number}" for number in range(16)}
        rules = re.findall(r"(?:^|\n)\s*([^@\s}][^{}\n]*){", style)
        assert len(rules) > 20
        assert all(".faltung-" in rule for rule in rules)
        assert f".{look}{{--page:" in style
    assert set(named.values()) == {1}


def test_fragments_follow_the_page_around() -> None:
    auto = ANIMATION._repr_html_()
    for host in ('[data-jp-theme-light="false"]', ".vscode-dark", "prefers-color-scheme:dark", 'data-lm-suppress-shortcuts="true"'):
        assert host in auto
    assert "prefers-color-scheme" not in Animation(sample(), theme="dark")._repr_html_()
    assert "<html" not in auto
    assert auto == ANIMATION._repr_html_()


def test_a_single_frame_needs_no_controls() -> None:
    page = Page(Animation(Drawing(40, 40, (), 1, "still", ("what it is",))).to_html())
    assert page.all("button") == page.all("input") == []
    assert page.text("li") == ["what it is"]


def test_loop_and_duration_reach_the_script() -> None:
    (player,) = (
        element for element in Page(Animation(sample(), seconds_per_frame=0.25).to_html(loop=False)).all("div") if "data-count" in element
    )
    assert (player["data-count"], player["data-seconds"], player["data-loop"]) == ("9", "0.25", "0")
