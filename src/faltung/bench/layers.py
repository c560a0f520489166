"""The table of layers: class by class, each with the network or use that it comes from.

Sizes are those of the networks where a call stays under about 50 ms on one core, else cut down, which the
origin says. ``×8`` is a batch of 8, ``/2`` stride 2, ``56²`` a map of 56 × 56.
"""

from __future__ import annotations

from faltung.bench.workloads import Order, Workload

__all__ = ["LAYERS"]

_PICTURE = (1, 1, 1080, 1920)
_LAST: Order = "channels last"

_C3X3_64 = ("conv2d(64, 64, 3, padding=1, bias=False)", (1, 64, 56, 56))
_C3X3_64_BATCH = (_C3X3_64[0], (8, 64, 56, 56))
_C3X3_256_BATCH = ("conv2d(256, 256, 3, padding=1, bias=False)", (8, 256, 14, 14))
_C1X1_256_64 = ("conv2d(256, 64, 1, bias=False)", (1, 256, 56, 56))
_C3X3S2_128 = ("conv2d(128, 128, 3, stride=2, padding=1, bias=False)", (1, 128, 56, 56))
_STEM = ("conv2d(3, 64, 7, stride=2, padding=3, bias=False)", (1, 3, 224, 224))
_DEPTHWISE_3X3 = ("conv2d(144, 144, 3, padding=1, groups=144, bias=False)", (1, 144, 56, 56))
_DEPTHWISE_3X3S2 = ("conv2d(96, 96, 3, stride=2, padding=1, groups=96, bias=False)", (1, 96, 112, 112))
_DEPTHWISE_5X5 = ("conv2d(240, 240, 5, padding=2, groups=240, bias=False)", (1, 240, 28, 28))
_DEPTHWISE_7X7 = ("conv2d(96, 96, 7, padding=3, groups=96)", (1, 96, 56, 56))
_DEPTHWISE_7X7_DEEP = ("conv2d(384, 384, 7, padding=3, groups=384)", (1, 384, 14, 14))
_GROUPS_128 = ("conv2d(128, 128, 3, padding=1, groups=32, bias=False)", (1, 128, 56, 56))
_DCGAN_256 = ("conv_transpose2d(256, 128, 4, stride=2, padding=1, bias=False)", (1, 256, 16, 16))

