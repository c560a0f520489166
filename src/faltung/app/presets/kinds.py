"""One preset for each kind of convolution."""

from __future__ import annotations

from faltung.app.presets.preset import GUIDE, TENT, Preset

__all__ = ["kinds"]

ASYMMETRIC = {"values": [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]}


def kinds() -> list[Preset]:
    """One of each kind."""
    group = "Kinds of convolution"
    return [
        Preset(
            "standard",
            "Standard",
            group,
            "Every output is the sum of nine products: a window of the input, cell by cell times the kernel.",
            "LeCun et al., Gradient-based learning applied to document recognition, 1998",
            {},
        ),
        Preset(
            "rgb",
            "RGB into one",
            group,
            "The kernel has a slice for each colour; the products of all three are added up.",
            "CS231n, Convolutional neural networks, Stanford",
            {"in_channels": 3},
        ),
        Preset(
            "several-filters",
            "Two outputs",
            group,
            "Each output channel has a kernel of its own, which sees every input channel.",
            "CS231n, Convolutional neural networks, Stanford",
            {"in_channels": 3, "out_channels": 2, "bias": True},
        ),
        Preset(
            "strided",
            "Strided",
            group,
            "The window moves by 2 cells: a quarter of the outputs, as in pooling.",
            f"{GUIDE}, §2.3",
            {"stride": [2, 2]},
        ),
        Preset(
            "dilated",
            "Dilated (atrous)",
            group,
            "Nine taps with holes between them span 5 by 5 cells: a wider view at the same cost.",
            "Yu & Koltun, Multi-scale context aggregation by dilated convolutions, 2016",
            {"dilation": [2, 2], "input_size": [7, 7]},
        ),
        Preset(
            "transposed",
            "Transposed",
            group,
            "Each input stamps the kernel onto the output; where stamps overlap, they add.",
            f"{GUIDE}, §4; Zeiler et al., Deconvolutional networks, 2010",
            {"transposed": True, "stride": [2, 2], "input_size": [2, 2], "x": {"values": [[[1, 2], [3, 4]]]}, "weight": TENT},
        ),
        Preset(
            "grouped",
            "Grouped",
            group,
            "Two groups of two channels that do not see each other: half of the weights are gone.",
            "Krizhevsky et al., AlexNet, 2012; Xie et al., ResNeXt, 2017",
            {"in_channels": 4, "out_channels": 4, "groups": 2},
        ),
        Preset(
            "depthwise",
            "Depthwise",
            group,
            "As many groups as channels: one kernel a channel, and no channel sees another.",
            "Sifre & Mallat, 2014; Howard et al., MobileNets, 2017",
            {"in_channels": 3, "out_channels": 3, "groups": 3},
        ),
        Preset(
            "depthwise-separable",
            "Depthwise separable",
            group,
            "Two layers: depthwise in space, then pointwise across the channels.",
            "Sifre & Mallat, 2014; Howard et al., MobileNets, 2017; Chollet, Xception, 2017",
            {"in_channels": 3, "out_channels": 3, "groups": 3, "then": [{"out_channels": 4, "kernel_size": [1, 1]}]},
        ),
        Preset(
            "pointwise",
            "Pointwise (1×1)",
            group,
            "No neighbours: at every place the channels are mixed by the same small matrix.",
            "Lin et al., Network in network, 2013",
            {"in_channels": 4, "out_channels": 3, "kernel_size": [1, 1], "input_size": [3, 3]},
        ),
        Preset(
            "circular",
            "Circular",
            group,
            "What leaves on one side comes back on the other, as on a torus.",
            "Gray, Toeplitz and circulant matrices: a review, 2006",
            {"padding": 1, "padding_mode": "circular", "input_size": [4, 4]},
        ),
        Preset(
            "causal",
            "Causal (1-D)",
            group,
            "All padding stands before the signal: no output sees what comes later.",
            "van den Oord et al., WaveNet, 2016",
            {"kernel_size": [3], "padding": "causal", "input_size": [8]},
        ),
        Preset(
            "spatially-separable",
            "Spatially separable",
            group,
            "A column, then a row: 6 products instead of 9 an output. Together they are the Sobel kernel.",
            "Sobel & Feldman, 1968; Szegedy et al., Inception-v3, 2016",
            {
                "kernel_size": [3, 1],
                "weight": {"values": [[[[1], [2], [1]]]]},
                "x": {"named": "edge"},
                "input_size": [6, 6],
                "then": [{"kernel_size": [1, 3], "weight": {"values": [[[[-1, 0, 1]]]]}}],
            },
        ),
        Preset(
            "linear",
            "Linear layer",
            group,
            "A kernel as large as the input: every output channel is one weighted sum of all cells, a row of the layer's matrix.",
            "Long et al., Fully convolutional networks, 2015",
            {"out_channels": 4, "input_size": [3, 3], "bias": True},
        ),
        Preset(
            "flipped",
            "Flipped",
            group,
            "The kernel is read backwards, so a single 1 is replaced by the kernel as it is written. It must be asymmetric to show it.",
            "Oppenheim & Schafer, Discrete-time signal processing",
            {"flip": True, "padding": 1, "weight": ASYMMETRIC, "x": {"named": "impulse"}},
        ),
        Preset(
            "cross-correlation",
            "Cross-correlation",
            group,
            "What frameworks call convolution: a single 1 is replaced by the kernel turned by half a turn.",
            "Goodfellow et al., Deep learning, 2016, §9.1",
            {"padding": 1, "weight": ASYMMETRIC, "x": {"named": "impulse"}},
        ),
    ]
