"""Which role each channel and cell of a scene plays: the colours of groups, of red, green and blue, of the padding.

Owns the way from a scene to the roles of `palette`. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from faltung.viz.pictures.palette import GROUPS
from faltung.viz.scene.model import Cell, Scene, Stage

__all__ = ["StageRoles", "cell_role", "emphasis", "stage_roles", "weight_place"]

_RGB = ("red", "green", "blue")
_OWN = ("input", "output")
_EMPTY = ("zero", "inserted", "cropped", "blank")


@dataclass(frozen=True, slots=True)
class StageRoles:
    """The roles of a stage's channels.

    Attributes
    ----------
    input, output : tuple of str
        Of each channel.
    """

    input: tuple[str, ...]
    output: tuple[str, ...]

    def kernel(self, input_channel: int) -> str:
        """The role of the weights that an input channel meets: its own where channels are told apart by colour."""
        role = self.input[input_channel]
        return "kernel" if role in _OWN else role


def stage_roles(scene: Scene) -> tuple[StageRoles, ...]:
    """The roles of every stage's channels.

    Groups have a colour each; the three channels of an image that no groups divide are red, green and blue; what a stage gets from
    the one before keeps its colours.

    Examples
    --------
    >>> from faltung.viz.scene import scene
    >>> stage_roles(scene("conv2d(3, 2, 1)", (1, 1)))
    (StageRoles(input=('red', 'green', 'blue'), output=('output', 'output')),)
    >>> [roles.input for roles in stage_roles(scene(["conv2d(2, 2, 1, groups=2)", "conv2d(2, 1, 1)"], (1, 1)))]
    [('group-0', 'group-1'), ('group-0', 'group-1')]
    """
    found: list[StageRoles] = []
    for stage in scene.stages:
        if len(set(stage.input.groups)) > 1:
            given, result = (tuple(f"group-{group % GROUPS}" for group in grid.groups) for grid in (stage.input, stage.output))
        else:
            plain = _RGB if stage.input.channels == 3 else ("input",) * stage.input.channels
            given, result = found[-1].output if found else plain, ("output",) * stage.output.channels
        found.append(StageRoles(given, result))
    return tuple(found)


def cell_role(cell: Cell, channel_role: str) -> str:
    """The role of a cell: its channel's, or what kind of border it is."""
    return channel_role if cell.origin in _OWN else cell.origin


def emphasis(role: str) -> str:
    """The role of the same cell where attention is on it; what is empty gets a shadow over it."""
    return "shadow" if role in _EMPTY else f"{role}-strong"


def weight_place(stage: Stage, input_channel: int, output_channel: int) -> tuple[int, int] | None:
    """The first two indices of the weights between two channels; None where they are of different groups."""
    given, result = stage.input.groups, stage.output.groups
    if given[input_channel] != result[output_channel]:
        return None
    if stage.is_transposed:
        return input_channel, output_channel - result.index(result[output_channel])
    return output_channel, input_channel - given.index(given[input_channel])
