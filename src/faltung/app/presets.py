"""Layers of the literature, and one for each kind of convolution, as states with a name, what to look at and a source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from faltung.app.state import State
from faltung.errors import ConvSpecError, one_of

__all__ = ["PRESETS", "Preset", "preset", "preset_list"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One entry of the list.

    Attributes
    ----------
    name : str
        Short, for links.
    title : str
    group : str
        Its heading in the list.
    note : str
        What to look at.
    source : str
        Where it comes from.
    fields : dict
        Of the state, in JSON's terms; the others have their defaults.
    """

    name: str
    title: str
    group: str
    note: str
    source: str
    fields: dict[str, Any]

    @property
    def state(self) -> State:
        """The state."""
        return State.from_dict(self.fields)


@lru_cache(maxsize=1)
def preset_list() -> list[dict[str, Any]]:
    """All of them as JSON."""
    return [
        {"name": one.name, "title": one.title, "group": one.group, "note": one.note, "source": one.source, "state": one.state.to_dict()}
        for one in PRESETS
    ]


def preset(name: str) -> State:
    """The state of that name.

    >>> preset("standard").input_size
    (5, 5)
    """
    found = {one.name: one for one in PRESETS}
    return found[one_of("preset", name, found, ConvSpecError)].state


_GUIDE = "Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2018"
_LAPLACIAN = {"values": [[[[0, 1, 0], [1, -4, 1], [0, 1, 0]]]]}
_ASYMMETRIC = {"values": [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]}
_TENT = {"values": [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]}


def _kinds() -> list[Preset]:
    group = "Kinds of convolution"
    return [
        Preset(
            "standard",
            "Standard convolution",
            group,
            "Every output is the sum of nine products; here with a Laplacian: four neighbours less four times the middle.",
            "LeCun et al., Gradient-based learning applied to document recognition, 1998",
            {
                "weight": _LAPLACIAN,
                "x": {"values": [[[1, 2, 3, 0, 1], [0, 1, 2, 3, 1], [1, 0, 1, 2, 2], [2, 1, 0, 1, 3], [1, 2, 3, 0, 1]]]},
            },
        ),
        Preset(
            "rgb",
            "Three channels (RGB) into one",
            group,
            "The kernel has a slice for each colour; the products of all three are added up.",
            "CS231n, Convolutional neural networks, Stanford",
            {"in_channels": 3},
        ),
        Preset(
            "several-filters",
            "Three channels into two",
            group,
            "Each output channel has a kernel of its own, which sees every input channel.",
            "CS231n, Convolutional neural networks, Stanford",
            {"in_channels": 3, "out_channels": 2, "bias": True},
        ),
        Preset(
            "depthwise-separable",
            "Depthwise separable convolution",
            group,
            "Two layers: depthwise in space, then pointwise across the channels.",
            "Sifre & Mallat, 2014; Howard et al., MobileNets, 2017; Chollet, Xception, 2017",
            {"in_channels": 3, "out_channels": 3, "groups": 3, "then": [{"out_channels": 4, "kernel_size": [1, 1]}]},
        ),
        Preset(
            "depthwise",
            "Depthwise convolution",
            group,
            "As many groups as channels: one kernel a channel, and no channel sees another.",
            "Sifre & Mallat, 2014; Howard et al., MobileNets, 2017",
            {"in_channels": 3, "out_channels": 3, "groups": 3},
        ),
        Preset(
            "grouped",
            "Grouped convolution",
            group,
            "Two groups of two channels that do not see each other: half of the weights are gone.",
            "Krizhevsky et al., AlexNet, 2012; Xie et al., ResNeXt, 2017",
            {"in_channels": 4, "out_channels": 4, "groups": 2},
        ),
        Preset(
            "pointwise",
            "Pointwise (1×1) convolution",
            group,
            "No neighbours: at every place the channels are mixed by the same small matrix.",
            "Lin et al., Network in network, 2013",
            {"in_channels": 4, "out_channels": 3, "kernel_size": [1, 1], "input_size": [3, 3]},
        ),
        Preset(
            "dilated",
            "Dilated (atrous) convolution",
            group,
            "Nine taps with holes between them span 5 by 5 cells: a wider view at the same cost.",
            "Yu & Koltun, Multi-scale context aggregation by dilated convolutions, 2016",
            {"dilation": [2, 2], "input_size": [7, 7]},
        ),
        Preset(
            "circular",
            "Circular convolution",
            group,
            "What leaves on one side comes back on the other, as on a torus.",
            "Gray, Toeplitz and circulant matrices: a review, 2006",
            {"padding": 1, "padding_mode": "circular", "input_size": [4, 4]},
        ),
        Preset(
            "spatially-separable",
            "Spatially separable convolution",
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
            "Linear layer as a convolution",
            group,
            "A kernel as large as the input: every output channel is one weighted sum of all cells, a row of the layer's matrix.",
            "Long et al., Fully convolutional networks, 2015",
            {"out_channels": 4, "input_size": [3, 3], "bias": True},
        ),
        Preset(
            "flipped",
            "Convolution, with its flip",
            group,
            "The kernel is read backwards, so a single 1 is replaced by the kernel as it is written. It must be asymmetric to show it.",
            "Oppenheim & Schafer, Discrete-time signal processing",
            {"flip": True, "padding": 1, "weight": _ASYMMETRIC, "x": {"named": "impulse"}},
        ),
        Preset(
            "cross-correlation",
            "Cross-correlation, the same without the flip",
            group,
            "What frameworks call convolution: a single 1 is replaced by the kernel turned by half a turn.",
            "Goodfellow et al., Deep learning, 2016, §9.1",
            {"padding": 1, "weight": _ASYMMETRIC, "x": {"named": "impulse"}},
        ),
    ]


