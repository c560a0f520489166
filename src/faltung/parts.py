"""A convolution in parts: which input cells a range of outputs reads, and what padding is that part's own.

Owns the arithmetic by which an array is convolved part by part, one axis at a time, and comes out as if it had been convolved whole.
Formulas for positions are those of `geometry`, borders those of `borders`. Standard library only.

A part reads its `cells`, lays them out by `runs` where the border repeats some of them, and correlates the block with the padding of its
one `Piece`. Of a transposed axis a part is the sum of several pieces where the padding mode folds back what leaves the output.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from faltung.borders import Image, images
from faltung.errors import ConvShapeError
from faltung.geometry import Axis

__all__ = ["Part", "Piece", "Run", "Surroundings", "follow", "overlap", "part_of", "places", "spread", "surroundings", "tile"]


@dataclass(frozen=True, slots=True)
class Run:
    """Cells ``start + step*j``, j < length; step is 1, -1 or 0."""

    start: int
    length: int
    step: int

    @property
    def span(self) -> range:
        """From its lowest cell to its highest."""
        last = self.start + self.step * (self.length - 1)
        return range(min(self.start, last), max(self.start, last) + 1)


@dataclass(frozen=True, slots=True)
class Piece:
    """One convolution of a part: of some cells of its block, with padding of zeros; and which outputs it is added to.

    Attributes
    ----------
    cells : range
        Of the block, as it was laid out.
    padding : (int, int)
        Before and after; negative numbers crop.
    target : Run
        Output j of the piece is added to output ``target.start + target.step*j`` of the part.
    """

    cells: range
    padding: tuple[int, int]
    target: Run


@dataclass(frozen=True, slots=True)
class Part:
    """Some outputs of an axis, and all that is needed for them.

    Attributes
    ----------
    outputs : range
    cells : tuple of range
        Of the input, rising and apart from each other; one after the other they are the part's block.
    runs : tuple of Run
        How the block is to be laid out, in its own cells; empty where it stays as it is.
    pieces : tuple of Piece
        The first writes every output, the others add to some.

    Examples
    --------
    >>> axis = Axis(0, kernel=5, padding=(2, 2))
    >>> middle = part_of(axis, "zeros", 12, range(4, 8))
    >>> middle.cells, middle.pieces[0].padding
    ((range(2, 10),), (0, 0))
    >>> part_of(axis, "zeros", 12, range(0, 4)).pieces[0].padding
    (2, 0)
    >>> part_of(axis, "circular", 12, range(0, 4)).cells
    (range(0, 6), range(10, 12))
    """

    outputs: range
    cells: tuple[range, ...]
    runs: tuple[Run, ...]
    pieces: tuple[Piece, ...]

    @property
    def block_size(self) -> int:
        """Cells that are read."""
        return sum(map(len, self.cells))

    @property
    def laid_size(self) -> int:
        """Cells of the block once it is laid out."""
        return sum(run.length for run in self.runs) if self.runs else self.block_size


def part_of(axis: Axis, mode: str, input_size: int, outputs: range) -> Part:
    """What `outputs`, a range of step 1 of at least one output, need.

    Parameters
    ----------
    axis : Axis
    mode : str
        One of `borders.PADDING_MODES`.
    input_size : int
        Of the whole axis.
    outputs : range

    Raises
    ------
    ConvShapeError
        Outputs that the axis has not, or a mode that repeats cells of an empty axis.

    >>> part_of(Axis(0, kernel=3, stride=2, padding=(1, 1), transposed=True), "zeros", 8, range(4, 8))
    Part(outputs=range(4, 8), cells=(range(2, 5),), runs=(), pieces=(Piece(cells=range(0, 3), padding=(1, 2), target=Run(start=0, \
length=4, step=1)),))
    """
    size = axis.output_size(input_size)
    if not (outputs.step == 1 and 0 <= outputs.start < outputs.stop <= size):
        raise ConvShapeError(f"outputs={outputs} along axis {axis.index} are no part of its {size} outputs.", "Give a range inside them.")
    if mode != "zeros" and (size if axis.transposed else input_size) == 0:
        raise ConvShapeError(f"padding_mode={mode!r} has no cell to repeat along axis {axis.index} of size 0.", "Use padding_mode='zeros'.")
    before, _ = axis.sides(input_size)
    if axis.transposed:
        return _stamped(axis, mode, input_size, outputs, size, before)
    first = outputs.start * axis.stride - before
    last = outputs[-1] * axis.stride - before + axis.extent - 1
    everything = Run(0, len(outputs), 1)
    if mode == "zeros" or (first >= 0 and last < input_size):
        low, high = _clamped(first, last, input_size)
        cells = range(low, high + 1)
        return Part(outputs, (cells,), (), (Piece(range(len(cells)), (low - first, last - high), everything),))
    beyond = images(input_size, max(-first, 0), max(last - input_size + 1, 0), mode)
    runs = [run for image in sorted(beyond, key=lambda image: image.start) if (run := _clipped(image, first, last)).length > 0]
    cells_read = _union(run.span for run in runs)
    laid = tuple(Run(_place(run.start, cells_read), run.length, run.step) for run in runs)
    return Part(outputs, cells_read, laid, (Piece(range(last - first + 1), (0, 0), everything),))


def _clamped(first: int, last: int, size: int) -> tuple[int, int]:
    """The cells between `first` and `last` that the axis has; the nearest one where it has none of them."""
    low = min(max(first, 0), size - 1)
    return (low, max(min(last, size - 1), low)) if size else (0, -1)


def _clipped(image: Image, first: int, last: int) -> Run:
    """The cells that an image repeats between two positions."""
    begin, end = max(image.start, first), min(image.start + image.length - 1, last)
    return Run(image.target + image.step * (begin - image.start), end - begin + 1, image.step)


def _union(spans: Iterable[range]) -> tuple[range, ...]:
    """The cells of some ranges as ranges that rise and do not touch."""
    united: list[range] = []
    for span in sorted(spans, key=lambda span: span.start):
        if united and span.start <= united[-1].stop:
            united[-1] = range(united[-1].start, max(united[-1].stop, span.stop))
        else:
            united.append(span)
    return tuple(united)


def _place(cell: int, cells: tuple[range, ...]) -> int:
    """Where a cell of the input lies in a block."""
    passed = 0
    for span in cells:
        if cell in span:
            return passed + cell - span.start
        passed += len(span)
    raise AssertionError(f"cell {cell} is not among {cells}")


# -- transposed ------------------------------------------------------------------------------------


def _stamped(axis: Axis, mode: str, input_size: int, outputs: range, size: int, before: int) -> Part:
    """Of a transposed axis: the outputs themselves, and every run outside the axis that folds back onto them."""
    front = before if input_size else 0
    after = axis.reached_after(size, input_size, before) if input_size else 0
    pieces: list[tuple[range, tuple[int, int], Run]] = []
    for number, image in enumerate(images(size, front, after, mode)):
        canvas, target = _folding(image, outputs)
        if not len(canvas) and number:
            continue
        low, high = _clamped(*_stamping(axis, canvas, before), input_size)
        count = high - low + 1
        cropped = before + canvas.start - low * axis.stride
        stamped = (count - 1) * axis.stride + axis.extent if count else 0
        pieces.append((range(low, high + 1), (cropped, stamped - cropped - len(canvas)), target))
    cells = _union(read for read, _, _ in pieces)
    made = []
    for read, padding, target in pieces:
        begin = _place(read.start, cells) if len(read) else 0
        made.append(Piece(range(begin, begin + len(read)), padding, target))
    return Part(outputs, cells, (), tuple(made))


def _folding(image: Image, outputs: range) -> tuple[range, Run]:
    """Which cells of an image are added to `outputs`, and to which of these."""
    low, high = outputs.start, outputs.stop - 1
    if image.step == 0:
        inside = low <= image.target <= high
        numbers = range(image.length if inside else 0)
    elif image.step == 1:
        numbers = range(max(low - image.target, 0), min(high - image.target, image.length - 1) + 1)
    else:
        numbers = range(max(image.target - high, 0), min(image.target - low, image.length - 1) + 1)
    canvas = range(image.start + numbers.start, image.start + numbers.start + len(numbers))
    return canvas, Run(image.target + image.step * numbers.start - low, len(numbers), image.step)


def _stamping(axis: Axis, canvas: range, before: int) -> tuple[int, int]:
    """The first and the last input whose stamp reaches some position of `canvas`."""
    return -(-(canvas.start + before - axis.extent + 1) // axis.stride), (canvas.stop - 1 + before) // axis.stride


# -- filters that know the border themselves -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The block of an axis on which a filter gives some of its outputs, whatever it makes of the rest.

    Attributes
    ----------
    cells : tuple of range
        Of the input, rising and apart from each other.
    runs : tuple of Run
        How the block is to be laid out, in its own cells; empty where it stays as it is.
    wanted : slice
        Where the outputs lie among those of the block.
    """

    cells: tuple[range, ...]
    runs: tuple[Run, ...]
    wanted: slice


