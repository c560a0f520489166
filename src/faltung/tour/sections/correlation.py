"""Section 1: cross-correlation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung.kernels import named_kernel
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, GridRow, Heading, Moving, NumberGrid, Picture, Text
from faltung.tour.checks import against_definition, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import colour, grey, reach_of, signed
from faltung.tour.section import Section
from faltung.viz.gallery import case

__all__ = ["EXAMPLE", "section"]

EXAMPLE = np.array([[1, 2, 3, 0, 1], [0, 1, 2, 3, 1], [1, 0, 1, 2, 2], [2, 1, 0, 1, 3], [1, 2, 3, 0, 1]])
"""A 5 × 5 input small enough to follow by hand."""

LAPLACIAN_OF_EXAMPLE = [[0, 0, -7], [4, 0, -1], [0, 6, 1]]

PATCH = 32
"""Side of the patch that is searched for, in pixels."""


def section(photograph: Photograph, clock: Clock) -> Section:
    """Slide, multiply, add: the operation itself, by hand, as edges, and as a search for a patch."""
    spec = ConvSpec(1, 1, (3, 3), padding=1, padding_mode="reflect", bias=False)
    kernels = {name: named_kernel(name).astype(np.int64) for name in ("laplacian", "sobel_x", "sobel_y")}
    small = fl.correlate(EXAMPLE, kernels["laplacian"])
    image = photograph.grey[None]
    rising = {name: fl.conv(spec, image, kernels[name][None, None])[0] for name in ("sobel_x", "sobel_y")}
    reach = reach_of(np.stack(list(rising.values())))
    stage = Stage(spec, kernels["sobel_x"][None, None])

    blocks: list[Block] = [
        Formula(("y[i, j] = Σₘ Σₙ x[i + m, j + n] · k[m, n]",)),
        Text(
            "Here is all of it on numbers small enough to follow. The framed cells are the last window of the top row, and what it gives."
        ),
        GridRow(
            (
                NumberGrid.of(EXAMPLE, "input x, 5 × 5", [(i, j) for i in range(3) for j in range(2, 5)]),
                "⋆",
                NumberGrid.of(kernels["laplacian"], "kernel k: Laplacian"),
                "=",
                NumberGrid.of(small, "x ⋆ k, 3 × 3", [(0, 2)]),
            )
        ),
        Formula(_worked(EXAMPLE, kernels["laplacian"], 0, 2)),
        equal("the 5 × 5 example gives [[0, 0, −7], [4, 0, −1], [0, 6, 1]]", small, LAPLACIAN_OF_EXAMPLE),
        Moving(case("standard")),
        Heading("On the photograph: two Sobel kernels"),
        Text(
            "`sobel_x` is positive where brightness rises to the right and negative where it falls; `sobel_y` says the same of the "
            "way down. Together they are the gradient: its length marks every edge, whichever way it runs."
        ),
        Gallery(
            (
                grey(photograph.grey, "The photograph in grey", "The photograph in shades of grey."),
                signed(
                    rising["sobel_x"],
                    "`sobel_x`: brighter to the right",
                    "Upright edges in red where brightness rises, blue where it falls.",
                    reach,
                ),
                signed(
                    rising["sobel_y"], "`sobel_y`: brighter below", "Level edges in red where brightness rises downwards, else blue.", reach
                ),
                grey(
                    np.hypot(*rising.values()), "Length of the gradient", "Every edge of the photograph, bright on black.", 0, 1.4 * reach
                ),
            )
        ),
        *_search(photograph),
        against_definition(spec, image, stage.weight, drawn=rising["sobel_x"][None], name="sobel_x agrees with the definition"),
        cost_of("sobel_x on the photograph", (stage,), image),
        *clock.time("sobel_x, 3 × 3", (stage,), image),
    ]
    return Section(
        1,
        "Cross-correlation",
        (
            (
                "Cross-correlation lays a small kernel over the image, multiplies cell by cell and adds the products up to one number; "
                "then "
                "the kernel moves on by one cell."
            ),
            "Deep-learning libraries compute exactly this, and call it convolution.",
        ),
        (str(spec),),
        tuple(blocks),
    )


def _worked(x: NDArray[np.int64], kernel: NDArray[np.int64], row: int, column: int) -> tuple[str, ...]:
    """The sum behind one output, written out, products with a zero weight left away."""
    window = x[row : row + kernel.shape[0], column : column + kernel.shape[1]]
    terms = [f"{a}·{b if b >= 0 else f'(−{-b})'}" for a, b in zip(window.flat, kernel.flat, strict=True) if b]
    total = int((window * kernel).sum())
    return (f"y[{row}, {column}] = {' + '.join(terms)} = {total}".replace("-", "−"),)


def _search(photograph: Photograph) -> tuple[Block, ...]:
    """Find a patch of the photograph again: raw correlation prefers bright places, normalised correlation does not."""
    image = photograph.grey.astype(np.int64)
    side = min(PATCH, min(photograph.size) // 2)
    ones = np.ones((side, side), np.int64)
    sums, squares = fl.correlate(image, ones), fl.correlate(image * image, ones)
    spread = side * side * squares - sums * sums  # side⁴ times the variance: an exact integer
    row, column = map(int, np.unravel_index(np.argmax(spread), spread.shape))
    patch = image[row : row + side, column : column + side]

    raw = fl.correlate(image, patch)
    likeness = _normalised(raw, sums, spread, patch)
    raw_row, raw_column = map(int, np.unravel_index(np.argmax(raw), raw.shape))
    away = float(np.hypot(raw_row - row, raw_column - column))
    found = np.argwhere(likeness >= likeness.max() - 1e-9)
    return (
        Heading("Looking for something: a patch as the kernel"),
        Text(
            f"A kernel can be a piece of picture. The patch below, {side} × {side} pixels cut from row {row}, column {column}, is "
            "laid over "
            f"every place of the photograph. The sum of products is largest at row {raw_row}, column {raw_column}, {away:.0f} pixels "
            "from where "
            "the patch was taken; with mean and contrast of each place divided out, the likeness is 1 exactly where it should be."
        ),
        Gallery(
            (
                _framed(
                    colour(photograph.rgb, "The patch that is looked for", "The photograph with a small square framed."), row, column, side
                ),
                _ringed(
                    grey(
                        raw,
                        "Plain correlation, its peak framed",
                        "A blurred map, brightest where the photograph is.",
                        raw.min(),
                        raw.max() + 1,
                    ),
                    raw_row,
                    raw_column,
                ),
                _ringed(
                    signed(likeness, "Normalised correlation, its peak framed", "A map whose peak lies where the patch was cut.", 1.0),
                    found[0][0],
                    found[0][1],
                ),
            ),
            columns=3,
        ),
        Correction(
            "Cross-correlation measures how similar kernel and image are.",
            "Only where brightness and contrast are equal everywhere. A bright place gives a large sum whatever it shows; divide by "
            "the "
            "local contrast, or use a kernel that sums to zero, before calling it likeness.",
        ),
        equal(
            "normalised correlation finds the patch where it was cut",
            np.abs(found - [row, column]).sum(axis=1).min(),
            0,
            f"distance of the peak, among {likeness.size:,} places",
        ),
    )


def _normalised(
    raw: NDArray[np.int64], sums: NDArray[np.int64], spread: NDArray[np.int64], patch: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Pearson's correlation of the patch with every window; 0 where a window is flat."""
    cells = patch.size
    own = cells * int((patch * patch).sum()) - int(patch.sum()) ** 2
    shared = (cells * raw - sums * int(patch.sum())).astype(np.float64)
    scale = np.sqrt(spread.astype(np.float64) * own)
    return np.divide(shared, scale, out=np.zeros_like(shared), where=scale > 0)


def _framed(picture: Picture, row: int, column: int, side: int) -> Picture:
    """The picture with a square frame, white with a dark core."""
    pixels = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[..., None].repeat(3, axis=2)
    pixels = pixels.copy()
    for inset, shade in ((0, 255), (1, 20), (2, 255)):
        top, left, bottom, right = row + inset, column + inset, row + side - 1 - inset, column + side - 1 - inset
        pixels[[top, bottom], left : right + 1] = shade
        pixels[top : bottom + 1, [left, right]] = shade
    return replace(picture, pixels=pixels)


def _ringed(picture: Picture, row: int, column: int) -> Picture:
    """The picture with a small frame around one cell, moved inwards at the border."""
    height, width = picture.pixels.shape[:2]
    side = min(17, height, width)
    return _framed(picture, min(max(row - side // 2, 0), height - side), min(max(column - side // 2, 0), width - side), side)
