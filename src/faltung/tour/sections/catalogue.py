"""Section 3: the kinds of convolution, side by side on the photograph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung import reference
from faltung.kernels import named_kernel
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Check, Gallery, Moving, Picture, Table, Text
from faltung.tour.checks import against_definition, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import colour, signed
from faltung.tour.section import Section
from faltung.viz.gallery import case

__all__ = ["section"]

MOVING = ("rgb-stacked", "depthwise-separable", "dilated", "transposed", "grouped", "pointwise", "circular", "separable")
"""The kinds as the gallery names them."""

Array = NDArray[np.generic]

BINOMIAL_5 = np.array([1, 4, 6, 4, 1])
BINOMIAL_15 = np.array([1, 14, 91, 364, 1001, 2002, 3003, 3432, 3003, 2002, 1001, 364, 91, 14, 1])

SEPIA = np.array([[393, 769, 189], [349, 686, 168], [272, 534, 131]])
"""The usual sepia mixture, in thousandths."""


@dataclass(frozen=True)
class Kind:
    """One kind of convolution: its words, its numbers on the photograph, its picture."""

    name: str
    does: str
    used: str
    stages: tuple[Stage, ...]
    x: Array
    result: Array
    picture: Picture
    checks: tuple[Check, ...]
    call: Callable[[Array], Array] | None = None


def section(photograph: Photograph, clock: Clock) -> Section:
    """Eight kinds: picture, table, checks, counts and times."""
    makers = (_standard, _depthwise_separable, _dilated, _transposed, _grouped, _pointwise, _circular, _separable)
    kinds = [make(photograph) for make in makers]
    rows: list[tuple[str, ...]] = []
    costs: list[Block] = []
    timings: list[Block] = []
    checks: list[Block] = []
    for kind in kinds:
        cost = cost_of(kind.name, kind.stages, kind.x)
        costs.append(cost)
        timings.extend(clock.time(kind.name, kind.stages, kind.x, kind.call))
        checks.extend(kind.checks)
        rows.append((kind.name, kind.does, kind.used, f"{cost.parameters:,}", f"{cost.macs / 1e6:,.2f} M"))
    blocks: list[Block] = [
        Gallery(tuple(kind.picture for kind in kinds)),
        *(Moving(case(name)) for name in MOVING),
        Table(
            ("kind", "what it does", "where it is used", "weights", "MACs here"),
            tuple(rows),
            "The kinds of convolution, with their counts on this photograph",
        ),
        Text(
            "The names overlap: they say what is special about one description. A depthwise convolution is a grouped one with as many "
            "groups as channels, a pointwise one is standard with a kernel of one cell, and any of them may be strided or dilated as "
            "well."
        ),
        *checks,
        *costs,
        *timings,
    ]
    return Section(
        3,
        "The kinds of convolution",
        (
            "All kinds share one sum of products; they differ in which inputs meet which weights.",
            "Eight of them carry nearly every network, and here each does on the photograph what it is good at.",
        ),
        tuple(dict.fromkeys(str(stage.spec) for kind in kinds for stage in kind.stages)),
        tuple(blocks),
    )


def _described(picture: Picture, title: str) -> Picture:
    return Picture(picture.pixels, picture.caption, picture.alt, picture.legend, picture.crisp, title)


def _standard(photograph: Photograph) -> Kind:
    spec = ConvSpec(3, 1, (5, 5), padding=2, padding_mode="reflect", bias=False)
    wide = np.outer(BINOMIAL_5, BINOMIAL_5)
    narrow = np.zeros((5, 5), np.int64)
    narrow[1:4, 1:4] = 16 * np.outer([1, 2, 1], [1, 2, 1])
    weight = np.stack([narrow, -wide, np.zeros_like(wide)])[None]
    result = fl.conv(spec, photograph.rgb, weight)
    picture = signed(
        result[0] / 256,
        "Every output sums over all channels and all neighbours. Here: a red centre against a green surround, as nerve cells in the "
        "retina "
        "compute it (brightness steps, 0 … 255).",
        "Reddish parts of the photograph in red, greenish parts in blue.",
    )
    return Kind(
        "Standard",
        "one kernel for every pair of input and output channel: space and channels are mixed at once",
        "nearly every network, from the first layer on (VGG, ResNet)",
        (Stage(spec, weight),),
        photograph.rgb,
        result,
        _described(picture, "Standard"),
        (against_definition(spec, photograph.rgb, weight, drawn=result, name="standard: agrees with the definition"),),
    )


def _depthwise_separable(photograph: Photograph) -> Kind:
    depthwise = ConvSpec(3, 3, (5, 5), padding=2, padding_mode="reflect", groups=3, bias=False)
    pointwise = ConvSpec(3, 3, (1, 1), bias=False)
    spatial = np.stack([np.outer(BINOMIAL_5, BINOMIAL_5)] * 3)[:, None]
    mix = SEPIA[:, :, None, None]

    def call(x: Array) -> Array:
        return fl.depthwise_separable_conv2d(x, spatial_float, mix_float, padding=2, padding_mode="reflect")

    spatial_float, mix_float = (spatial / 256).astype(np.float32), (mix / 1000).astype(np.float32)
    result = fl.depthwise_separable_conv2d(photograph.rgb, spatial, mix, padding=2, padding_mode="reflect")
    crop = photograph.rgb[:, :48, :48]
    expected = reference.conv(pointwise, reference.conv(depthwise, crop[None], spatial), mix)[0]
    actual = fl.depthwise_separable_conv2d(crop, spatial, mix, padding=2, padding_mode="reflect")
    picture = colour(
        result / 256_000,
        "First each channel alone is smoothed in space, then the channels are mixed pixel by pixel. Here: a soft blur, then sepia.",
        "The photograph, soft and in sepia tones.",
    )
    return Kind(
        "Depthwise separable",
        "a kernel for each channel alone, then a 1 × 1 mixture of the channels",
        "networks for phones and other small devices (MobileNet, EfficientNet)",
        (Stage(depthwise, spatial_float), Stage(pointwise, mix_float)),
        photograph.rgb,
        result,
        _described(picture, "Depthwise separable"),
        (
            equal(
                "depthwise separable: agrees with the definition",
                actual,
                expected,
                f"{expected.size:,} values: the definition of both steps, {crop.shape[1]} × {crop.shape[2]} pixels",
            ),
        ),
        call,
    )


def _dilated(photograph: Photograph) -> Kind:
    spec = ConvSpec(1, 1, (3, 3), padding=5, dilation=5, padding_mode="reflect", bias=False)
    weight = named_kernel("sobel_x").astype(np.int64)[None, None]
    image = photograph.grey[None]
    result = fl.conv(spec, image, weight)
    extent = spec.effective_kernel_size[0]
    picture = signed(
        result[0],
        f"The nine weights of `sobel_x`, five cells apart, look {extent} × {extent} pixels wide: fine grain vanishes, broad edges stay.",
        "Broad upright edges of the photograph in red and blue.",
    )
    return Kind(
        "Dilated (atrous)",
        "spreads the weights with holes between them: a wider view for the same number of weights",
        "segmentation and audio, where context counts and resolution must stay (DeepLab, WaveNet)",
        (Stage(spec, weight),),
        image,
        result,
        _described(picture, "Dilated"),
        (against_definition(spec, image, weight, drawn=result, name="dilated: agrees with the definition"),),
    )


def _transposed(photograph: Photograph) -> Kind:
    spec = ConvSpec(3, 3, (4, 4), stride=2, padding=1, groups=3, bias=False, transposed=True)
    tent = np.array([1, 3, 3, 1])
    weight = np.stack([np.outer(tent, tent)] * 3)[:, None]
    small = photograph.halved()
    result = fl.conv(spec, small.rgb, weight)
    height, width = small.size
    picture = colour(
        result / 16,
        f"Each input cell stamps the whole kernel, scaled, into a larger output. Here: {width} × {height} pixels grow to "
        f"{result.shape[2]} × {result.shape[1]}, smoothly, because the stamps overlap like tents.",
        "The photograph, enlarged from half its size, slightly soft.",
    )
    return Kind(
        "Transposed",
        "the adjoint of a strided convolution: it spreads each input over an area and so enlarges",
        "decoders: segmentation back to full size, generators, autoencoders",
        (Stage(spec, weight),),
        small.rgb,
        result,
        _described(picture, "Transposed"),
        (against_definition(spec, small.rgb, weight, drawn=result, crop=24, name="transposed: agrees with the definition"),),
    )


def _grouped(photograph: Photograph) -> Kind:
    spec = ConvSpec(6, 6, (3, 3), padding=1, padding_mode="reflect", groups=2, bias=False)
    blur = np.outer([1, 2, 1], [1, 2, 1])
    edges = named_kernel("outline").astype(np.int64)
    weight = np.zeros((6, 3, 3, 3), np.int64)
    for channel in range(3):
        weight[channel, channel] = edges
        weight[3 + channel] = blur
    both = np.concatenate([photograph.rgb, photograph.rgb[:, :, ::-1]])
    result = fl.conv(spec, both, weight)
    half = photograph.size[1] // 2
    left, right = np.clip(result[:3] * 2, 0, 255)[:, :, :half], result[3:, :, half:] / 48
    picture = colour(
        np.concatenate([left, right], axis=2),
        "Six channels in two groups that do not see each other: the photograph and its mirror image. The first group (left half) draws "
        "outlines in colour, the second (right half) mixes its three channels to grey.",
        "Left, coloured outlines on black; right, the mirrored photograph in grey.",
    )
    return Kind(
        "Grouped",
        "splits the channels into groups that are convolved apart and laid side by side",
        "wide networks at less cost (ResNeXt, ShuffleNet); AlexNet used it to fit two GPUs",
        (Stage(spec, weight),),
        both,
        result,
        _described(picture, "Grouped"),
        (against_definition(spec, both, weight, drawn=result, name="grouped: agrees with the definition"),),
    )


def _pointwise(photograph: Photograph) -> Kind:
    spec = ConvSpec(3, 3, (1, 1), bias=False)
    weight = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])[:, :, None, None]
    result = fl.conv(spec, photograph.rgb, weight)
    picture = colour(
        result,
        "A matrix product at every pixel, blind to the neighbours. Here: red becomes green, green blue and blue red, while every edge "
        "stays where it was.",
        "The photograph in exchanged colours.",
    )
    return Kind(
        "Pointwise (1 × 1)",
        "mixes the channels of each pixel, makes them more or fewer",
        "bottlenecks and shortcuts (ResNet, Inception), after a depthwise step (MobileNet)",
        (Stage(spec, weight),),
        photograph.rgb,
        result,
        _described(picture, "Pointwise"),
        (against_definition(spec, photograph.rgb, weight, drawn=result, name="pointwise: agrees with the definition"),),
    )


def _circular(photograph: Photograph) -> Kind:
    reach = min(40, photograph.size[1] // 4)
    spec = ConvSpec(3, 3, (1, 2 * reach + 1), padding=(0, reach), padding_mode="circular", groups=3, bias=False)
    weight = np.zeros((3, 1, 1, 2 * reach + 1), np.int64)
    weight[..., -1] = 1
    result = fl.conv(spec, photograph.rgb, weight)
    picture = colour(
        result,
        f"The picture is a cylinder: what leaves on one side enters on the other. Here: one weight, {reach} cells off the middle, "
        "moves the "
        "photograph to the left, and its left edge comes back on the right.",
        "The photograph moved to the left, its left edge joined on at the right.",
    )
    return Kind(
        "Circular",
        "wraps around at the borders instead of padding with zeros",
        "what is periodic: angles, panoramas, time of day, lattices; and theory, where the Fourier transform makes it a product",
        (Stage(spec, weight),),
        photograph.rgb,
        result,
        _described(picture, "Circular"),
        (
            against_definition(spec, photograph.rgb[:, :16], weight, drawn=result[:, :16], name="circular: agrees with the definition"),
            equal("circular: one weight = np.roll of the whole photograph", result, np.roll(photograph.rgb, -reach, axis=2)),
        ),
    )


def _separable(photograph: Photograph) -> Kind:
    taps = BINOMIAL_15
    half = len(taps) // 2
    column = ConvSpec(3, 3, (len(taps), 1), padding=(half, 0), padding_mode="reflect", groups=3, bias=False)
    row = ConvSpec(3, 3, (1, len(taps)), padding=(0, half), padding_mode="reflect", groups=3, bias=False)
    column_weight, row_weight = np.stack([taps[:, None]] * 3)[:, None], np.stack([taps[None, :]] * 3)[:, None]
    floats = (taps / taps.sum()).astype(np.float32)

    def call(x: Array) -> Array:
        return fl.separable_conv2d(x, floats, floats, padding=half, padding_mode="reflect")

    result = fl.separable_conv2d(photograph.rgb, taps, taps, padding=half, padding_mode="reflect")
    crop = photograph.rgb[:, :48, :48]
    expected = reference.conv(row, reference.conv(column, crop[None], column_weight), row_weight)[0]
    actual = fl.separable_conv2d(crop, taps, taps, padding=half, padding_mode="reflect")
    dense = fl.conv2d(photograph.rgb, np.stack([np.outer(taps, taps)] * 3)[:, None], padding=half, groups=3, padding_mode="reflect")
    picture = colour(
        result / 4.0**14,
        "A kernel that is an outer product splits into a column and a row. Here: a 15 × 15 blur with 15 + 15 weights in place of 225, "
        "to the "
        "last bit the same.",
        "The photograph, strongly blurred.",
    )
    return Kind(
        "Spatially separable",
        "replaces a k × k kernel by a column of k and a row of k",
        "blurs, Gaussians and Sobels in image processing; factorised kernels (Inception v3)",
        (Stage(column, column_weight / taps.sum()), Stage(row, row_weight / taps.sum())),
        photograph.rgb,
        result,
        _described(picture, "Spatially separable"),
        (
            equal(
                "spatially separable: agrees with the definition",
                actual,
                expected,
                f"{expected.size:,} values: the definition of both steps, {crop.shape[1]} × {crop.shape[2]} pixels",
            ),
            equal("spatially separable: column then row = the dense 15 × 15 kernel, on the whole photograph", result, dense),
        ),
        call,
    )
