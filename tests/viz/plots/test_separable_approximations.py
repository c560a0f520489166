"""`plot_separable_approximations`: the kernels of `separate`, and what is said of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvShapeError, ConvTypeError
from faltung.viz.plots import plot_separable_approximations
from tests.viz.plots.drawn import rectangles

KERNEL = np.random.default_rng(5).normal(size=(6, 7))


def low_rank(rank: int) -> Any:
    left, sigma, right = np.linalg.svd(KERNEL, full_matrices=False)
    return (left[:, :rank] * sigma[:rank]) @ right[:rank]


def test_each_rank_beside_the_kernel_on_its_scale(ax: Any) -> None:
    assert plot_separable_approximations(KERNEL, ranks=(1, 4), ax=ax) is ax
    (image,) = ax.images
    boxes = rectangles(ax)
    assert [(top, width, height) for _, top, width, height in boxes] == [(0, 7, 6)] * 3
    for (left, *_), expected in zip(boxes, (KERNEL, low_rank(1), low_rank(4)), strict=True):
        np.testing.assert_allclose(image.get_array()[:, int(left) : int(left) + 7], expected, atol=1e-12)
    assert image.norm.vmax == -image.norm.vmin == np.abs(KERNEL).max()


def test_captions_have_the_error_and_the_saving(ax: Any) -> None:
    plot_separable_approximations(KERNEL, ranks=(1, 4, 6), ax=ax)
    error = [100 * np.linalg.norm(KERNEL - low_rank(rank)) / np.linalg.norm(KERNEL) for rank in (1, 4)]
    assert [text.get_text() for text in ax.texts] == [
        "kernel 6×7\n42 MACs",
        f"rank 1\nerror {error[0]:.3g} %\n13 MACs, 69 % saved",
        f"rank 4\nerror {error[1]:.3g} %\n52 MACs, 24 % more",
        "rank 6\nexact\n78 MACs, 86 % more",
    ]
    for text, (left, _, width, height) in zip(ax.texts, rectangles(ax), strict=True):
        assert text.xy == (left + width / 2, height)


@pytest.mark.parametrize(("kernel", "ranks"), [(np.outer([1, 2, 1], [1, 0, -1]), 1), (np.eye(3), 3), (KERNEL, 5), (np.zeros((2, 2)), 1)])
def test_by_default_up_to_the_first_exact_rank_or_five(ax: Any, kernel: Any, ranks: int) -> None:
    plot_separable_approximations(kernel, ax=ax)
    assert [text.get_text().splitlines()[0] for text in ax.texts[1:]] == [f"rank {rank}" for rank in range(1, ranks + 1)]


@pytest.mark.parametrize(
    ("kernel", "ranks", "error", "message"),
    [
        (np.ones(3), None, ConvShapeError, r"kernel has shape \(3,\), expected \(kh, kw\)"),
        (KERNEL, (7,), ConvShapeError, r"rank=7 is above min\(6, 7\) = 6"),
        (KERNEL, (0,), ConvShapeError, "rank=0 is below 1"),
        (KERNEL, (), ConvShapeError, r"ranks=\(\) is no list"),
        (KERNEL, 2, ConvShapeError, "ranks=2 is no list"),
        ([[1.0, np.inf]], None, ConvTypeError, "1 of 2 entries NaN or infinite"),
        ([[1j]], None, ConvTypeError, "complex128"),
    ],
)
def test_bad_arguments(ax: Any, kernel: Any, ranks: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_separable_approximations(kernel, ranks, ax=ax)