def _strides() -> list[Preset]:
    group = "Padding and stride"
    padding_note = "The border is continued: "
    return [
        Preset("no-padding", "No padding, no strides", group, "4 cells and a window of 3 leave 2 places.", f"{_GUIDE}, §2.1",
               {"input_size": [4, 4]}),
        Preset("padded", "Arbitrary padding", group, "2 cells of zeros around 5, a window of 4: 6 places.", f"{_GUIDE}, §2.2",
               {"kernel_size": [4, 4], "padding": 2}),
        Preset("half-padding", "Half (same) padding", group, "As many outputs as inputs.", f"{_GUIDE}, §2.2.1", {"padding": "same"}),
        Preset("full-padding", "Full padding", group, "Every overlap counts, down to a single cell.", f"{_GUIDE}, §2.2.2",
               {"padding": "full"}),
        Preset("strided", "Strided convolution", group, "The window moves by 2 cells.", f"{_GUIDE}, §2.3", {"stride": [2, 2]}),
        Preset("padded-strided", "Padding and strides", group, "With a border of 1 the same stride reaches the corners.",
               f"{_GUIDE}, §2.4", {"stride": [2, 2], "padding": 1}),
        Preset("padded-strided-odd", "Padding and strides, one cell too many", group,
               "6 cells give as many outputs as 5: the last border is never read.", f"{_GUIDE}, §2.4",
               {"stride": [2, 2], "padding": 1, "input_size": [6, 6]}),
        Preset("rectangular", "A rectangular kernel, unlike sides", group,
               "Everything is set axis by axis: 1 row of padding above, 2 columns on the right.", f"{_GUIDE}, §2",
               {"kernel_size": [2, 3], "stride": [1, 2], "padding": [[1, 0], [0, 2]], "input_size": [4, 6]}),
        Preset("reflect", "Reflecting padding", group, padding_note + "a mirror that shows the edge once.", "PyTorch, nn.ReflectionPad2d",
               {"padding": 1, "padding_mode": "reflect", "input_size": [4, 4]}),
        Preset("replicate", "Replicating padding", group, padding_note + "the edge is repeated.", "PyTorch, nn.ReplicationPad2d",
               {"padding": 1, "padding_mode": "replicate", "input_size": [4, 4]}),
        Preset("symmetric", "Symmetric padding", group, padding_note + "a mirror that shows the edge twice.", "NumPy, numpy.pad",
               {"padding": 1, "padding_mode": "symmetric", "input_size": [4, 4]}),
    ]  # fmt: skip


