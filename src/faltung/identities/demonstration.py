"""Each identity shown: a small case with its numbers, and a random one checked against the engine.

`DEMONSTRATIONS` names them; `demonstrate` runs one. The numbers are made here, how they are printed is up to the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.errors import ConvError, one_of
from faltung.functional import conv, conv_input_grad, correlate
from faltung.identities.batch_norm import fold_batchnorm
from faltung.identities.circular import circular_as_fft
from faltung.identities.composition import compose
from faltung.identities.dense import conv_to_linear, linear_to_conv
from faltung.identities.kernel import dense_from_grouped, dilate_kernel, flip
from faltung.identities.matrix import as_matrix
from faltung.identities.separation import Separation, depthwise_separate, separate
from faltung.identities.zero_insertion import transposed_as_conv
from faltung.spec import ConvSpec

__all__ = ["DEMONSTRATIONS", "Demonstration", "demonstrate"]

Shown = tuple[tuple[str, str], ...]
Checked = tuple[str, bool]


@dataclass(frozen=True)
class Demonstration:
    """One identity at work.

    Attributes
    ----------
    name : str
        Of the function in `faltung.identities`.
    statement : str
        What it says, in a line.
    worked : tuple of (label, text)
        The small case; a text may have several lines.
    checked : str
        What was checked at random, and how it came out.
    passed : bool
    """

    name: str
    statement: str
    worked: Shown
    checked: str
    passed: bool


def demonstrate(name: str, seed: int = 0) -> Demonstration:
    """Show the identity `name`, its random case drawn from `seed`.

    >>> shown = demonstrate("flip")
    >>> shown.passed, shown.worked[1]
    (True, ('kernel, convolved', '[1 2 3]'))
    """
    one_of("name", name, DEMONSTRATIONS, ConvError)
    statement, work, check = DEMONSTRATIONS[name]
    checked, passed = check(np.random.default_rng([seed, *name.encode()]))
    return Demonstration(name, statement, work(), checked, passed)


# -- what is drawn -------------------------------------------------------------------------------


def _integers(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-9, 10, shape)


def _problem(rng: np.random.Generator, **fixed: Any) -> tuple[ConvSpec, Array, Array, Array]:
    """A random spec of 2 axes, with an input that fits it, a weight and a bias."""
    groups = int(rng.integers(1, 4))
    fields: dict[str, Any] = {
        "in_channels": groups * int(rng.integers(1, 4)),
        "out_channels": groups * int(rng.integers(1, 4)),
        "groups": groups,
        "ndim": 2,
        "flip": bool(rng.integers(2)),
    }
    fields |= {name: tuple(map(int, rng.integers(1, 4, 2))) for name in ("kernel_size", "stride", "dilation")}
    fields["padding"] = tuple((int(before), int(after)) for before, after in rng.integers(0, 3, (2, 2)))
    spec = ConvSpec(**{**fields, **fixed})
    size = tuple(extent + int(more) for extent, more in zip(spec.effective_kernel_size, rng.integers(2, 6, spec.ndim), strict=True))
    return spec, _integers(rng, 2, spec.in_channels, *size), _integers(rng, *spec.weight_shape), _integers(rng, spec.out_channels)


def _equal(what: object, x: Array, actual: Array, expected: Array) -> Checked:
    """How many of the numbers are the engine's."""
    equal = int((actual == expected).sum()) if actual.shape == expected.shape else 0
    return f"{what} on {x.shape}: {equal} of {expected.size} numbers equal", equal == expected.size


def _rows(array: Array) -> str:
    return str(array).replace("[[", " [").replace("]]", "]").replace("\n ", "\n").strip() if array.ndim == 2 else str(array)


# -- one after the other -------------------------------------------------------------------------


def _work_flip() -> Shown:
    weight, x = np.array([[[1, 2, 3]]]), np.array([[0, 0, 1, 0, 0]])
    rewritten = flip("conv1d(1, 1, 3, flip=True)", weight)
    both = (conv("conv1d(1, 1, 3, flip=True)", x, weight)[0], rewritten(x)[0])
    return (
        ("input", str(x[0])),
        ("kernel, convolved", str(weight[0, 0])),
        ("gives", str(both[0])),
        ("kernel, correlated", str(rewritten.weight[0, 0])),
        ("gives the same", str(both[1])),
    )


def _check_flip(rng: np.random.Generator) -> Checked:
    spec, x, weight, bias = _problem(rng)
    return _equal(spec, x, flip(spec, weight, bias)(x), conv(spec, x, weight, bias))


