"""Section 2: convolution proper, and what the flip is good for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung.kernels import named_kernel
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, GridRow, Heading, Moving, NumberGrid, Text
from faltung.tour.checks import against_definition, differ, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import grey, reach_of, signed
from faltung.tour.section import Section
from faltung.tour.sections.correlation import EXAMPLE, LAPLACIAN_OF_EXAMPLE
from faltung.viz.gallery import case

__all__ = ["section"]

ASYMMETRIC = np.array([[0, 1, 2], [2, 2, 0], [0, 1, 2]])
"""Dumoulin and Visin's example kernel: its half-turn is another kernel."""

COUNTING = np.arange(1, 10).reshape(3, 3)

BLUR = np.outer([1, 2, 1], [1, 2, 1])
EDGE = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
SKEW = np.array([[1, 2, 0], [0, 3, 0], [0, 0, -1]])


def section(photograph: Photograph, clock: Clock) -> Section:
    """The kernel turned round: shown where it can be seen, and the algebra that only holds with it."""
    spec = ConvSpec(1, 1, (3, 3), padding=1, padding_mode="reflect", bias=False, flip=True)
    laplacian = named_kernel("laplacian").astype(np.int64)
    emboss = named_kernel("emboss").astype(np.int64)
    image = photograph.grey[None]
    embossed = fl.conv2d(image, emboss[None, None], padding=1, padding_mode="reflect")[0]
    engraved = fl.conv(spec, image, emboss[None, None])[0]
    stage = Stage(spec, emboss[None, None])

    impulse = np.zeros((5, 5), np.int64)
    impulse[2, 2] = 1
    correlated, convolved = fl.correlate(EXAMPLE, ASYMMETRIC), fl.convolve(EXAMPLE, ASYMMETRIC)
    changed = int((correlated != convolved).sum())

    blocks: list[Block] = [
        Formula(("(x ∗ k)[i, j] = Σₘ Σₙ x[i − m, j − n] · k[m, n]", "convolution = cross-correlation with the kernel turned by 180°")),
        Heading("A symmetric kernel cannot show it"),
        Text(
            "The Laplacian is its own half-turn, so correlation and convolution give the same nine numbers, and an example built on it "
            "shows no difference at all."
        ),
        GridRow(
            (
                NumberGrid.of(fl.correlate(EXAMPLE, laplacian), "x ⋆ Laplacian"),
                "=",
                NumberGrid.of(fl.convolve(EXAMPLE, laplacian), "x ∗ Laplacian"),
            )
        ),
        equal(
            "with the Laplacian, convolution gives the same [[0, 0, −7], [4, 0, −1], [0, 6, 1]]",
            fl.convolve(EXAMPLE, laplacian),
            LAPLACIAN_OF_EXAMPLE,
        ),
        Heading("An asymmetric kernel does"),
        GridRow(
            (
                NumberGrid.of(ASYMMETRIC, "kernel k"),
                NumberGrid.of(ASYMMETRIC[::-1, ::-1], "k turned by 180°"),
                NumberGrid.of(correlated, "x ⋆ k"),
                "≠",
                NumberGrid.of(convolved, "x ∗ k"),
            ),
            f"The same 5 × 5 input as in section 1: {changed} of 9 results change.",
        ),
        differ("an asymmetric kernel tells convolution from correlation", correlated, convolved),
        equal("convolution = correlation with the turned kernel", convolved, fl.correlate(EXAMPLE, ASYMMETRIC[::-1, ::-1])),
        Text("A single 1 among zeros is the plainest witness: convolution prints the kernel, correlation prints it turned."),
        GridRow(
            (
                NumberGrid.of(impulse, "a single 1"),
                NumberGrid.of(COUNTING, "kernel k"),
                NumberGrid.of(fl.convolve(impulse, COUNTING), "1 ∗ k"),
                NumberGrid.of(fl.correlate(impulse, COUNTING), "1 ⋆ k"),
            )
        ),
        equal("convolving a single 1 prints the kernel", fl.convolve(impulse, COUNTING), COUNTING),
        equal("correlating a single 1 prints it turned", fl.correlate(impulse, COUNTING), COUNTING[::-1, ::-1]),
        Moving(case("flipped")),
        Heading("On the photograph: the light changes sides"),
        Text(
            "The emboss kernel lights the brightness as if it were a relief. Correlated, the light comes from the top left; convolved "
            "with "
            "the very same kernel it comes from the bottom right, and hills may look like hollows."
        ),
        Gallery(
            (
                grey(embossed, "Correlated with `emboss`", "The photograph as a relief lit from the top left.", -150, 350),
                grey(engraved, "Convolved with `emboss`", "The same relief lit from the bottom right.", -150, 350),
            )
        ),
        *_algebra(photograph),
        Correction(
            "Convolution and correlation may be exchanged, the difference is a matter of taste.",
            "They may when the weights are learned, because the network then learns the turned kernel. They may not when a kernel is "
            "given "
            "(a Sobel, a wavelet, a trained model carried to another library), nor where order matters, as above.",
        ),
        against_definition(spec, image, stage.weight, drawn=engraved[None], name="the convolved relief agrees with the definition"),
        cost_of("emboss on the photograph", (stage,), image),
        *clock.time("emboss, 3 × 3, flipped", (stage,), image),
    ]
    return Section(
        2,
        "Convolution",
        (
            "Convolution turns the kernel by half a turn, upside down and left to right, before it slides over the image.",
            (
                "That turn buys an algebra: kernels may change places and may be merged, which is why mathematics and signal "
                "processing "
                "insist on it."
            ),
        ),
        (str(spec),),
        tuple(blocks),
    )


