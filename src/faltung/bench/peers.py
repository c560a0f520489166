"""Other libraries doing the same work, as people call them and at their best.

A peer says whether it is installed, whether it can do a workload, and prepares a callable for it; what it
prepares (layout changes of weight and input) is not timed. Libraries are imported when a peer is asked.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faltung.bench.workloads import Workload
from faltung.errors import ConvError, one_of
from faltung.spec import ConvSpec

__all__ = ["PEERS", "Arrays", "Peer", "Prepared", "chosen_peers", "version_of"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Arrays:
    """The data of a workload: input, weight, bias, and the output's gradient where the direction needs one."""

    x: Array
    weight: Array
    bias: Array | None
    grad: Array | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call ready to be timed, and what turns its result into a NumPy array."""

    call: Callable[[], Any]
    as_numpy: Callable[[Any], Array]


class Peer(Protocol):
    """Another way of computing a convolution."""

    name: str
    idea: str
    package: str

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed, with everything done that a user would do once."""


class TorchPeer:
    """PyTorch's own convolution, eager, without gradients recorded.

    Modes that its functional call lacks are padded first, as ``torch.nn.Conv2d`` itself does.
    """

    package = "torch"

    def __init__(self, name: str, idea: str, *, channels_last: bool) -> None:
        self.name = name
        self.idea = idea
        self.channels_last = channels_last

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if spec.ndim > 3:
            return "more than 3 axes"
        if self.channels_last and spec.ndim == 1:
            return "PyTorch has no channels-last layout for one axis"
        if spec.padding_mode == "symmetric":
            return "PyTorch has no symmetric padding"
        if (spec.transposed or workload.direction != "forward") and not _plain_padding(spec, workload.input_size):
            return "PyTorch takes only symmetric zero padding here"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed; in channels-last, input and weight are brought there beforehand."""
        torch = importlib.import_module("torch")
        torch.set_num_threads(threads)
        spec = workload.spec
        x, weight, bias, grad = (self._tensor(torch, spec, array) for array in (arrays.x, arrays.weight, arrays.bias, arrays.grad))
        if spec.flip:
            weight = weight.flip(tuple(range(2, 2 + spec.ndim)))
        if workload.direction == "forward":
            call = self._forward(torch, spec, workload.input_size, x, weight, bias)
        else:
            call = self._gradient(torch, workload, x, weight, grad)
        return Prepared(_without_gradients(torch, call), lambda result: np.asarray(result.detach()))

    def _tensor(self, torch: Any, spec: ConvSpec, array: Array | None) -> Any:
        if array is None:
            return None
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.channels_last and tensor.ndim == spec.ndim + 2:
            layout = torch.channels_last if spec.ndim == 2 else torch.channels_last_3d
            tensor = tensor.contiguous(memory_format=layout)
        return tensor

    def _forward(self, torch: Any, spec: ConvSpec, size: tuple[int, ...], x: Any, weight: Any, bias: Any) -> Callable[[], Any]:
        functional = torch.nn.functional
        stride, dilation, groups = spec.stride, spec.dilation, spec.groups
        sides = spec.sides(size)
        before = tuple(side for side, _ in sides)
        if spec.transposed:
            transposed = getattr(functional, f"conv_transpose{spec.ndim}d")
            return lambda: transposed(x, weight, bias, stride, before, spec.output_padding, groups, dilation)
        conv = getattr(functional, f"conv{spec.ndim}d")
        if _plain_padding(spec, size):
            return lambda: conv(x, weight, bias, stride, before, dilation, groups)
        mode = {"zeros": "constant"}.get(spec.padding_mode, spec.padding_mode)
        around = [cells for pair in reversed(sides) for cells in pair]
        return lambda: conv(functional.pad(x, around, mode), weight, bias, stride, 0, dilation, groups)

    @staticmethod
    def _gradient(torch: Any, workload: Workload, x: Any, weight: Any, grad: Any) -> Callable[[], Any]:
        spec = workload.spec
        before = [side for side, _ in spec.sides(workload.input_size)]
        wants_input = workload.direction == "input gradient"
        backward = torch.ops.aten.convolution_backward
        geometry = (list(spec.stride), before, list(spec.dilation), spec.transposed, list(spec.output_padding), spec.groups)
        mask = [wants_input, not wants_input, False]
        return lambda: backward(grad, x, weight, None, *geometry, mask)[0 if wants_input else 1]


class ScipyPeer:
    """SciPy on a single-channel array: ``signal.correlate``, and ``ndimage.correlate`` for the borders it lacks."""

    name = "scipy"
    idea = "scipy.signal.correlate (direct or FFT, as it chooses) or scipy.ndimage.correlate"
    package = "scipy"

    _borders = {"circular": "wrap", "reflect": "mirror", "replicate": "nearest", "symmetric": "reflect"}  # noqa: RUF012

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if workload.direction != "forward" or spec.transposed:
            return "SciPy has no such call"
        if (workload.input_shape[0], spec.in_channels, spec.out_channels) != (1, 1, 1) or spec.bias:
            return "SciPy has no channels"
        if any(step != 1 for step in (*spec.stride, *spec.dilation)) or any(kernel % 2 == 0 for kernel in spec.kernel_size):
            return "SciPy has neither stride nor dilation, and centres odd kernels only"
        if spec.output_size(workload.input_size) != workload.input_size or not _even_sides(spec, workload.input_size):
            return "SciPy pads by half the kernel"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:  # noqa: ARG002
        """The call to be timed; SciPy uses one thread."""
        spec = workload.spec
        x = arrays.x[0, 0]
        kernel = arrays.weight[0, 0]
        if spec.flip:
            kernel = kernel[(slice(None, None, -1),) * spec.ndim].copy()
        call: Callable[[], Any]
        if spec.padding_mode == "zeros":
            correlate = importlib.import_module("scipy.signal").correlate
            call = lambda: correlate(x, kernel, mode="same", method="auto")  # noqa: E731
        else:
            filtered = importlib.import_module("scipy.ndimage").correlate
            border = self._borders[spec.padding_mode]
            call = lambda: filtered(x, kernel, mode=border)  # noqa: E731
        return Prepared(call, lambda result: np.asarray(result)[None, None])


def _even_sides(spec: ConvSpec, size: tuple[int, ...]) -> bool:
    return all(before == after for before, after in spec.sides(size))


def _plain_padding(spec: ConvSpec, size: tuple[int, ...]) -> bool:
    """Whether the padding is the same number of zeros on both sides."""
    padded = any(cells for pair in spec.sides(size) for cells in pair)
    return (spec.padding_mode == "zeros" or not padded) and all(before == after >= 0 for before, after in spec.sides(size))


def _without_gradients(torch: Any, call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with torch.inference_mode():
            return call()

    return run


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        TorchPeer("torch", "torch.nn.functional.conv2d and the like, as people call it", channels_last=False),
        TorchPeer("torch-cl", "the same with input and weight in channels-last layout, PyTorch's fastest", channels_last=True),
        ScipyPeer(),
    )
}


def chosen_peers(names: str | None) -> tuple[Peer, ...]:
    """The peers in a comma-separated list; without one, all that are installed.

    Raises
    ------
    ConvError
        A name is unknown, or its package is not installed.

    >>> [peer.name for peer in chosen_peers("scipy")], chosen_peers("none")
    (['scipy'], ())
    """
    if names is None:
        return tuple(peer for peer in PEERS.values() if _is_installed(peer))
    if names.strip() in ("", "none"):
        return ()
    chosen = {}
    for name in names.split(","):
        peer = PEERS[one_of("peer", name.strip(), [*PEERS, "none"], ConvError)]
        if not _is_installed(peer):
            raise ConvError(
                f"peer {peer.name!r} needs {peer.package}, which is not installed.", f"Run pip install {peer.package}, or leave it out."
            )
        chosen[peer.name] = peer
    return tuple(chosen.values())


def _is_installed(peer: Peer) -> bool:
    return importlib.util.find_spec(peer.package) is not None


def version_of(package: str) -> str:
    """The installed version of `package`."""
    return importlib.metadata.version(package)
