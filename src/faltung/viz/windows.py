"""Which cells meet under the window, on all axes and channels at once: indices alone, no values.

Owns the step from the axes' meetings (`taps`) to indices of the arrays. Lists of products and scenes are both
made from it. Standard library only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from faltung.spec import ConvSpec
from faltung.taps import AxisTaps, GatherCell, Meeting

__all__ = ["ORIGINS", "Contact", "Contacts", "Index", "Windows"]

Index = tuple[int, ...]

ORIGINS = {"zeros": "zero", "circular": "wrapped", "reflect": "mirrored", "replicate": "repeated", "symmetric": "mirrored"}
"""What a padding cell holds, by padding mode: a zero, or an input cell that is wrapped, mirrored or repeated."""


@dataclass(frozen=True, slots=True)
class Contact:
    """One tap that brings one input cell to one output. Every index is spatial.

    Attributes
    ----------
    tap : tuple of int
        In the weight, after any flip.
    input : tuple of int or None
        None where a zero is read.
    output : tuple of int or None
        None where a transposed convolution stamps outside its output.
    position : tuple of int
        Where the window lies: on the input, negative or past its end in the padding. Of a transposed convolution on the output that
        is stamped; in its gather on the zero-inserted input.
    origin : str
        ``"input"`` where the window lies on the cell itself; one of `ORIGINS` where it lies in the padding; ``"inserted"`` on a zero
        between the inputs of a transposed convolution that is read as a gather.
    """

    tap: Index
    input: Index | None
    output: Index | None
    position: Index
    origin: str


class Contacts:
    """Every combination of one meeting on each axis, made while it is walked through.

    Attributes
    ----------
    sizes : tuple of int
        Meetings along each axis; their product is the number of contacts.
    """

    def __init__(self, windows: Windows, along: Iterable[Iterable[Meeting]]) -> None:
        self._windows = windows
        self._lists = [tuple(found) for found in along]
        self.sizes = tuple(len(found) for found in self._lists)

    def __iter__(self) -> Iterator[Contact]:
        return map(self._windows.contact, itertools.product(*self._lists))


class Windows:
    """The contacts of one spec on an input of one size.

    Raises
    ------
    ConvShapeError
        This input gives no output.

    Examples
    --------
    >>> windows = Windows(ConvSpec.parse("conv1d(1, 1, 3, padding=1, padding_mode='circular')"), (5,))
    >>> [(contact.position, contact.input, contact.origin) for contact in windows.of_output((0,))]
    [((-1,), (4,), 'wrapped'), ((0,), (0,), 'input'), ((1,), (1,), 'input')]
    """

    def __init__(self, spec: ConvSpec, input_size: Sequence[int]) -> None:
        self.spec = spec
        self.axes = [AxisTaps(axis, cells, spec.padding_mode) for axis, cells in zip(spec.axes, input_size, strict=True)]
        self.input_size: Index = tuple(input_size)
        self.output_size: Index = tuple(axis.output_size for axis in self.axes)

    # -- space -----------------------------------------------------------------------------------

    def of_output(self, place: Index) -> Contacts:
        """What an output is made of, padding zeros included; of a correlation in the order in which the taps lie."""
        return Contacts(self, (axis.of_output(cell) for axis, cell in zip(self.axes, place, strict=True)))

    def of_input(self, place: Index) -> Contacts:
        """Where an input cell goes, its copies in the padding included; of a transposed convolution with what is cropped."""
        return Contacts(self, (axis.of_input(cell) for axis, cell in zip(self.axes, place, strict=True)))

    def of_tap(self, tap: Index) -> Contacts:
        """What a tap of the weight takes part in, window by window, with padding zeros and with what is cropped."""
        return Contacts(self, (axis.of_tap(place) for axis, place in zip(self.axes, self._flipped(tap), strict=True)))

    def gather(self, place: Index) -> Iterator[Contact]:
        """The window of the flipped kernel over the zero-inserted input that one output of a transposed convolution sees."""
        for cells in itertools.product(*(tuple(axis.gather(cell)) for axis, cell in zip(self.axes, place, strict=True))):
            source = _whole(cell.input for cell in cells)
            origin = "input" if source is not None else "zero" if any(map(_is_outside, cells)) else "inserted"
            tap = self._flipped(cell.tap for cell in cells)
            yield Contact(tap, source, place, tuple(cell.position for cell in cells), origin)

    def contact(self, meetings: Sequence[Meeting]) -> Contact:
        """One meeting on each axis together."""
        position = tuple(met.position for met in meetings)
        source, output = _whole(met.input for met in meetings), _whole(met.output for met in meetings)
        if source is None:
            origin = "zero"
        else:
            origin = "input" if position == (output if self.spec.transposed else source) else ORIGINS[self.spec.padding_mode]
        return Contact(self._flipped(met.tap for met in meetings), source, output, position, origin)

    def _flipped(self, taps: Iterable[int]) -> Index:
        """Places in the kernel of taps counted along the window, and back."""
        return tuple(kernel - 1 - tap if self.spec.flip else tap for tap, kernel in zip(taps, self.spec.kernel_size, strict=True))

    # -- channels --------------------------------------------------------------------------------

    def inputs_of(self, output_channel: int) -> range:
        """The input channels that an output channel sees: those of its group."""
        return _partners(output_channel, self.spec.out_channels, self.spec.in_channels, self.spec.groups)

    def outputs_of(self, input_channel: int) -> range:
        """The output channels that an input channel feeds."""
        return _partners(input_channel, self.spec.in_channels, self.spec.out_channels, self.spec.groups)

    def weight_channels(self, input_channel: int, output_channel: int) -> tuple[int, int]:
        """The first two indices of the weights between two channels of one group."""
        spec = self.spec
        if spec.transposed:
            return input_channel, output_channel % (spec.out_channels // spec.groups)
        return output_channel, input_channel % (spec.in_channels // spec.groups)


def _partners(channel: int, own: int, other: int, groups: int) -> range:
    size = other // groups
    first = channel // (own // groups) * size
    return range(first, first + size)


def _whole(entries: Iterable[int | None]) -> Index | None:
    """The index, if every entry of it is there."""
    found = tuple(entries)
    return None if None in found else found  # type: ignore[return-value]


def _is_outside(cell: GatherCell) -> bool:
    return cell.input is None and not cell.is_inserted
