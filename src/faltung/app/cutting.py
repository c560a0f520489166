"""A few cells of a large layer, with the padding under which they give what they give in the whole layer.

Owns the choice of cells and channels. Which inputs an output sees is `reach`'s to say.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from faltung.geometry import Axis
from faltung.reach import of_axis
from faltung.spec import ConvSpec

__all__ = ["Along", "Channels", "cut_along", "cut_channels", "cut_spec"]

CELLS = {1: 32, 2: 12, 3: 6}
"""Of a cut input along each axis, by the number of axes, where the kernel is not larger."""

MOST_GROUPS, MOST_INPUTS, MOST_OUTPUTS = 3, 3, 2


@dataclass(frozen=True)
class Along:
    """A part of one axis: inputs `first` to `last`, and outputs `output` on.

    Attributes
    ----------
    first, last : int
        Of the input's cells.
    output, outputs : int
        The first of the whole layer's outputs that the part gives, and how many.
    padding : (int, int)
        Of the part.
    is_whole : bool
        Nothing is cut off.
    """

    first: int
    last: int
    output: int
    outputs: int
    padding: tuple[int, int]
    is_whole: bool = False


def cut_along(axis: Axis, cells: int, wanted: int, at: float = 0.5, mode: str = "zeros") -> Along:
    """The part of an axis with about `wanted` inputs whose outputs are those of the whole axis.

    Parameters
    ----------
    axis : Axis
    cells : int
        Of the input.
    wanted : int
        More where the kernel spans more.
    at : float
        Where the part lies: 0 at the beginning of the axis, 1 at its end.
    mode : str
        Of the padding; repeated cells may lie anywhere, so that a part takes none of them.

    Returns
    -------
    Along

    >>> cut_along(Axis(0, kernel=3, stride=2, padding=(1, 1)), 224, 8)
    Along(first=107, last=113, output=54, outputs=3, padding=(0, 0), is_whole=False)
    >>> cut_along(Axis(0, kernel=3, stride=2, padding=(1, 1)), 224, 8, at=0)
    Along(first=0, last=5, output=0, outputs=3, padding=(1, 0), is_whole=False)
    """
    if cells <= wanted:
        return _whole(axis, cells)
    return (_transposed if axis.transposed else _plain)(axis, cells, wanted, at, mode)


def _plain(axis: Axis, cells: int, wanted: int, at: float, mode: str) -> Along:
    reach, made = of_axis(axis, cells), axis.output_size(cells)

    def span(first: int, last: int) -> tuple[int, int]:
        begin, end = reach.at(first), reach.at(last)
        assert begin is not None
        assert end is not None
        return begin[0], end[1]

    inside = range(made)
    if mode != "zeros":
        clear = [output for output in inside if span(output, output)[0] >= 0 and span(output, output)[1] < cells]
        inside = range(clear[0], clear[-1] + 1) if clear else range(0)
    if not inside:  # every window reaches over the border, which is not zeros: the whole axis is needed
        return _whole(axis, cells)
    count = 1
    while count < len(inside) and span(0, count)[1] - span(0, count)[0] < wanted:
        count += 1
    output = inside[round(at * (len(inside) - count))]
    begin, end = span(output, output + count - 1)
    first, last = max(begin, 0), min(end, cells - 1)
    if first > last:  # nothing but padding: one cell beside it
        first = last = min(max(first, 0), cells - 1)
    return Along(first, last, output, count, (first - begin, end - last))


def _transposed(axis: Axis, cells: int, wanted: int, at: float, mode: str) -> Along:
    made, sides = axis.output_size(cells), axis.sides(cells)
    if mode != "zeros":
        return _whole(axis, cells)
    reach = of_axis(axis, cells)
    first = round(at * (cells - wanted))
    last = first + wanted - 1

    def is_complete(output: int) -> bool:
        """Every input that it sees is in the part."""
        span = reach.at(output)
        return span is None or (max(span[0], 0) >= first and min(span[1], cells - 1) <= last)

    # The stamps of the part alone, uncropped, begin where that of its first cell lies in the whole layer's output.
    begin = first * axis.stride - sides[0]
    stamped = _stamped(axis, wanted)
    outputs: list[int] = []
    for is_one, run in itertools.groupby(range(max(begin, 0), min(begin + stamped, made)), is_complete):
        outputs = max(outputs, list(run), key=len) if is_one else outputs
    if not outputs:  # the stamps are longer than the part: take more of it
        return cut_along(axis, cells, min(2 * wanted, cells), at, mode)
    return Along(first, last, outputs[0], len(outputs), (outputs[0] - begin, begin + stamped - 1 - outputs[-1]))


def _whole(axis: Axis, cells: int) -> Along:
    before, after = axis.sides(cells)
    made = axis.output_size(cells)
    if axis.transposed and axis.is_same:  # the rule fixes the output, and may reach over the stamps
        after = _stamped(axis, cells) - before - made
    return Along(0, cells - 1, 0, made, (before, after), is_whole=True)


def _stamped(axis: Axis, cells: int) -> int:
    """Cells that the stamps of a transposed axis cover, nothing cropped or appended."""
    return replace(axis, padding=(0, 0), output_padding=0).output_size(cells)


@dataclass(frozen=True)
class Channels:
    """Some channels of a layer, by their numbers.

    Attributes
    ----------
    groups : int
    inputs, outputs : list of int
        Group by group.
    inputs_each, outputs_each : int
        In each group.
    is_whole : bool
        Each output has all of the inputs that it sees.
    """

    groups: int
    inputs: list[int]
    outputs: list[int]
    inputs_each: int
    outputs_each: int
    is_whole: bool


def cut_channels(spec: ConvSpec, input_channel: int = 0, output_channel: int = 0) -> Channels:
    """At most a few input and output channels, in the groups of the layer, from those that are named on.

    >>> cut_channels(ConvSpec(64, 128, 3, ndim=2)).inputs, cut_channels(ConvSpec(64, 64, 3, groups=64, ndim=2), output_channel=9).inputs
    ([0, 1, 2], [9, 10, 11])
    """
    seen, made = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    groups = min(spec.groups, MOST_GROUPS if seen == 1 else 2)
    inputs_each = min(seen, MOST_INPUTS if groups == 1 else 2)
    outputs_each = min(made, MOST_OUTPUTS if groups == 1 else 1)
    first_group = min(output_channel // made, spec.groups - groups)
    first_in = min(input_channel % seen, seen - inputs_each)
    first_out = min(output_channel % made, made - outputs_each)
    numbers = range(first_group, first_group + groups)
    return Channels(
        groups,
        [group * seen + first_in + place for group in numbers for place in range(inputs_each)],
        [group * made + first_out + place for group in numbers for place in range(outputs_each)],
        inputs_each,
        outputs_each,
        inputs_each == seen,
    )


def cut_spec(spec: ConvSpec, channels: Channels, axes: Sequence[Along]) -> ConvSpec:
    """The convolution of the part."""
    return ConvSpec(
        len(channels.inputs),
        len(channels.outputs),
        spec.kernel_size,
        stride=spec.stride,
        padding=tuple(along.padding for along in axes),
        dilation=spec.dilation,
        groups=channels.groups,
        bias=spec.bias,
        padding_mode=spec.padding_mode,
        transposed=spec.transposed,
        output_padding=tuple(extra if along.is_whole else 0 for extra, along in zip(spec.output_padding, axes, strict=True)),
        flip=spec.flip,
    )
