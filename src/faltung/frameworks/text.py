"""Python source in the usual layout: on one line, on one indented line, or one entry a line, as it fits."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

__all__ = ["WIDTH", "assign", "call", "listing"]

WIDTH = 110


def call(name: str, arguments: Iterable[str], *, room: int = WIDTH) -> str:
    """``name(arguments)``, on one line if that is not longer than `room`; `room` 0 puts each on its own.

    An argument may carry a comment: ``"x  # the input"``. A single list is not indented further.

    >>> print(call("nn.Conv2d", ["3", "8  # out", "kernel_size=(3, 3)"]))
    nn.Conv2d(
        3,
        8,  # out
        kernel_size=(3, 3),
    )
    """
    listed = list(arguments)
    if len(listed) == 1 and listed[0].startswith("["):
        return f"{name}({listed[0]})"
    return _bracketed(f"{name}(", listed, ")", room)


def listing(items: Iterable[str], *, room: int = WIDTH) -> str:
    """``[items]``, on one line if that is not longer than `room`; `room` 0 puts each on its own.

    >>> listing(["1", "2"])
    '[1, 2]'
    """
    return _bracketed("[", list(items), "]", room)


def assign(target: str, name: str, arguments: Iterable[str]) -> str:
    """``target = name(arguments)``."""
    return f"{target} = {call(name, arguments, room=WIDTH - len(target) - 3)}"


def _bracketed(opening: str, entries: list[str], closing: str, room: int) -> str:
    joined = ", ".join(entries)
    if not any("\n" in entry or "  # " in entry for entry in entries):
        if len(opening + joined + closing) <= room:
            return f"{opening}{joined}{closing}"
        if len(joined) + 4 <= room:
            return f"{opening}\n    {joined}\n{closing}"
    return f"{opening}\n{''.join(_line(entry) for entry in entries)}{closing}"


def _line(entry: str) -> str:
    code, comment = entry, ""
    if "\n" not in entry and "  # " in entry:
        code, comment = entry.split("  # ", 1)
        comment = "  # " + comment
    return indent(code, "    ") + "," + comment + "\n"
