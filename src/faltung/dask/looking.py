"""How far a network looks, and by how much its outputs move with its input: what tiles are cut by.

Owns what is asked of a network that runs in tiles, and why others do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.model.fields.field import ReceptiveField
from faltung.model.fields.finding import receptive_field as field_of
from faltung.model.graph import Graph
from faltung.model.operations import Convolve, Pad
from faltung.model.read import graph_of
from faltung.normal_form import entries
from faltung.reach import Reach, Span

__all__ = ["Looking", "look"]

FIRST_SIZE, FIRST_MULTIPLE = 512, 64
"""An axis is shortened to about so many cells to ask a network how far it looks, by a multiple of what strides usually come to."""


@dataclass(frozen=True)
class Looking:
    """A network as tiles need to know it.

    Attributes
    ----------
    reaches : tuple of Reach
        Of each axis beside samples and channels.
    repeats : tuple of (int, int)
        So many positions the result moves by so many cells.
    cropped : tuple of int
        Cells from an edge that may miss positions which see nothing beyond it.
    centres : tuple of Fraction
        Over which cell position 0 stands.
    channels : int
        Of the result.
    size : tuple of int
        Of the result, along each axis.
    dtype : dtype
        Of the result.
    is_whole : tuple of bool
        Axes along which the input is too short to be cut.
    """

    reaches: tuple[Reach, ...]
    repeats: tuple[tuple[int, int], ...]
    cropped: tuple[int, ...]
    centres: tuple[Fraction, ...]
    channels: int
    size: tuple[int, ...]
    dtype: np.dtype[Any]
    is_whole: tuple[bool, ...]


def look(model: Any, call: Callable[[Any], Any], shape: Sequence[int], dtype: np.dtype[Any], field: Any) -> Looking:
    """What `model` sees of an input of this `shape`, ``(N, C, *size)``, found on smaller ones.

    Raises
    ------
    ConvTypeError, ConvShapeError
        It does not run in tiles: positions see everything, or depend on the size, or are not followed; or nothing is known of it.
    """
    size = tuple(shape[2:])
    if field is None:
        first = tuple(min(cells, FIRST_SIZE + (cells - FIRST_SIZE) % FIRST_MULTIPLE) for cells in size)
        reaches, repeats, cropped, centres, *_ = _traced(model, (1, shape[1], *first))
    else:
        first = ()
        reaches, repeats, cropped, centres = _told(field, len(size))
    small, is_whole = [], []
    for cells, reach, (_, step), missing in zip(size, reaches, repeats, cropped, strict=True):
        least = reach.size + 2 * (step + missing)
        short = least + (cells - least) % step
        is_whole.append(short >= cells)
        small.append(min(short, cells))
    if first == tuple(small) and not all(is_whole):  # two sizes are compared
        small = [min(cells + step, most) for cells, (_, step), most in zip(small, repeats, size, strict=True)]
    example = (1, shape[1], *small)
    if field is None:
        again, repeats_again, cropped, centres, made, made_dtype = _traced(model, example)
        for axis, (one, two) in enumerate(zip(zip(reaches, repeats, strict=True), zip(again, repeats_again, strict=True), strict=True)):
            if one != two and not is_whole[axis]:
                raise ConvShapeError(
                    f"what positions see along axis {axis + 2} depends on the size of the input: {one[0]} of {first[axis]} cells,"
                    f" {two[0]} of {small[axis]}.",
                    "Resize by scale_factor without align_corners, or run the model on the whole.",
                )
        reaches, repeats = again, repeats_again
    else:
        result = np.asarray(call(np.zeros(example, dtype)))
        made, made_dtype = result.shape, result.dtype
    if len(made) != len(shape):
        raise ConvShapeError(
            f"the result for an input of shape {example} has shape {tuple(made)}: other axes.", "Give a model that keeps all axes."
        )
    outputs = tuple(
        count + (cells - less) // step * positions
        for count, cells, less, (positions, step) in zip(made[2:], size, small, repeats, strict=True)
    )
    return Looking(reaches, repeats, cropped, centres, made[1], outputs, made_dtype, tuple(is_whole))


Known = tuple[tuple[Reach, ...], tuple[tuple[int, int], ...], tuple[int, ...], tuple[Fraction, ...]]
"""What positions see, how they move, how far from an edge some may be missing, and over which cell the first one stands."""


def _traced(model: Any, shape: tuple[int, ...]) -> tuple[*Known, tuple[int, ...], np.dtype[Any]]:
    """Of a live module: what is known of it, and the shape and dtype of the result for an input of this shape."""
    graph = graph_of(model, shape)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or graph.outputs[0].shape is None:
        raise ConvTypeError(
            f"{graph.name} has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, tiles have one of each.",
            "Wrap the model in a module that takes one array and returns one.",
        )
    _check_borders(graph)
    field = field_of(graph)
    made = graph.outputs[0]
    if field.positions != tuple((made.shape or ())[2:]) or field.axes != tuple(range(2, len(shape))):
        raise ConvShapeError(
            f"{graph.name} makes an array of shape {made.shape} of one of shape {shape}, whose axes do not run along those of the input.",
            "Only fully convolutional models run in tiles: cut pooling and linear layers off.",
        )
    return (*_known(field), tuple(made.shape or ()), np.dtype(made.dtype))


def _check_borders(graph: Graph) -> None:
    """Raise where a layer continues its input with the far side, which a tile does not have."""
    for node in graph.nodes:
        what = node.operation
        wraps = isinstance(what, Pad) and what.mode in ("circular", "wrap")
        if wraps or (isinstance(what, Convolve) and "circular" in what.spec.kinds):
            raise ConvShapeError(
                f"{node.name} pads with the far side of its input, which a tile does not have.",
                "Use faltung.dask.conv with padding_mode='circular' for this layer.",
            )


def _known(field: ReceptiveField) -> Known:
    """Reaches and repeats, or why there are none."""
    reaches, repeats = [], []
    for axis, sight in zip(field.axes, field.sights, strict=True):
        if sight.lost or sight.reach is None or sight.repeats is None:
            why = sight.lost or "its positions do not move with the input"
            raise ConvShapeError(
                f"{field.model} does not run in tiles along axis {axis}: {why}.", "Only fully convolutional models run in tiles."
            )
        if sight.still is not None:
            raise ConvShapeError(
                f"{field.model} does not run in tiles: every position sees cells {sight.still[0]} to {sight.still[1]} of axis {axis},"
                " as through global pooling, attention, or statistics over the image.",
                "Replace these layers, or run the model on the whole.",
            )
        reaches.append(sight.reach)
        repeats.append(sight.repeats)
    return tuple(reaches), tuple(repeats), field.cropped or (0,) * len(reaches), tuple(sight.centre for sight in field.sights)


def _told(field: Any, axes: int) -> Known:
    """What a user says: a `ReceptiveField`, or (size, stride, offset), each one number or one for each axis."""
    if isinstance(field, ReceptiveField):
        if len(field.axes) != axes:
            raise ConvShapeError(f"receptive_field is of {len(field.axes)} axes, the input has {axes} beside samples and channels.")
        return _known(field)
    given = entries(field)
    if given is None or len(given) != 3:
        raise ConvTypeError(
            f"receptive_field={shown(field)} is neither a ReceptiveField nor (size, stride, offset).",
            "Use fl.receptive_field(…), or numbers: position o sees size cells from offset + o*stride on.",
        )
    each = [(tuple(entries(one) or (one,) * axes)) for one in given]
    if any(len(one) != axes for one in each):
        raise ConvShapeError(
            f"receptive_field={shown(field)} does not have {axes} numbers for {axes} axes.", "Give one for each axis, or one for all."
        )
    reaches = [_even(int(size), Fraction(stride), int(offset)) for size, stride, offset in zip(*each, strict=True)]
    centres = tuple(Fraction(int(offset)) + Fraction(int(size) - 1, 2) for size, _, offset in zip(*each, strict=True))
    return tuple(reaches), tuple((reach.period, reach.advance) for reach in reaches), (0,) * axes, centres


def _even(size: int, stride: Fraction, offset: int) -> Reach:
    """Position o sees `size` cells from ``offset + o*stride`` on; of a broken stride the cell in which that lies, and one more."""
    if size < 1 or stride <= 0:
        raise ConvShapeError(f"receptive_field: a size of {size} and a stride of {stride} are none.", "Both are above 0.")
    more = 0 if stride.denominator == 1 else 1
    spans: tuple[Span, ...] = tuple(
        (offset + place * stride.numerator // stride.denominator, offset + place * stride.numerator // stride.denominator + size - 1 + more)
        for place in range(stride.denominator)
    )
    return Reach(stride.denominator, stride.numerator, spans)
