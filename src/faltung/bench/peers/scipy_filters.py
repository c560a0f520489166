"""SciPy: the filter, the direct sum or the FFT, whichever is fastest, on arrays without a channel sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from faltung.bench import memory
from faltung.bench.peers.peer import Array, Arrays, Prepared, fastest, flipped, has_even_sides, has_zero_padding, library
from faltung.bench.workloads import Workload
from faltung.spec import ConvSpec

__all__ = ["ScipyPeer"]

DIRECT_TAPS = 1024
"""Taps above which a direct sum is not tried: the FFT wins far below."""


class ScipyPeer:
    """SciPy where no sum over channels is asked: one channel in and out, or depthwise."""

    name = "scipy"
    idea = "the fastest of scipy.ndimage.correlate, scipy.signal.correlate, fftconvolve and oaconvolve that fits"
    package = "scipy"
    distribution = "scipy"

    _borders = {"circular": "wrap", "reflect": "mirror", "replicate": "nearest", "symmetric": "reflect", "zeros": "constant"}  # noqa: RUF012

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if workload.dtype == "bfloat16":
            return "SciPy has no bfloat16"
        if workload.direction != "forward" or spec.transposed:
            return "SciPy has no such call"
        if not spec.groups == spec.in_channels == spec.out_channels:
            return "SciPy has no sum over channels"
        if any(step != 1 for step in (*spec.stride, *spec.dilation)):
            return "SciPy has neither stride nor dilation"
        if not has_zero_padding(spec, workload.input_size) and not _is_centred(spec, workload.input_size):
            return "SciPy pads other than with zeros by half an odd kernel only"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed; only the FFT uses more than one thread."""
        spec, size = workload.spec, workload.input_size
        weight = flipped(spec, arrays.weight)
        candidates: dict[str, Callable[[], Prepared]] = {}
        taps = weight[0, 0].size
        if has_zero_padding(spec, size):
            candidates["oaconvolve"] = lambda: self._by_fft("oaconvolve", spec, size, arrays, weight, threads)
            candidates["fftconvolve"] = lambda: self._by_fft("fftconvolve", spec, size, arrays, weight, threads)
        if _is_centred(spec, size) and (taps <= DIRECT_TAPS or not candidates):
            candidates["ndimage.correlate"] = lambda: self._by_ndimage(spec, arrays, weight)
        if spec.ndim == 1 and has_zero_padding(spec, size) and taps <= DIRECT_TAPS and not any(map(any, spec.sides(size))):
            candidates["correlate, direct"] = lambda: self._directly(arrays, weight)
        return fastest(candidates)

    def _by_fft(self, name: str, spec: ConvSpec, size: tuple[int, ...], arrays: Arrays, weight: Array, threads: int) -> Prepared:
        convolve = getattr(library("scipy.signal", "scipy"), name)
        set_workers = library("scipy.fft", "scipy").set_workers
        axes = tuple(range(2, 2 + spec.ndim))
        kernel = np.ascontiguousarray(np.flip(weight, axes).swapaxes(0, 1))
        sides = spec.sides(size)
        mode = "same" if _is_centred(spec, size) else "valid" if not any(map(any, sides)) else "full"
        # A full convolution begins kernel - 1 cells before the input; padding may reach further, into zeros.
        around = [(max(before - (k - 1), 0), max(after - (k - 1), 0)) for (before, after), k in zip(sides, spec.kernel_size, strict=True)]
        x = np.pad(arrays.x, [(0, 0), (0, 0), *around])
        kept = tuple(
            slice(max(k - 1 - before, 0), max(k - 1 - before, 0) + out) if mode == "full" else slice(None)
            for (before, _), k, out in zip(sides, spec.kernel_size, spec.output_size(size), strict=True)
        )
        bias = _bias_column(spec, arrays)

        def call() -> Any:
            with set_workers(threads):
                result = convolve(x, kernel, mode=mode, axes=axes)[(..., *kept)]
            return result if bias is None else result + bias

        return Prepared(call, np.asarray)

    def _by_ndimage(self, spec: ConvSpec, arrays: Arrays, weight: Array) -> Prepared:
        correlate = library("scipy.ndimage", "scipy").correlate
        border = self._borders[spec.padding_mode]
        bias = _bias_column(spec, arrays)
        result = memory.empty(arrays.x.shape, arrays.x.dtype)

        def call() -> Any:
            for sample in range(result.shape[0]):
                for channel in range(result.shape[1]):
                    correlate(arrays.x[sample, channel], weight[channel, 0], output=result[sample, channel], mode=border)
            return result if bias is None else result + bias

        return Prepared(call, np.asarray)

    @staticmethod
    def _directly(arrays: Arrays, weight: Array) -> Prepared:
        correlate = library("scipy.signal", "scipy").correlate
        if arrays.x.shape[:2] != (1, 1) or arrays.bias is not None:
            raise ValueError("one signal only")
        x, kernel = arrays.x[0, 0], weight[0, 0]
        return Prepared(lambda: correlate(x, kernel, mode="valid", method="direct"), lambda result: np.asarray(result)[None, None])


def _is_centred(spec: ConvSpec, size: tuple[int, ...]) -> bool:
    return spec.output_size(size) == size and has_even_sides(spec, size) and all(kernel % 2 for kernel in spec.kernel_size)


def _bias_column(spec: ConvSpec, arrays: Arrays) -> Array | None:
    return None if arrays.bias is None else arrays.bias.reshape(-1, *(1,) * spec.ndim)
