"""Products that read their weights where they lie give the bits of packed weights, whatever the tile and the memory."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from tests.support.check import check_same
from tests.support.engine import expected_forward, normals


def integers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Small whole numbers in float32."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_channels", [1, 7, 513, 2049])
@pytest.mark.parametrize("out_channels", [1, 5, 8, 71])
def test_the_bits_of_packed_weights(out_channels: int, in_channels: int, dtype: str) -> None:
    """A plane of one rest, of vectors and a rest, of vectors alone; sums in several parts; a partly filled block of channels."""
    weight = normals((out_channels, in_channels, 1, 1), 1, dtype)
    for size, batch in [((1, 1), 3), ((7, 7), 1), ((5, 13), 2), ((4, 8), 2)]:
        x = normals((batch, in_channels, *size), 2, dtype)
        prepared = fl.plan(fl.ConvSpec(in_channels, out_channels, 1, ndim=2, bias=False), x.shape, dtype, algorithm="pointwise").prepare(
            weight
        )
        check_same(fl.conv2d(x, weight), prepared(x), bits=True)


UNFOLDED = [
    fl.ConvSpec(70, 66, 3, stride=2, bias=False, ndim=2),
    fl.ConvSpec(33, 70, 7, padding=3, padding_mode="circular", bias=False, ndim=2),
    fl.ConvSpec(150, 70, 3, stride=2, padding=1, bias=False, ndim=2),  # sums in several parts
]


@pytest.mark.parametrize("spec", UNFOLDED, ids=str)
@pytest.mark.parametrize("extent", [13, 16, 21])
def test_unfolded_cells(extent: int, spec: fl.ConvSpec) -> None:
    x, weight = normals((2, spec.in_channels, extent, extent), 1, "float32"), normals(spec.weight_shape, 2, "float32")
    plan = fl.plan(spec, x.shape, algorithm="unfold")
    expected = plan.prepare(weight)(x)
    check_same(plan(x, weight), expected, bits=True)
    check_same(plan(x, np.asfortranarray(weight)), expected, bits=True)
    turned = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)  # not in one piece: rows are packed first, and so are weights
    check_same(plan(turned, weight), expected)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("arrange", ["reversed", "every other", "turned", "shared", "unaligned"])
def test_weights_anywhere(arrange: str, groups: int) -> None:
    """Also those that cannot be read where they lie."""
    weight = integers((12, 9 // groups, 1, 1), 1)
    weights = {
        "reversed": weight[::-1],
        "every other": np.repeat(weight, 2, 1)[:, ::2],
        "turned": np.ascontiguousarray(weight.T).T,
        "shared": np.broadcast_to(weight[:1], weight.shape),
        "unaligned": np.frombuffer(b"\0" + weight.tobytes(), np.uint8)[1:].view(weight.dtype).reshape(weight.shape),
    }[arrange]
    x = integers((2, 9, 6, 7), 2)
    spec = fl.ConvSpec(9, 12, 1, groups=groups, bias=False, ndim=2)
    check_same(fl.conv(spec, x, weights), fl.conv(spec, x, np.ascontiguousarray(weights)))
    check_same(fl.conv(spec, x[..., ::2, :], weights), expected_forward(spec, x[..., ::2, :], weights))


def test_written_over_by_the_result() -> None:
    """Weights that the result overlaps are packed first."""
    memory = integers((64,), 1)
    weight, out = memory[:16].reshape(4, 4, 1, 1), memory[8:44].reshape(1, 4, 3, 3)
    x = integers((1, 4, 3, 3), 2)
    expected = fl.conv2d(x, weight.copy())
    fl.conv(fl.ConvSpec(4, 4, 1, bias=False, ndim=2), x, weight, out=out)
    check_same(out, expected)
