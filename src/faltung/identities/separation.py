"""Kernels of low rank: one convolution as two cheaper ones, with the error that it makes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, as_array, element_types_of
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.functional import conv
from faltung.identities.rewritten import common_dtype, working_dtype
from faltung.normal_form import integer
from faltung.notebook import table_html
from faltung.spec import ConvSpec

__all__ = ["Separation", "depthwise_separate", "separate"]


@dataclass(frozen=True, eq=False)
class Separation:
    """Two convolutions in place of one. Called on an input, it runs both.

    Attributes
    ----------
    specs : (ConvSpec, ConvSpec)
        Stride 1, no padding, no bias.
    weights : (array, array)
    rank : int
    approximation : array
        The kernel or weight that both together amount to, in the shape of the one given.
    error : float
        ``sqrt(sum |given - approximation|**2)``, the least possible with this rank.
    relative_error : float
        The error as a part of the same norm of the given one; 0 where that is 0.
    output_bound : float
        No output is off by more than this times the largest |input|, rounding aside: the largest sum of ``|given - approximation|``
        over the weights of one output.
    macs, dense_macs : int
        Multiply-accumulates for one output position, borders aside: of both steps, and of the one they stand for.
    """

    specs: tuple[ConvSpec, ConvSpec]
    weights: tuple[Array, Array]
    rank: int
    approximation: Array
    error: float
    relative_error: float
    output_bound: float
    macs: int
    dense_macs: int

    @property
    def saving(self) -> float:
        """The part of the MACs that is saved; negative where the two steps cost more."""
        return 1 - self.macs / self.dense_macs

    def __call__(self, x: object) -> Array:
        """The approximate convolution of x (N, in, *i) or (in, *i), without padding."""
        return conv(self.specs[1], conv(self.specs[0], x, self.weights[0]), self.weights[1])

    def _repr_html_(self) -> str:
        rows = [
            *((f"step {number}", spec) for number, spec in enumerate(self.specs, 1)),
            ("relative error", f"{self.relative_error:.3g}"),
            ("MACs an output", f"{self.macs} instead of {self.dense_macs}, {100 * self.saving:.0f} % saved"),
        ]
        return table_html(f"separation of rank {self.rank}", rows)


def separate(kernel: object, rank: int = 1) -> Separation:
    """The best approximation of a 2-D kernel by `rank` pairs of a column and a row.

    Parameters
    ----------
    kernel : array (kh, kw)
        Finite.
    rank : int
        1 to min(kh, kw); with the kernel's own rank the error is rounding.

    Returns
    -------
    Separation
        Weights (rank, 1, kh, 1), the columns, and (1, rank, 1, kw), the rows, in the kernel's floating-point dtype (float64 of integers).

    Raises
    ------
    ConvShapeError, ConvTypeError

    Notes
    -----
    The singular value decomposition writes the kernel as ``sum over r of sigma_r * outer(u_r, v_r)``; its first terms are the nearest
    kernel of that rank, ``sqrt(sum of the squares of the sigma left out)`` away (Eckart & Young, "The approximation of one matrix by
    another of lower rank", 1936). Each term is a column, then a row: rank*(kh + kw) MACs instead of kh*kw. `error` and `output_bound`
    are measured on the factors as returned.

    Examples
    --------
    >>> sobel = separate(np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]))
    >>> sobel.relative_error < 1e-15, sobel.macs, sobel.dense_macs
    (True, 6, 9)
    >>> laplacian = separate(np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]))
    >>> round(laplacian.error, 3)  # its singular values are sqrt(6) + 2, sqrt(6) - 2 and 0
    0.449
    """
    given = _finite("kernel", kernel)
    if given.ndim != 2 or 0 in given.shape:
        raise ConvShapeError(
            f"kernel has shape {given.shape}, expected (kh, kw), each at least 1.", "Give one channel's kernel, such as weight[0, 0]."
        )
    height, width = given.shape
    rank = _rank(rank, min(height, width), f"min({height}, {width})")
    dtype, wide = _float_dtypes(given)
    columns, rows = _factors(given.astype(wide), rank)
    specs = ConvSpec(1, rank, (height, 1), bias=False), ConvSpec(rank, 1, (1, width), bias=False)
    weights = columns.T.astype(dtype).reshape(specs[0].weight_shape), rows.astype(dtype).reshape(specs[1].weight_shape)
    approximation = weights[0].reshape(rank, height).astype(wide).T @ weights[1].reshape(rank, width).astype(wide)
    return _separation(specs, weights, rank, given.astype(wide), approximation, dense_macs=height * width)


def depthwise_separate(weight: object, rank: int = 1) -> Separation:
    """The best approximation of a dense convolution by a depthwise one, `rank` kernels a channel, and a pointwise one.

    Parameters
    ----------
    weight : array (out, in, *k)
        Of a spec with one group, not transposed; finite.
    rank : int
        1 to min(out, prod(k)); with the largest the error is rounding.

    Returns
    -------
    Separation
        Weights (in*rank, 1, *k) with groups = in, and (out, in*rank, 1, …), in the weight's floating-point dtype (float64 of integers).

    Raises
    ------
    ConvShapeError, ConvTypeError

    Notes
    -----
    For each input channel the weight is a matrix (out, prod(k)). Its singular value decomposition cut after `rank` terms gives as many
    spatial kernels and their weights in every output channel, the best for each channel and so for all (Eckart & Young, 1936; Guo, Li,
    Lin, Chen & Li, "Network Decoupling: From Regular to Depthwise Separable Convolutions", 2018). in*rank*(prod(k) + out) MACs for
    one output position instead of out*in*prod(k). `error` and `output_bound` are measured on the factors as returned.

    Examples
    --------
    >>> spatial, mixing = np.arange(1, 10).reshape(1, 1, 3, 3), np.arange(1, 9).reshape(8, 1, 1, 1)
    >>> both = depthwise_separate(mixing * spatial)
    >>> both.relative_error < 1e-15, both.macs, both.dense_macs
    (True, 17, 72)
    """
    given = _finite("weight", weight)
    if given.ndim < 3 or 0 in given.shape:
        raise ConvShapeError(
            f"weight has shape {given.shape}, expected (out, in, *kernel_size), each at least 1.",
            "A plain kernel: kernel[None, None]; a grouped weight: dense_from_grouped first.",
        )
    outputs, inputs, *size = given.shape
    taps = math.prod(size)
    rank = _rank(rank, min(outputs, taps), f"min({outputs}, {'*'.join(map(str, size))})")
    dtype, wide = _float_dtypes(given)
    mixing, spatial = _factors(given.astype(wide).reshape(outputs, inputs, taps).swapaxes(0, 1), rank)  # (in, out, rank), (in, rank, taps)
    ones = (1,) * len(size)
    specs = ConvSpec(inputs, inputs * rank, size, groups=inputs, bias=False), ConvSpec(inputs * rank, outputs, ones, bias=False)
    weights = (
        spatial.astype(dtype).reshape(specs[0].weight_shape),
        mixing.transpose(1, 0, 2).astype(dtype).reshape(specs[1].weight_shape),
    )
    mixed, kernels = weights[1].reshape(outputs, inputs, rank).astype(wide), weights[0].reshape(inputs, rank, taps).astype(wide)
    approximation = np.einsum("oir,irk->oik", mixed, kernels).reshape(given.shape)
    return _separation(specs, weights, rank, given.astype(wide), approximation, dense_macs=outputs * inputs * taps)


def _factors(matrix: Array, rank: int) -> tuple[Array, Array]:
    """The best rank-r factors of each matrix (…, a, b): (…, a, r) and (…, r, b), the singular value shared between them."""
    left, sigma, right = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(sigma[..., :rank])
    return left[..., :rank] * root[..., None, :], root[..., :, None] * right[..., :rank, :]


def _separation(
    specs: tuple[ConvSpec, ConvSpec], weights: tuple[Array, Array], rank: int, given: Array, approximation: Array, *, dense_macs: int
) -> Separation:
    residual = np.abs(given - approximation)
    norm, error = float(np.linalg.norm(given)), float(np.linalg.norm(residual))
    outputs = specs[1].out_channels
    return Separation(
        specs=specs,
        weights=weights,
        rank=rank,
        approximation=approximation,
        error=error,
        relative_error=error / norm if norm else 0.0,
        output_bound=float(residual.reshape(outputs, -1).sum(axis=1).max()),
        macs=math.prod(specs[0].weight_shape) + math.prod(specs[1].weight_shape),
        dense_macs=dense_macs,
    )


def _finite(name: str, value: object) -> Array:
    array = as_array(name, value)
    element_types_of(**{name: array})
    if not np.isfinite(array.astype(working_dtype(array.dtype) if array.dtype.kind in "fc" else array.dtype)).all():
        raise ConvTypeError(
            f"{name} has NaN or infinite entries, which have no singular values.", "Replace them, as with numpy.nan_to_num."
        )
    return array


def _rank(rank: object, most: int, arithmetic: str) -> int:
    number = integer("rank", rank, least=1, error=ConvShapeError)
    if number > most:
        raise ConvShapeError(f"rank={number} is above {arithmetic} = {most}.", f"Use {most} or less: {most} is exact up to rounding.")
    return number


def _float_dtypes(given: Array) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The dtype of the factors, and the one they are computed in."""
    dtype = common_dtype(given=given)
    dtype = np.dtype(np.float64) if dtype.kind in "iu" else dtype
    return dtype, working_dtype(dtype)
