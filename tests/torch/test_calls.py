"""Prepared convolutions of tensors: past NumPy where memory has no gaps, through it elsewhere, the same numbers either way."""

from __future__ import annotations

import pytest

import faltung as fl
import torch
from faltung.torch.calls import PreparedCall

SPECS = [
    "conv2d(4, 6, 3, padding=1)",
    "conv2d(4, 6, 1)",
    "conv2d(4, 8, 3, padding=1, groups=4, stride=2)",
    "conv_transpose2d(4, 6, 4, stride=2, padding=1)",
    "conv3d(4, 4, 3, padding=1)",
    "conv1d(4, 8, 5, padding=2, groups=2)",
]


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("layout", ["contiguous", "channels last", "gaps", "negative", "unbatched", "huge"])
def test_as_with_arrays(layout: str, text: str, activation: str | None) -> None:
    spec, torch_generator = fl.ConvSpec.parse(text), torch.Generator().manual_seed(0)
    size = (7,) * spec.ndim

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randint(-4, 5, shape, generator=torch_generator).float()

    x, weight, bias = numbers(2, spec.in_channels, *size), numbers(*spec.weight_shape), numbers(spec.out_channels)
    prepared = fl.plan(spec, (1, spec.in_channels, *size)).prepare(weight.numpy(), bias.numpy(), activation)
    residual = numbers(2, *spec.output_shape(tuple(x.shape))[1:])
    if layout == "channels last" and spec.ndim > 1:
        memory_format = torch.channels_last if spec.ndim == 2 else torch.channels_last_3d
        x, residual = x.contiguous(memory_format=memory_format), residual.contiguous(memory_format=memory_format)
    elif layout == "gaps":
        x = torch.cat([x, x], -1)[..., : size[-1]]
    elif layout == "negative":
        x = torch._neg_view(x)
    elif layout == "unbatched":
        x, residual = x[0], residual[0]
    elif layout == "huge":  # left to the definition by algorithms that multiply sums
        x[0, 0] = 1e30
    call = PreparedCall(prepared, spec, size, torch.float32)
    for added in (None, residual):
        expected = prepared(x.resolve_neg().numpy(), residual=None if added is None else added.numpy())
        y = call(x, added)
        torch.testing.assert_close(y, torch.from_numpy(expected), rtol=0, atol=0)
        if layout == "channels last" and spec.ndim == 2:
            assert y.is_contiguous(memory_format=torch.channels_last)


def test_no_samples() -> None:
    spec = fl.ConvSpec(4, 6, 3, ndim=2)
    prepared = fl.plan(spec, (1, 4, 7, 7)).prepare(torch.ones(6, 4, 3, 3).numpy(), torch.ones(6).numpy())
    assert PreparedCall(prepared, spec, (7, 7), torch.float32)(torch.ones(0, 4, 7, 7)).shape == (0, 6, 5, 5)