LAYERS: dict[str, tuple[Workload, ...]] = {
    "dense-3x3": (
        Workload("3×3 64→64 at 56²", "ResNet-18, layer 1", *_C3X3_64),
        Workload("3×3 128→128 at 28²", "ResNet-18, layer 2", "conv2d(128, 128, 3, padding=1, bias=False)", (1, 128, 28, 28)),
        Workload("3×3 256→256 at 14²", "ResNet-18, layer 3", "conv2d(256, 256, 3, padding=1, bias=False)", (1, 256, 14, 14)),
        Workload("3×3 512→512 at 7²", "ResNet-18, layer 4", "conv2d(512, 512, 3, padding=1, bias=False)", (1, 512, 7, 7)),
        Workload("3×3 64→64 at 224²", "VGG-16, conv1_2", "conv2d(64, 64, 3, padding=1)", (1, 64, 224, 224)),
        Workload("3×3 128→128 at 112²", "VGG-16, conv2_2", "conv2d(128, 128, 3, padding=1)", (1, 128, 112, 112)),
        Workload("3×3 512→512 at 28²", "VGG-16, conv4_2", "conv2d(512, 512, 3, padding=1)", (1, 512, 28, 28)),
        Workload("3×3 128→64 at 128²", "U-Net, last decoder stage, cut to 128²", "conv2d(128, 64, 3, padding=1)", (1, 128, 128, 128)),
        Workload("3×3 64→64 at 56² ×8", "ResNet-18, layer 1", *_C3X3_64_BATCH),
        Workload("3×3 256→256 at 14² ×8", "ResNet-18, layer 3", *_C3X3_256_BATCH),
    ),
    "dense": (
        Workload("1×1 256→256 at 28²", "ResNet bottlenecks", "conv2d(256, 256, 1, bias=False)", (1, 256, 28, 28)),
        Workload("1×1 64→256 at 56²", "ResNet-50, layer 1", "conv2d(64, 256, 1, bias=False)", (1, 64, 56, 56)),
        Workload("1×1 256→64 at 56²", "ResNet-50, layer 1", *_C1X1_256_64),
        Workload("1×1 1024→256 at 14²", "ResNet-50, layer 3", "conv2d(1024, 256, 1, bias=False)", (1, 1024, 14, 14)),
        Workload("1×1 1024→256 at 14² ×8", "ResNet-50, layer 3", "conv2d(1024, 256, 1, bias=False)", (8, 1024, 14, 14)),
        Workload("1×1 96→24 at 56²", "MobileNetV2, first projection", "conv2d(96, 24, 1, bias=False)", (1, 96, 56, 56)),
        Workload("1×1 960→160 at 7²", "MobileNetV3-L, last projection", "conv2d(960, 160, 1, bias=False)", (1, 960, 7, 7)),
        Workload("1×1 58→58 at 28²", "ShuffleNetV2 1×, stage 2", "conv2d(58, 58, 1, bias=False)", (1, 58, 28, 28)),
        Workload("3×3/2 64→128 at 56²", "ResNet-18, layer 2", "conv2d(64, 128, 3, stride=2, padding=1, bias=False)", (1, 64, 56, 56)),
        Workload("3×3/2 128→128 at 56²", "ResNet-50, layer 2", *_C3X3S2_128),
        Workload("1×1/2 256→512 at 56²", "ResNet-50, shortcut", "conv2d(256, 512, 1, stride=2, bias=False)", (1, 256, 56, 56)),
        Workload("5×5 32→64 at 28²", "GoogLeNet, inception 3b, rounded", "conv2d(32, 64, 5, padding=2)", (1, 32, 28, 28)),
        Workload("4×4 256→512 at 32²", "pix2pix, patch discriminator", "conv2d(256, 512, 4, padding=1, bias=False)", (1, 256, 32, 32)),
        Workload("7×7 32→64 at 56²", "SpyNet", "conv2d(32, 64, 7, padding=3)", (1, 32, 56, 56)),
        Workload("1×7 192 at 17²", "Inception-v3, mixed 6e", "conv2d(192, 192, (1, 7), padding=(0, 3), bias=False)", (1, 192, 17, 17)),
        Workload("7×1 192 at 17²", "Inception-v3, mixed 6e", "conv2d(192, 192, (7, 1), padding=(3, 0), bias=False)", (1, 192, 17, 17)),
        Workload("7×7/2 3→64 at 224²", "ResNet stem", *_STEM),
        Workload("7×7/2 3→64 at 224² ×8", "ResNet stem", _STEM[0], (8, 3, 224, 224)),
        Workload("11×11/4 3→64 at 224²", "AlexNet stem", "conv2d(3, 64, 11, stride=4, padding=2)", (1, 3, 224, 224)),
        Workload("3×3/2 3→32 at 224²", "EfficientNet-B0 stem", "conv2d(3, 32, 3, stride=2, padding=1, bias=False)", (1, 3, 224, 224)),
        Workload("3×3 3→64 at 224²", "VGG-16, conv1_1", "conv2d(3, 64, 3, padding=1)", (1, 3, 224, 224)),
        Workload("4×4/4 3→96 at 224²", "ConvNeXt-T stem", "conv2d(3, 96, 4, stride=4)", (1, 3, 224, 224)),
        Workload("2×2/2 96→192 at 56²", "ConvNeXt-T, downsampling", "conv2d(96, 192, 2, stride=2)", (1, 96, 56, 56)),
        Workload("1-D 7 taps 80→512", "HiFi-GAN, first layer, 400 frames", "conv1d(80, 512, 7, padding=3)", (1, 80, 400)),
        Workload("1-D 11 taps 128→128", "HiFi-GAN, residual block", "conv1d(128, 128, 11, padding=5)", (1, 128, 2048)),
    ),
    "depthwise": (
        Workload("depthwise 3×3 144 at 56²", "MobileNetV2", *_DEPTHWISE_3X3),
        Workload(
            "depthwise 3×3 32 at 112²", "MobileNetV2, first", "conv2d(32, 32, 3, padding=1, groups=32, bias=False)", (1, 32, 112, 112)
        ),
        Workload("depthwise 3×3/2 96 at 112²", "MobileNetV2", *_DEPTHWISE_3X3S2),
        Workload(
            "depthwise 3×3 960 at 7²", "MobileNetV3-L, last", "conv2d(960, 960, 3, padding=1, groups=960, bias=False)", (1, 960, 7, 7)
        ),
        Workload("depthwise 3×3 58 at 28²", "ShuffleNetV2 1×", "conv2d(58, 58, 3, padding=1, groups=58, bias=False)", (1, 58, 28, 28)),
        Workload("depthwise 5×5 240 at 28²", "EfficientNet-B0, stage 3", *_DEPTHWISE_5X5),
        Workload(
            "depthwise 5×5/2 72 at 56²", "MobileNetV3-L", "conv2d(72, 72, 5, stride=2, padding=2, groups=72, bias=False)", (1, 72, 56, 56)
        ),
        Workload("depthwise 7×7 96 at 56²", "ConvNeXt-T, stage 1", *_DEPTHWISE_7X7),
        Workload("depthwise 7×7 384 at 14²", "ConvNeXt-T, stage 3", *_DEPTHWISE_7X7_DEEP),
        Workload("depthwise 7×7 96 at 56² ×8", "ConvNeXt-T, stage 1", _DEPTHWISE_7X7[0], (8, 96, 56, 56)),
        Workload("depthwise 13×13 1024, 7²", "RepLKNet-31B, stage 4", "conv2d(1024, 1024, 13, padding=6, groups=1024)", (1, 1024, 7, 7)),
    ),
    "depthwise-large": (
        Workload("depthwise 31×31 128, 56²", "RepLKNet-31B, stage 1", "conv2d(128, 128, 31, padding=15, groups=128)", (1, 128, 56, 56)),
        Workload("depthwise 29×29 256, 28²", "RepLKNet-31B, stage 2", "conv2d(256, 256, 29, padding=14, groups=256)", (1, 256, 28, 28)),
        Workload("depthwise 27×27 512, 14²", "RepLKNet-31B, stage 3", "conv2d(512, 512, 27, padding=13, groups=512)", (1, 512, 14, 14)),
    ),
    "grouped": (
        Workload("32 groups 128 at 56²", "ResNeXt-50 32×4d", *_GROUPS_128),
        Workload("32 groups 128 at 56² ×8", "ResNeXt-50 32×4d", _GROUPS_128[0], (8, 128, 56, 56)),
        Workload("32 groups 256 at 28²", "ResNeXt-50 32×4d", "conv2d(256, 256, 3, padding=1, groups=32, bias=False)", (1, 256, 28, 28)),
        Workload(
            "32 groups 256/2 at 56²",
            "ResNeXt-50 32×4d",
            "conv2d(256, 256, 3, stride=2, padding=1, groups=32, bias=False)",
            (1, 256, 56, 56),
        ),
        Workload("32 groups 512 at 14²", "ResNeXt-50 32×4d", "conv2d(512, 512, 3, padding=1, groups=32, bias=False)", (1, 512, 14, 14)),
        Workload("1×1 in 3 groups, 240→60", "ShuffleNetV1, stage 2", "conv2d(240, 60, 1, groups=3, bias=False)", (1, 240, 28, 28)),
    ),
    "dilated": (
        Workload("dilated 3×3 256 at 28²", "DeepLab, layer 3", "conv2d(256, 256, 3, padding=2, dilation=2, bias=False)", (1, 256, 28, 28)),
        Workload(
            "rate 6 512→256 at 33²",
            "DeepLabV3 pyramid, cut from 2048",
            "conv2d(512, 256, 3, padding=6, dilation=6, bias=False)",
            (1, 512, 33, 33),
        ),
        Workload(
            "rate 12 512→256 at 33²",
            "DeepLabV3 pyramid, cut from 2048",
            "conv2d(512, 256, 3, padding=12, dilation=12, bias=False)",
            (1, 512, 33, 33),
        ),
        Workload(
            "rate 18 512→256 at 33²",
            "DeepLabV3 pyramid, cut from 2048",
            "conv2d(512, 256, 3, padding=18, dilation=18, bias=False)",
            (1, 512, 33, 33),
        ),
        Workload("1-D dilated causal", "WaveNet, 1 s at 16 kHz", "conv1d(64, 128, 2, padding='causal', dilation=64)", (1, 64, 16000)),
        Workload("1-D 7 taps, rate 5, 128", "HiFi-GAN, residual block", "conv1d(128, 128, 7, padding=15, dilation=5)", (1, 128, 2048)),
    ),
    "transposed": (
        Workload("transposed 4×4/2 256→128", "DCGAN", *_DCGAN_256),
        Workload("transposed 4×4/2 512→256", "DCGAN", "conv_transpose2d(512, 256, 4, stride=2, padding=1, bias=False)", (1, 512, 8, 8)),
        Workload("transposed 4×4/2 256 ×8", "DCGAN", "conv_transpose2d(256, 128, 4, stride=2, padding=1, bias=False)", (8, 256, 16, 16)),
        Workload(
            "transposed 2×2/2 128→64", "U-Net, up-convolution, cut to 64²", "conv_transpose2d(128, 64, 2, stride=2)", (1, 128, 64, 64)
        ),
        Workload("transposed 16 taps/8", "HiFi-GAN, upsampling", "conv_transpose1d(512, 256, 16, stride=8, padding=4)", (1, 512, 64)),
        Workload("transposed 4 taps/2", "HiFi-GAN, upsampling", "conv_transpose1d(128, 64, 4, stride=2, padding=1)", (1, 128, 4096)),
    ),
    "circular": (
        Workload(
            "circular 3×3 64 at 56²",
            "periodic fields",
            "conv2d(64, 64, 3, padding=1, padding_mode='circular', bias=False)",
            (1, 64, 56, 56),
        ),
        Workload("circular 3×3 128 at 28²", "periodic fields", "conv2d(128, 128, 3, padding=1, padding_mode='circular')", (1, 128, 28, 28)),
        Workload("circular 3×3 32 ×8", "lattice physics, 64²", "conv2d(32, 32, 3, padding=1, padding_mode='circular')", (8, 32, 64, 64)),
    ),
    "filter": (
        Workload("picture, 3×3", "edge filter on 1080p", "conv2d(1, 1, 3, padding='same', bias=False)", _PICTURE),
        Workload(
            "picture, 3×3 reflect", "edge filter on 1080p", "conv2d(1, 1, 3, padding='same', padding_mode='reflect', bias=False)", _PICTURE
        ),
        Workload("picture, 5×5", "image filter on 1080p", "conv2d(1, 1, 5, padding='same', bias=False)", _PICTURE),
        Workload("picture, 7×7", "image filter on 1080p", "conv2d(1, 1, 7, padding='same', bias=False)", _PICTURE),
        Workload("picture, 15×15", "image filter on 1080p", "conv2d(1, 1, 15, padding='same', bias=False)", _PICTURE),
        Workload("picture, 31×31", "image filter on 1080p", "conv2d(1, 1, 31, padding='same', bias=False)", _PICTURE),
        Workload(
            "picture, 7×7 separable", "Gaussian on 1080p", "conv2d(1, 1, 7, padding='same', bias=False)", _PICTURE, weights="separable"
        ),
        Workload(
            "picture, 31×31 separable", "Gaussian on 1080p", "conv2d(1, 1, 31, padding='same', bias=False)", _PICTURE, weights="separable"
        ),
        Workload(
            "colour picture, 5×5", "image filter on 1080p", "conv2d(3, 3, 5, padding='same', groups=3, bias=False)", (1, 3, 1080, 1920)
        ),
    ),
    "fir": (
        Workload("FIR 64 taps", "10 s at 48 kHz", "conv1d(1, 1, 64, bias=False)", (1, 1, 480000)),
        Workload("FIR 256 taps", "10 s at 16 kHz", "conv1d(1, 1, 256, bias=False)", (1, 1, 160000)),
        Workload("FIR 1024 taps", "1 s at 48 kHz", "conv1d(1, 1, 1024, bias=False)", (1, 1, 48000)),
        Workload("FIR 4096 taps", "1 s at 16 kHz: reverberation", "conv1d(1, 1, 4096, padding=((4095, 0),), bias=False)", (1, 1, 16000)),
        Workload(
            "long 1-D depthwise", "Hyena, 64 channels, 1024 steps", "conv1d(64, 64, 1024, padding='causal', groups=64)", (1, 64, 1024)
        ),
    ),
    "3d": (
        Workload("3×3×3 64→64", "C3D, cut to 4×28²", "conv3d(64, 64, 3, padding=1)", (1, 64, 4, 28, 28)),
        Workload("3×3×3 3→64", "C3D, conv1, cut to 8×56²", "conv3d(3, 64, 3, padding=1)", (1, 3, 8, 56, 56)),
        Workload("3×3×3 256→256", "C3D, conv3b, cut to 4×14²", "conv3d(256, 256, 3, padding=1)", (1, 256, 4, 14, 14)),
        Workload(
            "1×3×3 64→144", "R(2+1)D-18, cut to 4×56²", "conv3d(64, 144, (1, 3, 3), padding=(0, 1, 1), bias=False)", (1, 64, 4, 56, 56)
        ),
        Workload(
            "3×1×1 144→64", "R(2+1)D-18, cut to 4×56²", "conv3d(144, 64, (3, 1, 1), padding=(1, 0, 0), bias=False)", (1, 144, 4, 56, 56)
        ),
    ),
    "float64": (
        Workload("float64 3×3 64 at 28²", "scientific data", "conv2d(64, 64, 3, padding=1, bias=False)", (1, 64, 28, 28), "float64"),
        Workload("float64 1×1 256 at 28²", "scientific data", "conv2d(256, 256, 1, bias=False)", (1, 256, 28, 28), "float64"),
        Workload("float64 5×5 picture", "scientific imaging, 1080p", "conv2d(1, 1, 5, padding='same', bias=False)", _PICTURE, "float64"),
        Workload("float64 3×3×3 16→16", "volumes, 32³", "conv3d(16, 16, 3, padding=1)", (1, 16, 32, 32, 32), "float64"),
    ),
    "channels-last": (
        Workload("NHWC 1×1 256→256 at 28²", "ResNet bottlenecks", "conv2d(256, 256, 1, bias=False)", (1, 256, 28, 28), order=_LAST),
        Workload("NHWC 1×1 64→256 at 56²", "ResNet-50, layer 1", "conv2d(64, 256, 1, bias=False)", (1, 64, 56, 56), order=_LAST),
        Workload("NHWC 1×1 1024→256 at 14²", "ResNet-50, layer 3", "conv2d(1024, 256, 1, bias=False)", (1, 1024, 14, 14), order=_LAST),
        Workload("NHWC 1×1 24→144 at 56²", "MobileNetV2, expansion", "conv2d(24, 144, 1, bias=False)", (1, 24, 56, 56), order=_LAST),
        Workload(
            "NHWC 1×1 960→160 at 7²", "MobileNetV3-L, last projection", "conv2d(960, 160, 1, bias=False)", (1, 960, 7, 7), order=_LAST
        ),
        Workload("NHWC 3×3 64→64 at 56²", "ResNet-18, layer 1", *_C3X3_64, order=_LAST),
        Workload("NHWC 3×3/2 128→128 at 56²", "ResNet-50, layer 2", *_C3X3S2_128, order=_LAST),
        Workload("NHWC 2×2/2 96→192 at 56²", "ConvNeXt-T, downsampling", "conv2d(96, 192, 2, stride=2)", (1, 96, 56, 56), order=_LAST),
        Workload("NHWC 7×7/2 3→64 at 224²", "ResNet stem", *_STEM, order=_LAST),
        Workload("NHWC depthwise 3×3, 144", "MobileNetV2", *_DEPTHWISE_3X3, order=_LAST),
        Workload("NHWC depthwise 3×3/2, 96", "MobileNetV2", *_DEPTHWISE_3X3S2, order=_LAST),
        Workload("NHWC depthwise 5×5, 240", "EfficientNet-B0, stage 3", *_DEPTHWISE_5X5, order=_LAST),
        Workload("NHWC depthwise 7×7, 96", "ConvNeXt-T, stage 1", *_DEPTHWISE_7X7, order=_LAST),
        Workload("NHWC depthwise 7×7, 384", "ConvNeXt-T, stage 3", *_DEPTHWISE_7X7_DEEP, order=_LAST),
    ),
    "bfloat16": (
        Workload("bfloat16 3×3 64 at 56²", "ResNet-18, layer 1", *_C3X3_64, "bfloat16"),
        Workload("bfloat16 3×3 512 at 7²", "ResNet-18, layer 4", "conv2d(512, 512, 3, padding=1, bias=False)", (1, 512, 7, 7), "bfloat16"),
        Workload("bfloat16 3×3 256 14² ×8", "ResNet-18, layer 3", *_C3X3_256_BATCH, "bfloat16"),
        Workload("bfloat16 1×1 64→256 56²", "ResNet-50, layer 1", "conv2d(64, 256, 1, bias=False)", (1, 64, 56, 56), "bfloat16"),
        Workload("bfloat16 1×1 256→256", "ResNet bottlenecks", "conv2d(256, 256, 1, bias=False)", (1, 256, 28, 28), "bfloat16"),
        Workload("bfloat16 1×1 1024→256 ×8", "ResNet-50, layer 3", "conv2d(1024, 256, 1, bias=False)", (8, 1024, 14, 14), "bfloat16"),
        Workload("bfloat16 3×3/2 128 at 56²", "ResNet-50, layer 2", *_C3X3S2_128, "bfloat16"),
        Workload("bfloat16 7×7/2 3→64", "ResNet stem", *_STEM, "bfloat16"),
        Workload("bfloat16 4×4/4 3→96", "ConvNeXt-T stem", "conv2d(3, 96, 4, stride=4)", (1, 3, 224, 224), "bfloat16"),
        Workload("bfloat16 2×2/2 96→192", "ConvNeXt-T, downsampling", "conv2d(96, 192, 2, stride=2)", (1, 96, 56, 56), "bfloat16"),
        Workload("bfloat16 transposed 4×4/2", "DCGAN", *_DCGAN_256, "bfloat16"),
        Workload("bfloat16 depthwise 3×3", "MobileNetV2", *_DEPTHWISE_3X3, "bfloat16"),
        Workload("bfloat16 depthwise 7×7", "ConvNeXt-T", *_DEPTHWISE_7X7, "bfloat16"),
    ),
    "tiny": (
        Workload("tiny 3×3 3→8 at 16²", "the cost of a call", "conv2d(3, 8, 3)", (1, 3, 16, 16)),
        Workload("tiny 1×1 16→16 at 8²", "the cost of a call", "conv2d(16, 16, 1)", (1, 16, 8, 8)),
        Workload("tiny 5×5 6→16 at 14²", "LeNet-5", "conv2d(6, 16, 5)", (1, 6, 14, 14)),
        Workload("tiny depthwise 32 at 7²", "the cost of a call", "conv2d(32, 32, 3, padding=1, groups=32)", (1, 32, 7, 7)),
        Workload("tiny 1-D 8→8, 5 taps", "the cost of a call", "conv1d(8, 8, 5, padding=2)", (1, 8, 64)),
    ),
    "input-grad": (
        Workload("input gradient 3×3 64", "ResNet-18, layer 1", *_C3X3_64, direction="input gradient"),
        Workload("input grad. 3×3 256 ×8", "ResNet-18, layer 3", *_C3X3_256_BATCH, direction="input gradient"),
        Workload("input grad. 1×1 256→64", "ResNet-50, layer 1", *_C1X1_256_64, direction="input gradient"),
        Workload("input grad. 3×3/2 128", "ResNet-50, layer 2", *_C3X3S2_128, direction="input gradient"),
        Workload("input grad. 32 groups", "ResNeXt-50 32×4d", *_GROUPS_128, direction="input gradient"),
        Workload("input grad. depthwise 7×7", "ConvNeXt-T, stage 1", *_DEPTHWISE_7X7, direction="input gradient"),
        Workload("input grad. transposed", "DCGAN", *_DCGAN_256, direction="input gradient"),
        Workload("bfloat16 3×3 64, x grad", "ResNet-18, layer 1", *_C3X3_64, "bfloat16", "input gradient"),
    ),
    "weight-grad": (
        Workload("weight gradient 3×3 64", "ResNet-18, layer 1", *_C3X3_64, direction="weight gradient"),
        Workload("weight grad. 3×3 256 ×8", "ResNet-18, layer 3", *_C3X3_256_BATCH, direction="weight gradient"),
        Workload("weight grad. 1×1 256→64", "ResNet-50, layer 1", *_C1X1_256_64, direction="weight gradient"),
        Workload("weight grad. 3×3/2 128", "ResNet-50, layer 2", *_C3X3S2_128, direction="weight gradient"),
        Workload("weight grad. 7×7/2 stem", "ResNet stem", *_STEM, direction="weight gradient"),
        Workload("weight grad. 32 groups", "ResNeXt-50 32×4d", *_GROUPS_128, direction="weight gradient"),
        Workload("weight grad. transposed", "DCGAN", *_DCGAN_256, direction="weight gradient"),
        Workload("bfloat16 3×3 64, w grad", "ResNet-18, layer 1", *_C3X3_64, "bfloat16", "weight gradient"),
    ),
    "weight-grad-depthwise": (
        Workload("weight grad. depthw. 3×3", "MobileNetV2", *_DEPTHWISE_3X3, direction="weight gradient"),
        Workload("weight grad. depthw. 5×5", "EfficientNet-B0, stage 3", *_DEPTHWISE_5X5, direction="weight gradient"),
        Workload("weight grad. depthw. 7×7", "ConvNeXt-T, stage 1", *_DEPTHWISE_7X7, direction="weight gradient"),
        Workload("weight grad. dw. 7×7 384", "ConvNeXt-T, stage 3", *_DEPTHWISE_7X7_DEEP, direction="weight gradient"),
    ),
}
