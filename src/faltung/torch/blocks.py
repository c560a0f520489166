"""Layers that PyTorch does not have: separable, circular, causal and blurring convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from faltung.errors import ConvSpecError
from faltung.functional.separable import one_axis
from faltung.spec import ConvSpec
from faltung.torch.dispatch import conv_described
from faltung.torch.layers import Conv1d, Conv2d
from torch import Tensor, nn

__all__ = ["BlurPool2d", "CausalConv1d", "CircularConv2d", "DepthwiseSeparableConv2d", "SeparableConv2d"]

Ints = int | Sequence[int]


class DepthwiseSeparableConv2d(nn.Sequential):
    """A depthwise convolution, then a pointwise one that mixes the channels (Howard et al., "MobileNets", 2017, §3.1).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation, padding_mode
        Of the depthwise convolution, as of `Conv2d`.
    depth_multiplier : int
        Depthwise kernels for each input channel.
    bias : bool
        Of the pointwise convolution; the depthwise one has none.

    Examples
    --------
    >>> import torch
    >>> layer = DepthwiseSeparableConv2d(8, 16, 3, padding=1)
    >>> sum(parameter.numel() for parameter in layer.parameters()), layer(torch.zeros(1, 8, 5, 5)).shape
    (216, torch.Size([1, 16, 5, 5]))
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
        depth_multiplier: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        middle = in_channels * depth_multiplier
        self.depthwise = Conv2d(
            in_channels, middle, kernel_size, stride, padding, dilation, in_channels, False, padding_mode, device=device, dtype=dtype
        )
        self.pointwise = Conv2d(middle, out_channels, 1, bias=bias, device=device, dtype=dtype)


class SeparableConv2d(nn.Module):
    """A spatially separable convolution of each channel: its kernel is the outer product of a column and a row.

    Parameters
    ----------
    channels : int
    kernel_size, stride, padding, dilation, padding_mode
        Of the whole, as of `Conv2d`.
    bias : bool

    Attributes
    ----------
    column : Parameter (C, 1, kh, 1)
    row : Parameter (C, 1, 1, kw)
    bias : Parameter (C,) or None

    Examples
    --------
    >>> import torch
    >>> layer = SeparableConv2d(3, 5, padding=2)
    >>> layer(torch.zeros(1, 3, 8, 8)).shape, layer.column.numel() + layer.row.numel()
    (torch.Size([1, 3, 8, 8]), 30)
    """

    def __init__(
        self, channels: int, kernel_size: Ints, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        whole = ConvSpec(channels, channels, kernel_size, stride, padding, dilation, channels, bias, padding_mode, ndim=2)
        self.spec = whole
        vertical, horizontal = (one_axis(whole, axis) for axis in range(2))
        self._along = str(vertical), str(horizontal)
        self.column = nn.Parameter(torch.empty(vertical.weight_shape, device=device, dtype=dtype))
        self.row = nn.Parameter(torch.empty(horizontal.weight_shape, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(channels, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initial weights whose products are as large as `Conv2d`'s would be."""
        cells = math.prod(self.spec.kernel_size)
        # Weights of the whole are uniform in ±1/sqrt(cells), of variance 1/(3*cells): each factor gets its square root.
        for factor in (self.column, self.row):
            nn.init.normal_(factor, std=(3 * cells) ** -0.25)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -(cells**-0.5), cells**-0.5)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to the same with the output's size."""
        vertical, horizontal = self._along
        return conv_described(horizontal, conv_described(vertical, input, self.column), self.row, self.bias)

    def extra_repr(self) -> str:
        """The fields of the whole."""
        return str(self.spec).partition("(")[2][:-1]


class CircularConv2d(Conv2d):
    """A `Conv2d` on a torus: the output is as large as the input, and shifting the input around shifts the output around.

    Examples
    --------
    >>> import torch
    >>> layer, x = CircularConv2d(1, 1, 3), torch.randn(1, 1, 6, 6)
    >>> torch.allclose(layer(x.roll(2, -1)), layer(x).roll(2, -1), atol=1e-6)
    True
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, dilation: Ints = 1, groups: int = 1, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, 1, "same", dilation, groups, bias, "circular", device=device, dtype=dtype)


class CausalConv1d(Conv1d):
    """A `Conv1d` whose outputs see the present and the past alone: all padding is before (van den Oord et al., "WaveNet", 2016, §2.1).

    Examples
    --------
    >>> import torch
    >>> layer = CausalConv1d(1, 1, 2, dilation=4)
    >>> layer(torch.zeros(1, 1, 16)).shape
    torch.Size([1, 1, 16])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints = 1, dilation: Ints = 1, groups: int = 1,
        bias: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias, device=device, dtype=dtype)
        self._text = str(self.spec)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return conv_described(self._text, input, weight, bias)

    @property
    def spec(self) -> ConvSpec:
        """What it computes."""
        return ConvSpec(
            self.in_channels, self.out_channels, self.kernel_size, self.stride, "causal", self.dilation, self.groups, self.bias is not None
        )


class BlurPool2d(nn.Module):
    """Each channel blurred with a binomial kernel, then sampled: a stride that nearly keeps shift equivariance.

    Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019.

    Parameters
    ----------
    channels : int
    kernel_size : int
        Entries of a row of Pascal's triangle: 3 is (1, 2, 1) / 4.
    stride : int
    padding_mode : str

    Examples
    --------
    >>> import torch
    >>> BlurPool2d(2)(torch.ones(1, 2, 6, 6))[0, 0]
    tensor([[1., 1., 1.],
            [1., 1., 1.],
            [1., 1., 1.]])
    """

    weight: Tensor

    def __init__(
        self, channels: int, kernel_size: int = 3, stride: int = 2, padding_mode: str = "reflect", device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        if kernel_size < 1:
            raise ConvSpecError(f"kernel_size={kernel_size} is not at least 1.", "Use 3 or 5.")
        sides = ((kernel_size - 1) // 2, kernel_size // 2)
        self.spec = ConvSpec(
            channels, channels, (kernel_size, kernel_size), stride, (sides, sides), groups=channels, bias=False, padding_mode=padding_mode
        )
        self._text = str(self.spec)
        row = torch.tensor([math.comb(kernel_size - 1, k) for k in range(kernel_size)], dtype=torch.float64)
        kernel = torch.outer(row, row) / row.sum() ** 2
        kernel = kernel.to(device=device, dtype=dtype or torch.get_default_dtype())
        self.register_buffer("weight", kernel.expand(self.spec.weight_shape).contiguous(), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to the same with ``ceil(size / stride)`` cells along each axis."""
        return conv_described(self._text, input, self.weight)

    def extra_repr(self) -> str:
        """Channels, kernel and stride."""
        return f"{self.spec.in_channels}, kernel_size={self.spec.kernel_size[0]}, stride={self.spec.stride[0]}"
