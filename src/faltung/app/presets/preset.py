"""What a preset is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faltung.app.state import State

__all__ = ["GUIDE", "TENT", "Preset"]

GUIDE = "Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2018"

TENT = {"values": [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]}
"""A kernel whose stamps overlap evenly at stride 2."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One entry of the list.

    Attributes
    ----------
    name : str
        Short, for links.
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
