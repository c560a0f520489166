"""Layers of the literature and of the notes' catalogue, as states with names and sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faltung.app.state import State

__all__ = ["PRESETS", "Preset", "preset", "preset_list"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One entry of the list.

    Attributes
    ----------
    name : str
        Short, in links.
    title : str
    group : str
        Its heading in the list.
    note : str
        What to look at.
    source : str
        Where it comes from.
    fields : dict
        Of the state, in JSON's terms; the others have their defaults.
    """

    name: str
    title: str
    group: str
    note: str
    source: str
    fields: dict[str, Any]

    @property
    def state(self) -> State:
        """The state."""
        return State.from_dict(self.fields)


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
    return next(one for one in PRESETS if one.name == name).state


_GUIDE = "Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2018"

PRESETS: tuple[Preset, ...] = (
    Preset(
        "standard",
        "Standard convolution",
        "The basics",
        "Every output is the sum of nine products.",
        f"{_GUIDE}, §2",
        {"kernel_size": [3, 3], "input_size": [5, 5]},
    ),
    Preset(
        "strided",
        "Strided convolution",
        "The basics",
        "The window moves by 2 cells: a quarter of the outputs.",
        f"{_GUIDE}, §2.3",
        {"kernel_size": [3, 3], "stride": [2, 2], "input_size": [5, 5]},
    ),
    Preset(
        "transposed",
        "Transposed convolution",
        "Transposed",
        "Each input stamps the kernel onto the output; where stamps overlap, they add.",
        f"{_GUIDE}, §4",
        {"kernel_size": [3, 3], "stride": [2, 2], "transposed": True, "input_size": [3, 3]},
    ),
)
