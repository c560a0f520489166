"""Layers that stride, as layers that blur and then stride."""

from __future__ import annotations

from typing import Any

from faltung.torch import BlurPool2d
from torch import Tensor, nn

__all__ = ["BlurEach", "blurred", "stride_of"]


class BlurEach(nn.Module):  # type: ignore[misc]  # PyTorch does not say what it is
    """A `BlurPool2d` of as many channels as come: max pooling does not say how many it is given."""

    def __init__(self, kernel_size: int, stride: int | tuple[int, ...]) -> None:
        super().__init__()
        self.blur = BlurPool2d(1, kernel_size, stride)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same with ``ceil(size / stride)`` cells along each axis."""
        made = self.blur(x.reshape(-1, 1, *x.shape[-2:]))
        return made.reshape(*x.shape[:-2], *made.shape[-2:])


def stride_of(layer: nn.Module) -> int | tuple[int, int] | None:
    """Of a 2-D convolution or max pooling that strides: a number where it is the same along both axes. None of any other layer."""
    if not isinstance(layer, nn.Conv2d | nn.MaxPool2d):
        return None
    stride: Any = layer.stride
    rows, columns = stride if isinstance(stride, tuple) else (stride, stride)
    return None if max(rows, columns) == 1 else rows if rows == columns else (rows, columns)


def blurred(layer: nn.Module, kernel_size: int) -> nn.Sequential:
    """The layer, which is changed to stride 1, and a blur that takes its stride over."""
    stride: Any = stride_of(layer)
    if isinstance(layer, nn.Conv2d):
        layer.stride = (1, 1)
        weight = layer.weight
        return nn.Sequential(layer, BlurPool2d(layer.out_channels, kernel_size, stride, device=weight.device, dtype=weight.dtype))
    layer.stride = 1
    return nn.Sequential(layer, BlurEach(kernel_size, stride))
