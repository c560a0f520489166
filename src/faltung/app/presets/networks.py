"""Layers of known networks, as published."""

from __future__ import annotations

from typing import Any

from faltung.app.presets.preset import Preset

__all__ = ["networks"]


def networks() -> list[Preset]:
    """First layers, blocks and heads, with their true sizes."""
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
