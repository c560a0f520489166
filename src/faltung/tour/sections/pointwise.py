"""Section 7: the 1 × 1 convolution, and linear layers as convolutions."""

from __future__ import annotations

import numpy as np

import faltung as fl
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, GridRow, Heading, Moving, NumberGrid, Table, Text
from faltung.tour.checks import against_definition, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import grey, signed
from faltung.tour.section import Section
from faltung.viz.gallery import case

__all__ = ["section"]

PIXELS = np.arange(1, 17).reshape(2, 2, 4)
"""2 × 2 pixels of four channels, channels last as one reads them."""

PICK_AND_ADD = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]])
MIXED = [[[1, 2, 7], [5, 6, 15]], [[9, 10, 23], [13, 14, 31]]]

OPPONENTS = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]])
"""Brightness, red against green, yellow against blue."""


def section(photograph: Photograph, clock: Clock) -> Section:
    """A matrix for each pixel; how many maps come out; a linear layer as one window."""
    spec = ConvSpec(3, 3, (1, 1), bias=False)
    weight = OPPONENTS[:, :, None, None]
    maps = fl.conv(spec, photograph.rgb, weight)
    product = OPPONENTS @ photograph.rgb.reshape(3, -1).astype(np.int64)
    stage = Stage(spec, weight)
    blocks: list[Block] = [
        Formula(
            (
                "y[o, i, j] = bias[o] + Σ over channels c of W[o, c] · x[c, i, j]",
                "                one matrix W for all pixels; no i + m, no neighbours",
            )
        ),
        *_by_hand(),
        Heading("On the photograph: three ways to see a colour"),
        Text("The same matrix at every pixel turns red, green and blue into brightness and two colour contrasts."),
        GridRow((NumberGrid.of(OPPONENTS, "W: rows make maps, columns read R, G, B"),)),
        Gallery(
            (
                grey(maps[0], "R + G + B: brightness", "The photograph in grey.", 0, 765),
                signed(maps[1], "R − G: red against green", "Reddish parts red, greenish parts blue."),
                signed(maps[2], "R + G − 2B: yellow against blue", "Warm parts red, bluish parts blue."),
            ),
            columns=3,
        ),
        equal("a 1 × 1 convolution is a matrix product at every pixel", maps.reshape(3, -1), product),
        *_how_many_maps(photograph),
        *_bottleneck(),
        *_linear_layers(photograph),
        against_definition(spec, photograph.rgb, weight, drawn=maps, name="the opponent colours agree with the definition"),
        cost_of("opponent colours on the photograph", (stage,), photograph.rgb),
        *clock.time("1 × 1, 3 → 3 channels", (stage,), photograph.rgb),
    ]
    return Section(
        7,
        "Pointwise convolution",
        (
            "A 1 × 1 convolution looks at one pixel at a time and mixes its channels by the same matrix everywhere.",
            (
                "Height and width stay as they are, and the number of channels becomes what one likes: it is a fully connected layer "
                "inside each pixel."
            ),
        ),
        (str(ConvSpec(4, 3, (1, 1), bias=False)), str(spec)),
        tuple(blocks),
    )


def _by_hand() -> tuple[Block, ...]:
    """The 2 × 2 × 4 example, each pixel's four numbers to three."""
    x = np.moveaxis(PIXELS, -1, 0)
    result = np.moveaxis(fl.conv2d(x, PICK_AND_ADD[:, :, None, None]), 0, -1)
    rows = []
    for row in range(2):
        for column in range(2):
            values = PIXELS[row, column].tolist()
            answer = result[row, column].tolist()
            rows.append((f"({row}, {column})", str(values), f"[{values[0]}, {values[1]}, {values[2]} + {values[3]}]", str(answer)))
    return (
        Heading("2 × 2 pixels, four channels to three"),
        GridRow((NumberGrid.of(PICK_AND_ADD, "W, 3 × 4"), "two rows pick a channel, the third adds two")),
        Table(("pixel", "x: 4 channels", "W · x", "y: 3 channels"), tuple(rows), "Every pixel by itself"),
        equal("the example gives [1, 2, 7], [5, 6, 15], [9, 10, 23], [13, 14, 31]", result, MIXED),
    )


def _how_many_maps(photograph: Photograph) -> tuple[Block, ...]:
    """F filters give F maps, run and counted."""
    batch = photograph.rgb[None]
    rows, found, expected = [], [], []
    for filters in (1, 4, 16):
        spec = ConvSpec(3, filters, (1, 1), bias=False)
        shape = fl.conv(spec, batch, np.ones(spec.weight_shape, np.int64)).shape
        rows.append((filters, str(spec.weight_shape), str(batch.shape), str(shape)))
        found.append(shape)
        expected.append((1, filters, *photograph.size))
    return (
        Moving(case("pointwise-numbers")),
        Moving(case("pointwise")),
        Heading("How many maps come out"),
        Table(("filters F₁", "weight", "input (N, C, H, W)", "output"), tuple(rows), "As many maps as filters"),
        Correction(
            "F₁ filters of 1 × 1 × C turn (N, C, H, W) into (N, 1, H, W).",
            "Each filter makes one map, so F₁ of them give (N, F₁, H, W); a single map is the case F₁ = 1. The ReLU that often "
            "follows is a "
            "layer of its own.",
        ),
        equal("F₁ filters give (N, F₁, H, W)", found, expected, "shapes for F₁ = 1, 4 and 16 on the photograph"),
    )