def _algebra(photograph: Photograph) -> tuple[Block, ...]:
    """Commutativity and associativity, shown for convolution and refuted for correlation."""
    there, back = fl.convolve(EXAMPLE, ASYMMETRIC, "full"), fl.convolve(ASYMMETRIC, EXAMPLE, "full")
    there_turned, back_turned = fl.correlate(EXAMPLE, ASYMMETRIC, "full"), fl.correlate(ASYMMETRIC, EXAMPLE, "full")

    height, width = photograph.size
    image = photograph.grey[height // 4 : height - height // 4, width // 4 : width - width // 4].astype(np.int64)
    stepwise = fl.convolve(fl.convolve(image, BLUR, "full"), SKEW, "full")
    merged = fl.convolve(image, fl.convolve(BLUR, SKEW, "full"), "full")
    stepwise_turned, merged_turned = _both_ways(image)
    mended = fl.correlate(image, fl.convolve(EDGE, SKEW, "full"), "full")
    spot = (slice(0, 3), slice(0, 3))
    inner = (slice(6, -6), slice(6, -6))
    reach = reach_of(stepwise_turned[inner])
    return (
        Heading("What the turn buys"),
        Formula(
            (
                "commutative    x ∗ k = k ∗ x                  but   x ⋆ k ≠ k ⋆ x   (the results are half-turns of each other)",
                "associative    (x ∗ a) ∗ b = x ∗ (a ∗ b)      but   (x ⋆ a) ⋆ b ≠ x ⋆ (a ⋆ b)   (right is x ⋆ (a ∗ b))",
            )
        ),
        GridRow(
            (
                NumberGrid.of(there[spot], "x ∗ k"),
                "=",
                NumberGrid.of(back[spot], "k ∗ x"),
                NumberGrid.of(there_turned[spot], "x ⋆ k"),
                "≠",
                NumberGrid.of(back_turned[spot], "k ⋆ x"),
            ),
            "Full results (every overlap) are 7 × 7 here; these are their top left corners.",
        ),
        equal("x ∗ k = k ∗ x", there, back),
        differ("x ⋆ k ≠ k ⋆ x", there_turned, back_turned),
        equal("k ⋆ x is x ⋆ k turned by 180°", back_turned, there_turned[::-1, ::-1]),
        Text(
            "Associativity lets two filters be merged into one before the photograph is touched: two 3 × 3 kernels become one of 5 × "
            "5. "
            "With correlation the merged kernel is wrong unless the merging itself is a convolution."
        ),
        Gallery(
            (
                signed(
                    stepwise_turned[inner], "(x ⋆ a) ⋆ b, step by step, = x ⋆ (a ∗ b)", "An edge map of the photograph's middle.", reach
                ),
                signed(merged_turned[inner], "x ⋆ (a ⋆ b), merged wrongly", "A similar edge map, moved and weighted otherwise.", reach),
                signed(
                    (merged_turned - stepwise_turned)[inner], "Their difference", "The same edges doubled: the two do not agree.", reach
                ),
            ),
            columns=3,
        ),
        equal("(x ∗ a) ∗ b = x ∗ (a ∗ b) on the photograph", stepwise, merged),
        differ("(x ⋆ a) ⋆ b ≠ x ⋆ (a ⋆ b) on the 5 × 5 example", *_both_ways(EXAMPLE)),
        equal("(x ⋆ a) ⋆ b = x ⋆ (a ∗ b) on the photograph", stepwise_turned, mended),
    )


def _both_ways(x: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``(x ⋆ a) ⋆ b`` and ``x ⋆ (a ⋆ b)``."""
    stepwise = fl.correlate(fl.correlate(x, EDGE, "full"), SKEW, "full")
    return stepwise, fl.correlate(x, fl.correlate(EDGE, SKEW, "full"), "full")
