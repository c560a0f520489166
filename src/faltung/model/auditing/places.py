"""Where each layer's output lies over the model's input, as an audit tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from faltung.errors import ConvError
from faltung.model.graph import Graph, Node
from faltung.model.tracing.following import Misalignment
from faltung.model.tracing.positions import Positions, positions

__all__ = ["Place", "Places", "places_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """What the positions of a layer's output see, an entry for each spatial axis of the input; empty where that is not known.

    Attributes
    ----------
    receptive_field : tuple of int
        Cells between which one position can look; where there are no positions left, those that all see.
    stride : tuple of Fraction
        Cells from one position to the next; empty where an axis has no positions.
    offset : tuple of int
        The first cell that position 0 sees, negative in the padding.
    shifts : tuple of ((int, int) or None)
        Cells by which the input can be shifted, and by how many positions the output then moves, away from the borders; None where no
        such shift is known.
    """

    receptive_field: tuple[int, ...] = ()
    stride: tuple[Fraction, ...] = ()
    offset: tuple[int, ...] = ()
    shifts: tuple[tuple[int, int] | None, ...] = ()

    @property
    def equivariance(self) -> str:
        """The shifts in words.

        >>> Place(shifts=((32, 1), (32, 1))).equivariance
        'by 32 cells: moves by 1'
        """
        if not self.shifts or all(shift is None for shift in self.shifts):
            return "no positions" if self.receptive_field else ""
        texts = ["none known" if shift is None else f"by {shift[0]} cells: moves by {shift[1]}" for shift in self.shifts]
        return texts[0] if len(set(texts)) == 1 else "; ".join(texts)


@dataclass(frozen=True, slots=True)
class Places:
    """Where all layers of a model lie.

    Attributes
    ----------
    of : dict
        The place of each node's first output.
    size : tuple of int
        Of the input along the axes of the places.
    misaligned : tuple of Misalignment
        Branches that meet and do not align.
    """

    of: Mapping[Node, Place] = field(default_factory=dict)
    size: tuple[int, ...] = ()
    misaligned: tuple[Misalignment, ...] = ()


def places_of(graph: Graph, notes: list[str]) -> Places:
    """The places of a graph's nodes; why there are none is put into `notes`."""
    try:
        found = positions(graph)
    except ConvError as error:
        notes.append(f"Receptive fields were not followed: {error.problem}")
        return Places()
    if len(graph.inputs) > 1:
        notes.append(f"Receptive fields are those on the input {found.input.name!r}.")
    return Places({node: _place(found, node) for node in graph.nodes if node.outputs}, found.size, found.misaligned)


def _place(found: Positions, node: Node) -> Place:
    sights = found.of(node.outputs[0])
    if not sights or any(sight.lost for sight in sights):
        return Place()
    sizes, offsets = [], []
    for sight in sights:
        spans = [span for span in (sight.at(place) for place in range(sight.reach.period if sight.reach else 1)) if span is not None]
        if not spans:
            return Place()
        sizes.append(max(last - first + 1 for first, last in spans))
        offsets.append(spans[0][0])
    strides = tuple(sight.reach.stride for sight in sights if sight.reach)
    shifts = tuple(None if sight.repeats is None else (sight.repeats[1], sight.repeats[0]) for sight in sights)
    return Place(tuple(sizes), strides if len(strides) == len(sights) else (), tuple(offsets), shifts)
