"""The code for the five most common layers, to the letter, in every framework: what a newcomer copies."""

from __future__ import annotations

import pytest

from faltung.spec import ConvSpec
from tests.support.check import check_same

PLAIN = "conv2d(64, 128, (3, 3), padding=(1, 1))"
STEM = "conv2d(3, 64, (7, 7), stride=(2, 2), padding=(3, 3), bias=False)"
POINTWISE = "conv2d(64, 256, (1, 1), bias=False)"
DEPTHWISE = "conv2d(32, 32, (3, 3), stride=(2, 2), padding=(1, 1), groups=32, bias=False)"
UPSAMPLING = "conv_transpose2d(64, 32, (4, 4), stride=(2, 2), padding=(1, 1))"

TEXTS = {}

TEXTS["pytorch", PLAIN] = """\
from torch import nn

conv = nn.Conv2d(64, 128, kernel_size=(3, 3), padding=(1, 1))"""

TEXTS["pytorch", STEM] = """\
from torch import nn

conv = nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)"""

TEXTS["pytorch", POINTWISE] = """\
from torch import nn

conv = nn.Conv2d(64, 256, kernel_size=(1, 1), bias=False)"""

TEXTS["pytorch", DEPTHWISE] = """\
from torch import nn

conv = nn.Conv2d(32, 32, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), groups=32, bias=False)"""

TEXTS["pytorch", UPSAMPLING] = """\
from torch import nn

conv = nn.ConvTranspose2d(64, 32, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))"""

TEXTS["onnx", PLAIN] = """\
from onnx import TensorProto, helper

node = helper.make_node("Conv", ["x", "weight", "bias"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
graph = helper.make_graph(
    [node],
    "conv",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64, "H", "W"]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, [128, 64, 3, 3]),
        helper.make_tensor_value_info("bias", TensorProto.FLOAT, [128]),
    ],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 128, "H_out", "W_out"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)"""

TEXTS["onnx", STEM] = """\
from onnx import TensorProto, helper

node = helper.make_node(
    "Conv", ["x", "weight"], ["y"], kernel_shape=[7, 7], strides=[2, 2], pads=[3, 3, 3, 3]
)
graph = helper.make_graph(
    [node],
    "conv",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, [64, 3, 7, 7]),
    ],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 64, "H_out", "W_out"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)"""

TEXTS["onnx", POINTWISE] = """\
from onnx import TensorProto, helper

node = helper.make_node("Conv", ["x", "weight"], ["y"], kernel_shape=[1, 1])
graph = helper.make_graph(
    [node],
    "conv",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64, "H", "W"]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, [256, 64, 1, 1]),
    ],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 256, "H_out", "W_out"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)"""

TEXTS["onnx", DEPTHWISE] = """\
from onnx import TensorProto, helper

node = helper.make_node(
    "Conv", ["x", "weight"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], group=32
)
graph = helper.make_graph(
    [node],
    "conv",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 32, "H", "W"]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, [32, 1, 3, 3]),
    ],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 32, "H_out", "W_out"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)"""

TEXTS["onnx", UPSAMPLING] = """\
from onnx import TensorProto, helper

node = helper.make_node(
    "ConvTranspose",
    ["x", "weight", "bias"],
    ["y"],
    kernel_shape=[4, 4],
    strides=[2, 2],
    pads=[1, 1, 1, 1],
)
graph = helper.make_graph(
    [node],
    "conv",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64, "H", "W"]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, [64, 32, 4, 4]),
        helper.make_tensor_value_info("bias", TensorProto.FLOAT, [32]),
    ],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 32, "H_out", "W_out"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)"""

TEXTS["jax", PLAIN] = """\
from jax import lax


def conv(x, weight, bias):
    y = lax.conv_general_dilated(
        x,  # (N, 64, H, W)
        weight,  # (128, 64, 3, 3)
        window_strides=(1, 1),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )
    return y + bias[:, None, None]"""

TEXTS["jax", STEM] = """\
from jax import lax


def conv(x, weight):
    return lax.conv_general_dilated(
        x,  # (N, 3, H, W)
        weight,  # (64, 3, 7, 7)
        window_strides=(2, 2),
        padding=((3, 3), (3, 3)),
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )"""

