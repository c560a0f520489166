"""PyTorch: its functional call as people write it, and the best that oneDNN does beneath it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from faltung.bench.peers.peer import Array, Arrays, Prepared, fastest, flipped, has_plain_padding, library
from faltung.bench.workloads import Workload
from faltung.spec import ConvSpec

__all__ = ["TorchBestPeer", "TorchPeer"]


class TorchPeer:
    """PyTorch's own convolution, eager, without gradients recorded.

    Modes that its functional call lacks are padded first, as ``torch.nn.Conv2d`` itself does.
    """

    name = "torch"
    idea = "torch.nn.functional.conv2d and the like, as people call it"
    package = "torch"
    distribution = "torch"
    reads_channels_last = True

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if spec.ndim > 3:
            return "more than 3 axes"
        if spec.padding_mode == "symmetric":
            return "PyTorch has no symmetric padding"
        if (spec.transposed or workload.direction != "forward") and not has_plain_padding(spec, workload.input_size):
            return "PyTorch takes only symmetric zero padding here"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed."""
        torch = library("torch", "torch")
        torch.set_num_threads(threads)
        return _Layer(torch, workload, arrays).plain("contiguous" if workload.order == "channels first" else "channels-last")


class TorchBestPeer(TorchPeer):
    """The fastest of PyTorch's layouts, with weights packed beforehand as its compiler packs them."""

    name = "torch-best"
    idea = "the fastest of: that call, channels-last, oneDNN's prepacked weights (either layout), oneDNN's blocked tensors"

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed; input and weight are brought into its layout beforehand."""
        torch = library("torch", "torch")
        torch.set_num_threads(threads)
        layer = _Layer(torch, workload, arrays)
        candidates: dict[str, Callable[[], Prepared]] = {"contiguous": lambda: layer.plain("contiguous")}
        if workload.order == "channels last":  # as the input lies
            candidates = {"channels-last": lambda: layer.plain("channels-last")}
            if workload.direction == "forward" and workload.dtype == "float32":
                candidates["prepacked channels-last"] = lambda: layer.prepacked("channels-last")
            return fastest(candidates)
        if workload.spec.ndim > 1:
            candidates["channels-last"] = lambda: layer.plain("channels-last")
        if workload.direction == "forward" and workload.dtype in ("float32", "bfloat16"):
            candidates["prepacked"] = lambda: layer.prepacked("contiguous")
            if workload.spec.ndim > 1:
                candidates["prepacked channels-last"] = lambda: layer.prepacked("channels-last")
            candidates["blocked"] = lambda: layer.prepacked("blocked")
        return fastest(candidates)


class _Layer:
    """One workload's tensors, and the calls that PyTorch has for it."""

    def __init__(self, torch: Any, workload: Workload, arrays: Arrays) -> None:
        self.torch = torch
        self.workload = workload
        self.spec = workload.spec
        self.arrays = arrays
        self.sides = self.spec.sides(workload.input_size)
        self.before = [side for side, _ in self.sides]
        self.is_plain = has_plain_padding(self.spec, workload.input_size)

    def plain(self, layout: str) -> Prepared:
        """The functional call, or the operation behind autograd's."""
        x, grad = self._tensor(self.arrays.x, layout), self._tensor(self.arrays.grad, layout)
        weight, bias = self._tensor(flipped(self.spec, self.arrays.weight), layout), self._tensor(self.arrays.bias, layout)
        call = self._forward(x, weight, bias) if self.workload.direction == "forward" else self._gradient(x, weight, grad)
        return self._prepared(call)

    def prepacked(self, layout: str) -> Prepared:
        """The operation of oneDNN on weights in its own layout, which is what PyTorch's compiler emits."""
        spec, ops = self.spec, self.torch.ops.mkldnn
        x = self._tensor(self.arrays.x, layout)
        weight, bias = self._tensor(flipped(spec, self.arrays.weight), "contiguous"), self._tensor(self.arrays.bias, "contiguous")
        stride, dilation = list(spec.stride), list(spec.dilation)
        pad = self._pad()
        before = self.before if self.is_plain else [0] * spec.ndim
        size = list(pad(x).shape) if layout != "blocked" else list(self.workload.input_shape)
        if spec.transposed:
            extra = list(spec.output_padding)
            packed = ops._reorder_convolution_transpose_weight(weight, before, extra, stride, dilation, spec.groups, size)
            with_packed = ops._convolution_transpose_pointwise
            return self._prepared(
                lambda: with_packed(x, packed, bias, before, extra, stride, dilation, spec.groups, "none", [], ""), packs=True
            )
        packed = ops._reorder_convolution_weight(weight, before, stride, dilation, spec.groups, size)
        if layout == "blocked":
            conv = getattr(self.torch.nn.functional, f"conv{spec.ndim}d")
            return self._prepared(lambda: conv(pad(x), packed, bias, stride, before, dilation, spec.groups))
        pointwise = ops._convolution_pointwise
        return self._prepared(lambda: pointwise(pad(x), packed, bias, before, stride, dilation, spec.groups, "none", [], ""), packs=True)

    def _tensor(self, array: Array | None, layout: str) -> Any:
        if array is None:
            return None
        tensor = self._of_numpy(np.ascontiguousarray(array))
        if tensor.ndim == self.spec.ndim + 2:
            if layout == "channels-last":
                return tensor.contiguous(memory_format=self.torch.channels_last if self.spec.ndim == 2 else self.torch.channels_last_3d)
            if layout == "blocked":
                return tensor.to_mkldnn()
        return tensor

    def _of_numpy(self, array: Array) -> Any:
        if array.dtype.name == "bfloat16":  # by its bits
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(array)

    def _pad(self) -> Callable[[Any], Any]:
        """What goes before the convolution: nothing where the convolution pads."""
        if self.is_plain:
            return lambda x: x
        pad = self.torch.nn.functional.pad
        mode = {"zeros": "constant"}.get(self.spec.padding_mode, self.spec.padding_mode)
        around = [cells for pair in reversed(self.sides) for cells in pair]
        return lambda x: pad(x, around, mode)

    def _forward(self, x: Any, weight: Any, bias: Any) -> Callable[[], Any]:
        functional, spec = self.torch.nn.functional, self.spec
        stride, dilation, groups = spec.stride, spec.dilation, spec.groups
        if spec.transposed:
            transposed = getattr(functional, f"conv_transpose{spec.ndim}d")
            return lambda: transposed(x, weight, bias, stride, self.before, spec.output_padding, groups, dilation)
        conv = getattr(functional, f"conv{spec.ndim}d")
        if self.is_plain:
            return lambda: conv(x, weight, bias, stride, self.before, dilation, groups)
        pad = self._pad()
        return lambda: conv(pad(x), weight, bias, stride, 0, dilation, groups)

    def _gradient(self, x: Any, weight: Any, grad: Any) -> Callable[[], Any]:
        spec: ConvSpec = self.spec
        wants_input = self.workload.direction == "input gradient"
        backward = self.torch.ops.aten.convolution_backward
        geometry = (list(spec.stride), self.before, list(spec.dilation), spec.transposed, list(spec.output_padding), spec.groups)
        mask = [wants_input, not wants_input, False]
        return lambda: backward(grad, x, weight, None, *geometry, mask)[0 if wants_input else 1]

    def _prepared(self, call: Callable[[], Any], *, packs: bool = False) -> Prepared:
        """Without gradients recorded; packed weights are no inference tensors, so they need ``no_grad``."""
        guard = self.torch.no_grad if packs else self.torch.inference_mode

        def run() -> Any:
            with guard():
                return call()

        def as_numpy(result: Any) -> Array:
            dense = (result.to_dense() if result.is_mkldnn else result).detach()
            return np.asarray(dense.float() if dense.dtype is self.torch.bfloat16 else dense)

        return Prepared(run, as_numpy)
