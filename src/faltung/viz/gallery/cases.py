"""The cases of the gallery: one for each kind of convolution and each choice of padding and stride.

The arithmetic of the first is that of Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2018, §2 and §4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faltung.viz.pictures.animate import Style, animate, receptive_pyramid
from faltung.viz.pictures.animation import Animation

__all__ = ["CASES", "Case", "case"]


@dataclass(frozen=True, slots=True)
class Case:
    """One picture.

    Attributes
    ----------
    name : str
        Of its files.
    heading : str
    note : str
        What to look at.
    specs : tuple of str
    input_size : tuple of int
    style : str
        A layout of `animate`, or ``"pyramid"``.
    options : dict
        More arguments of `animate`.
    """

    name: str
    heading: str
    note: str
    specs: tuple[str, ...]
    input_size: tuple[int, ...]
    style: str = "flat"
    options: tuple[tuple[str, Any], ...] = ()

    def animation(self) -> Animation:
        """The picture."""
        if self.style == "pyramid":
            return receptive_pyramid(self.specs, self.input_size)
        style: Style = "stacked" if self.style == "stacked" else "flat"
        return animate(self.specs, input_size=self.input_size, style=style, title=self.heading, **dict(self.options))


_DIAGONAL = (("x", [[[1, 2], [3, 4]]]), ("weight", [[[[1, 0], [0, 1]]]]))
_OVERLAP = (("x", [[[1, 2], [3, 4]]]), ("weight", [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]))
_EDGE = (
    ("weight", [[[[0, 1, 0], [1, -4, 1], [0, 1, 0]]]]),
    ("x", [[[1, 2, 3, 0, 1], [0, 1, 2, 3, 1], [1, 0, 1, 2, 2], [2, 1, 0, 1, 3], [1, 2, 3, 0, 1]]]),
)


def _in_a_list(options: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Weights as several stages take them."""
    return tuple((name, [value] if name == "weight" else value) for name, value in options)