def surroundings(input_size: int, outputs: range, before: int, after: int, *, wraps: bool) -> Surroundings:
    """The cells that `outputs` look at, `before` and `after` their own, of a filter with as many outputs as inputs.

    The block ends where the axis ends, so that the filter's own border stands there; elsewhere the filter meets the end of the block
    instead, and what is wrong there does not reach the outputs. At an end of the axis the block is long enough for a border that mirrors.
    Where the axis `wraps`, the block goes on with the cells of the far side and its border is never met.

    >>> surroundings(100, range(40, 60), 3, 2, wraps=False)
    Surroundings(cells=(range(37, 62),), runs=(), wanted=slice(3, 23, None))
    >>> surroundings(100, range(2), 3, 0, wraps=False).cells, surroundings(100, range(2), 3, 0, wraps=True).cells
    ((range(0, 4),), (range(0, 2), range(97, 100)))
    """
    if wraps:
        part = part_of(Axis(0, kernel=before + after + 1, padding=(before, after)), "circular", input_size, outputs)
        return Surroundings(part.cells, part.runs, slice(before, before + len(outputs)))
    low, high = max(outputs.start - before, 0), min(outputs.stop + after, input_size)
    if low == 0:
        high = min(max(high, before + after + 1), input_size)
    if high == input_size:
        low = max(min(low, input_size - before - after - 1), 0)
    return Surroundings((range(low, high),), (), slice(outputs.start - low, outputs.stop - low))


