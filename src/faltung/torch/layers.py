"""PyTorch's convolution layers, computed by Faltung: the same constructors, parameters, state and repr.

Each subclasses PyTorch's own layer and replaces what it calls; everything else is inherited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from faltung.torch import dispatch, functional
from torch import Tensor, nn

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
    "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
]  # fmt: skip


class _Conv(nn.modules.conv._ConvNd):
    """What the layers of every number of axes share: padding of every mode is left to the engine, which makes no padded copy."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return dispatch.conv_nd(
            f"conv{len(self.kernel_size)}d", input, weight, bias, stride=self.stride, padding=self.padding, dilation=self.dilation,
            groups=self.groups, padding_mode=self.padding_mode,
        )  # fmt: skip


class _ConvTranspose(nn.modules.conv._ConvTransposeNd):
    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """As PyTorch's: `output_size` chooses among the sizes that the stride leaves open."""
        if self.padding_mode != "zeros":
            raise ValueError("Only `zeros` padding mode is supported for ConvTranspose")
        ndim = len(self.kernel_size)
        output_padding = self._output_padding(input, output_size, self.stride, self.padding, self.kernel_size, ndim, self.dilation)
        convolve = getattr(functional, f"conv_transpose{ndim}d")
        return convolve(input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation)


class Conv1d(_Conv, nn.Conv1d):
    """``torch.nn.Conv1d`` by Faltung: (N, C, L) or (C, L) in; arguments, parameters and initial weights are PyTorch's.

    >>> Conv1d(4, 8, 3, padding=1)
    Conv1d(4, 8, kernel_size=(3,), stride=(1,), padding=(1,))
    """


class Conv2d(_Conv, nn.Conv2d):
    """``torch.nn.Conv2d`` by Faltung: (N, C, H, W) or (C, H, W) in; arguments, parameters and initial weights are PyTorch's.

    >>> import torch
    >>> layer = Conv2d(3, 8, 3, padding=1, padding_mode="circular")
    >>> layer
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), padding_mode=circular)
    >>> layer(torch.zeros(1, 3, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    """


class Conv3d(_Conv, nn.Conv3d):
    """``torch.nn.Conv3d`` by Faltung: (N, C, D, H, W) or (C, D, H, W) in; arguments, parameters and initial weights are PyTorch's."""


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """``torch.nn.ConvTranspose1d`` by Faltung: (N, C, L) or (C, L) in; arguments, parameters and initial weights are PyTorch's."""


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """``torch.nn.ConvTranspose2d`` by Faltung: (N, C, H, W) or (C, H, W) in; arguments, parameters and initial weights are PyTorch's.

    >>> import torch
    >>> ConvTranspose2d(4, 2, 3, stride=2, padding=1)(torch.zeros(1, 4, 5, 5), output_size=(10, 10)).shape
    torch.Size([1, 2, 10, 10])
    """


class ConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """``torch.nn.ConvTranspose3d`` by Faltung: (N, C, D, H, W) or (C, D, H, W) in; arguments, parameters, initial weights as PyTorch's."""


class LazyConv1d(nn.LazyConv1d, Conv1d):
    """``torch.nn.LazyConv1d`` by Faltung: channels are read off the first input; then a `Conv1d`."""

    cls_to_become: Any = Conv1d


class LazyConv2d(nn.LazyConv2d, Conv2d):
    """``torch.nn.LazyConv2d`` by Faltung: channels are read off the first input; then a `Conv2d`."""

    cls_to_become: Any = Conv2d


class LazyConv3d(nn.LazyConv3d, Conv3d):
    """``torch.nn.LazyConv3d`` by Faltung: channels are read off the first input; then a `Conv3d`."""

    cls_to_become: Any = Conv3d


class LazyConvTranspose1d(nn.LazyConvTranspose1d, ConvTranspose1d):
    """``torch.nn.LazyConvTranspose1d`` by Faltung: channels are read off the first input; then a `ConvTranspose1d`."""

    cls_to_become: Any = ConvTranspose1d


class LazyConvTranspose2d(nn.LazyConvTranspose2d, ConvTranspose2d):
    """``torch.nn.LazyConvTranspose2d`` by Faltung: channels are read off the first input; then a `ConvTranspose2d`."""

    cls_to_become: Any = ConvTranspose2d


class LazyConvTranspose3d(nn.LazyConvTranspose3d, ConvTranspose3d):
    """``torch.nn.LazyConvTranspose3d`` by Faltung: channels are read off the first input; then a `ConvTranspose3d`."""

    cls_to_become: Any = ConvTranspose3d
