"""Section 4: how large the output is."""

from __future__ import annotations

import numpy as np

import faltung as fl
from faltung import reference
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, Heading, Moving, Picture, Table, Text
from faltung.tour.checks import against_definition, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.section import Section
from faltung.viz.gallery import case

__all__ = ["CASES", "section"]

CASES: tuple[tuple[str, int], ...] = (
    ("no-padding-no-strides", 2),
    ("arbitrary-padding-no-strides", 6),
    ("half-padding-no-strides", 5),
    ("full-padding-no-strides", 7),
    ("no-padding-strides", 2),
    ("padding-strides", 3),
    ("padding-strides-odd", 3),
)
"""Dumoulin and Visin's seven cases (arXiv:1603.07285) as the gallery names them, and their output side."""

SHEET = (203, 216, 232)
"""Colour of the paper that pictures of different sizes lie on."""


def section(photograph: Photograph, clock: Clock) -> Section:
    """One formula, seven cases, the same seven on the photograph, and what rounding down forgets."""
    height, width = photograph.size
    image = photograph.grey[None]
    rows, photo_rows, moving = [], [], []
    slid, predicted, computed = [], [], []
    for key, _ in CASES:
        drawn = case(key)
        name, spec, side = drawn.heading.lower(), ConvSpec.parse(drawn.specs[0]), drawn.input_size[0]
        axis = spec.axes[0]
        note = " The last row and column are never reached." if axis.unused_cells(side) else ""
        rows.append((name, f"{side} × {side}", spec.kernel_size[0], spec.stride[0], axis.sides(side)[0], axis.output_sum(side)))
        moving.append(Moving(drawn, f"{side} × {side} → {' × '.join(map(str, spec.output_size(side)))}.{note}"))
        photo_rows.append((name, spec.axes[0].output_sum(height), spec.axes[1].output_sum(width)))
        kernel = np.ones(spec.weight_shape, np.int64)
        slid.append(reference.conv(spec, np.ones((1, 1, side, side), np.int64), kernel).shape[2])
        predicted.append(fl.conv(spec, image, kernel).shape[1:])
        computed.append(spec.output_size((height, width)))

    wide = min(33, min(photograph.size) // 4 * 2 + 1)
    bordered = [_bordered(photograph, padding, wide) for padding in ("valid", "same", "full")]
    strided = ConvSpec(1, 1, (3, 3), stride=2, padding=1, bias=False)
    stage = Stage(strided, np.outer([1, 2, 1], [1, 2, 1])[None, None])
    halved = fl.conv(strided, image, stage.weight)
    inverse = strided.input_sizes((112, 112))[0]

    blocks: list[Block] = [
        Formula(("for each axis on its own:", "output = ⌊(input + before + after − dilation · (kernel − 1) − 1) / stride⌋ + 1")),
        Text(
            "Below lies the input, dark blue where the window is, dashed where there is padding; above it the output, filled cell by cell."
        ),
        *moving,
        Table(
            ("case", "input", "kernel", "stride", "padding", "output per axis"), tuple(rows), "The seven cases with their numbers put in"
        ),
        equal(
            "sliding until the window no longer fits counts what the formula says",
            slid,
            [side for _, side in CASES],
            "7 cases, counted by the definition",
        ),
        Heading("The same seven on the photograph"),
        Table(("case", f"height {height}", f"width {width}"), tuple(photo_rows), f"Output sizes for {height} × {width} pixels"),
        equal("the engine's outputs are as large as predicted", predicted, computed, "7 cases × 2 axes on the photograph"),
        Text(
            f"Padding decides what happens at the border. A {wide} × {wide} mean shows it: without padding the picture shrinks, with "
            "half padding "
            "it keeps its size and darkens where zeros are averaged in, with full padding every overlap counts and it grows."
        ),
        Gallery(tuple(bordered), columns=3),
        Correction(
            "The output size tells the input size.",
            f"Rounding down forgets. With kernel 3, stride 2, padding 1, an output of 112 comes from inputs of "
            f"{' and '.join(map(str, inverse))}: "
            "that is why a transposed convolution needs an `output_padding` to say which one is meant.",
        ),
        equal("both inputs give 112", [strided.output_size((side, side))[0] for side in inverse], [112] * len(inverse)),
        against_definition(strided, image, stage.weight, drawn=halved, name="kernel 3, stride 2, padding 1 agrees with the definition"),
        cost_of("kernel 3, stride 2, padding 1", (stage,), image),
        *clock.time("3 × 3, stride 2", (stage,), image),
    ]
    return Section(
        4,
        "The shape of the output",
        (
            "An output cell stands for every place where the kernel fits, so the output's size is a matter of counting places.",
            "Padding adds places at the border, a stride skips some, and a dilated kernel needs more room.",
        ),
        tuple(dict.fromkeys(str(ConvSpec.parse(case(key).specs[0])) for key, _ in CASES)),
        tuple(blocks),
    )


def _bordered(photograph: Photograph, padding: str, wide: int) -> Picture:
    """The mean over `wide` × `wide` cells under one padding rule, on a sheet as large as the largest of them."""
    height, width = photograph.size
    spec = ConvSpec(1, 1, (wide, wide), padding=padding, bias=False)
    mean = fl.conv(spec, photograph.grey[None], np.ones((1, 1, wide, wide), np.int64))[0] / wide**2
    sheet = np.empty((height + wide - 1, width + wide - 1, 3), np.uint8)
    sheet[:] = SHEET
    top, left = (sheet.shape[0] - mean.shape[0]) // 2, (sheet.shape[1] - mean.shape[1]) // 2
    sheet[top : top + mean.shape[0], left : left + mean.shape[1]] = np.rint(mean)[..., None].astype(np.uint8)
    names = {"valid": "No padding", "same": "Half padding", "full": "Full padding"}
    caption = f"{names[padding]}: {height} × {width} → {mean.shape[0]} × {mean.shape[1]}"
    return Picture(sheet, caption, f"The photograph blurred, {names[padding].lower()}; dark towards a border of zeros.")
