"""Padding, strides and transposed layers: the arithmetic of Dumoulin & Visin's guide, and what goes wrong."""

from __future__ import annotations

from typing import Any

from faltung.app.presets.preset import GUIDE, TENT, Preset

__all__ = ["strides", "transposed"]


def strides() -> list[Preset]:
    """What the border and the steps do."""
    group = "Padding and stride"
    padding_note = "The border is continued: "
    return [
        Preset("no-padding", "No padding, no strides", group, "4 cells and a window of 3 leave 2 places.", f"{GUIDE}, §2.1",
               {"input_size": [4, 4]}),
        Preset("padded", "Arbitrary padding", group, "2 cells of zeros around 5, a window of 4: 6 places.", f"{GUIDE}, §2.2",
               {"kernel_size": [4, 4], "padding": 2}),
        Preset("half-padding", "Half (same) padding", group, "As many outputs as inputs.", f"{GUIDE}, §2.2.1", {"padding": "same"}),
        Preset("full-padding", "Full padding", group, "Every overlap counts, down to a single cell.", f"{GUIDE}, §2.2.2",
               {"padding": "full"}),
        Preset("padded-strided", "Padding and strides", group, "With a border of 1 the same stride reaches the corners.",
               f"{GUIDE}, §2.4", {"stride": [2, 2], "padding": 1}),
        Preset("padded-strided-odd", "Padding and strides, one cell too many", group,
               "6 cells give as many outputs as 5: the last border is never read.", f"{GUIDE}, §2.4",
               {"stride": [2, 2], "padding": 1, "input_size": [6, 6]}),
        Preset("rectangular", "A rectangular kernel, unlike sides", group,
               "Everything is set axis by axis: 1 row of padding above, 2 columns on the right.", f"{GUIDE}, §2",
               {"kernel_size": [2, 3], "stride": [1, 2], "padding": [[1, 0], [0, 2]], "input_size": [4, 6]}),
        Preset("reflect", "Reflecting padding", group, padding_note + "a mirror that shows the edge once.", "PyTorch, nn.ReflectionPad2d",
               {"padding": 1, "padding_mode": "reflect", "input_size": [4, 4]}),
        Preset("replicate", "Replicating padding", group, padding_note + "the edge is repeated.", "PyTorch, nn.ReplicationPad2d",
               {"padding": 1, "padding_mode": "replicate", "input_size": [4, 4]}),
        Preset("symmetric", "Symmetric padding", group, padding_note + "a mirror that shows the edge twice.", "NumPy, numpy.pad",
               {"padding": 1, "padding_mode": "symmetric", "input_size": [4, 4]}),
    ]  # fmt: skip


def transposed() -> list[Preset]:
    """Stamps, overlaps and crops."""
    group = "Transposed convolution"
    fields: dict[str, Any] = {"transposed": True, "input_size": [2, 2], "x": {"values": [[[1, 2], [3, 4]]]}}
    return [
        Preset("transposed-no-overlap", "Transposed, without overlap", group, "Kernel and stride are equal: the stamps lie side by side.",
               "Ronneberger et al., U-Net, 2015", fields | {"kernel_size": [2, 2], "stride": [2, 2],
                                                           "weight": {"values": [[[[1, 0], [0, 1]]]]}}),
        Preset("transposed-gather", "Transposed, read as a gather", group,
               "The flipped kernel slides over the input with zeros between its cells: the same numbers.", f"{GUIDE}, §4.5",
               fields | {"stride": [2, 2], "weight": TENT, "reading": "gather"}),
        Preset("transposed-no-stride", "Transposed, no strides", group, "2 cells stamp 3 each onto 4.", f"{GUIDE}, §4.1",
               fields | {"weight": TENT}),
        Preset("transposed-padded", "Transposed, with padding", group, "Padding of a transposed convolution crops its output.",
               f"{GUIDE}, §4.6", {"transposed": True, "stride": [2, 2], "padding": 1, "input_size": [3, 3]}),
        Preset("output-padding", "Transposed, with output padding", group,
               "5 and 6 cells shrink to 3 alike; the output padding says which of the two comes back.", f"{GUIDE}, §4.6",
               {"transposed": True, "stride": [2, 2], "padding": 1, "output_padding": 1, "input_size": [3, 3]}),
        Preset("checkerboard", "Checkerboard of uneven overlap", group,
               "All inputs and weights are 1, and yet the output is not even: a kernel of 3 is no multiple of the stride 2.",
               "Odena et al., Deconvolution and checkerboard artifacts, Distill 2016",
               {"transposed": True, "stride": [2, 2], "input_size": [4, 4], "x": {"named": "constant"},
                "weight": {"values": [[[[1, 1, 1], [1, 1, 1], [1, 1, 1]]]]}}),
        Preset("no-checkerboard", "No checkerboard: kernel 4, stride 2", group,
               "A kernel that is a multiple of the stride covers every inner cell equally often.",
               "Odena et al., Deconvolution and checkerboard artifacts, Distill 2016",
               {"transposed": True, "kernel_size": [4, 4], "stride": [2, 2], "padding": 1, "input_size": [4, 4],
                "x": {"named": "constant"}, "weight": {"values": [[[[1] * 4] * 4]]}}),
    ]  # fmt: skip
