"""How near two tensors must be."""

from __future__ import annotations

import torch

MOST_ROUNDINGS = 64
"""Of the largest number of a tensor: what transforms may add to direct summation, for the small sums of these tests."""


def assert_near(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Fail unless both are of one shape and dtype and differ by no more than rounding of the largest number."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if not found.numel() or (not found.dtype.is_floating_point and not found.dtype.is_complex):
        assert torch.equal(found, expected)
        return
    wide = torch.complex128 if found.dtype.is_complex else torch.float64
    error, largest = (found.to(wide) - expected.to(wide)).abs().max(), expected.to(wide).abs().max()
    assert error <= MOST_ROUNDINGS * torch.finfo(found.dtype).eps * largest
