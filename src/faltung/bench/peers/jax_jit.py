"""JAX: the compiled function on the processor."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from faltung.bench.peers.peer import Arrays, Prepared, flipped, has_zero_padding, library
from faltung.bench.workloads import Workload
from faltung.spec import ConvSpec

__all__ = ["JaxPeer"]


class JaxPeer:
    """``jax.lax.conv_general_dilated`` under ``jax.jit``; gradients by ``jax.vjp``."""

    name = "jax"
    idea = "jax.lax.conv_general_dilated under jax.jit, gradients by jax.vjp; one thread a processor, whatever is asked"
    package = "jax"
    distribution = "jax"

    _modes = {"circular": "wrap", "reflect": "reflect", "replicate": "edge", "symmetric": "symmetric"}  # noqa: RUF012

    def refusal(self, workload: Workload) -> str | None:
        """Why it cannot do the workload; None if it can."""
        spec = workload.spec
        if spec.transposed and spec.groups > 1:
            return "JAX has no grouped transposed convolution"
        if spec.transposed and not has_zero_padding(spec, workload.input_size):
            return "a transposed convolution in JAX knows zeros only"
        return None

    def prepare(self, workload: Workload, arrays: Arrays, threads: int) -> Prepared:
        """The call to be timed, compiled."""
        if threads != os.cpu_count():
            raise ValueError(f"JAX takes a thread for each of the {os.cpu_count()} processors, {threads} were asked for")
        jax = library("jax", self.distribution)
        with jax.enable_x64(True):
            cpu = jax.devices("cpu")[0]
            x, weight, bias, grad = (
                None if array is None else jax.device_put(array, cpu)
                for array in (arrays.x, flipped(workload.spec, arrays.weight), arrays.bias, arrays.grad)
            )
            forward = self._forward(jax, workload.spec, workload.input_size)
            if workload.direction == "forward":
                run, given = jax.jit(forward), (x, weight, bias)
            elif workload.direction == "input gradient":
                run = jax.jit(lambda x, weight, grad: jax.vjp(lambda x: forward(x, weight, None), x)[1](grad)[0])
                given = (x, weight, grad)
            else:
                run = jax.jit(lambda x, weight, grad: jax.vjp(lambda weight: forward(x, weight, None), weight)[1](grad)[0])
                given = (x, weight, grad)
            compiled = run.lower(*given).compile()
        return Prepared(lambda: compiled(*given).block_until_ready(), np.asarray)

    def _forward(self, jax: Any, spec: ConvSpec, size: tuple[int, ...]) -> Callable[[Any, Any, Any], Any]:
        numpy = jax.numpy
        letters = "xyz"[-spec.ndim :] if spec.ndim <= 3 else "".join(chr(ord("a") + axis) for axis in range(spec.ndim))
        order = (f"NC{letters}", f"OI{letters}", f"NC{letters}")
        sides = list(spec.sides(size))
        axes = tuple(range(2, 2 + spec.ndim))
        is_zero = has_zero_padding(spec, size) or spec.padding_mode == "zeros"

        def forward(x: Any, weight: Any, bias: Any) -> Any:
            if spec.transposed:
                reach = spec.effective_kernel_size
                around = [
                    (extent - 1 - before, extent - 1 - after + extra)
                    for (before, after), extent, extra in zip(sides, reach, spec.output_padding, strict=True)
                ]
                result = jax.lax.conv_general_dilated(
                    x, numpy.flip(weight, axes).swapaxes(0, 1), (1,) * spec.ndim, around, spec.stride, spec.dilation, order
                )
            else:
                if not is_zero:
                    x = numpy.pad(x, [(0, 0), (0, 0), *sides], mode=self._modes[spec.padding_mode])
                around = sides if is_zero else [(0, 0)] * spec.ndim
                result = jax.lax.conv_general_dilated(
                    x, weight, spec.stride, around, None, spec.dilation, order, feature_group_count=spec.groups
                )
            return result if bias is None else result + bias.reshape(-1, *(1,) * spec.ndim)

        return forward