def tile(input_size: int, outputs: range, seen: tuple[int, int], cells: int, positions: int, width: int) -> Surroundings:
    """The part of an axis that a network is run on for some of its outputs.

    A tile begins and ends at multiples of `cells`, by which its outputs move by `positions`, or at an end of the axis, where the network's
    own padding stands. What `outputs` see then lies inside it, or beyond that end.

    Parameters
    ----------
    input_size : int
    outputs : range
        Of step 1, of at least one output.
    seen : (int, int)
        The first and the last cell that any of them sees, as if the axis went on.
    cells, positions : int
    width : int
        Cells that one output sees; at an end of the axis a tile has more, so that a padding that mirrors finds what it repeats.

    >>> tile(100, range(10, 14), (15, 32), 4, 2, 11)
    Surroundings(cells=(range(12, 36),), runs=(), wanted=slice(4, 8, None))
    >>> tile(101, range(49, 51), (93, 105), 4, 2, 11)
    Surroundings(cells=(range(84, 101),), runs=(), wanted=slice(7, 9, None))
    """
    low = max(seen[0], 0) // cells * cells
    high = min(-(-(seen[1] + 1) // cells) * cells, input_size)
    if low == 0:  # cells beyond the end may be mirrored ones, which see as far again
        mirrored = max(-seen[0], 0) + width + 1
        high = min(max(high, -(-mirrored // cells) * cells), input_size)
    if high == input_size:
        mirrored = max(seen[1] - input_size + 1, 0) + width + 1
        low = max(min(low, (input_size - mirrored) // cells * cells), 0)
    # What is seen may lie beyond the end.
    low = min(low, max((input_size - 1) // cells * cells, 0))
    moved = low // cells * positions
    return Surroundings((range(low, max(high, low + 1)),), (), slice(outputs.start - moved, outputs.stop - moved))


# -- where to cut ----------------------------------------------------------------------------------


def follow(axis: Axis, input_size: int, chunks: Sequence[int]) -> tuple[int, ...]:
    """Numbers of outputs that lie over `chunks` of the input, so that each part reads little of its neighbours.

    Where there is an output for each `stride` inputs, output o belongs to the chunk of cell ``o*stride``; else to that of the middle of
    its window. Chunks without outputs are left out.

    >>> follow(Axis(0, kernel=5, padding=(2, 2)), 12, (4, 4, 4)), follow(Axis(0, kernel=5), 12, (4, 4, 4))
    ((4, 4, 4), (2, 4, 2))
    >>> follow(Axis(0, kernel=3, stride=2, padding=(1, 1)), 12, (5, 1, 6))
    (3, 3)
    """
    size = axis.output_size(input_size)
    before, _ = axis.sides(input_size)
    if axis.transposed:
        shift = 0 if size == input_size * axis.stride else (axis.extent - axis.stride) // 2 - before
        cuts = [passed * axis.stride + shift for passed in itertools.accumulate(chunks)]
    else:
        shift = 0 if size == -(-input_size // axis.stride) else (axis.extent - 1) // 2 - before
        cuts = [-(-(passed - shift) // axis.stride) for passed in itertools.accumulate(chunks)]
    inside = [0, *(min(max(cut, 0), size) for cut in cuts[:-1]), size]
    return tuple(end - begin for begin, end in itertools.pairwise(inside) if end > begin) or (0,)


def places(axis: Axis, input_size: int) -> tuple[Fraction, Fraction]:
    """Where outputs stand along the input: the first one, and how far from one to the next, in cells.

    An output stands over the middle of its window; but over the last cell of a causal one, and over its own cell where there are as many
    outputs as inputs.

    >>> places(Axis(0, kernel=3), 9), places(Axis(0, kernel=2, stride=2), 8)
    ((Fraction(1, 1), Fraction(1, 1)), (Fraction(1, 2), Fraction(2, 1)))
    >>> places(Axis(0, kernel=4, stride=2, padding=(1, 1), transposed=True), 8)
    (Fraction(-1, 4), Fraction(1, 2))
    """
    before, _ = axis.sides(input_size)
    if axis.stride == 1 and axis.output_size(input_size) == input_size:
        return Fraction(0), Fraction(1)
    middle = Fraction(axis.extent - 1, 2)
    if axis.transposed:
        return (before - middle) / axis.stride, Fraction(1, axis.stride)
    return (Fraction(0) if axis.padding == "causal" else middle - before), Fraction(axis.stride)


def spread(outputs: int, chunks: Sequence[int], cells: int, positions: int) -> tuple[int, ...]:
    """Numbers of outputs that lie over `chunks` of an input by whose `cells` they move `positions`; chunks without outputs are left out.

    >>> spread(25, (40, 30, 31), 4, 1)
    (10, 7, 8)
    """
    cuts = [min(passed * positions // cells, outputs) for passed in itertools.accumulate(chunks)]
    inside = [0, *cuts[:-1], outputs]
    return tuple(end - begin for begin, end in itertools.pairwise(inside) if end > begin) or (0,)


def overlap(axis: Axis) -> int:
    """Cells that neighbouring parts both read.

    Of a transposed axis the most that they can.

    >>> overlap(Axis(0, kernel=15)), overlap(Axis(0, kernel=3, stride=2, dilation=2)), overlap(Axis(0, kernel=4, stride=2, transposed=True))
    (14, 3, 2)
    """
    if axis.transposed:
        return -(-(axis.extent - 1) // axis.stride)
    return max(axis.extent - axis.stride, 0)
