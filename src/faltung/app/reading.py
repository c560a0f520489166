"""Text that people have in hand as a state: a PyTorch constructor or repr, a spec, a link of the page."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from typing import Any

from faltung.app.addresses import state_of_address
from faltung.app.checking import check
from faltung.app.state import MAX_LAYERS, MAX_SIZE, State
from faltung.errors import ConvError, ConvSpecError, shown
from faltung.spec import ConvSpec

__all__ = ["read_text"]

MAX_TEXT = 1_000_000

_EXAMPLE = "Paste for example nn.Conv2d(3, 8, 3, padding=1), conv1d(1, 1, 3, dilation=2), or a link of this page."


def read_text(text: str, current: State | None = None) -> State:
    """The state that `text` spells.

    Parameters
    ----------
    text : str
        What `ConvSpec.parse` reads, also as it is assigned or printed; several convolutions one after the other, as a printed
        ``nn.Sequential`` has them; the JSON of a state; or the page's address.
    current : State, optional
        Its input size is kept where a constructor, which has none, fits it.

    Raises
    ------
    ConvError
        It can be read as none of them.

    >>> read_text("nn.Conv2d(3, 8, 3, padding=1, bias=False)").first.out_channels
    8
    """
    if len(text) > MAX_TEXT:
        raise ConvSpecError(f"the text has {len(text)} characters, more than {MAX_TEXT}.", _EXAMPLE)
    stripped = text.strip()
    if stripped.startswith("{"):
        return State.from_dict(_json(stripped))
    if "://" in stripped[:12] or stripped.startswith("#"):
        return state_of_address(stripped)
    return _of_specs(_specs_of(stripped), current)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConvSpecError(f"this is no JSON: {str(error)[:200]}.", _EXAMPLE) from None


# -- constructors and printed modules --------------------------------------------------------------


def _specs_of(text: str) -> list[ConvSpec]:
    """The convolutions that a constructor, an assignment or a printed module tells of, in their order."""
    starts = list(_CALL.finditer(text))
    if not starts:
        return [ConvSpec.parse(text)]
    if len(starts) > MAX_LAYERS:
        raise ConvSpecError(f"the text tells of {len(starts)} convolutions, at most {MAX_LAYERS} are shown.", "Paste fewer of them.")
    calls = [text[start.start() : _end(text, start.end())] for start in starts]
    rest = text
    for call in calls:
        rest = rest.replace(call, "", 1)
    for name in re.findall(r"([A-Za-z_]\w*)\(", rest):
        if not _WITHOUT_SIZES.fullmatch(name):
            raise ConvSpecError(
                f"{shown(name)} stands beside the convolutions, and may change sizes between them.", "Paste the convolutions alone."
            )
    specs = [ConvSpec.parse(call) for call in calls]
    for number, (one, after) in enumerate(itertools.pairwise(specs), start=1):
        if after.in_channels != one.out_channels or after.ndim != one.ndim:
            raise ConvSpecError(
                f"convolution {number + 1} takes {after.in_channels} channels on {after.ndim} axes, "
                f"convolution {number} gives {one.out_channels} on {one.ndim}.",
                "Paste layers of which each takes what the one before gives.",
            )
    return specs


_CALL = re.compile(r"(?<![\w.])(?:[A-Za-z_]\w*\.)*[Cc]onv\w*\(")
_WITHOUT_SIZES = re.compile(
    r"Sequential|Identity|Dropout\w*|BatchNorm\w*|\w*Norm|\w*ReLU6?|SiLU|GELU|ELU|Hardswish|Hardsigmoid|Sigmoid|Tanh"
)
"""Modules that leave the shape as it is; they are left out."""


def _end(text: str, start: int) -> int:
    """Behind the parenthesis that closes the one before `start`."""
    depth = 1
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place + 1
    return len(text)


def _of_specs(specs: list[ConvSpec], current: State | None) -> State:
    """The specs as a state, on the current input where it fits, else on a small one."""
    first, *others = specs
    fields = {"ndim": first.ndim, "in_channels": first.in_channels, **_layer(first), "then": [_layer(spec) for spec in others]}
    state = State.from_dict(fields)
    smallest = {1: 9, 2: 7, 3: 4}[first.ndim]
    candidates = [current.input_size] if current is not None and current.ndim == first.ndim else []
    candidates += [tuple(min(max(size, extent), MAX_SIZE) for extent in first.effective_kernel_size) for size in (smallest, 16, 32, 224)]
    for size in candidates:
        sized = replace(state, input_size=size)
        try:
            check(sized)
        except ConvError:
            continue
        return sized
    return replace(state, input_size=candidates[0])


def _layer(spec: ConvSpec) -> dict[str, Any]:
    fields = {name: value for name, value in spec.to_dict().items() if name not in ("in_channels", "ndim")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
