"""OpenVINO: a model of the one layer, compiled for the processor."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung.bench.peers.peer import Arrays, Prepared, flipped, has_zero_padding, library
from faltung.bench.workloads import Workload
from faltung.spec import ConvSpec

__all__ = ["OpenvinoPeer"]


class OpenvinoPeer:
    """A compiled one-layer model in float32, one stream, arrays bound beforehand."""

    name = "openvino"
    idea = "OpenVINO on a model of the one layer, compiled for latency in float32, constant weights, bound arrays"
    package = "openvino"
    distribution = "openvino"

    _modes = {"reflect": "reflect", "replicate": "edge", "symmetric": "symmetric"}  # noqa: RUF012

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if workload.direction != "forward":
            return "OpenVINO has no gradients"
        if workload.dtype != "float32":
            return f"OpenVINO's processor kernels have no {workload.dtype}"
        if spec.ndim > 3:
            return "more than 3 axes"
        if not has_zero_padding(spec, workload.input_size) and (spec.padding_mode not in self._modes or spec.transposed):
            return f"OpenVINO has no {spec.padding_mode} padding"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed; it writes into one output array."""
        openvino = library("openvino", self.distribution)
        model = self._model(openvino, library("openvino.opset13", self.distribution), workload, arrays)
        settings = {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": "1", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"
        }  # fmt: skip
        request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
        request.set_input_tensor(openvino.Tensor(arrays.x, shared_memory=True))
        result = request.get_output_tensor()

        def call() -> Any:
            # The plain `infer` builds a dictionary of results at every call.
            request.start_async()
            request.wait()
            return result

        return Prepared(call, lambda tensor: np.array(tensor.data))

    def _model(self, openvino: Any, ops: Any, workload: Workload, arrays: Arrays) -> Any:
        spec, size = workload.spec, workload.input_size
        x = ops.parameter(list(workload.input_shape), openvino.Type.f32)
        sides = spec.sides(size)
        before, after = ([pair[at] for pair in sides] for at in (0, 1))
        padded = x
        if not has_zero_padding(spec, size):
            padded = ops.pad(x, [0, 0, *before], [0, 0, *after], self._modes[spec.padding_mode])
            before = after = [0] * spec.ndim
        result = _layer(ops, spec, padded, ops.constant(_weight(spec, arrays)), before, after)
        if arrays.bias is not None:
            result = ops.add(result, ops.constant(arrays.bias.reshape(1, -1, *(1,) * spec.ndim)))
        return openvino.Model([result], [x], "layer")


def _weight(spec: ConvSpec, arrays: Arrays) -> Any:
    """With an axis for the groups in front, where there are any."""
    weight = flipped(spec, arrays.weight)
    return weight if spec.groups == 1 else weight.reshape(spec.groups, -1, *weight.shape[1:])


def _layer(ops: Any, spec: ConvSpec, x: Any, weight: Any, before: list[int], after: list[int]) -> Any:
    stride, dilation = list(spec.stride), list(spec.dilation)
    if spec.transposed:
        transposed = ops.convolution_backprop_data if spec.groups == 1 else ops.group_convolution_backprop_data
        return transposed(
            x, weight, stride, pads_begin=before, pads_end=after, dilations=dilation, output_padding=list(spec.output_padding)
        )
    convolution = ops.convolution if spec.groups == 1 else ops.group_convolution
    return convolution(x, weight, stride, before, after, dilation)