def _transposed() -> list[Preset]:
    group = "Transposed convolution"
    fields: dict[str, Any] = {"transposed": True, "input_size": [2, 2], "x": {"values": [[[1, 2], [3, 4]]]}}
    return [
        Preset("transposed", "Transposed convolution", group,
               "Each input stamps the kernel onto the output; where stamps overlap, they add.", f"{_GUIDE}, §4",
               fields | {"stride": [2, 2], "weight": _TENT}),
        Preset("transposed-no-overlap", "Transposed, without overlap", group, "Kernel and stride are equal: the stamps lie side by side.",
               "Ronneberger et al., U-Net, 2015", fields | {"kernel_size": [2, 2], "stride": [2, 2],
                                                           "weight": {"values": [[[[1, 0], [0, 1]]]]}}),
        Preset("transposed-gather", "Transposed, read as a gather", group,
               "The flipped kernel slides over the input with zeros between its cells: the same numbers.", f"{_GUIDE}, §4.5",
               fields | {"stride": [2, 2], "weight": _TENT, "reading": "gather"}),
        Preset("transposed-no-stride", "Transposed, no strides", group, "2 cells stamp 3 each onto 4.", f"{_GUIDE}, §4.1",
               fields | {"weight": _TENT}),
        Preset("transposed-padded", "Transposed, with padding", group, "Padding of a transposed convolution crops its output.",
               f"{_GUIDE}, §4.6", {"transposed": True, "stride": [2, 2], "padding": 1, "input_size": [3, 3]}),
        Preset("output-padding", "Transposed, with output padding", group,
               "5 and 6 cells shrink to 3 alike; the output padding says which of the two comes back.", f"{_GUIDE}, §4.6",
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


def _signals() -> list[Preset]:
    group = "One dimension, and three"
    return [
        Preset("one-dimensional", "One dimension", group, "A signal and a window that slides along it.", f"{_GUIDE}, §2",
               {"kernel_size": [3], "padding": 1, "input_size": [8]}),
        Preset("moving-average", "Moving average", group, "The mean of three neighbours smooths the edge.",
               "Smith, The scientist and engineer's guide to digital signal processing, ch. 15",
               {"kernel_size": [3], "weight": {"named": "box_x"}, "x": {"named": "edge"}, "padding": 1, "padding_mode": "replicate",
                "input_size": [9]}),
        Preset("causal", "Causal convolution", group, "All padding stands before the signal: no output sees what comes later.",
               "van den Oord et al., WaveNet, 2016", {"kernel_size": [3], "padding": "causal", "input_size": [8]}),
        Preset("wavenet", "WaveNet: dilations 1, 2, 4, 8", group, "Each layer doubles the dilation: four layers of two taps see 16 cells.",
               "van den Oord et al., WaveNet, 2016",
               {"kernel_size": [2], "padding": "causal", "input_size": [16], "x": {"named": "impulse"},
                "weight": {"values": [[[1, 1]]]},
                "then": [{"kernel_size": [2], "padding": "causal", "dilation": [rate], "weight": {"values": [[[1, 1]]]}}
                         for rate in (2, 4, 8)]}),
        Preset("circular-1d", "Circular, one dimension", group, "Its matrix is circulant: the discrete Fourier transform diagonalises it.",
               "Gray, Toeplitz and circulant matrices: a review, 2006",
               {"kernel_size": [3], "padding": 1, "padding_mode": "circular", "input_size": [6]}),
        Preset("three-dimensional", "Three dimensions", group, "Slices of a volume, or frames of a film.",
               "Tran et al., C3D, 2015", {"kernel_size": [2, 2, 2], "input_size": [3, 3, 3]}),
    ]  # fmt: skip


def _filters() -> list[Preset]:
    group = "Image filters"

    def of(name: str, title: str, note: str, source: str, size: int = 3, x: str = "digit") -> Preset:
        fields = {"kernel_size": [size, size], "padding": "same", "padding_mode": "replicate", "input_size": [12, 12]}
        return Preset(
            f"filter-{name.replace('_', '-')}", title, group, note, source, fields | {"weight": {"named": name}, "x": {"named": x}}
        )

    gonzalez = "Gonzalez & Woods, Digital image processing"
    return [
        of(
            "sobel_x",
            "Sobel, horizontal",
            "Positive where brightness rises to the right, negative where it falls.",
            "Sobel & Feldman, 1968",
        ),
        of("sobel_y", "Sobel, vertical", "Positive where brightness rises downwards.", "Sobel & Feldman, 1968"),
        of("laplacian", "Laplacian", "The second derivative: both sides of an edge, with unlike signs.", gonzalez),
        of("gaussian", "Gaussian blur", "Weights fall off like a bell and sum to 1.", gonzalez, 5),
        of("box", "Box blur", "The mean of nine cells.", gonzalez),
        of("sharpen", "Sharpen", "The picture minus its Laplacian.", gonzalez, x="photo"),
        of("emboss", "Emboss", "Light from one corner: a derivative along the diagonal, with the picture kept.", gonzalez, x="photo"),
    ]


def _networks() -> list[Preset]:
    group = "Layers of known networks"

    def of(name: str, title: str, note: str, source: str, **fields: Any) -> Preset:
        return Preset(name, title, group, note, source, fields)

    return [
        of("lenet-c1", "LeNet-5, C1", "6 maps of 28 by 28 from one picture.", "LeCun et al., 1998",
           out_channels=6, kernel_size=[5, 5], bias=True, input_size=[32, 32], x={"named": "digit"}),
        of("alexnet-conv1", "AlexNet, first layer", "A stride of 4 throws away most places at once.", "Krizhevsky et al., 2012",
           in_channels=3, out_channels=96, kernel_size=[11, 11], stride=[4, 4], bias=True, input_size=[227, 227]),
        of("vgg-conv1", "VGG, first layer", "Small kernels, many of them on top of each other.", "Simonyan & Zisserman, 2015",
           in_channels=3, out_channels=64, padding=1, bias=True, input_size=[224, 224]),
        of("resnet-stem", "ResNet, stem", "7 by 7 with stride 2 and padding 3: 224 becomes 112.", "He et al., 2016",
           in_channels=3, out_channels=64, kernel_size=[7, 7], stride=[2, 2], padding=3, input_size=[224, 224]),
        of("resnext", "ResNeXt, 32 groups", "Cardinality: 32 paths of 4 channels each.", "Xie et al., 2017",
           in_channels=128, out_channels=128, groups=32, padding=1, input_size=[56, 56]),
        of("mobilenet", "MobileNet, a separable block", "Depthwise 3 by 3, then 1 by 1.", "Howard et al., 2017",
           in_channels=32, out_channels=32, groups=32, padding=1, input_size=[112, 112],
           then=[{"out_channels": 64, "kernel_size": [1, 1]}]),
        of("convnext", "ConvNeXt, depthwise 7×7", "A large kernel for each channel by itself.", "Liu et al., 2022",
           in_channels=96, out_channels=96, kernel_size=[7, 7], padding=3, groups=96, bias=True, input_size=[56, 56]),
        of("deeplab", "DeepLab, atrous rate 6", "Nine taps, six cells apart: a view of 13 by 13.", "Chen et al., 2018",
           in_channels=2048, out_channels=256, dilation=[6, 6], padding=6, input_size=[28, 28]),
        of("unet-up", "U-Net, up-convolution", "2 by 2 with stride 2: twice the size, half the channels.", "Ronneberger et al., 2015",
           in_channels=1024, out_channels=512, kernel_size=[2, 2], stride=[2, 2], transposed=True, bias=True, input_size=[28, 28]),
        of("dcgan", "DCGAN, from noise to a map", "One cell of 100 channels becomes a map of 4 by 4.", "Radford et al., 2016",
           in_channels=100, out_channels=1024, kernel_size=[4, 4], transposed=True, input_size=[1, 1]),
        of("dcgan-up", "DCGAN, a doubling layer", "Kernel 4, stride 2, padding 1: exactly twice the size.", "Radford et al., 2016",
           in_channels=1024, out_channels=512, kernel_size=[4, 4], stride=[2, 2], padding=1, transposed=True, input_size=[4, 4]),
        of("vit-patches", "Vision transformer, patches", "Kernel and stride are equal: 14 by 14 patches that do not overlap.",
           "Dosovitskiy et al., 2021",
           in_channels=3, out_channels=768, kernel_size=[16, 16], stride=[16, 16], bias=True, input_size=[224, 224]),
        of("blurpool", "Blur before striding", "A binomial filter for each channel keeps the stride from aliasing.", "Zhang, 2019",
           in_channels=2, out_channels=2, groups=2, stride=[2, 2], padding=1, padding_mode="reflect", input_size=[8, 8],
           weight={"values": [[[[0.0625, 0.125, 0.0625], [0.125, 0.25, 0.125], [0.0625, 0.125, 0.0625]]]] * 2},
           x={"named": "checkerboard"}),
        of("c3d", "C3D, first layer", "Space and time at once: 16 frames of 112 by 112.", "Tran et al., 2015",
           in_channels=3, out_channels=64, kernel_size=[3, 3, 3], padding=1, bias=True, input_size=[16, 112, 112]),
    ]  # fmt: skip


PRESETS: tuple[Preset, ...] = (*_kinds(), *_strides(), *_transposed(), *_signals(), *_filters(), *_networks())