TEXTS["jax", POINTWISE] = """\
from jax import lax


def conv(x, weight):
    return lax.conv_general_dilated(
        x,  # (N, 64, H, W)
        weight,  # (256, 64, 1, 1)
        window_strides=(1, 1),
        padding="VALID",
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )"""

TEXTS["jax", DEPTHWISE] = """\
from jax import lax


def conv(x, weight):
    return lax.conv_general_dilated(
        x,  # (N, 32, H, W)
        weight,  # (32, 1, 3, 3)
        window_strides=(2, 2),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=32,
    )"""

TEXTS["jax", UPSAMPLING] = """\
import jax.numpy as jnp
from jax import lax


def conv(x, weight, bias):
    # A convolution of the zero-spaced input with the kernel reversed.
    weight = jnp.flip(weight, (2, 3))
    y = lax.conv_general_dilated(
        x,  # (N, 64, H, W)
        weight,  # (64, 32, 4, 4): input channels first
        window_strides=(1, 1),
        padding=((2, 2), (2, 2)),
        lhs_dilation=(2, 2),  # zeros between the inputs
        dimension_numbers=("NCHW", "IOHW", "NCHW"),
    )
    return y + bias[:, None, None]"""

TEXTS["keras", PLAIN] = """\
import keras

# Channels last: x is (N, H, W, 64). Set a NumPy weight of shape (128, 64, 3, 3) after the first call:
#   conv.set_weights([weight.transpose(2, 3, 1, 0), bias])
conv = keras.layers.Conv2D(128, kernel_size=(3, 3), padding="same")"""

TEXTS["keras", STEM] = """\
import keras

# Channels last: x is (N, H, W, 3). Set a NumPy weight of shape (64, 3, 7, 7) after the first call:
#   conv.set_weights([weight.transpose(2, 3, 1, 0)])
conv = keras.Sequential([
    keras.layers.ZeroPadding2D((3, 3)),
    keras.layers.Conv2D(64, kernel_size=(7, 7), strides=(2, 2), use_bias=False),
])"""

TEXTS["keras", POINTWISE] = """\
import keras

# Channels last: x is (N, H, W, 64). Set a NumPy weight of shape (256, 64, 1, 1) after the first call:
#   conv.set_weights([weight.transpose(2, 3, 1, 0)])
conv = keras.layers.Conv2D(256, kernel_size=(1, 1), use_bias=False)"""

TEXTS["keras", DEPTHWISE] = """\
import keras

# Channels last: x is (N, H, W, 32). Set a NumPy weight of shape (32, 1, 3, 3) after the first call:
#   conv.set_weights([weight.transpose(2, 3, 0, 1)])
conv = keras.Sequential([
    keras.layers.ZeroPadding2D((1, 1)),
    keras.layers.DepthwiseConv2D(kernel_size=(3, 3), strides=(2, 2), use_bias=False),
])"""

TEXTS["keras", UPSAMPLING] = """\
import keras

# Channels last: x is (N, H, W, 64). Set a NumPy weight of shape (64, 32, 4, 4) after the first call:
#   conv.set_weights([weight.transpose(2, 3, 1, 0), bias])
conv = keras.layers.Conv2DTranspose(32, kernel_size=(4, 4), strides=(2, 2), padding="same")"""


@pytest.mark.parametrize(("framework", "layer"), TEXTS)
def test_the_code_to_the_letter(framework: str, layer: str) -> None:
    check_same(getattr(ConvSpec.parse(layer), f"to_{framework}")(), TEXTS[framework, layer])


@pytest.mark.parametrize("layer", [PLAIN, STEM, POINTWISE, DEPTHWISE, UPSAMPLING])
def test_the_pytorch_line_reads_back_as_the_same_spec(layer: str) -> None:
    spec = ConvSpec.parse(layer)
    *_, line = spec.to_pytorch().splitlines()
    check_same(ConvSpec.parse(line.removeprefix("conv = ")), spec)
