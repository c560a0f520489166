"""Blocks of code in Markdown, however deep they lie in directives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,}|:{3,})\s*([^`]*?)\s*$")
_WITHOUT_MARKDOWN = {"{code-cell}", "{eval-rst}", "{math}", "{toctree}", "{include}"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line's number, what stands behind the fence, its text, and how many directives are around it."""

    line: int
    info: str
    text: str
    depth: int

    @property
    def language(self) -> str:
        return self.info.split(" ")[0]


def blocks(markdown: str, first: int = 1, depth: int = 0) -> Iterator[Block]:
    """All blocks; directives that hold Markdown are gone into and are none themselves."""
    lines = markdown.split("\n")
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if not opened or not (opened[3] or opened[2][0] != ":"):
            at += 1
            continue
        fence = opened[2]
        closing = re.compile(rf"^\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
        end = next((line for line in range(at + 1, len(lines)) if closing.match(lines[line])), len(lines))
        inside = "\n".join(lines[at + 1 : end])
        info = opened[3]
        if info.startswith("{") and info.split(" ")[0] not in _WITHOUT_MARKDOWN:
            yield from blocks(inside, first + at + 1, depth + 1)
        else:
            yield Block(first + at, info, inside, depth)
        at = end + 1
