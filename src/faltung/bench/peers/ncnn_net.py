"""ncnn: a net of the one layer, read from its own file format."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from faltung.bench.peers.peer import Array, Arrays, Prepared, fastest, flipped, has_zero_padding, library
from faltung.bench.workloads import Workload
from faltung.spec import ConvSpec

__all__ = ["NcnnPeer"]

MAGIC = "7767517"
RAW_FLOAT32 = b"\0\0\0\0"
"""The flag before weights that are stored as they are."""


class NcnnPeer:
    """One net, run once for each sample; its tensors plain or with channels packed in vectors."""

    name = "ncnn"
    idea = "ncnn on a net of the one layer in float32, the faster of its layouts (plain, channels packed), one sample at a time"
    package = "ncnn"
    distribution = "ncnn"

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if workload.direction != "forward":
            return "ncnn has no gradients"
        if workload.dtype != "float32":
            return f"ncnn has no {workload.dtype}"
        if spec.ndim > 3:
            return "more than 3 axes"
        if not has_zero_padding(spec, workload.input_size):
            return "the net of one layer pads with zeros"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed."""
        ncnn = library("ncnn", self.distribution)
        net = _net(ncnn, workload, arrays, threads)
        candidates: dict[str, Callable[[], Prepared]] = {"plain": lambda: _plain(ncnn, net, arrays.x)}
        pack = next((count for count in (16, 8, 4) if workload.spec.in_channels % count == 0), 1)
        if pack > 1:
            candidates["packed"] = lambda: _packed(ncnn, net, arrays.x, pack)
        return fastest(candidates)


def _plain(ncnn: Any, net: Any, x: Array) -> Prepared:
    samples = [ncnn.Mat(np.ascontiguousarray(sample)) for sample in x]
    return Prepared(
        lambda: [_run(net, sample, 0) for sample in samples], lambda results: np.stack([np.array(result) for result in results])
    )


def _packed(ncnn: Any, net: Any, x: Array, pack: int) -> Prepared:
    samples = []
    for sample in x:
        packed = ncnn.Mat()
        ncnn.convert_packing(ncnn.Mat(np.ascontiguousarray(sample)), packed, pack, net.opt)
        samples.append(packed)

    def unpacked(result: Any) -> Array:
        plain = ncnn.Mat()
        ncnn.convert_packing(result, plain, 1, net.opt)
        return np.array(plain)

    return Prepared(
        lambda: [_run(net, sample, 1) for sample in samples], lambda results: np.stack([unpacked(result) for result in results])
    )


def _run(net: Any, sample: Any, keep_layout: int) -> Any:
    extractor = net.create_extractor()
    extractor.input("x", sample)
    status, result = extractor.extract("y", keep_layout)
    if status != 0:
        raise RuntimeError(f"ncnn returned status {status}")
    return result


def _net(ncnn: Any, workload: Workload, arrays: Arrays, threads: int) -> Any:
    spec = workload.spec
    net = ncnn.Net()
    options = net.opt
    options.num_threads = threads
    options.use_vulkan_compute = False
    for name in dir(options):
        if name.startswith(("use_fp16", "use_bf16", "use_int8")):
            setattr(options, name, False)
    net.opt = options
    weight = _weight(spec, arrays)
    numbers = " ".join(f"{key}={value}" for key, value in _parameters(spec, workload.input_size, weight.size).items())
    bias = b"" if arrays.bias is None else arrays.bias.tobytes()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "layer.bin"
        model.write_bytes(RAW_FLOAT32 + weight.tobytes() + bias)
        if net.load_param_mem(f"{MAGIC}\n2 2\nInput in 0 1 x\n{_layer_type(spec)} layer 1 1 x y {numbers}\n") != 0:
            raise RuntimeError("ncnn has no such layer")
        net.load_model(str(model))
    return net


def _layer_type(spec: ConvSpec) -> str:
    axes = {1: "1D", 2: "", 3: "3D"}[spec.ndim]
    return f"{'Deconvolution' if spec.transposed else 'Convolution'}{'DepthWise' if spec.groups > 1 else ''}{axes}"


def _weight(spec: ConvSpec, arrays: Arrays) -> Array:
    """Output channels first in every group; transposed layers have them second elsewhere."""
    weight = flipped(spec, arrays.weight)
    if spec.transposed:
        per_group = weight.reshape(spec.groups, -1, *weight.shape[1:])
        weight = np.ascontiguousarray(per_group.swapaxes(1, 2))
    return weight


def _parameters(spec: ConvSpec, size: tuple[int, ...], weight_size: int) -> dict[int, int]:
    """The numbered parameters of ncnn's convolution layers; axes count from the last one."""
    sides = spec.sides(size)
    found = {0: spec.out_channels, 5: int(spec.bias), 6: weight_size}
    if spec.groups > 1:
        found[7] = spec.groups
    places = ((1, 2, 3, 4, 15, 18), (11, 12, 13, 14, 16, 19), (21, 22, 23, 24, 17, 20))
    for axis, (kernel, dilation, stride, before, after, extra) in zip(range(spec.ndim - 1, -1, -1), places, strict=False):
        found[kernel], found[dilation], found[stride] = spec.kernel_size[axis], spec.dilation[axis], spec.stride[axis]
        found[before], found[after] = sides[axis]
        if spec.transposed:
            found[extra] = spec.output_padding[axis]
    return found
