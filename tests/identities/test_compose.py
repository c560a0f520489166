"""Two convolutions as one: equal everywhere, or refused with the reason."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import faltung as fl
from faltung import identities
from tests.support.check import check_error, check_same
from tests.support.strategies import Problem, integers_of_shape, problems


@st.composite
def seconds(draw: st.DrawFn, first: Problem, *, pads: bool) -> fl.ConvSpec:
    """A spec that takes the first one's output; its input is large enough for it."""
    ndim, channels = first.spec.ndim, first.spec.out_channels
    sizes = first.spec.output_size(first.input_size)
    padding = tuple((draw(st.integers(-1, 2 if pads else 0)), draw(st.integers(-1, 2 if pads else 0))) for _ in range(ndim))
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4, 6) if channels % g == 0]))
    kernels, dilations = [], []
    for size, sides in zip(sizes, padding, strict=True):
        assume(size + sum(sides) >= 1)
        dilation = draw(st.integers(1, 2))
        kernels.append(draw(st.integers(1, min(3, (size + sum(sides) - 1) // dilation + 1))))
        dilations.append(dilation)
    return fl.ConvSpec(
        in_channels=channels,
        out_channels=groups * draw(st.integers(1, 2)),
        kernel_size=kernels,
        stride=tuple(draw(st.integers(1, 3)) for _ in range(ndim)),
        padding=padding,
        dilation=dilations,
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "circular", "reflect"])),
        flip=draw(st.booleans()),
    )


def arrays_of(spec: fl.ConvSpec, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    return integers_of_shape(spec.weight_shape, seed), integers_of_shape((spec.out_channels,), seed + 1) if spec.bias else None


@settings(max_examples=400)
@given(st.data(), problems(transposed=False, max_axes=3))
def test_without_padding_in_the_second_it_is_always_exact(data: st.DataObject, first: Problem) -> None:
    spec2 = data.draw(seconds(first, pads=False))
    x, weight1, bias1 = first.arrays()
    weight2, bias2 = arrays_of(spec2, first.seed + 7)
    both = identities.compose(first.spec, spec2, weight1, weight2, bias1, bias2, input_size=first.input_size)
    check_same(both(x), fl.conv(spec2, fl.conv(first.spec, x, weight1, bias1), weight2, bias2))


@settings(max_examples=500)
@given(st.data(), problems(transposed=False, max_axes=2, max_channels=2, bias=False))
def test_with_padding_it_is_exact_or_refused(data: st.DataObject, first: Problem) -> None:
    spec2 = data.draw(seconds(first, pads=True))
    x, weight1, _ = first.arrays()
    weight2, bias2 = arrays_of(spec2, first.seed + 7)
    try:
        both = identities.compose(first.spec, spec2, weight1, weight2, None, bias2)
    except fl.ConvSpecError:
        return
    check_same(both(x), fl.conv(spec2, fl.conv(first.spec, x, weight1), weight2, bias2))


ONE_AXIS = {"bias": False, "ndim": 1}
ZEROS_AFTER_FULL = (fl.ConvSpec(2, 3, 3, padding="full", **ONE_AXIS), fl.ConvSpec(3, 2, 3, padding=1, **ONE_AXIS))
SERVED: list[tuple[str, Any, Any]] = [
    ("zeros after full padding", *ZEROS_AFTER_FULL),
    ("zeros after a kernel of 1", fl.ConvSpec(2, 3, 1, **ONE_AXIS), fl.ConvSpec(3, 2, 3, padding=1, **ONE_AXIS)),
    ("before alone, after causal", fl.ConvSpec(2, 3, 3, padding="causal", **ONE_AXIS), fl.ConvSpec(3, 2, 3, padding="causal", **ONE_AXIS)),
    (
        "reflect after a kernel of 1",
        fl.ConvSpec(2, 3, 1, **ONE_AXIS),
        fl.ConvSpec(3, 2, 3, padding=2, padding_mode="reflect", **ONE_AXIS),
    ),
    (
        "circular after circular",
        fl.ConvSpec(2, 3, 3, padding=1, padding_mode="circular", **ONE_AXIS),
        fl.ConvSpec(3, 2, 3, padding=2, stride=2, dilation=2, padding_mode="circular", **ONE_AXIS),
    ),
    ("axes apart", fl.ConvSpec(1, 1, (3, 1), padding=(1, 0), bias=False), fl.ConvSpec(1, 1, (1, 3), padding=(0, 1), bias=False)),
    ("depthwise, then pointwise", fl.ConvSpec(4, 4, 3, padding=1, groups=4, stride=2, **ONE_AXIS), fl.ConvSpec(4, 3, 1, **ONE_AXIS)),
    ("grouped, then grouped", fl.ConvSpec(12, 12, 2, groups=6, **ONE_AXIS), fl.ConvSpec(12, 8, 2, groups=4, **ONE_AXIS)),
    ("crop", fl.ConvSpec(1, 1, 3, padding=2, stride=2, **ONE_AXIS), fl.ConvSpec(1, 1, 2, padding=-1, **ONE_AXIS)),
]


@pytest.mark.parametrize(("spec1", "spec2"), [case[1:] for case in SERVED], ids=[case[0] for case in SERVED])
def test_served_in_one(spec1: fl.ConvSpec, spec2: fl.ConvSpec) -> None:
    for size in range(8, 14):
        x = integers_of_shape((2, spec1.in_channels, *(size,) * spec1.ndim), 5)
        weight1, weight2 = integers_of_shape(spec1.weight_shape, 6), integers_of_shape(spec2.weight_shape, 7)
        both = identities.compose(spec1, spec2, weight1, weight2)
        check_same(both(x), fl.conv(spec2, fl.conv(spec1, x, weight1), weight2))


@pytest.mark.parametrize("modes", [("zeros", "zeros"), ("circular", "circular"), ("zeros", "reflect")])
def test_every_small_pair_that_is_served_is_exact(modes: tuple[str, str]) -> None:
    """Along one axis, all kernels, strides, dilations and paddings up to a few cells: the border is where mistakes would be."""
    served = 0
    first = itertools.product((1, 2, 3), (1, 2, 3), (1, 2), (-1, 0, 1, 2, 4), (0, 1, 2, 4))
    for (kernel, stride, dilation, before, after), sides in itertools.product(first, [(1, 0), (0, 1), (1, 1), (2, 0)]):
        spec1 = fl.ConvSpec(1, 1, kernel, stride, ((before, after),), dilation, padding_mode=modes[0], **ONE_AXIS)
        spec2 = fl.ConvSpec(1, 1, 2, padding=(sides,), padding_mode=modes[1], **ONE_AXIS)
        weight1, weight2 = np.arange(2, kernel + 2).reshape(1, 1, -1), np.array([[[1, 10]]])
        try:
            both = identities.compose(spec1, spec2, weight1, weight2)
        except fl.ConvSpecError:
            continue
        served += 1
        for size in range(7, 13):
            x = np.arange(1, size + 1)[None] ** 2
            check_same(both(x), fl.conv(spec2, fl.conv(spec1, x, weight1), weight2))
    assert served >= {("zeros", "zeros"): 500, ("circular", "circular"): 20, ("zeros", "reflect"): 8}[modes]


def test_groups_that_divide_each_other_stay_groups() -> None:
    spec1, spec2 = fl.ConvSpec(12, 12, 2, groups=6, **ONE_AXIS), fl.ConvSpec(12, 8, 2, groups=4, **ONE_AXIS)
    both = identities.compose(spec1, spec2, np.ones(spec1.weight_shape), np.ones(spec2.weight_shape))
    assert both.spec.groups == 2


def test_a_size_decides_what_holds_for_some_sizes() -> None:
    """At stride 2 the last window ends where the input ends only for every second size."""
    spec1, spec2 = fl.ConvSpec(1, 1, 2, stride=2, **ONE_AXIS), fl.ConvSpec(1, 1, 2, padding=((0, 1),), **ONE_AXIS)
    weights = np.array([[[1, 2]]]), np.array([[[3, 4]]])
    with pytest.raises(fl.ConvSpecError):
        identities.compose(spec1, spec2, *weights)
    with pytest.raises(fl.ConvSpecError):
        identities.compose(spec1, spec2, *weights, input_size=7)
    x = np.arange(1, 9)[None]
    check_same(identities.compose(spec1, spec2, *weights, input_size=8)(x), fl.conv(spec2, fl.conv(spec1, x, weights[0]), weights[1]))


def test_the_bias_of_the_first_goes_through_the_second() -> None:
    both = identities.compose("conv1d(1, 2, 1)", "conv1d(2, 1, 2)", np.ones((2, 1, 1), int), np.array([[[1, 2], [3, 4]]]), [10, 1], [5])
    check_same(both.bias, np.array([10 * 3 + 7 + 5]))


@pytest.mark.parametrize(
    ("spec1", "spec2", "bias1", "told"),
    [
        ("conv1d(1, 2, 3)", "conv1d(3, 1, 3)", None, "spec1 gives 2 channels, spec2 takes 3."),
        ("conv1d(1, 2, 3)", "conv2d(2, 1, 3)", None, "spec1 has 1 axes, spec2 has 2."),
        ("conv_transpose1d(1, 2, 3)", "conv1d(2, 1, 3)", None, "spec1 is transposed"),
        ("conv1d(1, 2, 3)", "conv1d(2, 1, 3, padding=1)", None, r"along axis 0 the second pads \(1, 1\) with zeros where the first would"),
        ("conv1d(1, 2, 1)", "conv1d(2, 1, 3, padding=1)", [1, 0], "the first would give its bias there"),
        ("conv1d(1, 2, 3, padding=2)", "conv1d(2, 1, 3, padding=1, padding_mode='reflect')", None, "with reflect where the first would"),
        (
            "conv2d(1, 2, (1, 3), padding=(0, 1), padding_mode='reflect')",
            "conv2d(2, 1, (3, 1), padding=(1, 0))",
            None,
            "the first pads with 'reflect' and the second with 'zeros'",
        ),
        ("conv1d(1, 2, 3, stride=2, padding='same_upper')", "conv1d(2, 1, 3)", None, "depends on the input size"),
    ],
)
def test_what_no_single_convolution_does(spec1: str, spec2: str, bias1: list[int] | None, told: str) -> None:
    one, two = fl.ConvSpec.parse(spec1), fl.ConvSpec.parse(spec2)
    with pytest.raises(fl.ConvSpecError, match=told) as caught:
        identities.compose(one, two, np.ones(one.weight_shape), np.ones(two.weight_shape), bias1)
    assert caught.value.remedy


def test_a_bias_of_zeros_is_no_obstacle() -> None:
    both = identities.compose("conv1d(1, 1, 1)", "conv1d(1, 1, 3, padding=1)", np.ones((1, 1, 1)), np.ones((1, 1, 3)), [0.0], [2.0])
    check_same(both.bias, np.array([2.0]))


def test_the_whole_message() -> None:
    ones = np.ones((1, 1, 3))
    check_error(
        lambda: identities.compose("conv1d(1, 1, 3, stride=2)", "conv1d(1, 1, 3, padding=1)", ones, ones),
        fl.ConvSpecError,
        "along axis 0 the second pads (1, 1) with zeros where the first would give other values: its windows of 3 cells at stride 2, "
        "padding (0, 0), may reach the input there.\n"
        "  Move that padding to the first: padding (2, 2) more there, none in the second; only the outputs at the border change.",
    )


def test_moving_the_padding_changes_the_border_alone() -> None:
    """What the remedy promises."""
    weight1, weight2, x = integers_of_shape((1, 1, 3), 8), integers_of_shape((1, 1, 3), 9), integers_of_shape((1, 12), 10)
    two_steps = fl.conv1d(fl.conv1d(x, weight1), weight2, padding=1)
    moved = identities.compose("conv1d(1, 1, 3, padding=1)", "conv1d(1, 1, 3)", weight1, weight2)(x)
    check_same(moved[:, 1:-1], two_steps[:, 1:-1])


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64"])
def test_weights_are_rounded_once(dtype: str) -> None:
    rng = np.random.default_rng(3)
    weight1, weight2 = rng.standard_normal((4, 3, 3)).astype(dtype), rng.standard_normal((2, 4, 3)).astype(dtype)
    both = identities.compose("conv1d(3, 4, 3)", "conv1d(4, 2, 3)", weight1, weight2)
    wide = np.complex128 if dtype == "complex64" else np.float64
    exact = sum(
        np.pad(np.einsum("om,mij->oij", weight2[:, :, tap].astype(wide), weight1.astype(wide)), ((0, 0), (0, 0), (tap, 2 - tap)))
        for tap in range(3)
    )
    assert both.weight.dtype == dtype
    assert np.abs(both.weight - exact).max() <= np.finfo(dtype).eps * np.abs(exact).max()
