"""Layers of the literature, and one for each kind of convolution, as states with a name, what to look at and a source."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from faltung.app.presets.arithmetic import strides, transposed
from faltung.app.presets.kinds import kinds
from faltung.app.presets.networks import networks
from faltung.app.presets.preset import Preset
from faltung.app.presets.signals import filters, signals
from faltung.app.state import State
from faltung.errors import ConvSpecError, one_of

__all__ = ["PRESETS", "Preset", "preset", "preset_list"]

PRESETS: tuple[Preset, ...] = (*kinds(), *strides(), *transposed(), *signals(), *filters(), *networks())


@lru_cache(maxsize=1)
def preset_list() -> list[dict[str, Any]]:
    """All of them as JSON."""
    return [
        {"name": one.name, "title": one.title, "group": one.group, "note": one.note, "source": one.source, "state": one.state.to_dict()}
        for one in PRESETS
    ]


def preset(name: str) -> State:
    """The state of that name.

    >>> preset("standard").input_size
    (5, 5)
    """
    found = {one.name: one for one in PRESETS}
    return found[one_of("preset", name, found, ConvSpecError)].state
