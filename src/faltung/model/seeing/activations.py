"""Which operations make an activation map of a feature map, by the names that PyTorch and ONNX give them.

What only rescales channels or does nothing lies between a convolution and its activation. Standard library only.
"""

from __future__ import annotations

__all__ = ["ONNX_ACTIVATIONS", "ONNX_PASSING", "TORCH_ACTIVATIONS", "TORCH_PASSING", "plain_name"]

TORCH_ACTIVATIONS = frozenset(
    (
        "celu", "clamp", "clamp_min", "clip", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
        "log_sigmoid", "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu", "softmax", "softplus",
        "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
    )
)  # fmt: skip
TORCH_PASSING = frozenset(
    (
        "alpha_dropout", "batch_norm", "contiguous", "dropout", "dropout2d", "feature_alpha_dropout", "float", "group_norm",
        "instance_norm", "to",
    )
)  # fmt: skip
ONNX_ACTIVATIONS = frozenset(
    (
        "Celu", "Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Relu", "Selu", "Sigmoid", "Softmax",
        "Softplus", "Softsign", "Swish", "Tanh", "ThresholdedRelu",
    )
)  # fmt: skip
ONNX_PASSING = frozenset(("BatchNormalization", "Cast", "Dropout", "GroupNormalization", "Identity", "InstanceNormalization"))


def plain_name(function: str) -> str:
    """The name of a function without the underscore of its in-place form.

    >>> plain_name("relu_"), plain_name("hardtanh")
    ('relu', 'hardtanh')
    """
    return function.rstrip("_")