def _work_dilate() -> Shown:
    weight = np.arange(1, 5).reshape(1, 1, 2, 2)
    return (
        ("kernel, dilation 2", _rows(weight[0, 0])),
        ("the same with dilation 1", _rows(dilate_kernel("conv2d(1, 1, 2, dilation=2)", weight).weight[0, 0])),
    )


def _check_dilate(rng: np.random.Generator) -> Checked:
    spec, x, weight, bias = _problem(rng, dilation=tuple(map(int, rng.integers(2, 4, 2))))
    return _equal(spec, x, dilate_kernel(spec, weight, bias)(x), conv(spec, x, weight, bias))


def _work_grouped() -> Shown:
    weight = np.arange(1, 9).reshape(4, 2, 1)
    dense = dense_from_grouped("conv1d(4, 4, 1, groups=2)", weight).weight
    return (("weight of 2 groups, (out, in/groups)", _rows(weight[..., 0])), ("weight of 1 group, (out, in)", _rows(dense[..., 0])))


def _check_grouped(rng: np.random.Generator) -> Checked:
    spec, x, weight, bias = _problem(rng, in_channels=4, out_channels=6, groups=2)
    return _equal(spec, x, dense_from_grouped(spec, weight, bias)(x), conv(spec, x, weight, bias))


def _work_transposed() -> Shown:
    x, weight, spec = np.array([[1, 2, 3]]), np.array([[[1, 10, 100]]]), "conv_transpose1d(1, 1, 3, stride=2)"
    rewritten = transposed_as_conv(spec, weight)
    return (
        ("input", str(x[0])),
        ("kernel", str(weight[0, 0])),
        ("stamped at stride 2 and added", str(conv(spec, x, weight)[0])),
        ("input with zeros", str(rewritten.insert_zeros(x)[0])),
        ("kernel, reversed", str(rewritten.weight[0, 0])),
        ("padding", str(rewritten.spec.padding[0])),
        ("correlated", str(rewritten(x)[0])),
    )


def _check_transposed(rng: np.random.Generator) -> Checked:
    spec, x, weight, bias = _problem(rng, transposed=True, padding=1, kernel_size=3)
    return _equal(spec, x, transposed_as_conv(spec, weight, bias)(x), conv(spec, x, weight, bias))


def _work_circular() -> Shown:
    spec, weight, x = "conv1d(1, 1, 3, padding=1, padding_mode='circular')", np.array([[[1, 2, 3]]]), np.array([[1, 10, 100, 1000]])
    fft = circular_as_fft(spec, weight, None, 4)
    return (
        ("input", str(x[0])),
        ("kernel", str(weight[0, 0])),
        ("matrix, a circulant", _rows(as_matrix(spec, weight, 4).toarray())),
        ("its eigenvalues: the kernel's spectrum", ", ".join(f"{value:g}" for value in np.round(fft.transfer[0, 0], 9) + 0)),
        ("spectra multiplied", str(fft(x)[0])),
        ("summed", str(conv(spec, x, weight)[0])),
    )


def _check_circular(rng: np.random.Generator) -> Checked:
    spec, x, weight, bias = _problem(rng, padding_mode="circular")
    return _equal(spec, x, circular_as_fft(spec, weight, bias, x.shape[2:])(x), conv(spec, x, weight, bias))


def _work_compose() -> Shown:
    one, two = "conv1d(1, 1, 3)", "conv1d(1, 1, 2, stride=2)"
    weights = np.array([[[1, 2, 1]]]), np.array([[[-1, 1]]])
    x = np.array([[1, 4, 9, 16, 25, 36]])
    both = compose(one, two, *weights)
    return (
        ("input", str(x[0])),
        ("first", f"{weights[0][0, 0]}, stride 1, gives {conv(one, x, weights[0])[0]}"),
        ("second", f"{weights[1][0, 0]}, stride 2, gives {conv(two, conv(one, x, weights[0]), weights[1])[0]}"),
        ("both in one", f"{both.weight[0, 0]}, stride {both.spec.stride[0]}, gives {both(x)[0]}"),
    )


def _check_compose(rng: np.random.Generator) -> Checked:
    spec1, x, weight1, bias1 = _problem(rng, padding=2, stride=1, kernel_size=2, dilation=1, in_channels=4, out_channels=6, groups=2)
    spec2, _, weight2, bias2 = _problem(rng, padding=-1, kernel_size=2, dilation=1, in_channels=6, out_channels=3, groups=3)
    both = compose(spec1, spec2, weight1, weight2, bias1, bias2)
    return _equal(f"{spec1}, then {spec2},", x, both(x), conv(spec2, conv(spec1, x, weight1, bias1), weight2, bias2))


