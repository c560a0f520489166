"""Errors say where, what was expected, what came, the arithmetic and a remedy; and nothing else ever comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import faltung as fl
from tests.support.check import check_error
from tests.support.engine import labelled

X, W = np.ones((2, 4, 7, 8)), np.ones((6, 2, 3, 3))
PLAIN = fl.ConvSpec(3, 4, (3, 5), ndim=2, bias=False)
GROUPED = fl.ConvSpec(8, 16, 3, groups=4, ndim=2)
TURNED = fl.ConvSpec(4, 6, 3, stride=2, transposed=True, ndim=2)

LETTERS: dict[str, tuple[Callable[[], Any], type[fl.ConvError], str]] = {
    "weight, groups": (
        lambda: fl.conv(GROUPED, np.ones((1, 8, 5, 5)), np.ones((16, 8, 3, 3))),
        fl.ConvShapeError,
        "weight has shape (16, 8, 3, 3), expected (16, 2, 3, 3)\n"
        "  = (out_channels, in_channels / groups, *kernel_size) with in_channels=8, groups=4. For this weight use groups=1.",
    ),
    "weight, kernel": (
        lambda: fl.conv(PLAIN, np.ones((3, 7, 7)), np.ones((4, 3, 3, 3))),
        fl.ConvShapeError,
        "weight has shape (4, 3, 3, 3), expected (4, 3, 3, 5)\n"
        "  = (out_channels, in_channels / groups, *kernel_size) with in_channels=3, groups=1. For this weight use kernel_size=(3, 3).",
    ),
    "weight, transposed": (
        lambda: fl.conv(TURNED, np.ones((4, 7, 7)), np.ones((6, 4, 3, 3))),
        fl.ConvShapeError,
        "weight has shape (6, 4, 3, 3), expected (4, 6, 3, 3)\n  = (in_channels, out_channels / groups, *kernel_size)"
        " with out_channels=6, groups=1. Its first two axes are swapped: use weight.swapaxes(0, 1).",
    ),
    "weight, axes": (
        lambda: fl.conv2d(X, W[0]),
        fl.ConvShapeError,
        "weight has shape (2, 3, 3), 3 axes; conv2d takes 4: (out, in/groups, k, k).\n"
        "  Add axes of size 1 with weight[None], or use the convolution with the right number of axes.",
    ),
    "weight, empty": (
        lambda: fl.conv1d(np.ones((1, 3)), np.ones((1, 1, 0))),
        fl.ConvShapeError,
        "weight has shape (1, 1, 0): an axis of size 0 leaves nothing to sum.\n  It is (out, in/groups, *kernel_size), each at least 1.",
    ),
    "bias, shape": (
        lambda: fl.conv2d(X, W, np.ones(5), groups=2),
        fl.ConvShapeError,
        "bias has shape (5,), expected (6,) = (out_channels,).\n  Give one number per output channel.",
    ),
    "bias, none wanted": (
        lambda: fl.conv(PLAIN, np.ones((3, 7, 7)), np.ones((4, 3, 3, 5)), np.ones(4)),
        fl.ConvSpecError,
        "a bias of shape (4,) is given, but conv2d(3, 4, (3, 5), bias=False) has none.\n  Leave it out, or use bias=True in the spec.",
    ),
    "x, channels that groups would fit": (
        lambda: fl.conv2d(X, W),
        fl.ConvShapeError,
        "x has 4 channels (shape (2, 4, 7, 8)), the weight of shape (6, 2, 3, 3) reads 2*1 = 2 (in/groups * groups).\n"
        "  With groups=2 they would fit.",
    ),
    "x, channels last": (
        lambda: fl.conv2d(np.ones((2, 7, 8, 4)), np.ones((6, 4, 3, 3))),
        fl.ConvShapeError,
        "x has 7 channels (shape (2, 7, 8, 4)), the weight of shape (6, 4, 3, 3) reads 4*1 = 4 (in/groups * groups).\n"
        "  Channels come first, (N, C, *spatial); for channels-last arrays use np.moveaxis.",
    ),
    "x, axes": (
        lambda: fl.conv2d(X[0, 0], np.ones((6, 4, 3, 3))),
        fl.ConvShapeError,
        "input has shape (7, 8), 2 axes; conv2d(4, 6, (3, 3)) takes 4 (N, C, H, W) or 3 (C, H, W).\n"
        "  Add axes with x[None], or use the convolution with the right number of axes.",
    ),
    "x, too small": (
        lambda: fl.conv2d(X, W, groups=2, dilation=4),
        fl.ConvShapeError,
        "no output along axis 0: floor((7 + 0 + 0 - 4*(3-1) - 1) / 1) + 1 = -1.\n"
        "  Input plus padding must be at least 9, it is 7. Add 2 of padding, or use dilation 3 or less.",
    ),
    "x, nothing to repeat": (
        lambda: fl.conv1d(np.ones((1, 0)), np.ones((1, 1, 2)), padding=3, padding_mode="circular"),
        fl.ConvShapeError,
        "padding_mode='circular' has no cell to repeat along axis 0 of size 0.\n  Use padding_mode='zeros'.",
    ),
    "x, cropped away": (
        lambda: fl.conv_transpose2d(X, np.ones((4, 2, 3, 3)), padding=9),
        fl.ConvShapeError,
        "no output along axis 0: (7 - 1)*1 - 9 - 9 + 1*(3-1) + 0 + 1 = -9.\n"
        "  The padding crops the whole output: reduce it by 10 or more in total.",
    ),
    "x, no numbers": (
        lambda: fl.conv2d("ab", W),
        fl.ConvTypeError,
        "x has dtype <U2, which cannot be convolved.\n  Convert it with astype. "
        "Served: bool, integers, float16, bfloat16, float32, float64, complex64, complex128.",
    ),
    "groups": (
        lambda: fl.conv2d(X, W, groups=4),
        fl.ConvSpecError,
        "groups=4 does not divide out_channels=6 (remainder 2).\n  conv2d(8, 6, (3, 3), groups=4); groups that fit here: 1, 2.",
    ),
    "stride": (
        lambda: fl.conv2d(X, W, groups=2, stride=(1, 2, 3)),
        fl.ConvSpecError,
        "stride=(1, 2, 3) has 3 entries, the kernel has 2 axes.\n  Give one int, or 2 in a tuple.",
    ),
    "padding": (
        lambda: fl.conv2d(X, W, groups=2, padding="smae"),
        fl.ConvSpecError,
        "padding='smae' is not known.\n  Did you mean 'same'? Known: 'valid', 'same', 'same_upper', 'same_lower', 'full', 'causal'.",
    ),
    "same": (
        lambda: fl.conv2d(X, W, groups=2, padding="same", stride=2),
        fl.ConvSpecError,
        "padding='same' needs stride 1, it is (2, 2).\n"
        "  Use padding='same_upper' (ceil(input / stride) outputs, as TensorFlow and ONNX) or numbers.",
    ),
    "output padding": (
        lambda: fl.conv_transpose2d(X, np.ones((4, 2, 3, 3)), stride=2, output_padding=2),
        fl.ConvSpecError,
        "output_padding=2 along axis 0 is not below max(stride, dilation) = max(2, 1) = 2.\n"
        "  Use at most 1; for a larger output use negative padding.",
    ),
    "accuracy": (
        lambda: fl.conv2d(X, W, groups=2, accuracy="fast"),
        fl.ConvPlanError,
        "accuracy='fast' is not known.\n  Known: 'default', 'exact'.",
    ),
    "spec": (
        lambda: fl.conv(3, X, W),
        fl.ConvTypeError,
        "spec is of type int, a ConvSpec is needed.\n  Use ConvSpec(…), or its text: 'conv2d(3, 64, 7)'.",
    ),
    "grad of the output": (
        lambda: fl.conv_input_grad(PLAIN, np.ones((4, 5, 3)), np.ones((4, 3, 3, 5)), (9, 9)),
        fl.ConvShapeError,
        "grad has shape (4, 5, 3), expected (4, 7, 5).\n"
        "  It is the gradient of the output: conv2d(3, 4, (3, 5), bias=False) maps input size (9, 9) to (7, 5).",
    ),
    "grad, batch": (
        lambda: fl.conv_weight_grad(PLAIN, np.ones((2, 3, 7, 7)), np.ones((3, 4, 5, 3))),
        fl.ConvShapeError,
        "grad has shape (3, 4, 5, 3), expected (2, 4, 5, 3).\n"
        "  It is the gradient of the output: conv2d(3, 4, (3, 5), bias=False) maps input size (7, 7) to (5, 3).",
    ),
    "input size": (
        lambda: fl.conv_input_grad(PLAIN, np.ones((4, 5, 3)), np.ones((4, 3, 3, 5)), (4, 9, 9)),
        fl.ConvShapeError,
        "input_size=(4, 9, 9) has 3 entries, the kernel has 2 axes.\n  It is spatial only: leave batch and channels out.",
    ),
    "threads": (
        lambda: fl.set_num_threads(0),
        fl.ConvPlanError,
        "n=0 is no number of threads.\n  Use a whole number from 1 to 1024.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", LETTERS)
def test_messages_to_the_letter(what: str) -> None:
    check_error(*LETTERS[what])


def test_a_type_error_is_both_a_conv_error_and_a_type_error() -> None:
    with pytest.raises(TypeError) as caught:
        fl.conv2d("ab", W)
    assert isinstance(caught.value, fl.ConvError)
    assert isinstance(caught.value, ValueError)


# -- whatever is passed ------------------------------------------------------------------------------

JUNK: list[Any] = [
    None, True, -1, 0, 2.5, "x", b"x", (), [], (1,), (1, 2, 3), np.array([1, 2]), np.array([1.5, 2]), {}, set(), object(), 10**30,
    -(10**30), float("nan"), np.inf, 1j, [[1]], [[1, 2], [3, 4]], [[1, 2], 3], slice(3), np.int64(2), np.bool_(True), "same",
    np.array(2), np.array([]), range(2), np.ma.masked, Ellipsis, NotImplemented, type, "é" * 200, (None, None), ((1, 2), (3,)),
    X.astype(object), len,
]  # fmt: skip

SPEC = fl.ConvSpec(4, 6, 3, groups=2, ndim=2)
GRAD = np.ones((2, 6, 5, 6))
DEPTHWISE, POINTWISE = np.ones((4, 1, 3, 3)), np.ones((2, 4, 1, 1))


def made_plan() -> fl.Plan:
    return fl.plan(SPEC, X.shape, "float64")


def set_threads_and_back(n: Any) -> None:
    before = fl.get_num_threads()
    try:
        fl.set_num_threads(n)
    finally:
        fl.set_num_threads(before)


CALLS: dict[str, Callable[[Any], Any]] = {
    "conv2d x": lambda junk: fl.conv2d(junk, W),
    "conv2d weight": lambda junk: fl.conv2d(X, junk),
    "conv2d bias": lambda junk: fl.conv2d(X, W, junk, groups=2),
    **{
        f"conv2d {name}": lambda junk, name=name: fl.conv2d(X, W, **{"groups": 2, name: junk})
        for name in ("stride", "padding", "dilation", "groups", "padding_mode", "flip", "out", "accuracy")
    },
    **{
        f"conv_transpose2d {name}": lambda junk, name=name: fl.conv_transpose2d(X, np.ones((4, 2, 3, 3)), **{name: junk})
        for name in ("stride", "padding", "dilation", "groups", "output_padding", "out", "accuracy")
    },
    "conv spec": lambda junk: fl.conv(junk, X, W),
    "conv_input_grad grad": lambda junk: fl.conv_input_grad(SPEC, junk, W, (7, 8)),
    "conv_input_grad weight": lambda junk: fl.conv_input_grad(SPEC, GRAD, junk, (7, 8)),
    "conv_input_grad input_size": lambda junk: fl.conv_input_grad(SPEC, GRAD, W, junk),
    "conv_weight_grad x": lambda junk: fl.conv_weight_grad(SPEC, junk, GRAD),
    "conv_weight_grad grad": lambda junk: fl.conv_weight_grad(SPEC, X, junk),
    "conv_weight_grad accuracy": lambda junk: fl.conv_weight_grad(SPEC, X, GRAD, accuracy=junk),
    "correlate x": lambda junk: fl.correlate(junk, W),
    "correlate kernel": lambda junk: fl.correlate(X, junk),
    "correlate mode": lambda junk: fl.correlate(X, W[:1, :1], junk),
    "convolve boundary": lambda junk: fl.convolve(X, W[:1, :1], "same", junk),
    "unfold x": lambda junk: fl.unfold(junk, 2),
    **{
        f"unfold {name}": lambda junk, name=name: fl.unfold(X, **{"kernel_size": 2, name: junk})
        for name in ("kernel_size", "dilation", "padding", "stride")
    },
    "fold x": lambda junk: fl.fold(junk, (3, 3), 2),
    "fold output_size": lambda junk: fl.fold(np.ones((2, 8, 42)), junk, 2),
    **{
        f"fold {name}": lambda junk, name=name: fl.fold(np.ones((2, 8, 42)), (7, 8), **{"kernel_size": 2, name: junk})
        for name in ("kernel_size", "dilation", "padding", "stride")
    },
    "separable_conv2d x": lambda junk: fl.separable_conv2d(junk, [1], [1]),
    "separable_conv2d column": lambda junk: fl.separable_conv2d(X, junk, [1]),
    "separable_conv2d row": lambda junk: fl.separable_conv2d(X, [1], junk),
    "separable_conv2d bias": lambda junk: fl.separable_conv2d(X, [1], [1], junk),
    "separable_conv2d stride": lambda junk: fl.separable_conv2d(X, [1], [1], stride=junk),
    "separable_conv2d padding": lambda junk: fl.separable_conv2d(X, [1], [1], padding=junk),
    "depthwise_separable_conv2d x": lambda junk: fl.depthwise_separable_conv2d(junk, DEPTHWISE, POINTWISE),
    "depthwise_separable_conv2d depthwise": lambda junk: fl.depthwise_separable_conv2d(X, junk, POINTWISE),
    "depthwise_separable_conv2d pointwise": lambda junk: fl.depthwise_separable_conv2d(X, DEPTHWISE, junk),
    "depthwise_separable_conv2d bias": lambda junk: fl.depthwise_separable_conv2d(X, DEPTHWISE, POINTWISE, junk),
    "plan spec": lambda junk: fl.plan(junk, X.shape),
    "plan input_shape": lambda junk: fl.plan(SPEC, junk),
    "plan dtype": lambda junk: fl.plan(SPEC, X.shape, junk),
    "plan accuracy": lambda junk: fl.plan(SPEC, X.shape, accuracy=junk),
    "plan algorithm": lambda junk: fl.plan(SPEC, X.shape, algorithm=junk),
    "plan threads": lambda junk: fl.plan(SPEC, X.shape, threads=junk),
    "plan() x": lambda junk: made_plan()(junk, W),
    "prepare weight": lambda junk: made_plan().prepare(junk),
    "prepare bias": lambda junk: made_plan().prepare(W, junk),
    "prepare activation": lambda junk: made_plan().prepare(W, None, junk),
    "prepared x": lambda junk: made_plan().prepare(W)(junk),
    "prepared out": lambda junk: made_plan().prepare(W)(X, out=junk),
    "set_num_threads": set_threads_and_back,
}


def error_of(call: Callable[[], Any]) -> fl.ConvError | None:
    """The `ConvError` that a call raises; None where it is served."""
    try:
        call()
    except fl.ConvError as error:
        return error
    return None


@pytest.mark.parametrize("call", CALLS)
def test_whatever_is_passed_is_served_or_a_conv_error(call: str) -> None:
    """Any other exception fails the test; so does an argument of which nothing at all is refused."""
    refused = 0
    for junk in JUNK:
        with labelled(repr(junk)[:60]):
            error = error_of(lambda junk=junk: CALLS[call](junk))
            if error is not None:
                assert str(error).strip()
                assert error.remedy
                refused += 1
    assert refused > len(JUNK) / 3


@pytest.mark.parametrize("name", ["stride", "padding", "dilation", "groups"])
@pytest.mark.parametrize("value", [True, 1.0, np.True_, (1, True), (1.0, 1)])
def test_what_equals_a_number_and_is_none_is_refused_after_calls_with_the_number(name: str, value: object) -> None:
    """What calls with 1 or (1, 1) left behind must not serve True and 1.0, which are equal and have the same hash."""
    x, weight = np.ones((1, 2, 5, 5)), np.ones((2, 2, 3, 3))
    depthwise, pointwise = np.ones((2, 1, 3, 3)), np.ones((2, 2, 1, 1))
    for good in (1, 1 if name == "groups" else (1, 1)):
        fl.conv2d(x, weight, **{name: good})
        if name != "groups":
            fl.depthwise_separable_conv2d(x, depthwise, pointwise, **{name: good})
    with pytest.raises(fl.ConvSpecError, match=name):
        fl.conv2d(x, weight, **{name: value})
    if name != "groups":
        with pytest.raises(fl.ConvSpecError, match=name):
            fl.depthwise_separable_conv2d(x, depthwise, pointwise, **{name: value})
