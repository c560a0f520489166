"""Which taps meet which cells along one axis: for an output, for an input cell, for a tap.

Owns what stands at a position beyond the border, cell by cell; sizes and sides come from `geometry`.
Standard library only: every picture and every list of products is made from this.

Window number ``small`` puts its tap at ``small*stride + tap*dilation - before`` of the larger side. Of a
correlation the windows are the outputs and the larger side is the input; of a transposed axis it is the
other way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from faltung.errors import ConvShapeError
from faltung.geometry import Axis

__all__ = ["AxisTaps", "GatherCell", "Meeting", "copies", "home"]


@dataclass(frozen=True, slots=True)
class Meeting:
    """One tap that brings one input cell to one output along an axis.

    Attributes
    ----------
    input : int or None
        The input cell; None where the window reads a zero of the padding.
    tap : int
        Counted along the window, before any flip of the kernel.
    output : int or None
        The output; None where a transposed axis stamps outside its output and is cropped.
    position : int
        Where the tap lies on the larger side (the input; the output if transposed), negative or past its end beyond
        the border.
    """

    input: int | None
    tap: int
    output: int | None
    position: int


@dataclass(frozen=True, slots=True)
class GatherCell:
    """One cell under the window of a transposed axis that is read as a correlation of the zero-inserted input.

    Attributes
    ----------
    input : int or None
        The input cell; None on a zero.
    tap : int
    position : int
        On the zero-inserted input, whose cell ``i*stride`` holds input i.
    is_inserted : bool
        Whether it is a zero between two input cells, and not one beyond the border.
    """

    input: int | None
    tap: int
    position: int
    is_inserted: bool


def home(position: int, size: int, mode: str) -> int | None:
    """The cell of an axis of `size` cells that stands at `position`; None: a zero.

    Raises
    ------
    ConvShapeError
        The axis is empty and `mode` has no cell to repeat.

    >>> [home(position, 3, "reflect") for position in range(-3, 6)]
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    if 0 <= position < size:
        return position
    if mode == "zeros":
        return None
    if size == 0:
        raise ConvShapeError(f"padding_mode={mode!r} has no cell to repeat on an empty axis.", "Use padding_mode='zeros'.")
    if mode == "circular":
        return position % size
    if mode == "replicate" or size == 1:
        return min(max(position, 0), size - 1)
    period = _period(size, mode)
    folded = position % period
    # The second half of a period runs backwards; `symmetric` passes the edges twice.
    return folded if folded < size else (period if mode == "reflect" else period - 1) - folded


def copies(cell: int, size: int, mode: str, first: int, last: int) -> Iterator[int]:
    """Every position from `first` to `last` at which `cell` stands, itself included, in rising order.

    >>> list(copies(1, 3, "circular", -3, 5)), list(copies(0, 3, "replicate", -2, 4))
    ([-2, 1, 4], [-2, -1, 0])
    """
    if mode == "zeros":
        if first <= cell <= last:
            yield cell
        return
    if size == 1 or mode == "replicate":
        low = first if cell == 0 else max(first, cell)
        high = last if cell == size - 1 else min(last, cell)
        yield from range(low, high + 1)
        return
    period = _period(size, mode)
    twin = {"circular": cell, "reflect": -cell, "symmetric": -1 - cell}[mode]
    residues = sorted({(cell - first) % period, (twin - first) % period})
    for start in range(first, last + 1, period):
        for residue in residues:
            if start + residue <= last:
                yield start + residue


def _period(size: int, mode: str) -> int:
    """After how many positions the cells repeat in the same direction."""
    return {"circular": size, "reflect": 2 * (size - 1), "symmetric": 2 * size}[mode]


