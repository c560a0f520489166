"""The address of the page as a state: ``#in_channels=2&kernel_size=3x3&padding=1x0,1&transposed=true&weight=sobel_x``.

The page itself writes and reads its address (``page/address.js``); here it is read where somebody pastes one as text.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from typing import Any

from faltung.app.state import State
from faltung.errors import ConvSpecError, shown

__all__ = ["state_of_address"]

_AXES = ("input_size", "kernel_size", "stride", "dilation", "output_padding")
_NUMBERS = ("x", "weight", "bias_values")
_NOT_OF_THE_STATE = ("token",)


def state_of_address(address: str) -> State:
    """The state in the fragment of an address; what it leaves out has its default.

    Raises
    ------
    ConvSpecError
        It has no fields; or as of `State.from_dict`.

    >>> state_of_address("http://127.0.0.1:8765/#token=abc&kernel_size=3x5&padding=1x0,2").first.padding
    ((1, 1), (0, 2))
    """
    fields: dict[str, Any] = {}
    for part in address.partition("#")[2].split("&"):
        name, sign, value = part.partition("=")
        if sign and name not in _NOT_OF_THE_STATE:
            fields[name] = _read(name, urllib.parse.unquote(value))
    if not fields:
        raise ConvSpecError(
            f"the address {shown(address)} tells of no layer.",
            "Paste one that ends like #kernel_size=3x3&stride=2x2, as the page writes it.",
        )
    return State.from_dict(fields)


def _read(name: str, text: str) -> Any:
    """A field as it is written: axes by "x", sides by ",", numbers as JSON, everything else a word."""
    if name in _AXES:
        return [_json(entry) for entry in text.split("x")]
    if name == "padding" and re.fullmatch(r"[-0-9,x]+", text):
        return [[_json(side) for side in pair.split(",")] if "," in pair else _json(pair) for pair in text.split("x")]
    if name in _NUMBERS:
        return {"values": _json(text)} if re.match(r"[\[\-0-9]", text) else None if text == "null" else {"named": text}
    return _json(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
