"""What is asked whether it is equivariant, in one form: run it on an array, name its layers and what they gave, say its strides.

A function of arrays or tensors, a live PyTorch module, or an ONNX file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import as_array
from faltung.errors import ConvError, ConvTypeError
from faltung.model.onnx_run import OnnxNetwork

__all__ = ["FileNetwork", "Function", "LayerResult", "ModuleNetwork", "Network", "network_of"]

Array = NDArray[Any]
LayerResult = tuple[str, str, Array]
"""Name, kind and what it gave."""

POINTWISE = ("Dropout", "Identity", "Norm", "GELU", "ELU", "ReLU", "SiLU", "Sigmoid", "Swish", "Tanh", "Hardswish", "Mish", "DropPath")
"""What the names of modules hold that leave every place to itself."""
PLACED = ("LayerNorm", "GroupNorm", "InstanceNorm")
"""Among these, those whose statistics are taken over places."""


class Function:
    """Any callable."""

    can_switch = False

    def __init__(self, call: Callable[[Any], Any], given: Any) -> None:
        self.call = call
        name = getattr(call, "__name__", type(call).__name__)
        self.name = "a function" if name == "<lambda>" else name
        self.like = given if hasattr(given, "detach") else None

    def run(self, x: Array) -> Array:
        """Its result; tensors are given where a tensor was given."""
        if self.like is None:
            return as_array("the result of f", self.call(x))
        import torch
        from faltung.model.seeing.recording import as_numpy, first_tensor

        with torch.no_grad():
            result = first_tensor(self.call(torch.from_numpy(np.ascontiguousarray(x)).to(self.like.device, self.like.dtype)))
        if result is None:
            raise ConvTypeError(f"{self.name} gives no tensor.", "Let it return one.")
        return np.asarray(as_numpy(result))

    def untouched(self) -> AbstractContextManager[None]:
        """While this lasts it may be run; nothing is put back."""
        return nullcontext()

    def layers(self, x: Array) -> tuple[Array, list[LayerResult]]:
        """The result, and no layers."""
        return self.run(x), []

    def strides(self, x: Array) -> dict[str, tuple[Fraction, ...]]:  # noqa: ARG002
        """None known."""
        return {}


class FileNetwork:
    """An ONNX file."""

    can_switch = False
    SHOWN = (
        "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "GlobalAveragePool", "Resize", "Gemm", "MatMul",
        "Flatten",
    )  # fmt: skip

    def __init__(self, path: Any) -> None:
        self.file = OnnxNetwork(path)
        self.name = Path(path).name

    def untouched(self) -> AbstractContextManager[None]:
        """While this lasts it may be run; a file cannot change."""
        return nullcontext()

    def run(self, x: Array) -> Array:
        """Its first output."""
        return self.file.run(x)[0]

    def layers(self, x: Array) -> tuple[Array, list[LayerResult]]:
        """Its first output, and what convolutions, poolings and products gave."""
        nodes = [(name, node) for name, node in self.file.nodes.items() if node.op_type in self.SHOWN]
        found = self.file.run(x, [self.file.outputs[0], *(node.output[0] for _, node in nodes)])
        return found[0], [(name, node.op_type, array) for (name, node), array in zip(nodes, found[1:], strict=True)]

    def strides(self, x: Array) -> dict[str, tuple[Fraction, ...]]:
        """Of every node, from the graph."""
        return _strides(self.file.path, x.shape)


class ModuleNetwork:
    """A live PyTorch module, run while it is `untouched`."""

    can_switch = True

    def __init__(self, model: Any, shape: Sequence[int]) -> None:
        self.model = model
        self.name = type(model).__name__
        self.shape = tuple(shape)

    def untouched(self) -> AbstractContextManager[None]:
        """While this lasts it may be run, in evaluation; afterwards it is as it was."""
        from faltung.model.torch_module.untouched import untouched

        return untouched(self.model)

    def run(self, x: Array, switch: Any = None) -> Array:
        """Its result, the first tensor of it."""
        return self._run(x, switch, [])

    def layers(self, x: Array, switch: Any = None) -> tuple[Array, list[LayerResult]]:
        """Its result, and what its innermost modules gave but those that leave every place to itself."""
        found: list[LayerResult] = []
        result = self._run(x, switch, found, records=True)
        return result, found

    def _run(self, x: Array, switch: Any, found: list[LayerResult], *, records: bool = False) -> Array:
        import torch
        from faltung.model.seeing.recording import as_numpy, called, first_tensor, on_device_of

        handles = []
        times: dict[str, int] = {}

        def note(name: str, module: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None:
                times[name] = times.get(name, 0) + 1
                full = name if times[name] == 1 else f"{name} ({times[name]})"
                found.append((full, type(module).__name__, np.array(as_numpy(tensor))))

        try:
            if records:
                for name, module in self.model.named_modules():
                    if _is_shown(module):
                        handles.append(module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output)))
            with torch.no_grad(), switch or nullcontext():
                result = first_tensor(called(self.model, (on_device_of(self.model, x),)))
        finally:
            for handle in handles:
                handle.remove()
        if result is None:
            raise ConvTypeError(f"{self.name} gives no tensor.", "Wrap it in a module that returns one.")
        return np.array(as_numpy(result))

    def strides(self, x: Array) -> dict[str, tuple[Fraction, ...]]:
        """Of every layer, from the graph."""
        return _strides(self.model, x.shape)


Network = Function | FileNetwork | ModuleNetwork


def network_of(f: Any, x: Any) -> Network:
    """What was given, as something that can be asked.

    Raises
    ------
    ConvTypeError
        It is nothing that can be called.
    """
    import os
    import sys

    if isinstance(f, str | os.PathLike):
        return FileNetwork(f)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(f, torch.nn.Module):
        return ModuleNetwork(f, x.shape)
    if not callable(f):
        raise ConvTypeError(
            f"f is of type {type(f).__name__}.", "Give a function of an array, a torch.nn.Module, or the path of an ONNX file."
        )
    return Function(f, x)


def _is_shown(module: Any) -> bool:
    """Whether it is a convolution, or an innermost module in which places meet or move; what paddings do is seen at the next layer."""
    from faltung.model.seeing.recording import is_convolution

    kind = type(module).__name__
    if is_convolution(module):
        return True
    leaves_places = "Pad" in kind or (any(part in kind for part in POINTWISE) and not any(part in kind for part in PLACED))
    return not any(module.children()) and not leaves_places


def _strides(model: Any, shape: tuple[int, ...]) -> dict[str, tuple[Fraction, ...]]:
    """Strides along all spatial axes of what each node gives, and under ``""`` of the result; empty where the graph cannot be read."""
    from faltung.model.read import graph_of
    from faltung.model.tracing.positions import positions

    try:
        graph = graph_of(model, shape)
        where = positions(graph)
    except (ConvError, ImportError):  # what cannot be followed is measured without it
        return {}
    found = {}
    for node in graph.nodes:
        for value in node.outputs[:1]:
            sights = where.of(value)
            if sights and all(sight.reach is not None for sight in sights):
                found[node.name] = tuple(sight.reach.stride for sight in sights if sight.reach is not None)
                if value is graph.outputs[0]:
                    found[""] = found[node.name]
    return found
