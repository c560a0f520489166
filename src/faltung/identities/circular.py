"""Circular convolution by the discrete Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, as_array, new_array, trailing
from faltung.errors import ConvPlanError, ConvShapeError, ConvSpecError
from faltung.identities.matrix import check_entries, meetings
from faltung.identities.rewritten import channel_groups, common_dtype, read, reversed_kernel, working_dtype
from faltung.notebook import table_html
from faltung.spec import ConvSpec

__all__ = ["CircularFFT", "circular_as_fft"]


@dataclass(frozen=True, eq=False)
class CircularFFT:
    """A circular convolution of one size as a product of spectra. Called on an input, it computes it so.

    Attributes
    ----------
    spec : ConvSpec
    input_size : tuple of int
    ring : array (out, in/groups, *i)
        The kernel laid around the ring that each axis is: what cell i of the input weighs in output 0.
    transfer : complex array (out, in/groups, *i)
        ``conj(fftn(conj(ring)))``: the factor of each frequency. With one channel, stride 1 and outputs as many as inputs, these are the
        eigenvalues of `as_matrix`.
    bias : array (out,) or None
    dtype : dtype
        Of weight and bias.
    """

    spec: ConvSpec
    input_size: tuple[int, ...]
    ring: Array
    transfer: Array
    bias: Array | None
    dtype: np.dtype[Any]

    def _repr_html_(self) -> str:
        rows = [("input size", self.input_size), ("transfer", f"{self.transfer.shape}, {self.transfer.dtype}")]
        return table_html(f"{self.spec} as a product of spectra", rows)

    def __call__(self, x: object) -> Array:
        """The convolution of x (N, in, *i) or (in, *i); of integers exact.

        Raises
        ------
        ConvShapeError
        ConvPlanError
            Integers so large that `error_bound` is 0.5 or more: rounding could not restore them.
        """
        from scipy.fft import fftn, ifftn

        image, batch, dtype = self._read(x)
        is_integer = dtype.kind in "iu"
        if is_integer and self.error_bound(image) >= 0.5:
            raise ConvPlanError(
                f"the FFT's error may reach {self.error_bound(image):.3g}, not below 0.5: integers could not be restored by rounding.",
                "Use fl.conv, which sums integers exactly, or floating-point arrays.",
            )
        spec, axes = self.spec, tuple(range(-self.spec.ndim, 0))
        samples = math.prod(batch)
        wide = image.astype(np.complex128 if image.dtype.kind == "c" else np.float64)
        spectrum = fftn(wide, axes=axes).reshape(samples, spec.groups, spec.in_channels // spec.groups, *self.input_size)
        spectrum = np.einsum("ngi...,goi...->ngo...", spectrum, channel_groups(self.transfer, spec.groups))
        everywhere = ifftn(spectrum.reshape(samples, spec.out_channels, *self.input_size), axes=axes)
        outputs = zip(spec.output_size(self.input_size), spec.stride, self.input_size, strict=True)
        steps = np.ix_(*(np.arange(count) * stride % size for count, stride, size in outputs))
        result = everywhere[trailing(steps)]
        result = result if dtype.kind == "c" else result.real
        result = np.rint(result).astype(dtype) if is_integer else result
        if self.bias is not None:
            result = result + self.bias.astype(result.dtype).reshape(-1, *(1,) * spec.ndim)
        shaped: Array = result.astype(dtype).reshape(*batch, *result.shape[1:])
        return shaped

    def error_bound(self, x: object) -> float:
        """The largest |error| in an output of x, rounding of the result to its dtype aside.

        ``(in/groups + 8*(log2(prod(i)) + 1)) * 2**-52 * sum over channels of |weight|_1 * |x|_2``: three transforms, each with a
        relative error in the 2-norm that grows with the logarithm of the size (Higham, "Accuracy and Stability of Numerical
        Algorithms", 2002, Theorem 24.2), and the sum over channels.
        """
        image, batch, _ = self._read(x)
        spec = self.spec
        spatial = tuple(range(-spec.ndim, 0))
        wide = np.abs(image.astype(np.complex128 if image.dtype.kind == "c" else np.float64))
        norms = np.sqrt((wide**2).sum(axis=spatial)).reshape(math.prod(batch), spec.groups, spec.in_channels // spec.groups)
        sums = channel_groups(np.abs(self.ring).sum(axis=spatial), spec.groups)
        largest = np.einsum("ngi,goi->ngo", norms, sums).max(initial=0.0)
        factor = spec.in_channels // spec.groups + 8 * (math.log2(math.prod(self.input_size)) + 1)
        return float(factor * 2.0**-52 * largest)

    def _read(self, x: object) -> tuple[Array, tuple[int, ...], np.dtype[Any]]:
        image = as_array("x", x)
        batch, size = self.spec.split_shape(image.shape)
        if size != self.input_size:
            raise ConvShapeError(f"x has size {size}, the transfer function {self.input_size}.", "Call circular_as_fft with x's size.")
        return image, batch, common_dtype(x=image, weight=np.empty(0, self.dtype))


def circular_as_fft(spec: ConvSpec | str, weight: object, bias: object, input_size: int | Sequence[int]) -> CircularFFT:
    """A convolution with circular padding as a product of discrete Fourier transforms.

    Parameters
    ----------
    spec : ConvSpec or str
        Not transposed, ``padding_mode="circular"`` (or no padding: windows inside the input never wrap). Any stride, dilation, groups.
    weight : array of ``spec.weight_shape``
    bias : array (out,) or None
    input_size : int or tuple of int
        Spatial, at least 1.

    Returns
    -------
    CircularFFT
        Called on integers, it rounds to the exact result or refuses; on other numbers each |error| is at most its `error_bound`.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError

    Notes
    -----
    On a ring of n cells, ``y[o] = sum over k of w[k] * x[(o + k) mod n]`` has the spectrum ``Y[f] = conj(fft(conj(w)))[f] * X[f]``: the
    correlation theorem. A stride keeps every stride-th of these y. Oppenheim & Schafer, "Discrete-Time Signal Processing", 3rd ed.
    2010, §8.6.5.

    Examples
    --------
    >>> spec = ConvSpec(1, 1, 3, padding=1, padding_mode="circular", bias=False, ndim=1)
    >>> fft = circular_as_fft(spec, np.array([[[1, 2, 3]]]), None, 4)
    >>> fft.ring[0, 0], fft(np.array([[1, 10, 100, 1000]]))
    (array([2, 3, 0, 1]), array([[1032,  321, 3210, 2103]]))
    """
    from scipy.fft import fftn

    spec, kernel, offset = read(spec, weight, bias)
    if spec.transposed:
        raise ConvSpecError(f"{spec} is transposed.", "Give the convolution that it is the adjoint of: spec.adjoint().input_grad.")
    size = spec.checked_size("input_size", input_size)
    if 0 in size:
        raise ConvShapeError(f"input_size={size} has an empty axis: there is no ring.", "Give at least one cell along each axis.")
    spec.output_size(size)
    sides = spec.sides(size)
    if spec.padding_mode != "circular" and any(max(pair) > 0 for pair in sides):
        raise ConvSpecError(
            f"padding_mode={spec.padding_mode!r} with padding {sides} does not wrap around.",
            "Use padding_mode='circular', or pad the input by numpy.pad first and use padding 0.",
        )
    check_entries("the transfer function", math.prod(kernel.shape[:2]) * math.prod(size), f"{kernel.shape[:2]} channels * {size}")
    values = reversed_kernel(kernel) if spec.flip else kernel
    dtype = common_dtype(weight=kernel)
    # Output 0 alone tells where each tap lies on the ring.
    lists = [meetings(axis, 1, n, before, "circular") for axis, n, (before, _) in zip(spec.axes, size, sides, strict=True)]
    ring = new_array("the ring", (*kernel.shape[:2], *size), working_dtype(dtype), zeros=True)
    np.add.at(ring, trailing(np.ix_(*(cell for _, _, cell in lists))), values.astype(ring.dtype))
    wide = ring.astype(np.complex128)
    transfer = fftn(wide.conj(), axes=tuple(range(2, ring.ndim))).conj()
    return CircularFFT(spec, size, ring, transfer, offset, common_dtype(weight=kernel, bias=offset))
