"""Section 5: colour images, where one filter is a stack of kernels."""

from __future__ import annotations

import numpy as np

import faltung as fl
from faltung.kernels import named_kernel
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, GridRow, Heading, Moving, NumberGrid, Text
from faltung.tour.checks import against_definition, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import grey, reach_of, signed
from faltung.tour.section import Section
from faltung.viz.gallery import case

__all__ = ["section"]

CHANNELS = ("red", "green", "blue")
FILTERS = ("upright edges of any colour", "red against green", "grain in red but not in blue", "soft brightness, 0 at middle grey")


def filters() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Weight (4, 3, 3, 3) and bias (4,) of the section's filters."""
    sobel = named_kernel("sobel_x").astype(np.int64)
    laplacian = named_kernel("laplacian").astype(np.int64)
    blur = np.outer([1, 2, 1], [1, 2, 1])
    nothing = np.zeros((3, 3), np.int64)
    weight = np.array(
        [
            [sobel, sobel, sobel],
            [blur, -blur, nothing],
            [-laplacian, nothing, laplacian],
            [3 * blur, 6 * blur, 1 * blur],
        ]
    )
    return weight, np.array([0, 0, 0, -160 * 128])


def section(photograph: Photograph, clock: Clock) -> Section:
    """Three channels to four: twelve kernels counted, one map put together before the reader's eyes."""
    spec = ConvSpec(3, 4, (3, 3), padding=1, padding_mode="reflect")
    single = ConvSpec(1, 1, (3, 3), padding=1, padding_mode="reflect", bias=False)
    weight, bias = filters()
    result = fl.conv(spec, photograph.rgb, weight, bias)
    parts = [fl.conv(single, photograph.rgb[c : c + 1], weight[0, c][None, None])[0] for c in range(3)]
    part_reach, reach = reach_of(np.stack(parts)), reach_of(result[0])
    stage = Stage(spec, weight, bias)
    kernels = weight.shape[0] * weight.shape[1]
    narrow = ConvSpec(3, 1, (3, 3), bias=False)
    several = ConvSpec(3, 5, (3, 3), bias=False)

    blocks: list[Block] = [
        Formula(
            (
                "y[o, i, j] = bias[o] + Σ over channels c of (x[c] ⋆ k[o, c])[i, j]",
                f"kernels    = out_channels × in_channels = {weight.shape[0]} × {weight.shape[1]} = {kernels}",
                (
                    f"parameters = {kernels} kernels × 3 × 3 weights + {weight.shape[0]} biases = {kernels * 9} + {weight.shape[0]} = "
                    f"{spec.parameters}"
                ),
            )
        ),
        equal(
            f"3 → 4 channels: {kernels} kernels, {spec.parameters} parameters", [kernels, spec.parameters], [12, weight.size + bias.size]
        ),
        Text(
            "Four filters, each a stack of three kernels. Every row makes one output map; every column reads one channel of the photograph."
        ),
        *(
            GridRow(
                (
                    *tuple(NumberGrid.of(weight[o, c], f"k[{o}, {c}] on {CHANNELS[c]}") for c in range(3)),
                    f"+ bias {bias[o]:,}".replace("-", "−"),
                ),
                f"Filter {o}: {FILTERS[o]}",
            )
            for o in range(4)
        ),
        Moving(case("rgb")),
        Heading("One map, channel by channel"),
        Text("Filter 0 at work: each channel meets its own kernel, the three results are added, and only their sum leaves the layer."),
        Gallery(
            tuple(
                grey(photograph.rgb[c], f"x[{c}], the {CHANNELS[c]} channel", f"The {CHANNELS[c]} channel as a grey picture.")
                for c in range(3)
            ),
            columns=3,
        ),
        Gallery(
            tuple(
                signed(parts[c], f"x[{c}] ⋆ k[0, {c}]", f"Upright edges found in the {CHANNELS[c]} channel.", part_reach) for c in range(3)
            ),
            columns=3,
        ),
        Gallery(
            (
                signed(parts[0] + parts[1], "red + green", "Upright edges of two channels added.", reach),
                signed(result[0], "red + green + blue = output map 0", "Upright edges of the photograph.", reach),
            )
        ),
        equal("the three channels' maps add up to output map 0", sum(parts), result[0]),
        Heading("All four maps"),
        Gallery(
            tuple(signed(result[o], f"Output map {o}: {FILTERS[o]}", f"Output map {o} of the photograph: {FILTERS[o]}.") for o in range(4))
        ),
        Correction(
            "A convolution of a colour image has one 3 × 3 kernel per filter.",
            "It has one per filter and channel. The filter is a 3 × 3 × 3 block, which moves in two directions only: across channels "
            "it has "
            f"nowhere to go, so a 6 × 6 × 3 image gives {_shape(narrow)} with one filter and {_shape(several)} with five.",
        ),
        equal(
            "6 × 6 × 3 and a 3 × 3 × 3 filter give 4 × 4 × 1; five filters 4 × 4 × 5",
            [fl.conv(s, photograph.rgb[:, :6, :6], np.ones(s.weight_shape, np.int64)).shape for s in (narrow, several)],
            [(1, 4, 4), (5, 4, 4)],
        ),
        against_definition(spec, photograph.rgb, weight, bias, drawn=result, name="all four maps agree with the definition"),
        cost_of("four filters on the photograph", (stage,), photograph.rgb),
        *clock.time("3 → 4 channels, 3 × 3", (stage,), photograph.rgb),
    ]
    return Section(
        5,
        "Colour images",
        (
            (
                "A colour image has three channels, and a filter brings a kernel of its own for each of them; the three results are "
                "added "
                "to one map."
            ),
            "As many filters as wanted read the same image, and each makes one output channel.",
        ),
        (str(spec),),
        tuple(blocks),
    )


def _shape(spec: ConvSpec) -> str:
    channels, height, width = spec.output_shape((3, 6, 6))
    return f"{height} × {width} × {channels}"
