"""OpenCV: image filters on one picture of a few channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from faltung.bench import memory
from faltung.bench.peers.peer import Array, Arrays, Prepared, fastest, flipped, has_even_sides, library
from faltung.bench.workloads import Workload

__all__ = ["OpencvPeer"]


class OpencvPeer:
    """``filter2D`` on each channel, and ``sepFilter2D`` where the kernel is an outer product."""

    name = "opencv"
    idea = "cv2.filter2D, for kernels that are outer products the faster of it and cv2.sepFilter2D"
    package = "cv2"
    distribution = "opencv-python-headless"

    _borders = {  # noqa: RUF012
        "zeros": "BORDER_CONSTANT",
        "reflect": "BORDER_REFLECT_101",
        "replicate": "BORDER_REPLICATE",
        "symmetric": "BORDER_REFLECT",
    }

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if workload.direction != "forward" or spec.transposed or spec.ndim != 2:
            return "OpenCV filters images"
        if not spec.groups == spec.in_channels == spec.out_channels <= 4 or workload.input_shape[0] != 1 or spec.bias:
            return "OpenCV filters the channels of one image, each by itself"
        if any(step != 1 for step in (*spec.stride, *spec.dilation)):
            return "OpenCV has neither stride nor dilation"
        size = workload.input_size
        if spec.output_size(size) != size or not has_even_sides(spec, size) or any(kernel % 2 == 0 for kernel in spec.kernel_size):
            return "OpenCV pads by half the kernel"
        if spec.padding_mode not in self._borders:
            return f"OpenCV's filters have no {spec.padding_mode} border"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed, on channels that lie each by itself."""
        cv2 = library("cv2", self.distribution)
        cv2.setNumThreads(threads)
        spec = workload.spec
        border = getattr(cv2, self._borders[spec.padding_mode])
        planes = [memory.aligned(plane) for plane in arrays.x[0]]
        kernels = [kernel[0] for kernel in flipped(spec, arrays.weight)]
        candidates: dict[str, Callable[[], Prepared]] = {
            "filter2D": lambda: _each(cv2.filter2D, planes, [(kernel,) for kernel in kernels], border)
        }
        if workload.weights == "separable":
            vectors = [_vectors(kernel) for kernel in kernels]
            candidates["sepFilter2D"] = lambda: _each(cv2.sepFilter2D, planes, vectors, border)
        return fastest(candidates)


def _each(run: Any, planes: list[Array], kernels: Sequence[tuple[Array, ...]], border: int) -> Prepared:
    turns = [(plane, kernel, memory.empty(plane.shape, plane.dtype)) for plane, kernel in zip(planes, kernels, strict=True)]
    return Prepared(
        lambda: [run(plane, -1, *kernel, dst=into, borderType=border) for plane, kernel, into in turns],
        lambda result: np.stack(result)[None],
    )


def _vectors(kernel: Array) -> tuple[Array, Array]:
    """Row and column whose outer product the kernel is: through its largest entry."""
    row, column = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    return kernel[row].copy(), kernel[:, column] / kernel[row, column]
