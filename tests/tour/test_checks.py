"""The tour's checks, fed right and wrong answers: each must be able to come out either way."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from faltung.spec import ConvSpec
from faltung.tour.checks import against_definition, differ, equal, within

SPECS = [
    ConvSpec(2, 3, (3, 3), padding=1),
    ConvSpec(2, 3, (3, 3), padding=1, padding_mode="circular"),
    ConvSpec(2, 4, (3, 2), stride=2, padding=((2, 1), (0, 1)), padding_mode="reflect", groups=2),
    ConvSpec(2, 2, (3, 3), dilation=3, padding="same", padding_mode="symmetric", flip=True),
    ConvSpec(2, 2, (5, 5), stride=3, padding="same_upper"),
    ConvSpec(2, 2, (4, 4), stride=2, padding=1, groups=2, transposed=True),
    ConvSpec(2, 3, (3, 3), stride=2, output_padding=1, transposed=True),
]


def arrays(spec: ConvSpec, dtype: type = np.int64):
    draw = np.random.default_rng(5)
    x = draw.integers(-9, 10, (2, 21, 18)).astype(dtype)
    weight = draw.integers(-9, 10, spec.weight_shape).astype(dtype)
    return x, weight, draw.integers(-9, 10, spec.out_channels).astype(dtype)


def test_equal_sees_values_shapes_and_missing_numbers():
    assert equal("", [1, 2], [1, 2]).passed
    assert not equal("", [1, 2], [1, 3]).passed
    assert equal("", [1, 2], [1, 4]).difference == 2
    assert not equal("", [1, 2], [[1, 2]]).passed
    assert not equal("", [np.nan], [1.0]).passed
    assert not equal("", [np.nan], [np.nan]).passed
    assert not equal("", [np.inf], [np.inf]).passed


def test_differ_is_its_opposite():
    assert differ("", [1, 2], [1, 3]).passed
    assert not differ("", [1, 2], [1, 2]).passed
    assert not differ("", [np.nan], [np.nan]).passed


def test_within_allows_so_much_and_no_more():
    assert within("", [1.0], [1.25], 0.25).passed
    assert not within("", [1.0], [1.26], 0.25).passed
    assert not within("", [np.nan], [1.0], 1e9).passed
    assert within("", [1.0], [1.25], 0.25).rule == "at most 0.25"


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("crop", [10, 13, 64])
def test_a_right_picture_passes_whatever_the_crop(spec, crop):
    x, weight, bias = arrays(spec)
    check = against_definition(spec, x, weight, bias, drawn=fl.conv(spec, x, weight, bias), crop=crop)
    assert check.passed, check
    assert check.rule == "equal"


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_wrong_corner_of_the_picture_fails(spec):
    x, weight, bias = arrays(spec)
    drawn = fl.conv(spec, x, weight, bias)
    at = 3 if spec.padding_mode == "circular" else 0  # circular padding brings the far side into the first outputs
    drawn[:, at, at] += 1
    check = against_definition(spec, x, weight, bias, drawn=drawn, crop=13)
    assert not check.passed
    assert check.difference == 1


def test_the_corner_is_most_of_the_crop():
    spec = ConvSpec(2, 3, (3, 3), padding=1)
    x, weight, bias = arrays(spec)
    check = against_definition(spec, x, weight, bias, drawn=fl.conv(spec, x, weight, bias), crop=12)
    assert check.compared.startswith(f"{3 * 12 * 12 + 3 * 11 * 11:,} values: 12 × 12 pixels")


def test_a_wrong_engine_fails(monkeypatch):
    spec = SPECS[0]
    x, weight, bias = arrays(spec)
    real = fl.conv
    monkeypatch.setattr(fl, "conv", lambda *args, **options: real(*args, **options) + 1)
    assert not against_definition(spec, x, weight, bias).passed


def test_floating_point_is_held_to_the_plan_s_bound(monkeypatch):
    spec = ConvSpec(2, 3, (3, 3), padding=1, bias=False)
    x, weight, _ = arrays(spec, np.float32)
    x += np.float32(0.1)
    check = against_definition(spec, x, weight)
    assert check.passed
    assert check.rule.startswith("at most ")
    real = fl.conv
    monkeypatch.setattr(fl, "conv", lambda *args: real(*args) * np.float32(1.001))
    assert not against_definition(spec, x, weight).passed
