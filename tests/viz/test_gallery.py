"""The gallery: every kind of the catalogue, every case drawn."""

from __future__ import annotations

import re

import pytest

from faltung.spec import ConvSpec
from faltung.viz.gallery import CASES, Case, case, write_gallery


def test_every_kind_is_there() -> None:
    kinds = set().union(*(ConvSpec.parse(text).kinds for one in CASES for text in one.specs))
    wanted = {"standard", "depthwise", "dilated", "transposed", "grouped", "pointwise", "circular", "strided", "causal", "flipped"}
    assert wanted | {"reflect", "replicate", "symmetric"} <= kinds
    assert {"depthwise-separable", "separable", "rgb", "receptive-field"} <= {one.name for one in CASES}


def test_names_are_unique_and_found() -> None:
    assert [case(one.name) for one in CASES] == list(CASES)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_each_is_drawn(one: Case) -> None:
    animation = one.animation()
    svg = animation.to_svg()
    assert animation.frames > 1
    assert len(svg) < 200_000
    assert "@media (prefers-reduced-motion" in svg


def test_the_page(tmp_path) -> None:
    written = list(write_gallery(tmp_path / "gallery", formats=("svg",)))
    page = written[-1].read_text(encoding="utf-8")
    assert re.findall(r'src="([^"]+)"', page) == [path.name for path in written[:-1]] == [f"{one.name}.svg" for one in CASES]
    assert all(path.stat().st_size for path in written)
