"""Section 9: function and layer, and convolution as a matrix product of patches."""

from __future__ import annotations

import numpy as np

import faltung as fl
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, Heading, NumberGrid, Table, Text
from faltung.tour.checks import against_definition, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import grey
from faltung.tour.section import Section
from faltung.tour.sections.colour import filters

__all__ = ["section"]


def section(photograph: Photograph, clock: Clock) -> Section:
    """What each needs and owns; unfold's shapes; direct result = weights times patches."""
    spec = ConvSpec(3, 4, (3, 3), padding=1)
    weight, bias = filters()
    stage = Stage(spec, weight, bias)
    batch = photograph.rgb[None]
    direct = fl.conv(spec, batch, weight, bias)[0]
    layer = ConvSpec.parse("nn.Conv2d(3, 16, kernel_size=3, stride=1, padding=1)")
    blocks: list[Block] = [
        Heading("Function and layer"),
        Table(
            ("", "function: fl.conv2d, F.conv2d", "layer: nn.Conv2d"),
            (
                ("is given at each call", "input, weight, bias, stride, padding …", "the input"),
                (
                    "owns",
                    "nothing",
                    (f"weight {layer.weight_shape} and bias {layer.bias_shape}: {layer.parameters} parameters for {layer}"),
                ),
                (
                    "who makes the weights",
                    "you: named kernels, another network, a formula",
                    "the layer, at random when it is built; or you, by assignment",
                ),
                ("an optimiser finds them", "only if you hand them over", "through model.parameters()"),
                ("gradients", "yes, for every tensor that asks for them", "yes, by calling the function"),
                ("good for", "fixed kernels, weights shared between places, experiments", "networks that are trained and saved"),
            ),
            "One computation, two ways of keeping its numbers",
        ),
        equal(
            "nn.Conv2d(3, 16, 3) would own a weight (16, 3, 3, 3) and a bias (16,): 448 parameters", layer.parameters, 16 * 3 * 3 * 3 + 16
        ),
        Correction(
            "With the function there is no training, and with the layer no control over the weights.",
            "The layer is a thin owner around the function. Both are differentiable; a layer's weight can be set, frozen or shared, "
            "and a "
            "function's weight can be trained. What differs is who keeps it.",
        ),
        *_unfolding(photograph),
        *_matrix_product(photograph, direct),
        against_definition(spec, photograph.rgb, weight, bias, drawn=direct, name="the function agrees with the definition"),
        cost_of("3 → 4 channels, 3 × 3, on the photograph", (stage,), photograph.rgb),
        *clock.time("the function, 3 → 4 channels", (stage,), photograph.rgb),
    ]
    return Section(
        9,
        "Function and layer",
        (
            (
                "The function computes a convolution from an input and weights that you pass; the layer owns weights, keeps them from "
                "call to call and "
                "lets an optimiser change them."
            ),
            "Underneath, both can be seen as one matrix product: unfold the image into patches, and multiply by the weights.",
        ),
        (str(spec), str(layer)),
        tuple(blocks),
    )


def _unfolding(photograph: Photograph) -> tuple[Block, ...]:
    """Patches as columns: shapes, a small example in numbers, and what they cost in memory."""
    batch = photograph.rgb[None]
    rows, found, expected = [], [], []
    for kernel in (3, 5):
        spec = ConvSpec(3, 1, (kernel, kernel), bias=False)
        patches = fl.unfold(batch, (kernel, kernel))
        places = spec.output_size(photograph.size)
        rows.append(
            (
                f"{kernel} × {kernel}",
                f"3 · {kernel} · {kernel} = {3 * kernel * kernel}",
                f"{places[0]} · {places[1]} = {places[0] * places[1]:,}",
                str(patches.shape),
                f"{patches.size / batch.size:.1f} ×",
            )
        )
        found.append(patches.shape)
        expected.append((1, 3 * kernel * kernel, places[0] * places[1]))
    small = np.arange(1, 17).reshape(1, 1, 4, 4)
    columns = fl.unfold(small, (3, 3))[0]
    counted = fl.fold(fl.unfold(np.ones((1, 1, 4, 4), np.int64), (3, 3)), (4, 4), (3, 3))[0, 0]
    folded = fl.fold(fl.unfold(small, (3, 3)), (4, 4), (3, 3))[0, 0]
    return (
        Heading("Unfold: every patch becomes a column"),
        Formula(("patches: (N, C · kh · kw, L)        L = number of places = output height · output width",)),
        Table(("kernel", "rows: C · kh · kw", "columns: L", "shape", "memory"), tuple(rows), "Unfolding the photograph, without padding"),
        equal("unfold gives (N, 27, L) for 3 × 3 and (N, 75, L) for 5 × 5", found, expected, "shapes on the photograph"),
        NumberGrid.of(small[0, 0], "a 4 × 4 image"),
        NumberGrid.of(columns.T, "its four 3 × 3 patches, one a line here (columns of the unfolded matrix)"),
        equal(
            "each column is a patch, read row by row",
            columns.T,
            [small[0, 0, i : i + 3, j : j + 3].ravel() for i in range(2) for j in range(2)],
        ),
        equal("fold adds the patches back: each pixel as often as patches hold it", folded, small[0, 0] * counted),
    )


def _matrix_product(photograph: Photograph, direct: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> tuple[Block, ...]:
    weight, bias = filters()
    batch = photograph.rgb[None]
    patches = fl.unfold(batch, (3, 3), padding=1)
    product = weight.reshape(4, 27) @ patches[0].astype(np.int64) + bias[:, None]
    side = 12
    top, left = _busiest(photograph, side)
    detail = photograph.rgb[:, top : top + side, left : left + side]
    matrix = fl.unfold(detail[None], (3, 3))[0]
    colours = ("red", "green", "blue")
    return (
        Heading("Convolution = weights × patches"),
        Formula(("(4, 27) matrix of weights  ×  (27, L) matrix of patches  =  (4, L): the four output maps, read row by row",)),
        Gallery(
            tuple(
                grey(
                    _enlarged(detail[c], 16),
                    f"A detail of {side} × {side} pixels, {colours[c]} channel",
                    f"A few large {colours[c]} pixels.",
                    crisp=True,
                )
                for c in range(3)
            ),
            columns=3,
        ),
        Gallery(
            (
                grey(
                    _enlarged(matrix, 8),
                    f"Its matrix of patches, {matrix.shape[0]} × {matrix.shape[1]}: nine rows a channel, a column a place; inner "
                    "pixels appear nine times",
                    "A wide matrix of pixels: three bands, each nine shifted copies of one channel.",
                    crisp=True,
                ),
            ),
            columns=1,
        ),
        equal("the unfolded product = the direct convolution, on the whole photograph", product.reshape(direct.shape), direct),
        Text(
            "Some libraries really compute it this way, because matrix products are well served. The price is the memory in the table "
            "above, "
            "which is why fast engines fetch the patches where they lie instead of copying them."
        ),
    )


def _enlarged(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], times: int) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return values.repeat(times, axis=0).repeat(times, axis=1)


def _busiest(photograph: Photograph, side: int) -> tuple[int, int]:
    """Where a square of `side` pixels has the most contrast."""
    image = photograph.grey.astype(np.int64)
    ones = np.ones((side, side), np.int64)
    spread = side * side * fl.correlate(image * image, ones) - fl.correlate(image, ones) ** 2
    top, left = np.unravel_index(np.argmax(spread), spread.shape)
    return int(top), int(left)
