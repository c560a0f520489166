"""Sizes, padding, phases and borders against counting: nothing here computes a size by a formula."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType

import pytest

from faltung.borders import PADDING_MODES, Image, images
from faltung.errors import ConvError, ConvShapeError, ConvSpecError
from faltung.geometry import MAX_EXTENT, PADDING_RULES, Axis, Phase, extent_of, same_padding
from faltung.reference import source
from faltung.spec import ConvSpec
from tests.support.check import check_error, check_same

INPUTS = range(13)
KERNELS = range(1, 5)
STRIDES = range(1, 5)
DILATIONS = range(1, 4)
SIDES = list(itertools.product(range(-2, 4), repeat=2))
SHAPES = list(itertools.product(KERNELS, STRIDES, DILATIONS))

# -- counting -----------------------------------------------------------------------------------------


@cache
def last_cell(kernel: int, dilation: int) -> int:
    """The cell of a window in which its last tap lies, walking from tap to tap."""
    cell = 0
    for _ in range(kernel - 1):
        cell += dilation
    return cell


@cache
def windows(cells: int, kernel: int, stride: int, dilation: int) -> int:
    """How often a window fits into `cells`, sliding it along."""
    count = start = 0
    while start + last_cell(kernel, dilation) < cells:
        count += 1
        start += stride
    return count


@cache
def stamped(inputs: int, kernel: int, stride: int, dilation: int) -> int:
    """Cells from the first to the last that a transposed axis writes to, stamping its kernel down for every input."""
    return max((i * stride + k * dilation for i in range(inputs) for k in range(kernel)), default=-1) + 1


@cache
def counted_sides(rule: str, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """What a padding rule promises, searched for."""
    reach = max(p for p in range(50) if last_cell(kernel, dilation) - p >= 0)  # a window p cells before the axis still touches it
    if rule in ("valid", "full", "causal"):
        return {"valid": (0, 0), "full": (reach, reach), "causal": (reach, 0)}[rule]
    wanted = sum(1 for cell in range(size) if cell % stride == 0)
    total = 0
    while windows(size + total, kernel, stride, dilation) < wanted:
        total += 1
    sides = [0, 0]
    for turn in range(total):  # handed out in turns, the larger half last
        sides[(turn + 1) % 2 if rule != "same_lower" else turn % 2] += 1
    return sides[0], sides[1]


def counted_output_size(axis: Axis, input_size: int) -> int | None:
    """Outputs by counting; None where no window fits into input and padding, although there is an input."""
    kernel, stride, dilation = axis.kernel, axis.stride, axis.dilation
    large = input_size * stride if axis.transposed else input_size
    before, after = counted_sides(axis.padding, large, kernel, stride, dilation) if isinstance(axis.padding, str) else axis.padding
    if not axis.transposed:
        outputs = windows(input_size + before + after, kernel, stride, dilation)
        if axis.is_same and input_size == 0:
            outputs = 0
    elif axis.is_same:
        outputs = large
    else:
        outputs = stamped(input_size, kernel, stride, dilation) - before - after + axis.output_padding if input_size else 0
    return outputs if outputs > 0 or input_size == 0 else None


def rules_of(stride: int) -> list[str]:
    return [rule for rule in PADDING_RULES if rule != "same" or stride == 1]


def axes(*, transposed: bool) -> Iterator[Axis]:
    for kernel, stride, dilation in SHAPES:
        for padding in (*SIDES, *rules_of(stride)):
            most = max(stride, dilation) if transposed and padding not in ("same", "same_upper", "same_lower") else 1
            for output_padding in range(most):
                yield Axis(0, kernel, stride, dilation, padding, output_padding, transposed)


def size_or_none(axis: Axis, input_size: int) -> int | None:
    try:
        return axis.output_size(input_size)
    except ConvShapeError:
        return None


# -- sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
def test_output_size_is_the_count(transposed: bool) -> None:
    for axis in axes(transposed=transposed):
        for input_size in INPUTS:
            assert size_or_none(axis, input_size) == counted_output_size(axis, input_size), (axis, input_size)


@pytest.mark.parametrize("transposed", [False, True])
def test_input_sizes_are_all_that_give_the_output(transposed: bool) -> None:
    """The inverse against a search: every size from 0 to 60 is tried for outputs up to 10."""
    for kernel, stride, dilation in SHAPES:
        for padding in [(0, 0), (1, 2), (-2, 1), (3, -1), (3, 3), *rules_of(stride)]:
            most = max(stride, dilation) if transposed and padding not in ("same", "same_upper", "same_lower") else 1
            for output_padding in {0, most - 1}:
                axis = Axis(0, kernel, stride, dilation, padding, output_padding, transposed)
                found: dict[int | None, list[int]] = {}
                for input_size in range(61):
                    found.setdefault(counted_output_size(axis, input_size), []).append(input_size)
                for output_size in range(11):
                    assert list(axis.input_sizes(output_size)) == found.get(output_size, []), (axis, output_size)


def test_output_sum_is_true_arithmetic() -> None:
    for transposed in (False, True):
        for axis in itertools.islice(axes(transposed=transposed), 0, None, 7):
            for input_size in range(1, 9):
                if (size := size_or_none(axis, input_size)) is not None:
                    left, right = axis.output_sum(input_size).split(" = ")
                    value = eval(left.replace(") / ", ") // "), {"floor": lambda number: number})  # noqa: S307 - our own text
                    assert (value, right) == (size, str(size)), (axis, input_size)


def test_ceil_counts_the_partly_filled_window() -> None:
    """Windows go on while the one before left cells unvisited, and while they begin inside the input or the padding before it.

    Padding is at most half a kernel, which is what pooling layers allow.
    """
    for kernel, stride, dilation in SHAPES:
        span = last_cell(kernel, dilation) + 1
        for before, after in itertools.product(range(kernel // 2 + 1), repeat=2):
            axis = Axis(0, kernel, stride, dilation, (before, after))
            for input_size in range(1, 13):
                count = 0
                while (count - 1) * stride + span < input_size + before + after and count * stride < input_size + before:
                    count += 1
                try:
                    size = axis.output_size(input_size, ceil=True)
                except ConvShapeError:
                    size = 0
                assert size == count, (axis, input_size)


def test_ceil_is_pytorchs_ceil_mode(torch: ModuleType) -> None:
    for kernel, stride, dilation in itertools.product((2, 3, 4), STRIDES, DILATIONS):
        for padding, input_size in itertools.product(range(kernel // 2 + 1), range(10, 14)):
            axis = Axis(0, kernel, stride, dilation, (padding, padding))
            for ceil in (False, True):
                pooled = torch.nn.functional.max_pool1d(torch.zeros(1, 1, input_size), kernel, stride, padding, dilation, ceil)
                assert axis.output_size(input_size, ceil=ceil) == pooled.shape[-1], (axis, input_size, ceil)


def test_unused_cells_are_those_that_no_window_reaches() -> None:
    for axis in axes(transposed=False):
        if isinstance(axis.padding, str):
            continue
        for input_size in range(1, 13):
            outputs = counted_output_size(axis, input_size)
            if outputs is not None:
                reached = (outputs - 1) * axis.stride + last_cell(axis.kernel, axis.dilation) + 1
                assert axis.unused_cells(input_size) == input_size + sum(axis.padding) - reached, (axis, input_size)
    assert Axis(0, 3, 2, transposed=True).unused_cells(5) == 0
    assert Axis(0, 3, 2).unused_cells(0) == 0


def test_reached_after_is_the_padding_into_which_exactly_so_many_windows_fit() -> None:
    for kernel, stride, dilation in SHAPES:
        axis = Axis(0, kernel, stride, dilation)
        for large, small, before in itertools.product(range(7), range(1, 5), range(-2, 4)):
            fitting = [after for after in range(-20, 40) if windows(large + before + after, kernel, stride, dilation) == small]
            assert axis.reached_after(large, small, before) == fitting[0], (axis, large, small, before)


# -- padding rules ------------------------------------------------------------------------------------


def test_same_padding_is_the_smallest_that_keeps_every_stride() -> None:
    for (kernel, stride, dilation), size in itertools.product(SHAPES, range(1, 13)):
        for odd_cell, rule in (("after", "same_upper"), ("before", "same_lower")):
            expected = counted_sides(rule, size, kernel, stride, dilation)
            assert same_padding(size, kernel, stride, dilation, odd_cell=odd_cell) == expected, (size, kernel, stride, dilation)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "sides"),
    [
        (13, 6, 5, 1, (1, 2)),  # TensorFlow's own example, in the notes on padding of tf.nn
        (224, 7, 2, 1, (2, 3)),  # ResNet's and Inception's first layer
        (224, 3, 2, 1, (0, 1)),  # MobileNet's
        (112, 3, 2, 1, (0, 1)),
        (7, 3, 2, 1, (1, 1)),
        (28, 3, 1, 1, (1, 1)),
        (28, 2, 1, 1, (0, 1)),
        (28, 5, 1, 2, (4, 4)),
        (5, 1, 2, 1, (0, 0)),  # a negative total
        (3, 2, 3, 1, (0, 0)),
        (2, 7, 1, 1, (3, 3)),
    ],
)
def test_same_padding_known_values(size: int, kernel: int, stride: int, dilation: int, sides: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride, dilation, odd_cell="after") == sides
    assert same_padding(size, kernel, stride, dilation, odd_cell="before") == sides[::-1]


def test_sides_of_every_rule() -> None:
    for transposed in (False, True):
        for (kernel, stride, dilation), size in itertools.product(SHAPES, range(1, 13)):
            for rule in rules_of(stride):
                axis = Axis(0, kernel, stride, dilation, rule, 0, transposed)
                large = size * stride if transposed else size
                assert axis.sides(size) == counted_sides(rule, large, kernel, stride, dilation), (axis, size)
    assert Axis(0, 3, padding=(-1, 4)).sides(9) == (-1, 4)


@pytest.mark.parametrize("value", [Axis(0, 3), next(Axis(0, 3, transposed=True).phases(4, 0)), next(images(3, 1, 1, "zeros"))])
def test_values_do_not_change(value: Axis | Phase | Image) -> None:
    assert not hasattr(value, "__dict__")
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, 1)
    assert value == copy.copy(value)
    check_same(dataclasses.asdict(Axis(0, 3))["transposed"], False)


def test_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(ConvSpecError, match="neither a pair nor a rule"):
        Axis(0, 3, padding="most").sides(9)


# -- windows ------------------------------------------------------------------------------------------


def test_extent_counts_cells() -> None:
    for kernel, dilation in itertools.product(range(1, 9), range(1, 9)):
        assert extent_of(kernel, dilation) == Axis(0, kernel, 1, dilation).extent == last_cell(kernel, dilation) + 1


@pytest.mark.parametrize("transposed", [False, True])
def test_receptive_field_spans_the_inputs_that_reach_one_output(transposed: bool) -> None:
    for kernel, stride, dilation in itertools.product(range(1, 6), range(1, 7), range(1, 7)):
        reaching: dict[int, set[int]] = {}
        for small, tap in itertools.product(range(-30, 30), range(kernel)):
            large = small * stride + tap * dilation
            output, read = (large, small) if transposed else (small, large)
            reaching.setdefault(output, set()).add(read)
        inner = [reads for output, reads in reaching.items() if 0 <= output < stride]  # away from both ends, every residue
        widest = max((max(reads) - min(reads) + 1 for reads in inner), default=0)
        assert Axis(0, kernel, stride, dilation, transposed=transposed).receptive_field() == widest, (kernel, stride, dilation)


def test_phases_list_every_pair_once() -> None:
    """Output q receives input i through tap k where ``i*stride + k*dilation == q + before``: found by trying all i and k."""
    for kernel, stride, dilation in itertools.product(range(1, 6), range(1, 7), range(1, 5)):
        for outputs, before in itertools.product((0, 1, 2, 5, 11), (-4, -1, 0, 1, 3, 8)):
            expected = {
                (q, i, k) for q in range(outputs) for i in range(-40, 40) for k in range(kernel) if i * stride + k * dilation == q + before
            }
            found: list[tuple[int, int, int]] = []
            written: list[int] = []
            taps = list(range(kernel))
            for phase in Axis(0, kernel, stride, dilation, transposed=True).phases(outputs, before):
                in_order = taps[phase.kernel_slice]
                assert in_order == [phase.tap + (phase.taps - 1 - t) * phase.tap_step for t in range(phase.taps)]
                for m in range(phase.count):
                    q = phase.first + m * stride
                    written.append(q)
                    found += [(q, m + t * phase.dilation - phase.before, tap) for t, tap in enumerate(in_order)]
            assert len(written) == len(set(written)), (kernel, stride, dilation, outputs, before)
            assert set(written) <= set(range(outputs)), (kernel, stride, dilation, outputs, before)
            assert len(found) == len(expected), (kernel, stride, dilation, outputs, before)
            assert set(found) == expected, (kernel, stride, dilation, outputs, before)


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_images_repeat_the_cells_that_walking_back_finds(mode: str) -> None:
    for size, before, after in itertools.product(range(6), range(-2, 14), range(-2, 14)):
        if size == 0 and mode != "zeros":
            assert [(image.start, image.length) for image in images(size, before, after, mode)] == [(0, 0)]
            continue
        found: dict[int, int] = {}
        for image in images(size, before, after, mode):
            for j in range(image.length):
                assert image.start + j not in found, (size, before, after)
                found[image.start + j] = image.target + image.step * j
        positions = [*range(-before, 0), *range(size + max(after, 0))]
        expected = {position: cell for position in positions if (cell := source(position, size, mode)) is not None}
        assert found == expected, (size, before, after)


def test_a_side_without_padding_has_no_image() -> None:
    for mode in PADDING_MODES:
        assert list(images(3, 0, 0, mode)) == [Image(0, 3, 0, 1)]


# -- sizes beyond 64 bits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: ConvSpec(1, 1, 3, padding=2**62, ndim=1),
        lambda: ConvSpec(1, 1, 3, padding=-(2**62), ndim=1),
        lambda: ConvSpec(1, 1, 3, padding=((2**61, 2**61),), ndim=1),
        lambda: ConvSpec(1, 1, 4, dilation=2**61, ndim=1),
        lambda: ConvSpec(1, 1, 2**62, ndim=1),
        lambda: ConvSpec(1, 1, 3, ndim=1).output_size(2**62),
        lambda: ConvSpec(1, 1, 3, padding=1, ndim=1).output_size(2**62 - 1),
        lambda: ConvSpec(1, 1, 3, padding="full", dilation=2**60, ndim=1).output_size(2**62 - 1),
        lambda: ConvSpec(1, 1, 3, padding="same_upper", dilation=2**60, ndim=1).output_size(2**62 - 1),
        lambda: ConvSpec(1, 1, 3, stride=2, transposed=True, ndim=1).output_size(2**61 + 1),
        lambda: ConvSpec(1, 1, 3, stride=2**62, transposed=True, ndim=1).output_size(2),
        lambda: ConvSpec(1, 1, 3, stride=2**62, transposed=True, padding="same_upper", ndim=1).output_size(1),
        lambda: ConvSpec(1, 1, 3, transposed=True, padding=-(2**61), ndim=1).output_size(2**61),
        lambda: Axis(0, 3).output_size(2**63),
        lambda: Axis(0, 3, padding=(2**62, -(2**62))).output_size(5),
    ],
)
def test_extents_beyond_62_bits_are_errors_with_their_arithmetic(call: Callable[[], object]) -> None:
    with pytest.raises(ConvError, match=str(MAX_EXTENT)):
        call()


def test_the_largest_extent_is_exact() -> None:
    assert ConvSpec(1, 1, 3, ndim=1).output_size(MAX_EXTENT) == (MAX_EXTENT - 2,)
    assert ConvSpec(1, 1, 1, stride=2**62, ndim=1).output_size(MAX_EXTENT) == (1,)
    assert ConvSpec(1, 1, 1, dilation=2**62 - 1, ndim=1).output_size(5) == (5,)
    assert ConvSpec(1, 1, 1, transposed=True, ndim=1).output_size(MAX_EXTENT) == (MAX_EXTENT,)


@pytest.mark.parametrize("transposed", [False, True])
def test_input_sizes_at_the_limit_are_sizes_that_are_accepted(transposed: bool) -> None:
    limit_outputs = [MAX_EXTENT, MAX_EXTENT - 1, MAX_EXTENT - 2, MAX_EXTENT - 4, 2**61, 2**61 - 1, 2**61 + 1, MAX_EXTENT // 3]
    for kernel, stride, padding in itertools.product((1, 3), (1, 2, 3), ((0, 0), (1, 2), (-1, 0), (-2, -2), "same_upper", "full")):
        output_padding = stride - 1 if transposed and padding != "same_upper" else 0
        axis = Axis(0, kernel, stride, 1, padding, output_padding, transposed)
        for output_size in limit_outputs:
            sizes = axis.input_sizes(output_size)
            assert [axis.output_size(size) for size in sizes] == [output_size] * len(sizes), (axis, output_size)
            near = output_size // stride if transposed else output_size * stride
            for size in range(max(near - 9, 0), near + 10):  # all of them, where there are any
                assert (size in sizes) == (size_or_none(axis, size) == output_size), (axis, output_size, size)


def test_messages_of_sizes_beyond_62_bits() -> None:
    remedy = "\n  Positions must fit in 64-bit integers: use a smaller size, padding, stride or dilation."
    limit = f", more than {MAX_EXTENT} = 2**62 - 1."
    half, most = 2**61, MAX_EXTENT
    for axis, size, arithmetic in (
        (Axis(0, 3, padding=(1, 2)), most, f"{most} + 1 + 2 = {most + 3}"),
        (Axis(1, 3, padding=(2, -2)), most, f"{most} + 2 + 2 = {most + 4}"),
        (Axis(2, 3, 2, padding="same_lower", transposed=True), half, f"{half}*2 = {2 * half}"),
        (Axis(3, 1, 2, 1, (1, 1), 1, transposed=True), half, f"({half} - 1)*2 + 1 + 1 = {2 * half}"),
        (
            Axis(4, 3, padding=(-half, -half), transposed=True),
            half,
            f"({half} - 1)*1 - {-half} - {-half} + 1*(3-1) + 0 + 1 = {3 * half + 2}",
        ),
    ):
        message = f"extent along axis {axis.index} is too large: {arithmetic}{limit}{remedy}"
        check_error(lambda axis=axis, size=size: axis.output_size(size), ConvShapeError, message)


def test_rules_where_numbers_are_more_common() -> None:
    same = ["same", "same_upper", "same_lower"]
    assert [rule for rule in PADDING_RULES if Axis(0, 3, padding=rule).is_same] == same
    for rule in same[1:]:
        axis = Axis(0, 3, 2, padding=rule)
        assert [axis.output_size(size, ceil=True) for size in range(1, 8)] == [1, 1, 2, 2, 3, 3, 4]
        assert [axis.unused_cells(size) for size in range(1, 8)] == [0] * 7
    check_same(Axis(0, 3, padding="same", transposed=True).output_sum(7), "7*1 = 7")


def test_messages_of_an_axis() -> None:
    check_error(
        lambda: Axis(2, 3).input_sizes(-1),
        ConvShapeError,
        "output_size=-1 along axis 2 is negative.\n  Sizes are 0 or more.",
    )
    check_same(Axis(0, 3, padding="full").output_sum(4), "floor((4 + 2 + 2 - 1*(3-1) - 1) / 1) + 1 = 6")
    check_same(Axis(0, 4, 2, padding=(1, 1), transposed=True).output_sum(7), "(7 - 1)*2 - 1 - 1 + 1*(4-1) + 0 + 1 = 14")
    check_same(Axis(0, 3, 2, padding="same_lower", transposed=True).output_sum(7), "7*2 = 14")
