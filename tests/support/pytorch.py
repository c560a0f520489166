"""A second opinion: the same spec by PyTorch's own functions, differentiable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import faltung as fl

__all__ = ["arrays_and_gradients", "is_known_to_pytorch", "pytorch_conv"]

_PAD_MODES = {"zeros": "constant", "circular": "circular", "reflect": "reflect", "replicate": "replicate"}


def is_known_to_pytorch(spec: fl.ConvSpec, large_size: Sequence[int]) -> bool:
    """Whether PyTorch can pad the large side (a transposed spec's output) as `spec` does: never more than once around."""
    if spec.ndim > 3 or spec.padding_mode not in _PAD_MODES:
        return False
    if spec.padding_mode == "zeros":
        return True
    limit = {"circular": 0, "reflect": -1, "replicate": 2**62}[spec.padding_mode]
    reads = zip(spec.sides(_input_size(spec, large_size)), large_size, strict=True)
    return all(0 <= side <= size + limit for sides, size in reads for side in sides)


def _input_size(spec: fl.ConvSpec, large_size: Sequence[int]) -> tuple[int, ...]:
    return tuple(range_[0] for range_ in spec.input_sizes(tuple(large_size))) if spec.transposed else tuple(large_size)


def pytorch_conv(torch: Any, spec: fl.ConvSpec, x: Any, weight: Any, bias: Any) -> Any:
    """`spec` of tensors, by torch.nn.functional's pad and conv or conv_transpose."""
    functional = torch.nn.functional
    if spec.flip:
        weight = weight.flip(tuple(range(2, spec.ndim + 2)))
    sides = spec.sides(tuple(x.shape[2:]))
    if not spec.transposed:
        return _correlate(torch, spec, x, weight, bias, sides)
    size = spec.output_size(tuple(x.shape[2:]))
    if spec.padding_mode == "zeros":
        stamped = getattr(functional, f"conv_transpose{spec.ndim}d")(x, weight, None, spec.stride, 0, 0, spec.groups, spec.dilation)
        ends = [(-before, wanted - (have - before)) for (before, _), wanted, have in zip(sides, size, stamped.shape[2:], strict=True)]
        y = _padded(torch, stamped, ends, "constant")
    else:  # by its definition: the vector-Jacobian product of the correlation
        start = torch.zeros((x.shape[0], spec.out_channels, *size), dtype=x.dtype, requires_grad=True)
        windows = _correlate(torch, spec, start, weight, None, sides)[(..., *(slice(0, n) for n in x.shape[2:]))]
        y = torch.autograd.grad(windows, start, x, create_graph=True)[0]
    return y if bias is None else y + bias.reshape(-1, *(1,) * spec.ndim)


def _correlate(torch: Any, spec: fl.ConvSpec, x: Any, weight: Any, bias: Any, sides: Sequence[tuple[int, int]]) -> Any:
    padded = _padded(torch, x, sides, _PAD_MODES[spec.padding_mode])
    return getattr(torch.nn.functional, f"conv{spec.ndim}d")(padded, weight, bias, spec.stride, 0, spec.dilation, spec.groups)


def _padded(torch: Any, x: Any, sides: Sequence[tuple[int, int]], mode: str) -> Any:
    """Padded where sides are positive, then cropped where they are negative."""
    added = [max(side, 0) for pair in reversed(sides) for side in pair]  # as PyTorch takes them: the last axis first
    padded = torch.nn.functional.pad(x, added, mode=mode)
    sizes = padded.shape[2:]
    return padded[(..., *(slice(max(-before, 0), size - max(-after, 0)) for (before, after), size in zip(sides, sizes, strict=True)))]


def arrays_and_gradients(
    torch: Any, spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, grad: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Output, gradient of the input, gradient of the weight, by PyTorch."""
    tensors = [None if array is None else torch.tensor(array) for array in (x, weight, bias)]
    for tensor in tensors[:2]:
        tensor.requires_grad_()
    y = pytorch_conv(torch, spec, *tensors)
    y.backward(torch.tensor(grad))
    return y.detach().numpy(), tensors[0].grad.numpy(), tensors[1].grad.numpy()
