"""Section 11: what happens to the output when the input moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung.kernels import named_kernel
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, Heading, Table, Text
from faltung.tour.checks import against_definition, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import colour, error_map, reach_of, signed
from faltung.tour.section import Section

__all__ = ["section"]

Ints = NDArray[np.int64]

WIDE = np.outer([1, 4, 6, 4, 1, 0, 0], [0, 0, -1, -2, 0, 2, 1])
"""A lopsided 7 × 7 edge kernel: nothing holds here because the kernel is symmetric."""


def section(photograph: Photograph, clock: Clock) -> Section:
    """Exact with circular padding, wrong at the border with zeros, wrong at odd shifts with stride 2; a sum that never notices."""
    height, width = photograph.size
    image = photograph.grey[None].astype(np.int64)
    circular = ConvSpec(1, 1, (7, 7), padding=3, padding_mode="circular", bias=False)
    weight = WIDE[None, None]
    stage = Stage(circular, weight)
    shift = (height // 6, width // 5)
    result = fl.conv(circular, image, weight)[0]
    of_moved = fl.conv(circular, _rolled(image, shift), weight)[0]
    moved_of = _rolled(result, shift)

    shifts = [(0, 1), (1, 0), (-1, -1), (2, 3), (7, -5), (height // 2, width // 3), (height - 1, width - 1)]
    rows, differences = [], []
    for by in shifts:
        one = fl.conv(circular, _rolled(image, by), weight)[0]
        differences.append(int(np.abs(one - _rolled(result, by)).max()))
        rows.append((f"{by[0]} down, {by[1]} right".replace("-", "−"), differences[-1]))

    blocks: list[Block] = [
        Formula(
            (
                "equivariant    f(shift(x)) = shift(f(x))        the answer moves along",
                "invariant      g(shift(x)) = g(x)               the answer stays",
            )
        ),
        Heading("On a world without edges: exact"),
        Text(
            "With circular padding the picture has no border, every place is like every other, and it makes no difference whether one "
            "moves first or convolves first."
        ),
        Gallery(
            (
                colour(
                    _rolled(photograph.rgb, shift),
                    f"The photograph, moved {shift[0]} down and {shift[1]} right, wrapped around",
                    "The photograph, moved and wrapped.",
                ),
                signed(of_moved, "Moved, then convolved", "Edges of the moved photograph."),
                signed(moved_of, "Convolved, then moved", "The same picture again."),
            ),
            columns=3,
        ),
        Table(
            ("shift", "largest difference"),
            tuple(rows),
            "Convolving the moved photograph against moving the result, stride 1, circular padding",
        ),
        equal(
            "circular padding, stride 1: equivariant to every shift, exactly",
            differences,
            [0] * len(shifts),
            f"{len(shifts)} shifts × {result.size:,} values",
        ),
        *_zero_padding(photograph),
        *_strided(photograph),
        *_pooling(photograph, circular, weight),
        against_definition(circular, image, weight, drawn=result[None], name="the circular edge map agrees with the definition"),
        cost_of("7 × 7, circular, on the photograph", (stage,), image),
        *clock.time("7 × 7, circular", (stage,), image),
    ]
    return Section(
        11,
        "Shift equivariance",
        (
            "The same weights at every place have a consequence: when the input moves, the output moves along.",
            "That is equivariance, not invariance, and padding and strides break it in ways that can be shown exactly.",
        ),
        (
            str(circular),
            str(ConvSpec(1, 1, (13, 13), padding=6, bias=False)),
            str(ConvSpec(1, 1, (7, 7), stride=2, padding=3, padding_mode="circular", bias=False)),
        ),
        tuple(blocks),
    )


def _rolled(array: NDArray[np.generic], by: tuple[int, int]) -> NDArray[np.generic]:
    """`array` moved down and right, what leaves coming in on the other side."""
    return np.roll(array, by, axis=(-2, -1))


def _zero_padding(photograph: Photograph) -> tuple[Block, ...]:
    """The camera moves: two overlapping views, convolved each with zeros around it, compared where both see the same."""
    height, width = photograph.size
    down, right = height // 8, width // 8
    spec = ConvSpec(1, 1, (13, 13), padding=6, bias=False)
    weight = fl.convolve(WIDE, WIDE[::-1, ::-1].T, "full")[None, None]
    image = photograph.grey[None].astype(np.int64)
    first = fl.conv(spec, image[:, : height - down, : width - right], weight)[0]
    second = fl.conv(spec, image[:, down:, right:], weight)[0]
    # Both views, cut to what they share.
    shared, again = first[down:, right:], second[: height - 2 * down, : width - 2 * right]
    error = np.abs(shared - again)
    reach = spec.sides(photograph.size)[0][0]
    inside = error[reach:-reach, reach:-reach]
    touched = int((error > 0).sum())
    seen = reach_of(shared[reach:-reach, reach:-reach])
    return (
        Heading("With zero padding: wrong at the border, and only there"),
        Text(
            f"Now the camera moves by {down} rows and {right} columns, and both views are padded with zeros. Where both see the same "
            "scene they agree, "
            f"except in a frame of {reach} cells, as wide as the padding: there one of the two has averaged in zeros for what the "
            "other could see."
        ),
        Gallery(
            (
                signed(shared, "First view, the part that both share", "Edges of the photograph.", seen),
                signed(again, "Second view, the same part", "The same edges.", seen),
                error_map(error, f"Difference: {touched:,} cells, all within {reach} of the border", "Grey, with a thin coloured frame."),
            ),
            columns=3,
        ),
        equal(f"zero padding: no difference further than {reach} cells from the border", inside, np.zeros_like(inside)),
        Text("Each further layer widens that frame by its own padding; after many layers it may fill the map."),
    )


def _strided(photograph: Photograph) -> tuple[Block, ...]:
    """Stride 2 looks at every other place: even shifts move the answer by half, odd ones change it."""
    spec = ConvSpec(1, 1, (7, 7), stride=2, padding=3, padding_mode="circular", bias=False)
    image = photograph.grey[None].astype(np.int64)
    result = fl.conv(spec, image, WIDE[None, None])[0]
    rows, even, errors = [], [], {}
    for by in range(5):
        moved = fl.conv(spec, _rolled(image, (0, by)), WIDE[None, None])[0]
        # The best that any whole shift of the result can do, so that an odd shift is not failed by rounding.
        candidates = {to: np.abs(moved - _rolled(result, (0, to))) for to in (by // 2, by // 2 + 1)}
        best = min(candidates, key=lambda to: int(candidates[to].sum()))
        errors[by] = candidates[best]
        largest, mean = int(errors[by].max()), float(errors[by].mean())
        rows.append((by, best, f"{largest:,}", f"{mean:.1f}", "exact" if largest == 0 else "not equivariant"))
        if by % 2 == 0:
            even.append(largest)
    # A single bright cell shows it on any photograph.
    dot = np.zeros((1, 16, 16), np.int64)
    dot[0, 8, 8] = 1
    before, after = (fl.conv(spec, _rolled(dot, (0, by)), WIDE[None, None])[0] for by in (0, 1))
    same = [bool((_rolled(before, (i, j)) == after).all()) for i in range(8) for j in range(8)]
    return (
        Heading("With stride 2: even shifts only"),
        Text(
            "A stride of 2 keeps every other place. Move the input by an even number and the kept places move along; move it by an "
            "odd number and "
            "the layer sees the places that it skipped before."
        ),
        Table(
            ("shift of the input", "best shift of the output", "largest difference", "mean difference", ""),
            tuple(rows),
            "The photograph moved to the right, stride 2, circular padding",
        ),
        Gallery(
            (
                error_map(errors[1], "Difference for a shift of 1", "Coloured along every edge of the photograph."),
                error_map(
                    errors[2],
                    "Difference for a shift of 2: 0 everywhere" if not errors[2].any() else "Difference for a shift of 2",
                    "Grey throughout: no difference.",
                ),
            )
        ),
        equal("stride 2: shifts by 0, 2 and 4 are exact", even, [0, 0, 0], f"3 shifts × {result.size:,} values"),
        equal("stride 2: a dot moved by 1 gives what no shift of the old answer gives", any(same), False, "64 shifts of the 8 × 8 answer"),
        Text("The remedy is to blur before subsampling, so that the skipped places hold nothing the kept ones do not know (Zhang, 2019)."),
    )


def _pooling(photograph: Photograph, circular: ConvSpec, weight: Ints) -> tuple[Block, ...]:
    """Sum and maximum over all places do not change when the places do."""
    image = photograph.grey[None].astype(np.int64)
    zeros = ConvSpec(1, 1, (7, 7), padding=3, bias=False)
    linear = np.random.default_rng(11).integers(-9, 10, image.shape[1:])
    rows, sums, tops = [], [], []
    for by in ((0, 0), (0, 1), (5, 9), (photograph.size[0] // 2, photograph.size[1] // 2)):
        moved = _rolled(image, by)
        answer = np.maximum(fl.conv(circular, moved, weight)[0], 0)
        bordered = np.maximum(fl.conv(zeros, moved, weight)[0], 0)
        sums.append(int(answer.sum()))
        tops.append(int(answer.max()))
        flattened = int((linear * answer).sum())
        rows.append(
            tuple(
                text.replace("-", "−")
                for text in (f"{by[0]}, {by[1]}", f"{sums[-1]:,}", f"{tops[-1]:,}", f"{int(bordered.sum()):,}", f"{flattened:,}")
            )
        )
    sharp = named_kernel("laplacian").astype(np.int64)
    flat = int(fl.conv2d(image, sharp[None, None], padding=1, padding_mode="circular").sum())
    return (
        Heading("Where invariance comes from: global pooling"),
        Text(
            "Add up a map over all places, or take its maximum, and it no longer matters where things are. That pooling, not the "
            "convolution, makes an "
            "answer invariant. Flattening into a linear layer gives every place its own weight and loses it again."
        ),
        Table(
            ("shift", "sum, circular", "maximum, circular", "sum, zero padding", "flatten and linear layer"),
            tuple(rows),
            "Convolve, ReLU, then one number for the whole map",
        ),
        equal("global sum pooling after circular convolution and ReLU is invariant", sums, [sums[0]] * len(sums)),
        equal("global maximum pooling is too", tops, [tops[0]] * len(tops)),
        equal("a kernel that sums to 0 has a map that sums to 0", flat, 0, "circular Laplacian of the photograph, summed"),
        Correction(
            "Convolutional networks are translation invariant.",
            "A convolution is equivariant: its answer moves with the input. Invariance is added by pooling over all places; padding "
            "with zeros "
            "breaks either at the border, and a stride breaks them for shifts that it does not divide.",
        ),
    )
