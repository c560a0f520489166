"""ONNX Runtime: a model of the one layer, weights constant, arrays bound beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from faltung.bench import memory
from faltung.bench.peers.peer import Arrays, Prepared, fastest, flipped, has_zero_padding, library
from faltung.bench.workloads import Workload

__all__ = ["OnnxRuntimePeer"]

OPSET = 19
"""The first whose Pad knows the circular mode."""

FORMAT = 9
"""The version of the file format that goes with it."""


class OnnxRuntimePeer:
    """A one-node Conv or ConvTranspose model; a Pad before it for the modes that Conv lacks."""

    name = "onnxruntime"
    idea = "ONNX Runtime on a model of the one layer, constant weights, bound arrays, the faster of its layouts (NCHW, blocked)"
    package = "onnxruntime"
    distribution = "onnxruntime"

    _modes = {"circular": "wrap", "reflect": "reflect", "replicate": "edge", "zeros": "constant"}  # noqa: RUF012

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if workload.direction != "forward":
            return "ONNX Runtime's inference package has no gradients"
        if workload.dtype != "float32":
            return f"ONNX Runtime's processor kernel has no {workload.dtype}"
        if spec.ndim > 3:
            return "more than 3 axes"
        if not has_zero_padding(spec, workload.input_size) and (spec.padding_mode not in self._modes or spec.transposed):
            return f"ONNX has no {spec.padding_mode} padding"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed; it writes into one output array."""
        runtime = library("onnxruntime", self.distribution)
        model = self._model(workload, arrays)
        levels = runtime.GraphOptimizationLevel
        candidates: dict[str, Callable[[], Prepared]] = {
            "NCHW": lambda: _session(runtime, model, levels.ORT_ENABLE_EXTENDED, workload, arrays, threads),
            "blocked": lambda: _session(runtime, model, levels.ORT_ENABLE_ALL, workload, arrays, threads),
        }
        return fastest(candidates)

    def _model(self, workload: Workload, arrays: Arrays) -> bytes:
        onnx = library("onnx", "onnx")
        helper, as_tensor = onnx.helper, onnx.numpy_helper.from_array
        spec, size = workload.spec, workload.input_size
        sides = spec.sides(size)
        around = [before for before, _ in sides] + [after for _, after in sides]
        weights = [as_tensor(flipped(spec, arrays.weight), "weight")]
        nodes, inputs = [], ["x", "weight"]
        if not has_zero_padding(spec, size):
            pads = [0, 0, *around[: spec.ndim], 0, 0, *around[spec.ndim :]]
            weights.append(as_tensor(np.array(pads, np.int64), "pads"))
            nodes.append(helper.make_node("Pad", ["x", "pads"], ["padded"], mode=self._modes[spec.padding_mode]))
            inputs[0], around = "padded", [0] * 2 * spec.ndim
        if arrays.bias is not None:
            weights.append(as_tensor(arrays.bias, "bias"))
            inputs.append("bias")
        geometry: dict[str, Any] = {
            "kernel_shape": spec.kernel_size, "strides": spec.stride, "dilations": spec.dilation, "pads": around, "group": spec.groups
        }  # fmt: skip
        if spec.transposed:
            geometry["output_padding"] = spec.output_padding
        nodes.append(helper.make_node("ConvTranspose" if spec.transposed else "Conv", inputs, ["y"], **geometry))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(workload.dtype))
        graph = helper.make_graph(
            nodes,
            "layer",
            [helper.make_tensor_value_info("x", kind, workload.input_shape)],
            [helper.make_tensor_value_info("y", kind, workload.output_shape)],
            weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)
        serialized: bytes = model.SerializeToString()
        return serialized


def _session(runtime: Any, model: bytes, level: Any, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = level
    options.log_severity_level = 3
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("x", arrays.x)
    result = runtime.OrtValue.ortvalue_from_numpy(memory.empty(workload.output_shape, workload.dtype))
    binding.bind_ortvalue_output("y", result)

    def call() -> Any:
        session.run_with_iobinding(binding)
        return result

    return Prepared(call, lambda value: np.array(value.numpy()))
