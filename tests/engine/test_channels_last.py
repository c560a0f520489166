"""Arrays whose channels lie side by side in memory, in and out, are read and written as they lie: the same bits as plain ones."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from faltung.engine.native import available_isas
from tests.support.check import check_same
from tests.support.engine import forced_isa
from tests.support.layouts import channels_last

LAYERS = [
    ("conv2d(3, 5, 3, padding=1)", (2, 3, 9, 11)),
    ("conv2d(4, 33, 3, padding=2, padding_mode='circular')", (1, 4, 8, 17)),
    ("conv2d(16, 16, 3, stride=2, padding=1)", (2, 16, 9, 16)),
    ("conv2d(21, 40, 3, dilation=2, padding=(0, 3))", (1, 21, 9, 19)),
    ("conv2d(18, 6, (1, 4), stride=(1, 3), padding_mode='reflect', padding=2)", (1, 18, 5, 23)),
    ("conv2d(34, 35, 1)", (1, 34, 7, 9)),
    ("conv2d(20, 20, 3, groups=20, padding=1)", (1, 20, 8, 18)),
    ("conv2d(24, 12, 3, groups=3, padding=1)", (1, 24, 6, 16)),
    ("conv1d(17, 19, 5, padding=2)", (2, 17, 35)),
    ("conv3d(5, 4, 3, padding=1)", (1, 5, 4, 5, 6)),
    ("conv_transpose2d(6, 9, 4, stride=2, padding=1)", (1, 6, 5, 7)),
    ("conv2d(19, 33, 3, stride=2, padding=1)", (2, 19, 12, 15)),
    ("conv_transpose2d(7, 37, 3, stride=2, padding=1, output_padding=1)", (2, 7, 6, 9)),
    ("conv_transpose2d(9, 20, 2, stride=2)", (1, 9, 5, 18)),
    ("conv_transpose2d(5, 18, (3, 4), stride=(1, 3))", (1, 5, 4, 7)),
    ("conv_transpose2d(8, 34, 3, stride=3, groups=2)", (1, 8, 3, 5)),
    ("conv_transpose3d(3, 5, 3, stride=2)", (1, 3, 3, 2, 4)),
]


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize(("text", "shape"), LAYERS)
def test_every_algorithm(isa: str, text: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    spec = fl.ConvSpec.parse(text)
    with forced_isa(isa):
        for dtype in ("float32", "float64", "int64"):
            x, weight = rng.integers(-4, 5, shape).astype(dtype), rng.integers(-4, 5, spec.weight_shape).astype(dtype)
            bias = rng.integers(-4, 5, spec.out_channels).astype(dtype)
            for decision in fl.plan(spec, shape, dtype).why:
                if not decision.fits:
                    continue
                layer = fl.plan(spec, shape, dtype, algorithm=decision.algorithm).prepare(weight, bias)
                expected = layer(x)
                out = channels_last(np.full_like(expected, 99))
                strides = out.strides
                assert layer(channels_last(x), out=out) is out
                assert out.strides == strides
                check_same(np.ascontiguousarray(out), expected)
                result = layer(channels_last(x))
                assert result.flags.c_contiguous
                check_same(result, expected)