def _work_batch_norm() -> Shown:
    spec, weight, x = "conv1d(1, 1, 2)", np.array([[[1.0, 2.0]]]), np.array([[1.0, 2.0, 4.0]])
    folded = fold_batchnorm(spec, weight, None, [3.0], [4.0], [10.0], [1.0], eps=0)
    plain = conv(spec, x, weight)
    return (
        ("input", str(x[0])),
        ("kernel", f"{weight[0, 0]}, gives {plain[0]}"),
        ("normalised: (y - 3) / sqrt(4) * 10 + 1", str((plain[0] - 3) / 2 * 10 + 1)),
        ("kernel and bias, folded", f"{folded.weight[0, 0]} and {folded.bias}, gives {folded(x)[0]}"),
    )


def _check_batch_norm(rng: np.random.Generator) -> Checked:
    spec, x, weight, bias = _problem(rng)
    mean, gamma, beta = (_integers(rng, spec.out_channels) for _ in range(3))
    deviation = 2.0 ** rng.integers(0, 3, spec.out_channels)  # powers of two: nothing is rounded
    folded = fold_batchnorm(spec, weight, bias, mean, deviation**2, gamma, beta, eps=0)
    mean, scale, beta = (array.reshape(-1, 1, 1) for array in (mean, gamma / deviation, beta))
    return _equal(spec, x, folded(x), (conv(spec, x, weight, bias) - mean) * scale + beta)


def _work_linear_to_conv() -> Shown:
    weight = np.array([[1, 2, 3, 4]])
    layer = linear_to_conv(weight, None, (1, 2, 2))
    x, larger = np.array([[[1, 0], [0, 1]]]), np.array([[[1, 0, 1], [0, 1, 0]]])
    return (
        ("layer", str(weight[0])),
        ("input", _rows(x[0])),
        ("flattened and multiplied", str(weight @ x.ravel())),
        ("as a kernel", _rows(layer.weight[0, 0])),
        ("convolved", str(layer(x).ravel())),
        ("a larger input", _rows(larger[0])),
        ("convolved: the layer at each position", str(layer(larger).ravel())),
    )


def _check_linear_to_conv(rng: np.random.Generator) -> Checked:
    shape = tuple(map(int, rng.integers(1, 6, 3)))
    x, weight, bias = _integers(rng, 2, *shape), _integers(rng, 5, int(np.prod(shape))), _integers(rng, 5)
    layer = linear_to_conv(weight, bias, shape)
    return _equal(f"a layer {weight.shape}", x, layer(x).reshape(2, 5), x.reshape(2, -1) @ weight.T + bias)


def _work_conv_to_linear() -> Shown:
    layer = conv_to_linear("conv1d(1, 1, 2, stride=2)", np.array([[[1, 2]]]), [5], 6)
    return (("kernel, stride 2", "[1 2]"), ("weight of the layer", _rows(layer.weight)), ("its bias", str(layer.bias)))


def _check_conv_to_linear(rng: np.random.Generator) -> Checked:
    spec, x, weight, bias = _problem(rng, padding_mode="replicate")
    return _equal(spec, x, conv_to_linear(spec, weight, bias, x.shape[2:])(x), conv(spec, x, weight, bias))


def _work_matrix() -> Shown:
    weight = np.array([[[1, 2, 3]]])
    matrix = as_matrix("conv1d(1, 1, 3)", weight, 5)
    turned = as_matrix("conv_transpose1d(1, 1, 3)", weight, 3)
    return (
        ("kernel", "[1 2 3]"),
        ("matrix, Toeplitz", _rows(matrix.toarray())),
        ("matrix of the transposed convolution: its transpose", _rows(turned.toarray())),
    )


def _check_matrix(rng: np.random.Generator) -> Checked:
    spec, x, weight, _ = _problem(rng, padding_mode="reflect", padding=1, bias=False)
    matrix = as_matrix(spec, weight, x.shape[2:])
    expected = conv(spec, x, weight)
    forward, passed = _equal(spec, x, (matrix @ x.reshape(2, -1).T).T.reshape(expected.shape), expected)
    grad = _integers(rng, *expected.shape)
    back, back_passed = _equal(
        "the transpose", grad, (matrix.T @ grad.reshape(2, -1).T).T.reshape(x.shape), conv_input_grad(spec, grad, weight, x.shape[2:])
    )
    return f"{forward}; {back}", passed and back_passed


