"""`correlate` and `convolve`: plain arrays without batch or channels, as in signal and image processing."""

from __future__ import annotations

from faltung.engine.arrays import Array, as_array, element_types_of
from faltung.engine.run import run_conv
from faltung.errors import ConvShapeError, ConvSpecError, one_of
from faltung.functional.convolution import spec_of
from faltung.spec import ConvSpec

__all__ = ["convolve", "correlate", "plain_spec"]

_MODES = {"valid": "valid", "same": "same_lower", "full": "full"}
"""The modes as padding rules; scipy.signal centres "same" with the larger half before."""


def correlate(x: object, kernel: object, mode: str = "valid", boundary: str = "zeros") -> Array:
    """Cross-correlate two plain arrays: no batch, no channels.

    Parameters
    ----------
    x, kernel : array
        Of the same number of axes; the kernel no larger than x where `mode` is "valid". A complex kernel is
        conjugated, as in ``scipy.signal.correlate``.
    mode : {"valid", "same", "full"}
        Windows inside x; as many outputs as inputs, centred as in SciPy; every overlap.
    boundary : str
        What stands outside x: a `ConvSpec.padding_mode`.

    Returns
    -------
    array

    Raises
    ------
    ConvShapeError, ConvSpecError, ConvTypeError

    Examples
    --------
    >>> correlate([1, 2, 3], [0, 1, 10], mode="full")
    array([10, 21, 32,  3,  0])
    """
    return _correlate(x, kernel, mode, boundary, flip=False)


def convolve(x: object, kernel: object, mode: str = "valid", boundary: str = "zeros") -> Array:
    """Convolve two plain arrays: `correlate` with the kernel reversed along every axis, never conjugated.

    Parameters and errors as in `correlate`.

    Examples
    --------
    >>> convolve([1, 2, 3], [0, 1, 10], mode="full")
    array([ 0,  1, 12, 23, 30])
    """
    return _correlate(x, kernel, mode, boundary, flip=True)


def _correlate(x: object, kernel: object, mode: str, boundary: str, *, flip: bool) -> Array:
    signal, taps = as_array("x", x), as_array("kernel", kernel)
    types = element_types_of(x=signal, kernel=taps)
    spec = plain_spec(signal.shape, taps.shape, mode, boundary, flip=flip)
    weight = taps if flip or not types.is_complex else taps.conj()
    one_channel = run_conv(spec, signal[None], weight[None, None], None)
    return one_channel.reshape(one_channel.shape[1:])


def plain_spec(shape: tuple[int, ...], kernel_shape: tuple[int, ...], mode: str, boundary: str, *, flip: bool) -> ConvSpec:
    """The spec by which an array of one channel meets a kernel of as many axes."""
    one_of("mode", mode, _MODES, ConvSpecError)
    if len(shape) != len(kernel_shape) or not shape:
        raise ConvShapeError(
            f"x has shape {shape} and kernel {kernel_shape}: {len(shape)} and {len(kernel_shape)} axes.",
            "Both need the same number of axes, at least 1; add axes of size 1 to the kernel.",
        )
    if 0 in kernel_shape:
        raise ConvShapeError(
            f"kernel has shape {kernel_shape}: an axis of size 0 leaves nothing to sum.", "Give at least one tap per axis."
        )
    return spec_of(
        in_channels=1, out_channels=1, kernel_size=kernel_shape, padding=_MODES[mode], padding_mode=boundary, flip=flip, bias=False
    )