CASES = (
    Case(
        "no-padding-no-strides",
        "No padding, no strides",
        "4 cells and a window of 3 leave 2 places.",
        ("conv2d(1, 1, 3)",),
        (4, 4),
        "stacked",
    ),
    Case(
        "arbitrary-padding-no-strides",
        "Arbitrary padding, no strides",
        "2 cells of zeros around 5, a window of 4: 6 places.",
        ("conv2d(1, 1, 4, padding=2)",),
        (5, 5),
        "stacked",
    ),
    Case(
        "half-padding-no-strides",
        "Half padding, no strides",
        "Also called same: as many outputs as inputs.",
        ("conv2d(1, 1, 3, padding=1)",),
        (5, 5),
        "stacked",
    ),
    Case(
        "full-padding-no-strides",
        "Full padding, no strides",
        "Every overlap counts, down to a single cell.",
        ("conv2d(1, 1, 3, padding=2)",),
        (5, 5),
        "stacked",
    ),
    Case("no-padding-strides", "No padding, strides", "The window moves by 2 cells.", ("conv2d(1, 1, 3, stride=2)",), (5, 5), "stacked"),
    Case(
        "padding-strides",
        "Padding, strides",
        "With a border of 1 the same stride reaches the corners.",
        ("conv2d(1, 1, 3, stride=2, padding=1)",),
        (5, 5),
        "stacked",
    ),
    Case(
        "padding-strides-odd",
        "Padding, strides (odd)",
        "6 cells give as many outputs as 5: the last border is never read.",
        ("conv2d(1, 1, 3, stride=2, padding=1)",),
        (6, 6),
        "stacked",
    ),
    Case(
        "standard",
        "Standard convolution",
        "A Laplacian: every output is the sum of nine products.",
        ("conv2d(1, 1, 3)",),
        (5, 5),
        options=_in_a_list(_EDGE),
    ),
    Case(
        "rgb",
        "Three channels into one",
        "The kernel has a slice for each channel; their products are added up.",
        ("conv2d(3, 1, 3)",),
        (5, 5),
    ),
    Case(
        "rgb-stacked",
        "Three channels into two",
        "Each output channel has three kernels of its own.",
        ("conv2d(3, 2, 3)",),
        (5, 5),
        "stacked",
        (("numbers", False),),
    ),
    Case(
        "depthwise", "Depthwise convolution", "One kernel a channel, and no channel sees another.", ("conv2d(3, 3, 3, groups=3)",), (5, 5)
    ),
    Case(
        "depthwise-separable",
        "Depthwise separable convolution",
        "Depthwise in space, then pointwise across the channels.",
        ("conv2d(3, 3, 3, groups=3)", "conv2d(3, 4, 1)"),
        (5, 5),
        "stacked",
        (("numbers", False),),
    ),
    Case(
        "dilated", "Dilated convolution", "Nine taps with holes between them span 5 by 5 cells.", ("conv2d(1, 1, 3, dilation=2)",), (7, 7)
    ),
    Case(
        "dilated-stacked",
        "Dilated convolution, stacked",
        "The holes of the kernel are the holes of its shadow.",
        ("conv2d(1, 1, 3, dilation=2)",),
        (7, 7),
        "stacked",
    ),
    Case(
        "transposed",
        "Transposed convolution",
        "Each input stamps the kernel onto the output; where stamps overlap, they add.",
        ("conv_transpose2d(1, 1, 3, stride=2)",),
        (2, 2),
        options=_in_a_list(_OVERLAP),
    ),
    Case(
        "transposed-no-overlap",
        "Transposed convolution without overlap",
        "Kernel and stride are equal: the stamps lie side by side.",
        ("conv_transpose2d(1, 1, 2, stride=2)",),
        (2, 2),
        options=_in_a_list(_DIAGONAL),
    ),
    Case(
        "transposed-gather",
        "Transposed convolution, read as a gather",
        "The flipped kernel slides over the input with zeros between its cells.",
        ("conv_transpose2d(1, 1, 3, stride=2)",),
        (2, 2),
        options=(*_in_a_list(_OVERLAP), ("reading", "gather")),
    ),
    Case(
        "transposed-stacked",
        "Transposed convolution, no padding, no strides",
        "2 cells stamp 3 each onto 4.",
        ("conv_transpose2d(1, 1, 3)",),
        (2, 2),
        "stacked",
    ),
    Case(
        "grouped",
        "Grouped convolution",
        "Two groups of two channels that do not see each other.",
        ("conv2d(4, 4, 3, groups=2)",),
        (4, 4),
        "stacked",
        (("numbers", False),),
    ),
    Case(
        "groups-1",
        "8 channels, groups=1",
        "Every output channel sees every input channel.",
        ("conv2d(8, 8, 3)",),
        (4, 4),
        "stacked",
        (("numbers", False),),
    ),
    Case(
        "groups-2",
        "8 channels, groups=2",
        "Half of the weights are gone.",
        ("conv2d(8, 8, 3, groups=2)",),
        (4, 4),
        "stacked",
        (("numbers", False),),
    ),
    Case(
        "groups-8",
        "8 channels, groups=8",
        "Depthwise: an eighth of the weights.",
        ("conv2d(8, 8, 3, groups=8)",),
        (4, 4),
        "stacked",
        (("numbers", False),),
    ),
    Case(
        "pointwise",
        "Pointwise convolution",
        "A stick through the channels: no neighbours, only channels are mixed.",
        ("conv2d(4, 3, 1)",),
        (3, 3),
        "stacked",
        (("numbers", False),),
    ),
    Case(
        "pointwise-numbers", "Pointwise convolution in numbers", "Each pixel's channels times a small matrix.", ("conv2d(4, 3, 1)",), (2, 2)
    ),
    Case(
        "circular",
        "Circular convolution",
        "What leaves on one side comes back on the other.",
        ("conv2d(1, 1, 3, padding=1, padding_mode='circular')",),
        (4, 4),
    ),
    Case(
        "reflect",
        "Reflecting padding",
        "The border is a mirror, and the edge stands in it once.",
        ("conv2d(1, 1, 3, padding=1, padding_mode='reflect')",),
        (4, 4),
    ),
    Case("replicate", "Replicating padding", "The edge is repeated.", ("conv2d(1, 1, 3, padding=1, padding_mode='replicate')",), (4, 4)),
    Case(
        "symmetric",
        "Symmetric padding",
        "A mirror again, with the edge in it twice.",
        ("conv2d(1, 1, 3, padding=1, padding_mode='symmetric')",),
        (4, 4),
    ),
    Case(
        "separable",
        "Spatially separable convolution",
        "A column, then a row: 6 products instead of 9 for each output.",
        ("conv2d(1, 1, (3, 1))", "conv2d(1, 1, (1, 3))"),
        (5, 5),
    ),
    Case("one-dimensional", "One dimension", "A signal and a window that slides along it.", ("conv1d(1, 1, 3, padding=1)",), (8,)),
    Case(
        "causal",
        "Causal convolution",
        "All padding stands before the signal: no output sees what comes later.",
        ("conv1d(1, 1, 3, padding='causal')",),
        (8,),
    ),
    Case(
        "flipped",
        "Convolution with a flipped kernel",
        "The mathematical convolution: the kernel is read backwards.",
        ("conv2d(1, 1, 3, flip=True)",),
        (5, 5),
    ),
    Case(
        "receptive-field",
        "Receptive field of three layers",
        "Each layer of 3 taps adds 2 cells: 3, 5, 7.",
        ("conv1d(1, 1, 3)",) * 3,
        (13,),
        "pyramid",
    ),
    Case(
        "receptive-field-dilated",
        "Receptive field with doubling dilation",
        "Dilations 1, 2 and 4: 15 cells from three layers, as in WaveNet.",
        ("conv1d(1, 1, 3)", "conv1d(1, 1, 3, dilation=2)", "conv1d(1, 1, 3, dilation=4)"),
        (18,),
        "pyramid",
    ),
    Case(
        "receptive-field-2d",
        "Receptive field in two dimensions",
        "Two layers of 3 by 3 see 5 by 5 cells.",
        ("conv2d(1, 1, 3)",) * 2,
        (7, 7),
        "pyramid",
    ),
)


def case(name: str) -> Case:
    """The case of that name.

    >>> case("dilated").specs
    ('conv2d(1, 1, 3, dilation=2)',)
    """
    return _BY_NAME[name]


_BY_NAME = {one.name: one for one in CASES}