def _work_separate() -> Shown:
    kernel = np.array([[1, 2, 1], [2, 5, 2], [1, 2, 1]])
    texts = (
        f"error {found.error:.3f}, {found.macs} MACs instead of {found.dense_macs}" for found in map(separate, (kernel, kernel), (1, 2))
    )
    return (
        ("kernel", _rows(kernel)),
        ("singular values", ", ".join(f"{value:.3f}" for value in np.linalg.svd(kernel, compute_uv=False))),
        *zip(("rank 1", "rank 2"), texts, strict=True),
    )


def _within(what: str, found: Separation, x: Array, exact: Array) -> Checked:
    """Whether the outputs are off by no more than stated."""
    bound = found.output_bound * float(np.abs(x).max())
    largest = float(np.abs(found(x) - exact).max())
    rounding = 64 * np.finfo(float).eps * float(np.abs(x).max() * np.abs(found.approximation).sum())
    saving = f"{found.macs} MACs instead of {found.dense_macs}, {found.saving:.0%}".replace("%", " %") + " saved"
    text = f"{what} at rank {found.rank} on {x.shape}: {saving}; outputs off by {largest:.4g} at most, stated: {bound:.4g}"
    return text, bool(largest <= bound + rounding)


def _check_separate(rng: np.random.Generator) -> Checked:
    kernel, x = _integers(rng, 7, 7), _integers(rng, 1, 16, 16)
    return _within("a kernel (7, 7)", separate(kernel, 2), x, correlate(x[0], kernel)[None])


def _work_depthwise() -> Shown:
    spatial = np.array([[[1, 2, 1], [0, 0, 0], [-1, -2, -1]], [[0, 1, 0], [1, -4, 1], [0, 1, 0]]])
    mixing = np.array([[1, 2], [3, -1], [0, 5], [2, 2]])
    found = depthwise_separate(np.einsum("oi,ihw->oihw", mixing, spatial))
    return (
        ("weight", "(4, 2, 3, 3): one kernel for each input channel, scaled for each output"),
        ("depthwise, then pointwise", f"{found.weights[0].shape}, then {found.weights[1].shape}"),
        ("error", f"{found.relative_error:.0e} of the weight: rounding"),
        ("MACs for one output position", f"{found.macs} instead of {found.dense_macs}"),
    )


def _check_depthwise(rng: np.random.Generator) -> Checked:
    weight, x = _integers(rng, 16, 8, 3, 3), _integers(rng, 2, 8, 9, 9)
    return _within(f"a weight {weight.shape}", depthwise_separate(weight, 2), x, conv(ConvSpec(8, 16, (3, 3)), x, weight))


DEMONSTRATIONS: dict[str, tuple[str, Callable[[], Shown], Callable[[np.random.Generator], Checked]]] = {
    "flip": ("Convolution is cross-correlation with the kernel reversed.", _work_flip, _check_flip),
    "dilate_kernel": ("A dilated convolution is one with a larger, sparse kernel.", _work_dilate, _check_dilate),
    "dense_from_grouped": ("A grouped convolution has a block diagonal weight.", _work_grouped, _check_grouped),
    "transposed_as_conv": (
        "A transposed convolution is a convolution of the input with zeros between its cells.", _work_transposed, _check_transposed
    ),
    "compose": ("Two convolutions, one after the other, are one.", _work_compose, _check_compose),
    "fold_batchnorm": ("Batch normalisation after a convolution is part of it.", _work_batch_norm, _check_batch_norm),
    "linear_to_conv": (
        "A fully connected layer is a convolution whose kernel is as large as the input.", _work_linear_to_conv, _check_linear_to_conv
    ),
    "conv_to_linear": ("A convolution of one size is a fully connected layer.", _work_conv_to_linear, _check_conv_to_linear),
    "as_matrix": ("Convolution is a sparse matrix, the transposed convolution its transpose.", _work_matrix, _check_matrix),
    "circular_as_fft": ("A circular convolution is a product of Fourier transforms.", _work_circular, _check_circular),
    "separate": ("A kernel is a sum of columns times rows; the first few come near it.", _work_separate, _check_separate),
    "depthwise_separate": (
        "A dense convolution is a sum of depthwise separable ones; the first few come near it.", _work_depthwise, _check_depthwise
    ),
}  # fmt: skip