class AxisTaps:
    """The meetings of one axis for one input size.

    Parameters
    ----------
    axis : Axis
    input_size : int
    mode : str
        One of `borders.PADDING_MODES`.

    Raises
    ------
    ConvShapeError
        This input gives no output.

    Examples
    --------
    >>> taps = AxisTaps(Axis(0, kernel=3, padding=(1, 1)), 5, "zeros")
    >>> [(meeting.position, meeting.input) for meeting in taps.of_output(0)]
    [(-1, None), (0, 0), (1, 1)]
    >>> [(meeting.output, meeting.tap) for meeting in taps.of_input(0)]
    [(1, 0), (0, 1)]
    """

    def __init__(self, axis: Axis, input_size: int, mode: str) -> None:
        self.axis = axis
        self.mode = mode
        self.input_size = input_size
        self.output_size = axis.output_size(input_size)
        self.before = axis.sides(input_size)[0]
        self._windows, self._cells = (input_size, self.output_size) if axis.transposed else (self.output_size, input_size)

    def of_output(self, output: int) -> Iterator[Meeting]:
        """What `output` is made of; of a correlation in the order of the taps, padding zeros included."""
        return self._on_cell(output) if self.axis.transposed else self._of_window(output)

    def of_input(self, cell: int) -> Iterator[Meeting]:
        """Where an input cell goes, through its copies in the padding too; of a transposed axis with what is cropped."""
        return self._of_window(cell) if self.axis.transposed else self._on_cell(cell)

    def of_tap(self, tap: int) -> Iterator[Meeting]:
        """What a tap takes part in, window by window, with padding zeros and with what is cropped."""
        return (self._meeting(window, tap) for window in range(self._windows))

    def gather(self, output: int) -> Iterator[GatherCell]:
        """The window that a transposed axis' output sees on the zero-inserted input, cell by cell: taps in falling order.

        Where the padding mode adds what leaves the output back to it, one window for each place that is added to this output.

        >>> taps = AxisTaps(Axis(0, kernel=3, stride=2, transposed=True), 2, "zeros")
        >>> [(cell.position, cell.tap, cell.input, cell.is_inserted) for cell in taps.gather(2)]
        [(0, 2, 0, False), (1, 1, None, True), (2, 0, 1, False)]
        """
        axis = self.axis
        # Also an output that no tap reaches has its window: one of zeros.
        for position in copies(output, self.output_size, self.mode, *self._gathered):
            for tap in reversed(range(axis.kernel)):
                place = position + self.before - tap * axis.dilation
                cell, is_inserted = self.zero_inserted(place)
                yield GatherCell(cell, tap, place, is_inserted)

    def zero_inserted(self, position: int) -> tuple[int | None, bool]:
        """The input cell at a position of the zero-inserted input, and whether there is a zero between two cells instead.

        >>> taps = AxisTaps(Axis(0, kernel=3, stride=2, transposed=True), 2, "zeros")
        >>> [taps.zero_inserted(position) for position in range(-1, 4)]
        [(None, False), (0, False), (None, True), (1, False), (None, False)]
        """
        cell, rest = divmod(position, self.axis.stride)
        inside = cell >= 0 and cell + (rest > 0) < self.input_size
        return (cell if inside and rest == 0 else None), inside and rest != 0

    @property
    def shown(self) -> range:
        """The larger side with its border: its cells, the padding, what a transposed axis stamps outside its output.

        >>> AxisTaps(Axis(0, kernel=3, padding=(1, 2)), 5, "zeros").shown
        range(-1, 7)
        """
        after = 0 if self.axis.transposed else max(self.axis.sides(self.input_size)[1], 0)
        last = self._last if self.axis.transposed else 0
        return range(min(-self.before, 0), max(self._cells + after, last + 1))

    @property
    def shown_gather(self) -> range:
        """The zero-inserted input of a transposed axis with the border that its windows reach.

        >>> AxisTaps(Axis(0, kernel=3, stride=2, transposed=True), 2, "zeros").shown_gather
        range(-2, 5)
        """
        first, last = self._gathered if self.mode != "zeros" else (0, self.output_size - 1)
        stretched = (self.input_size - 1) * self.axis.stride
        return range(min(0, first + self.before - self.axis.extent + 1), max(stretched, last + self.before) + 1)

    @property
    def _gathered(self) -> tuple[int, int]:
        """The first and the last place at which an output of a transposed axis may stand, itself included."""
        return min(-self.before, 0), max(self._last, self.output_size - 1)

    @property
    def most_copies(self) -> int:
        """At how many positions within reach of a tap one cell of the larger side may stand, at most.

        >>> AxisTaps(Axis(0, kernel=3, padding=(8, 0)), 4, "circular").most_copies
        4
        """
        if self.mode == "zeros":
            return 1
        reach = max(self._last + 1 + self.before, 1)
        if self.mode == "replicate" or self._cells <= 1:
            return reach
        period = _period(self._cells, self.mode)
        return (reach // period + 1) * (1 if self.mode == "circular" else 2)

    def _of_window(self, window: int) -> Iterator[Meeting]:
        return (self._meeting(window, tap) for tap in range(self.axis.kernel))

    def _on_cell(self, cell: int) -> Iterator[Meeting]:
        for position in self._copies(cell):
            for tap in range(self.axis.kernel):
                window, rest = divmod(position + self.before - tap * self.axis.dilation, self.axis.stride)
                if rest == 0 and 0 <= window < self._windows:
                    yield Meeting(cell, tap, window, position) if not self.axis.transposed else Meeting(window, tap, cell, position)

    def _copies(self, cell: int) -> Iterator[int]:
        """Every position within reach of a tap at which `cell` of the larger side stands."""
        return copies(cell, self._cells, self.mode, -self.before, self._last)

    @property
    def _last(self) -> int:
        """The last position that a tap reaches."""
        return (self._windows - 1) * self.axis.stride + self.axis.extent - 1 - self.before

    def _meeting(self, window: int, tap: int) -> Meeting:
        position = window * self.axis.stride + tap * self.axis.dilation - self.before
        cell = home(position, self._cells, self.mode)
        return Meeting(window, tap, cell, position) if self.axis.transposed else Meeting(cell, tap, window, position)
