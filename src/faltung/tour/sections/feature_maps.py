"""Section 10: sixty-four feature maps of a first layer."""

from __future__ import annotations

import numpy as np

import faltung as fl
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Folded, Formula, Gallery, Heading, Legend, Picture, Table, Text
from faltung.tour.checks import against_definition, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.filter_bank import filter_bank
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import colour, kernel_tiles, map_tiles, mosaic, positive, reach_of, signed
from faltung.tour.section import Section

__all__ = ["section"]

SIDE = 224
SHOWN = 4
"""The filter whose map is enlarged: an edge that is brighter on its left."""


def section(photograph: Photograph, clock: Clock) -> Section:
    """A bank of named filters in the place of ResNet's first layer: kernels, raw maps, activation maps."""
    spec = ConvSpec.parse("conv2d(3, 64, 7, stride=2, padding=3, bias=False)")
    names, weight = filter_bank()
    square = photograph.square(SIDE)
    x = ((square.rgb / np.float32(255) - np.float32(0.45)) / np.float32(0.25)).astype(np.float32)
    raw = fl.conv(spec, x, weight)
    active = fl.plan(spec, (1, *x.shape)).prepare(weight, activation="relu")(x[None])[0]
    silent = float((raw < 0).mean())
    reaches = [reach_of(values) for values in raw]
    stage = Stage(spec, weight)
    axis = spec.axes[0]

    blocks: list[Block] = [
        Formula(
            (
                f"{SIDE} × {SIDE} → {axis.output_sum(SIDE)} on each axis",
                (
                    f"weights  64 · 3 · 7 · 7 = {spec.parameters:,}        MACs  {spec.parameters:,} · 112 · 112 = "
                    f"{spec.macs((SIDE, SIDE)):,}"
                ),
            )
        ),
        equal(
            "64 maps of 112 × 112, 9,408 weights, 118,013,952 MACs",
            [*raw.shape, spec.parameters, spec.macs((SIDE, SIDE))],
            [64, 112, 112, 9_408, 118_013_952],
            "the shape computed, the counts of the spec",
        ),
        Text(
            "The layer is the first of a ResNet. Its filters here are not learned but written down: edges, lines, spots and colours, "
            "very like "
            "those that training finds. Zero is grey in the filters; each map has its own scale."
        ),
        Gallery(
            (
                colour(square.rgb, f"The layer's input: the photograph's middle, {SIDE} × {SIDE}", "The middle of the photograph, square."),
                Picture(
                    mosaic(kernel_tiles(weight, 6), 8),
                    "The 64 filters, 7 × 7 cells in colour",
                    "Small tiles with edges, lines, spots and colour patches.",
                    crisp=True,
                ),
            )
        ),
        Gallery(
            (
                Picture(
                    mosaic(map_tiles(raw, "signed", reaches), 8),
                    "Feature maps: the raw results, both signs",
                    "64 small maps of the photograph in red and blue.",
                    Legend("signed", "negative", "positive"),
                ),
                Picture(
                    mosaic(map_tiles(active, "positive", reaches), 8),
                    "Activation maps: the same after ReLU",
                    "The same 64 maps with only the red parts left.",
                    Legend("positive", "0", "positive"),
                ),
            )
        ),
        Folded("The names of the 64 filters, in the order of the tiles", (_names_table(names),)),
        Heading("One of them, closer"),
        Gallery(
            (
                signed(
                    raw[SHOWN], f"Raw: {names[SHOWN]}", "Upright edges, red on one side of things and blue on the other.", reaches[SHOWN]
                ),
                positive(
                    active[SHOWN], "After ReLU: what the next layer gets to see", "Only the edges of one kind are left.", reaches[SHOWN]
                ),
            )
        ),
        Text(
            f"A filter answers positively where it finds its pattern and negatively where it finds the opposite. The ReLU keeps the "
            "first and "
            f"drops the second: {silent:.0%} of the {raw.size:,} numbers become zero."
        ),
        equal("the fused ReLU gives max(raw, 0) of every map, bit for bit", active, np.maximum(raw, 0)),
        Correction(
            "Feature map and activation map are two words for one thing, and feature maps reduce the dimension.",
            f"The feature map is what the convolution gives; the activation map is what the nonlinearity makes of it. Each map is "
            "smaller "
            f"than the image, but there are 64: {x.size:,} numbers go in and {raw.size:,} come out, {raw.size / x.size:.1f} times as "
            "many.",
        ),
        against_definition(spec, x, weight, drawn=raw, name="64 maps agree with the definition, within the plan's bound"),
        cost_of("the layer at 224 × 224", (stage,), x),
        *clock.time("7 × 7, stride 2, 3 → 64 at 224 × 224", (stage,), x),
    ]
    return Section(
        10,
        "Feature maps",
        (
            "A feature map is one channel of a layer's output: it tells for every place how strongly one pattern is found there.",
            "Passed through a nonlinearity such as ReLU it becomes an activation map, which is what the next layer sees.",
        ),
        (str(spec),),
        tuple(blocks),
    )


def _names_table(names: tuple[str, ...]) -> Table:
    rows = tuple((f"row {index // 8 + 1}, tile {index % 8 + 1}", name) for index, name in enumerate(names))
    return Table(("tile", "filter"), rows, "Angles are counter-clockwise from the right")
