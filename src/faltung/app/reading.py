"""Text that people have in hand as a state: a PyTorch constructor or repr, a spec, a link of the page."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from faltung.app.addresses import state_of_address
from faltung.app.checking import check
from faltung.app.state import State
from faltung.errors import ConvError, ConvSpecError
from faltung.spec import ConvSpec

__all__ = ["read_text"]

MAX_TEXT = 1_000_000

_EXAMPLE = "Paste for example nn.Conv2d(3, 8, 3, padding=1), conv1d(1, 1, 3, dilation=2), or a link of this page."


def read_text(text: str, current: State | None = None) -> State:
    """The state that `text` spells.

    Parameters
    ----------
    text : str
        What `ConvSpec.parse` reads; the JSON of a state; or the page's address.
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
    return _of_spec(ConvSpec.parse(stripped), current)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConvSpecError(f"this is no JSON: {str(error)[:200]}.", _EXAMPLE) from None


def _of_spec(spec: ConvSpec, current: State | None) -> State:
    """The spec as a state, on the current input where it fits, else on a small one."""
    fields = spec.to_dict()
    channels, ndim = fields.pop("in_channels"), fields.pop("ndim")
    layer = State.from_dict({"ndim": ndim, "in_channels": channels, **_as_json(fields)})
    smallest = {1: 9, 2: 7, 3: 4}[ndim]
    candidates = [current.input_size] if current is not None and current.ndim == ndim else []
    candidates.append(tuple(max(smallest, extent) for extent in spec.effective_kernel_size))
    for size in candidates:
        state = replace(layer, input_size=size)
        try:
            check(state)
        except ConvError:
            continue
        return state
    return replace(layer, input_size=candidates[-1])


def _as_json(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
