"""Questions of the page, as anybody may send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from faltung.app.answers import QUESTIONS, answer
from tests.fuzz.draw import Draw

__all__ = ["check", "seeds"]

FIELDS = (
    "state", "ndim", "in_channels", "input_size", "reading", "x", "then", "out_channels", "kernel_size", "stride",
    "padding", "padding_mode",
    "dilation", "groups", "bias", "transposed", "output_padding", "flip", "weight", "bias_values", "text", "format", "style", "theme",
    "at", "stage", "frame", "made", "item", "grid", "channel", "place", "upload", "kernel", "colour", "matrices",
    "name", "input", "values", "scale",
)  # fmt: skip
VALUES = (
    None, True, False, 0, 1, 2, 3, 5, -1, 1.5, 1e308, float("nan"), float("inf"), 2**16, 2**31, 2**62, 2**63, 2**64,
    "", "same", "full", "circular",
    "reflect", "svg", "png", "gif", "html", "mp4", "dark", "light", "sobel_x", "gaussian(5, 1)", "auto", "both",
    "output", "conv2d(1, 1, 3)",
    "conv1d(1, 1, 99999999)", "<script>", "\0", "é" * 50, "9" * 400, [3, 3], [5, 5], [1, 2, 3], [[1, 2], [3, 4]], [], {}, [[]],
)  # fmt: skip
SLOW = ("gif", "mp4")


def value(draw: Draw, depth: int) -> Any:
    kind = draw.below(8)
    if depth == 0 or kind < 5:
        return draw.one_of(VALUES)
    if kind == 5:
        return [value(draw, depth - 1) for _ in range(draw.below(4))]
    if kind == 6:
        return draw.huge()
    return {draw.one_of(FIELDS): value(draw, depth - 1) for _ in range(draw.below(5))}


def state(draw: Draw) -> dict[str, Any]:
    """Mostly a good one with some fields that are not."""
    sides = [draw.between(1, 3), draw.between(1, 4)]
    good = {"kernel_size": sides, "input_size": [draw.between(1, 7), draw.between(1, 7)], "stride": [1, draw.between(1, 3)]}
    good |= {"padding": draw.one_of((0, [1, 1], "same", [[0, 1], [2, 0]])), "transposed": draw.chance(3), "in_channels": draw.between(1, 3)}
    for _ in range(draw.below(4)):
        good[draw.one_of(FIELDS[1:20])] = value(draw, 2)
    return good


def check(data: bytes) -> None:
    draw = Draw(data)
    if draw.byte() % 4 == 3:
        try:
            body = json.loads(draw.rest())
        except (ValueError, RecursionError):
            return
        question = "show"
        if isinstance(body, dict) and isinstance(body.get("question"), str):
            question = body["question"]
    else:
        question = draw.one_of((*QUESTIONS, "show", "show", "show", "nothing"))
        body = {"state": state(draw)}
        for _ in range(draw.below(4)):
            body[draw.one_of(FIELDS)] = value(draw, 2)
    if isinstance(body, dict) and body.get("format") in SLOW:
        return
    found = answer(question, body)
    assert isinstance(found, dict)
    text = json.dumps(found)
    assert len(text) < 64 << 20, len(text)


def seeds() -> Iterator[bytes]:
    for body in (
        {"state": {"kernel_size": [3, 3], "input_size": [5, 5]}},
        {"question": "read", "text": "conv2d(1, 1, 3, stride=2)", "state": {"ndim": 1, "kernel_size": [3], "input_size": [9]}},
        {"question": "export", "format": "svg", "state": {"transposed": True, "stride": [2, 2], "padding": [[1, 0], [0, 1]]}},
        {"state": {"x": {"values": [[1, 2], [3, 4]]}, "then": [{"kernel_size": [2, 2], "out_channels": 2}]}, "matrices": False},
    ):
        yield b"\3" + json.dumps(body).encode()
