"""Section 8: groups, depthwise and depthwise separable convolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung import reference
from faltung.kernels import named_kernel
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, GridRow, Heading, Moving, NumberGrid, Table, Text
from faltung.tour.checks import equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import grey, signed
from faltung.tour.section import Section
from faltung.viz.gallery import case

__all__ = ["section"]

Ints = NDArray[np.int64]


def section(photograph: Photograph, clock: Clock) -> Section:
    """Who sees whom; the counts; both steps on the photograph; what a separable layer cannot do; the clock."""
    standard = ConvSpec(32, 64, (3, 3), padding=1, bias=False)
    depthwise = ConvSpec(32, 32, (3, 3), padding=1, groups=32, bias=False)
    pointwise = ConvSpec(32, 64, (1, 1), bias=False)
    blocks: list[Block] = [
        *_groups(),
        *_counts(standard, depthwise, pointwise),
        *_on_the_photograph(photograph),
        *_against_the_clock(photograph, clock, standard, depthwise, pointwise),
    ]
    return Section(
        8,
        "Depthwise separable convolution",
        (
            "A depthwise separable convolution filters each channel by itself and then mixes the channels with a 1 × 1 convolution.",
            ("It splits one expensive step into two cheap ones, and can do a little less: that is the bargain behind networks for phones."),
        ),
        (str(standard), str(depthwise), str(pointwise)),
        tuple(blocks),
    )


def _seen(groups: int) -> Ints:
    """Which output channel (row) answers to which input channel (column), found by asking each in turn."""
    spec = ConvSpec(8, 8, (3, 3), groups=groups, bias=False)
    weight = np.ones(spec.weight_shape, np.int64)
    answers = [fl.conv(spec, np.eye(8, dtype=np.int64)[channel][:, None, None] * np.ones((3, 3), np.int64), weight) for channel in range(8)]
    return np.stack([(answer[:, 0, 0] != 0).astype(np.int64) for answer in answers], axis=1)


def _groups() -> tuple[Block, ...]:
    rows, grids, checks, shapes = [], [], [], []
    for groups, name in ((1, "standard"), (2, "grouped"), (8, "depthwise")):
        spec = ConvSpec(8, 8, (3, 3), groups=groups, bias=False)
        seen = _seen(groups)
        size = 8 // groups
        sight = "; ".join(
            f"outputs {g * size}–{g * size + size - 1} see inputs {g * size}–{g * size + size - 1}"
            if size > 1
            else f"output {g} sees input {g}"
            for g in range(min(groups, 2))
        ) + ("; …" if groups > 2 else "")
        shapes.append(spec.weight_shape)
        rows.append((groups, name, str(spec.weight_shape), f"{spec.parameters}", sight))
        grids.append(NumberGrid.of(seen, f"groups = {groups}"))
        checks.append(
            equal(
                f"groups = {groups}: each group sees its own {size} of 8 channels",
                seen,
                np.kron(np.eye(groups, dtype=np.int64), np.ones((size, size), np.int64)),
                "64 pairs of channels, each input asked in turn",
            )
        )
    return (
        Heading("Groups: who sees whom"),
        Text(
            "Eight channels in, eight out, kernel 3. With `groups` = G the channels are split into G parts, each part is convolved on "
            "its own, and both "
            "channel counts must be divisible by G. The tables were found by lighting one input channel at a time: 1 where the output "
            "(row) "
            "answers to the input (column)."
        ),
        Table(
            ("groups", "name", "weight shape (out, in / groups, kh, kw)", "weights", "who sees whom"),
            tuple(rows),
            "Groups of eight channels",
        ),
        GridRow(tuple(grids)),
        *checks,
        equal("weight shapes for 1, 2 and 8 groups", shapes, [(8, 8, 3, 3), (8, 4, 3, 3), (8, 1, 3, 3)]),
    )


def _counts(standard: ConvSpec, depthwise: ConvSpec, pointwise: ConvSpec) -> tuple[Block, ...]:
    apart = depthwise.parameters + pointwise.parameters
    factor = standard.parameters / apart
    return (
        *(Moving(case(f"groups-{groups}")) for groups in (1, 2, 8)),
        Heading("The counts"),
        Formula(
            (
                f"standard     in · out · k²      = 32 · 64 · 9      = {standard.parameters:,}",
                f"separable    in · k² + in · out = 32 · 9 + 32 · 64 = {depthwise.parameters:,} + {pointwise.parameters:,} = {apart:,}",
                f"ratio        {standard.parameters:,} / {apart:,} = {factor:.2f}        in general 1 / (1/out + 1/k²)",
            )
        ),
        equal(
            "32 → 64 channels, kernel 3: 18,432 weights against 2,336, 7.89 times fewer",
            [standard.parameters, apart, round(100 * factor)],
            [18_432, 2_336, 789],
            "counts of the three specs",
        ),
        equal(
            "the ratio is 1 / (1/64 + 1/9), for weights and MACs alike",
            [round(1e6 * factor), round(1e6 * standard.macs((112, 112)) / (depthwise.macs((112, 112)) + pointwise.macs((112, 112))))],
            [round(1e6 / (1 / 64 + 1 / 9))] * 2,
            "six decimals",
        ),
    )


def _on_the_photograph(photograph: Photograph) -> tuple[Block, ...]:
    """Three kernels, one a channel, then a mixture; and the dense layer that does the same."""
    names = ("gaussian blur", "sobel_x", "laplacian")
    spatial = np.stack(
        [np.outer([1, 2, 1], [1, 2, 1]), named_kernel("sobel_x").astype(np.int64), named_kernel("laplacian").astype(np.int64)]
    )[:, None]
    mix = np.array([[1, 5, -5], [1, -5, 5]])[:, :, None, None]
    depthwise = ConvSpec(3, 3, (3, 3), padding=1, padding_mode="reflect", groups=3, bias=False)
    middle = fl.conv(depthwise, photograph.rgb, spatial)
    result = fl.depthwise_separable_conv2d(photograph.rgb, spatial, mix, padding=1, padding_mode="reflect")
    dense_weight = mix * spatial[:, 0][None]
    dense = fl.conv2d(photograph.rgb, dense_weight, padding=1, padding_mode="reflect")
    crop = photograph.rgb[:, :48, :48]
    actual = fl.depthwise_separable_conv2d(crop, spatial, mix, padding=1, padding_mode="reflect")
    expected = reference.conv(ConvSpec(3, 2, (3, 3), padding=1, padding_mode="reflect", bias=False), crop[None], dense_weight)[0]
    ranks = [int(np.linalg.matrix_rank(dense_weight[:, channel].reshape(2, 9))) for channel in range(3)]
    return (
        Heading("The two steps on the photograph"),
        Gallery(
            (
                grey(middle[0] / 16, f"Depthwise, red channel: {names[0]}", "The red channel, blurred."),
                signed(middle[1], f"Depthwise, green channel: {names[1]}", "Upright edges of the green channel."),
                signed(middle[2], f"Depthwise, blue channel: {names[2]}", "Fine grain of the blue channel."),
            ),
            columns=3,
        ),
        Gallery(
            (
                grey(result[0], "Pointwise, map 0: 1·a + 5·b − 5·c", "A sharp relief of the photograph, lit from one side.", -500, 4600),
                grey(
                    result[1], "Pointwise, map 1: 1·a − 5·b + 5·c", "A soft relief of the photograph, lit from the other side.", -500, 4600
                ),
            )
        ),
        Text(
            "One dense layer does the same: its kernel from channel c to map o is the depthwise kernel of c times one number. That is "
            "also the "
            f"limit of the bargain. The kernels that read one channel are all multiples of a single one (rank {max(ranks)}); a "
            "standard layer may "
            "choose each freely."
        ),
        Correction(
            "A depthwise separable convolution computes the same as a standard one, only faster.",
            "It computes a special case. Every separable layer is some standard layer, but few standard layers are separable, so a "
            "network "
            "must be trained with it and cannot simply be converted.",
        ),
        equal("depthwise then pointwise = one dense layer with weights P[o, c] · D[c]", result, dense),
        equal("the kernels that read one channel have rank 1", ranks, [1, 1, 1]),
        equal(
            "depthwise separable agrees with the definition of that dense layer",
            actual,
            expected,
            f"{expected.size:,} values: 48 × 48 pixels with their borders",
        ),
    )


def _against_the_clock(
    photograph: Photograph, clock: Clock, standard: ConvSpec, depthwise: ConvSpec, pointwise: ConvSpec
) -> tuple[Block, ...]:
    """The layer of the counts at 112 × 112, both ways."""
    draw = np.random.default_rng(8)
    sheet = photograph.square(112).rgb.astype(np.float32)
    x = np.concatenate([sheet] * 11)[:32]
    dense, spatial, mix = (draw.standard_normal(spec.weight_shape).astype(np.float32) for spec in (standard, depthwise, pointwise))
    together, apart = (Stage(standard, dense),), (Stage(depthwise, spatial), Stage(pointwise, mix))

    def call(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return fl.depthwise_separable_conv2d(values, spatial, mix, padding=1)

    return (
        cost_of("standard, 32 → 64 at 112 × 112", together, x),
        cost_of("depthwise separable, 32 → 64 at 112 × 112", apart, x),
        *clock.time("standard, 32 → 64 at 112 × 112", together, x),
        *clock.time("depthwise separable, 32 → 64 at 112 × 112", apart, x, call),
        Text(
            "Fewer multiplications are not always as much less time: the depthwise step does little arithmetic with each number it "
            "fetches, "
            "so memory sets its pace. The times below say how much of the factor is left on this machine."
        ),
    )
