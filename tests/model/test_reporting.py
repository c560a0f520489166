"""`report`: one page, whole where everything can be measured and honest where not."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import torch
from faltung.model import Preprocess, Report, report
from torch import nn

pytest.importorskip("matplotlib").use("agg")
VOID = {"meta", "link", "img", "source", "br", "input", "wbr"}


def classifier() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    ).eval()  # fmt: skip


def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 40, 50)).astype(np.uint8)


class Tags(HTMLParser):
    """The open elements, which must close in order; all links and places."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.links: set[str] = set()
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places.add(given.get("id") or "")
        if tag == "a" and (given.get("href") or "").startswith("#"):
            self.links.add(str(given["href"])[1:])
        assert not str(given.get("src") or given.get("srcset") or "data:").startswith("http")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


@pytest.fixture(scope="module")
def found() -> Report:
    steps: list[tuple[int, int, str]] = []
    made = report(
        classifier(), photo(), preprocess=Preprocess((32, 32)), labels=["a", "b", "<c>"], progress=lambda *step: steps.append(step)
    )
    assert [number for number, _, _ in steps] == list(range(5))
    return made


def test_everything_is_measured(found: Report) -> None:
    assert not found.missing
    assert found.shown == ("0", "2")
    assert found.receptive_field is not None
    assert found.receptive_field.layer == "2"
    assert found.receptive_field.effective is not None
    assert found.heat is not None
    assert found.label == ["a", "b", "<c>"][found.heat.target]
    assert found.equivariance is not None
    assert found.picture is not None
    assert found.picture.shape == (3, 32, 32)


def test_the_page_is_whole(found: Report, tmp_path: Path) -> None:
    text = found.save(tmp_path / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.stack == []
    assert tags.links <= tags.places
    assert {"picture", "field", "maps", "shifts", "cost"} <= tags.places
    assert "missing" not in tags.places
    # Each picture once for light and once for dark paper.
    light, dark = re.findall(r'<img src="([^"]+)"', text), re.findall(r'<source srcset="([^"]+)"', text)
    assert len(light) == len(dark) > 5
    assert all(one != other for one, other in zip(light, dark, strict=True))
    assert "<c>" not in text


class Brightness(nn.Module):
    """One number a picture, and no classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).mean(dim=(1, 2, 3))


def test_what_is_no_classifier_has_no_heat() -> None:
    one = report(Brightness(), np.ones((1, 3, 12, 12), np.float32))
    assert one.heat is None
    assert one.picture is None
    assert [line.partition(":")[0] for line in one.missing] == ["heat map"]
    tags = Tags()
    tags.feed(one.to_html())
    assert {"missing", "cost"} <= tags.places


def test_names_of_layers_are_escaped() -> None:
    network = nn.Sequential()
    network.add_module("<script>alert(1)</script>", nn.Conv2d(3, 2, 3))
    text = report(network, np.zeros((1, 3, 12, 12), np.float32)).to_html()
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
