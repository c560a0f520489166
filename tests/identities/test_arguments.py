"""Bad input is refused with its arithmetic and a remedy; the stated bounds hold; the namespace is reachable."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung import identities
from tests.support.check import check_error, check_same
from tests.support.strategies import integers_of_shape

ONES = np.ones((1, 1, 3))
LAYER = "conv1d(1, 1, 3)"


def test_the_namespace_is_loaded_when_used() -> None:
    program = "import sys, faltung as fl; before = 'faltung.identities' in sys.modules; print(before, callable(fl.identities.compose))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False True\n", "")
    assert fl.identities is identities


def test_every_public_name_is_there() -> None:
    assert all(hasattr(identities, name) for name in identities.__all__)
    assert identities.__all__ == sorted(identities.__all__)


@pytest.mark.parametrize(
    "call",
    [
        lambda spec, weight, bias: identities.flip(spec, weight, bias),
        lambda spec, weight, bias: identities.dilate_kernel(spec, weight, bias),
        lambda spec, weight, bias: identities.dense_from_grouped(spec, weight, bias),
        lambda spec, weight, bias: identities.transposed_as_conv(spec, weight, bias),
        lambda spec, weight, bias: identities.conv_to_linear(spec, weight, bias, 5),
        lambda spec, weight, bias: identities.circular_as_fft(spec, weight, bias, 5),
        lambda spec, weight, bias: identities.fold_batchnorm(spec, weight, bias, [0.0], [1.0]),
        lambda spec, weight, bias: identities.compose(spec, spec, weight, weight, bias, bias),
    ],
)
def test_spec_weight_and_bias_are_checked_by_all(call: Callable[..., Any]) -> None:
    with pytest.raises(fl.ConvTypeError, match="a ConvSpec is needed"):
        call(3, ONES, None)
    with pytest.raises(fl.ConvShapeError, match=r"weight has shape \(1, 3\)"):
        call(LAYER, ONES[0], None)
    with pytest.raises(fl.ConvTypeError, match="weight has dtype object"):
        call(LAYER, np.full((1, 1, 3), None), None)
    with pytest.raises(fl.ConvShapeError, match=r"bias has shape \(2,\)"):
        call(LAYER, ONES, [1, 2])
    with pytest.raises(fl.ConvSpecError, match=r"but conv1d.* has none"):
        call("conv1d(1, 1, 3, bias=False)", ONES, [1])


CIRCULAR = "conv1d(1, 1, 3, padding=1, padding_mode='circular')"
REFUSED: list[tuple[Callable[[], Any], type[fl.ConvError], str]] = [
    (lambda: identities.transposed_as_conv(LAYER, ONES), fl.ConvSpecError, "is not transposed."),
    (
        lambda: identities.transposed_as_conv(
            fl.ConvSpec(1, 1, 3, padding=1, padding_mode="circular", transposed=True, ndim=1), np.ones((1, 1, 3))
        ),
        fl.ConvSpecError,
        r"padding_mode='circular' adds back what the padding \(\(1, 1\),\) crops",
    ),
    (
        lambda: identities.transposed_as_conv("conv_transpose1d(1, 1, 3)", ONES)(np.ones((1, 0))),
        fl.ConvShapeError,
        r"x has shape \(1, 0\): an empty axis",
    ),
    (lambda: identities.as_matrix(LAYER, ONES, 2), fl.ConvShapeError, "no output along axis 0"),
    (
        lambda: identities.as_matrix(LAYER, ONES, 2**40),
        fl.ConvShapeError,
        r"1099511627774 windows \* 3 weights = 3298534883322 entries, more than 268435456 = 2\*\*28",
    ),
    (
        lambda: identities.as_matrix("conv1d(1, 1, 3, stride=1000000000)", ONES, 2**32),
        fl.ConvShapeError,
        r"the table of cells along axis 0 would have 0 \+ 4294967296 \+ 0 cells",
    ),
    (lambda: identities.conv_to_linear(LAYER, ONES, None, 2**15), fl.ConvShapeError, r"32766 outputs \* 32768 inputs = 1073676288"),
    (lambda: identities.conv_to_linear(LAYER, ONES, None, 5)(np.ones((1, 4))), fl.ConvShapeError, r"x has shape \(1, 4\), expected"),
    (lambda: identities.linear_to_conv(np.ones((2, 5)), None, (1, 2, 2)), fl.ConvShapeError, r"expected \(out, 4\) = \(out, 1\*2\*2\)"),
    (lambda: identities.linear_to_conv(np.ones(4), None, (1, 4)), fl.ConvShapeError, r"weight has shape \(4,\)"),
    (lambda: identities.linear_to_conv(np.ones((1, 4)), None, (4,)), fl.ConvShapeError, "has no spatial axis"),
    (lambda: identities.linear_to_conv(np.ones((1, 0)), None, (1, 0)), fl.ConvShapeError, r"input_shape\[1\]=0 is below 1"),
    (lambda: identities.linear_to_conv(np.ones((1, 4)), [1, 2], (1, 4)), fl.ConvShapeError, r"bias has shape \(2,\)"),
    (lambda: identities.circular_as_fft(LAYER.replace("3)", "3, padding=1)"), ONES, None, 5), fl.ConvSpecError, "does not wrap around"),
    (lambda: identities.circular_as_fft("conv_transpose1d(1, 1, 3)", ONES, None, 5), fl.ConvSpecError, "is transposed"),
    (lambda: identities.circular_as_fft(CIRCULAR, ONES, None, 0), fl.ConvShapeError, "there is no ring"),
    (lambda: identities.circular_as_fft(CIRCULAR, ONES, None, 5)(np.ones((1, 6))), fl.ConvShapeError, r"x has size \(6,\)"),
    (
        lambda: identities.circular_as_fft(CIRCULAR, np.full((1, 1, 3), 2**40), None, 5)(np.full((1, 5), 2**20)),
        fl.ConvPlanError,
        "not below 0.5: integers could not be restored by rounding",
    ),
    (lambda: identities.fold_batchnorm(LAYER, ONES, None, [0.0, 1.0], [1.0]), fl.ConvShapeError, r"mean has shape \(2,\), expected \(1,\)"),
    (lambda: identities.fold_batchnorm(LAYER, ONES, None, None, [1.0]), fl.ConvTypeError, "mean is None"),
    (lambda: identities.fold_batchnorm(LAYER, ONES, None, [0.0], [-1.0]), fl.ConvShapeError, r"variance \+ eps = -0.99999 in channel 0"),
    (lambda: identities.fold_batchnorm(LAYER, ONES, None, [0.0], [np.nan]), fl.ConvShapeError, "variance .* is not positive"),
    (lambda: identities.fold_batchnorm(LAYER, ONES, None, [0.0], [1j]), fl.ConvTypeError, "variance is complex"),
    (lambda: identities.fold_batchnorm(LAYER, ONES, None, [0.0], [1.0], eps="1"), fl.ConvTypeError, "eps='1' is of type str"),
    (lambda: identities.separate(ONES, 1), fl.ConvShapeError, r"kernel has shape \(1, 1, 3\), expected \(kh, kw\)"),
    (lambda: identities.separate(np.ones((3, 2)), 3), fl.ConvShapeError, r"rank=3 is above min\(3, 2\) = 2"),
    (lambda: identities.separate(np.ones((3, 2)), 0), fl.ConvShapeError, "rank=0 is below 1"),
    (lambda: identities.separate(np.full((3, 2), np.nan), 1), fl.ConvTypeError, "NaN or infinite"),
    (lambda: identities.separate([["a"]], 1), fl.ConvTypeError, "kernel has dtype <U1"),
    (lambda: identities.depthwise_separate(np.ones((3, 2)), 1), fl.ConvShapeError, r"weight has shape \(3, 2\), expected \(out, in,"),
    (lambda: identities.depthwise_separate(np.ones((3, 2, 2, 2)), 4), fl.ConvShapeError, r"rank=4 is above min\(3, 2\*2\) = 3"),
]


@pytest.mark.parametrize(("call", "error", "told"), REFUSED)
def test_refused(call: Callable[[], Any], error: type[fl.ConvError], told: str) -> None:
    with pytest.raises(error, match=told) as caught:
        call()
    assert type(caught.value) is error
    assert caught.value.remedy


def test_a_whole_message() -> None:
    check_error(
        lambda: identities.linear_to_conv(np.ones((10, 512)), None, (512, 7, 7)),
        fl.ConvShapeError,
        "weight has shape (10, 512), expected (out, 25088) = (out, 512*7*7), the product of input_shape.\n"
        "  A layer after global pooling or flattening sees that layer's output: give its shape.",
    )


@pytest.mark.parametrize("size", [(7,), (64,), (30, 21), (6, 5, 4)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_error_of_the_fft_is_within_its_bound(size: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(len(size))

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return (rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype == "complex128" else 0)).astype(dtype)

    spec = fl.ConvSpec(4, 6, 3, padding=2, groups=2, padding_mode="circular", bias=False, ndim=len(size))
    x, weight = draw((2, 4, *size)) * 1e3, draw(spec.weight_shape)
    fft = identities.circular_as_fft(spec, weight, None, size)
    error = np.abs(fft(x) - fl.conv(spec, x, weight, accuracy="exact")).max()
    assert 0 < error <= fft.error_bound(x) < 1e-7


def test_folding_is_off_by_rounding_alone() -> None:
    rng = np.random.default_rng(4)
    spec = fl.ConvSpec(4, 6, 3, groups=2, transposed=True, ndim=1)
    weight, bias, mean, gamma, beta = (rng.standard_normal(shape) for shape in [(4, 3, 3), *[(6,)] * 4])
    variance = rng.uniform(0.1, 2, 6)
    x = rng.standard_normal((2, 4, 5))
    folded = identities.fold_batchnorm(spec, weight, bias, mean, variance, gamma, beta)
    column = (slice(None), None)
    expected = (fl.conv(spec, x, weight, bias) - mean[column]) / np.sqrt(variance + 1e-5)[column] * gamma[column] + beta[column]
    np.testing.assert_allclose(folded(x), expected, rtol=0, atol=1e-13)


def test_folding_agrees_with_pytorch(torch) -> None:
    layer, norm = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
    with torch.no_grad():
        for parameter in (norm.weight, norm.bias, norm.running_mean):
            parameter.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.eval()
        x = torch.randn(2, 3, 6, 6)
        expected = norm(layer(x)).numpy()
        folded = identities.fold_batchnorm(
            "conv2d(3, 4, 3)", layer.weight.numpy(), layer.bias.numpy(), norm.running_mean.numpy(), norm.running_var.numpy(),
            norm.weight.numpy(), norm.bias.numpy(), eps=norm.eps,
        )  # fmt: skip
    assert folded.weight.dtype == np.float32
    np.testing.assert_allclose(folded(x.numpy()), expected, rtol=0, atol=1e-5)


def test_the_pattern_of_the_matrix_depends_on_the_spec_alone() -> None:
    spec = fl.ConvSpec(2, 2, 3, padding=1, ndim=2)
    zeros, others = identities.as_matrix(spec, np.zeros(spec.weight_shape), 4), identities.as_matrix(spec, np.ones(spec.weight_shape), 4)
    check_same(zeros.indices, others.indices)
    assert zeros.nnz == others.nnz > 0


def test_an_empty_batch_and_an_empty_axis() -> None:
    x = np.zeros((0, 1, 5))
    check_same(identities.conv_to_linear(LAYER, ONES, None, 5)(x), np.zeros((0, 1, 3)))
    check_same(identities.circular_as_fft(CIRCULAR, ONES, None, 5)(x), np.zeros((0, 1, 5)))
    padded = fl.ConvSpec(1, 1, 3, padding=2, ndim=1)
    assert identities.as_matrix(padded, ONES, 0).shape == (2, 0)


def test_views_are_not_changed() -> None:
    weight = integers_of_shape((2, 2, 3), 9)
    before = weight.copy()
    spec = fl.ConvSpec(2, 2, 3, flip=True, dilation=2, bias=False, ndim=1)
    for rewrite in (identities.flip, identities.dilate_kernel, identities.dense_from_grouped):
        rewrite(spec, weight)(np.ones((2, 9), int))
    identities.compose(spec, spec, weight, weight)
    check_same(weight, before)
