"""A convolution in parts is the whole: every range of outputs of small axes, against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from faltung import reference
from faltung.borders import PADDING_MODES
from faltung.errors import ConvError, ConvShapeError
from faltung.geometry import PADDING_RULES, Axis
from faltung.parts import Part, follow, overlap, part_of
from faltung.spec import ConvSpec

SIZES = (1, 2, 5)
SHAPES = [(1, 1, 1), (2, 1, 1), (3, 1, 2), (2, 3, 1), (3, 2, 1), (2, 2, 3), (1, 3, 1)]  # kernel, stride, dilation
PADDING = [(0, 0), (2, 1), (-1, 2), (1, -1), (7, 6), *PADDING_RULES]


def of_one_axis(shape: tuple[int, int, int], padding: object, mode: str, transposed: bool) -> ConvSpec:
    kernel, stride, dilation = shape
    sides = padding if isinstance(padding, str) else (padding,)
    return ConvSpec(1, 1, (kernel,), stride, sides, dilation, bias=False, padding_mode=mode, transposed=transposed)


def by_part(spec: ConvSpec, part: Part, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The outputs of a part from the cells that it names, each piece by the definition."""
    block = np.concatenate([x[cells.start : cells.stop] for cells in part.cells])
    assert len(block) == part.block_size
    if part.runs:
        block = np.array([block[run.start + run.step * j] for run in part.runs for j in range(run.length)])
    assert len(block) == part.laid_size
    outputs = np.zeros(len(part.outputs), int)
    for piece in part.pieces:
        fields = spec.to_dict() | {"padding": (piece.padding,), "padding_mode": "zeros"}
        computed = reference.conv(ConvSpec(**fields), block[None, None, piece.cells.start : piece.cells.stop], weight)[0, 0]
        assert len(computed) == piece.target.length
        for j, value in enumerate(computed):
            outputs[piece.target.start + piece.target.step * j] += value
    return outputs


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_every_part_is_that_part_of_the_whole(mode: str, transposed: bool) -> None:
    tried = 0
    for shape, padding, size in itertools.product(SHAPES, PADDING, SIZES):
        try:
            spec = of_one_axis(shape, padding, mode, transposed)
            (outputs,) = spec.output_size((size,))
        except ConvError:
            continue
        x, weight = np.arange(1, size + 1) ** 2, 10 ** np.arange(shape[0])[None, None]
        whole = reference.conv(spec, x[None, None], weight)[0, 0]
        for begin in range(0, outputs, 1 if outputs < 6 else 3):
            for end in (begin + 1, begin + 2, (begin + outputs) // 2, outputs):
                if not begin < end <= outputs:
                    continue
                part = part_of(spec.axes[0], mode, size, range(begin, end))
                assert by_part(spec, part, x, weight).tolist() == whole[begin:end].tolist(), (spec, size, begin, end)
                tried += 1
    assert tried > 300


@pytest.mark.parametrize("transposed", [False, True])
def test_parts_read_no_more_than_their_windows_cover(transposed: bool) -> None:
    """But for the holes of dilations and strides at either end; and at least one cell, so that there is something to convolve."""
    for shape, padding, size in itertools.product(SHAPES, PADDING, (5, 9)):
        try:
            spec = of_one_axis(shape, padding, "zeros", transposed)
            (outputs,) = spec.output_size((size,))
        except ConvError:
            continue
        meetings, _ = reference.meetings(spec, 0, size)
        for begin, end in itertools.combinations(range(outputs + 1), 2):
            part = part_of(spec.axes[0], "zeros", size, range(begin, end))
            read = {
                small if transposed else large
                for small, _, large in meetings
                if large is not None and begin <= (large if transposed else small) < end
            }
            (cells,) = part.cells
            assert read <= set(cells)
            holes = 2 * (max(shape[1:]) - 1)
            assert len(cells) <= max(read, default=0) - min(read, default=0) + 1 + holes


def test_an_empty_axis_has_outputs_of_zeros_only() -> None:
    axis = Axis(0, kernel=2, padding=(2, 1))
    part = part_of(axis, "zeros", 0, range(1, 2))
    assert (part.block_size, part.pieces[0].padding) == (0, (1, 1))
    with pytest.raises(ConvShapeError, match="has no cell to repeat along axis 0 of size 0"):
        part_of(axis, "reflect", 0, range(1, 2))


@pytest.mark.parametrize("outputs", [range(3, 3), range(6), range(-1, 2), range(0, 4, 2)])
def test_outputs_that_are_no_part_are_refused(outputs: range) -> None:
    with pytest.raises(ConvShapeError, match=r"are no part of its 5 outputs"):
        part_of(Axis(0, kernel=1), "zeros", 5, outputs)


def test_parts_far_from_the_border_need_nothing_but_their_cells() -> None:
    for mode in PADDING_MODES:
        part = part_of(Axis(0, kernel=5, padding=(2, 2)), mode, 10**12, range(10**11, 10**11 + 1000))
        assert part.cells == (range(10**11 - 2, 10**11 + 1002),)
        assert (part.runs, part.pieces[0].padding) == ((), (0, 0))


def test_a_circle_reads_from_both_ends() -> None:
    part = part_of(Axis(0, kernel=3, padding=(1, 1)), "circular", 100, range(90, 100))
    assert part.cells == (range(1), range(89, 100))
    assert [list(run.span) for run in part.runs] == [list(range(1, 12)), [0]]


@pytest.mark.parametrize("transposed", [False, True])
def test_chunks_of_outputs_follow_those_of_the_input(transposed: bool) -> None:
    for shape, padding in itertools.product(SHAPES, PADDING):
        for chunks in ((5, 4, 3), (1,) * 12, (12,), (0, 11, 1)):
            try:
                spec = of_one_axis(shape, padding, "zeros", transposed)
                (outputs,) = spec.output_size((12,))
            except ConvError:
                continue
            followed = follow(spec.axes[0], 12, chunks)
            assert sum(followed) == outputs
            assert len(followed) <= len(chunks)
            assert all(followed)
            if outputs == 12 and shape[1] == 1:
                assert followed == tuple(size for size in chunks if size)


def test_neighbours_read_so_many_cells_twice() -> None:
    for (kernel, stride, dilation), transposed in itertools.product(SHAPES, (False, True)):
        axis = Axis(0, kernel, stride, dilation, (3, 3), transposed=transposed)
        size = 12 if transposed else 40
        outputs = axis.output_size(size)
        twice = []
        for cut in range(1, outputs):
            (left,), (right,) = (part_of(axis, "zeros", size, part).cells for part in (range(cut), range(cut, outputs)))
            twice.append(len(set(left) & set(right)))
        assert max(twice) <= max(overlap(axis), 1)
        assert overlap(axis) in twice or overlap(axis) == 0
