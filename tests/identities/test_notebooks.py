"""What notebooks show of results that are no arrays."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import faltung as fl
from faltung import identities

KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 0.0, -1.0])

CIRCULAR = "conv1d(1, 1, 3, padding=1, padding_mode='circular')"
SHOWN = {
    "rewritten": (lambda: identities.flip("conv2d(1, 1, 3)", KERNEL[None, None]), "conv2d(1, 1, (3, 3), flip=True)"),
    "separation": (lambda: identities.separate(KERNEL, 1), "6 instead of 9, 33 % saved"),
    "circular": (lambda: identities.circular_as_fft(CIRCULAR, [[[1, 2, 1]]], None, 8), "(1, 1, 8)"),
    "plan": (lambda: fl.plan("conv2d(1, 1, 3)", (1, 1, 5, 5)), "kernel 3×3 is not 1 along every axis"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_it_is_a_table_in_the_colours_of_the_page(name: str) -> None:
    make, expected = SHOWN[name]
    html = make()._repr_html_()
    root = ET.fromstring(html.replace("scope=col", 'scope="col"').replace("scope=row", 'scope="row"'))
    assert expected in "".join(root.itertext())
    assert re.search(r"#[0-9a-fA-F]{3,6}\b(?!;)", html) is None  # no colour of its own