def _bottleneck() -> tuple[Block, ...]:
    """What a 1 × 1 saves around a 3 × 3: ResNet's bottleneck counted."""
    direct = ConvSpec(256, 256, (3, 3), padding=1, bias=False)
    steps = (ConvSpec(256, 64, (1, 1), bias=False), ConvSpec(64, 64, (3, 3), padding=1, bias=False), ConvSpec(64, 256, (1, 1), bias=False))
    total = sum(step.parameters for step in steps)
    rows = [(str(direct), f"{direct.parameters:,}", f"{direct.macs((56, 56)) / 1e6:,.0f} M")]
    rows += [(str(step), f"{step.parameters:,}", f"{step.macs((56, 56)) / 1e6:,.0f} M") for step in steps]
    rows.append(("the three together", f"{total:,}", f"{sum(step.macs((56, 56)) for step in steps) / 1e6:,.0f} M"))
    return (
        Heading("What it is for: the bottleneck"),
        Text(
            f"Narrowing 256 channels to 64 before a 3 × 3 kernel and widening them again after it costs "
            f"{direct.parameters / total:.2f} times less "
            "than the 3 × 3 kernel on all 256."
        ),
        Table(("layer", "weights", "MACs at 56 × 56"), tuple(rows), "A ResNet bottleneck beside the layer it stands for"),
        equal("256 → 64 → 64 → 256 has 16,384 + 36,864 + 16,384 weights", total, 16_384 + 36_864 + 16_384),
    )


def _linear_layers(photograph: Photograph) -> tuple[Block, ...]:
    """A linear layer as a convolution whose kernel is as large as its input, in 1-D and in 2-D."""
    draw = np.random.default_rng(7)
    height, width = photograph.size
    line = photograph.grey[height // 2, width // 2 - 8 : width // 2 + 8].astype(np.int64)
    matrix, shift = draw.integers(-9, 10, (5, 16)), draw.integers(-99, 100, 5)
    linear = matrix @ line + shift
    one = ConvSpec(1, 5, (16,))
    as_conv = fl.conv(one, line[None], matrix[:, None, :], shift)

    block = photograph.rgb[:, height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4].astype(np.int64)
    matrix2, shift2 = draw.integers(-9, 10, (10, block.size)), draw.integers(-99, 100, 10)
    two = ConvSpec(3, 10, (8, 8))
    weight2 = matrix2.reshape(10, 3, 8, 8)
    linear2 = matrix2 @ block.ravel() + shift2
    as_conv2 = fl.conv(two, block, weight2, shift2)

    larger = photograph.rgb[:, :12, :14].astype(np.int64)
    slid = fl.conv(two, larger, weight2, shift2)
    each = np.stack([[matrix2 @ larger[:, i : i + 8, j : j + 8].ravel() + shift2 for j in range(7)] for i in range(5)])
    return (
        Heading("A linear layer is a convolution with one window"),
        Text(
            "Make the kernel as large as the input and there is a single place to put it: the sum of products is the matrix product "
            "of a fully "
            "connected layer, weight for weight."
        ),
        Table(
            ("layer", "input", "weights", "output"),
            (
                ("linear, 16 → 5", "(16,)", str(matrix.shape), str(linear.shape)),
                (str(one), "(1, 16)", str(one.weight_shape), str(as_conv.shape)),
                (f"linear, {block.size} → 10", f"({block.size},)", str(matrix2.shape), str(linear2.shape)),
                (str(two), str(block.shape), str(two.weight_shape), str(as_conv2.shape)),
            ),
            "The same numbers in two shapes",
        ),
        GridRow(
            (NumberGrid.of(linear[None], "W x + b"), "=", NumberGrid.of(as_conv.T, "1-D convolution, kernel 16")),
            "16 pixels of the photograph's middle row",
        ),
        equal("linear layer = full-size convolution in 1-D, bit for bit", as_conv[:, 0], linear),
        equal("linear layer = full-size convolution in 2-D, bit for bit", as_conv2[:, 0, 0], linear2),
        Text(
            "And it gains something: on a larger image the same weights slide, and the classifier answers at every place instead of once."
        ),
        equal("on 12 × 14 pixels it gives the linear layer's answer at 5 × 7 places", np.moveaxis(slid, 0, -1), each),
    )
