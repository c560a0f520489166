from __future__ import annotations

import pytest

import torch
from tests.torch.closeness import assert_near

ONES = torch.ones(3)


@pytest.mark.parametrize(
    "wrong",
    [
        ONES.double(),
        torch.ones(1, 3),
        torch.tensor([1.0, 1.0, 1.0001]),
        torch.tensor([1.0, float("nan"), 1.0]),
        torch.ones(3, dtype=torch.long),
    ],
    ids=str,
)
def test_what_is_not_near(wrong: torch.Tensor) -> None:
    with pytest.raises(AssertionError):
        assert_near(wrong, ONES)
    with pytest.raises(AssertionError):
        assert_near(torch.ones(3, dtype=torch.long), torch.tensor([1, 1, 2]))
    assert_near(ONES + 1e-6, ONES)
