"""One run of a live PyTorch module, and what chosen layers gave in it: their own result, and that of the activation that follows.

The model is run in evaluation without gradients and left as it was: its mode, its hooks, its weights, also after an error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

import torch
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.model.graph import no_such_layer
from faltung.model.seeing.activations import TORCH_ACTIVATIONS, TORCH_PASSING, plain_name
from faltung.model.torch_module.untouched import untouched
from torch import Tensor, nn

__all__ = [
    "Recorded",
    "as_numpy",
    "called",
    "check_layers",
    "convolutions_of",
    "first_tensor",
    "on_device_of",
    "record_layers",
]

FUNCTIONS = frozenset(
    ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution", "_convolution", "conv")
)


SUMS = ("add", "__add__", "__iadd__", "__radd__")


@dataclass(eq=False)
class Recorded:
    """What one layer gave in one run; `activation` is what the function `activation_name` made of it next, None where none followed.

    `after_sum` is what an activation made of a sum that the result went into first, as at the end of a residual block.
    """

    name: str
    source: str
    result: Tensor
    weight: Tensor | None
    transposed: bool
    activation: Tensor | None = None
    activation_name: str = ""
    after_sum: Tensor | None = None


def record_layers(
    model: nn.Module, arguments: tuple[Any, ...], layers: Sequence[str] | None, *, differentiable: bool = False
) -> tuple[list[Recorded], Any]:
    """Run once; what these layers gave, in the order in which they ran, or all convolutions; and the model's result.

    `differentiable` keeps the very tensors, for gradients; without it they are copies, which an activation in place does not change.

    Convolutions that are called as functions are named by the module around them, ``"block.conv2d"``; runs of one layer after the first
    by their number, ``"block (2)"``.

    Raises
    ------
    ConvTypeError
        There is no such layer, it did not run, or it gave no tensor.
    """
    run = _Run(model, layers, differentiable=differentiable)
    with untouched(model), torch.set_grad_enabled(differentiable), run.hooked(), run:
        result = called(model, arguments)
    if layers is not None:
        found = [one.name for one in run.found]
        missing = [name for name in layers if name not in found]
        if missing:
            _refuse(model, missing[0], [*dict(model.named_modules()), *run.functional, *found])
    return run.found, result


def called(model: nn.Module, arguments: tuple[Any, ...]) -> Any:
    """The model's result.

    Raises
    ------
    ConvShapeError
        It cannot take these arguments; the message is PyTorch's.
    """
    try:
        return model(*arguments)
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        if isinstance(error, ConvTypeError):
            raise
        shapes = ", ".join(str(tuple(one.shape)) if isinstance(one, Tensor) else type(one).__name__ for one in arguments)
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ConvShapeError(
            f"{type(model).__name__} cannot run on an input of shape {shapes}: {lines[0].rstrip('.')}.",
            "Give the input that the model takes; with preprocess, the size and channels that it was made for.",
        ) from error


class _Run(TorchFunctionMode):  # type: ignore[misc]  # PyTorch does not say what it is
    """Watches calls: which module runs, what becomes of results that are of interest."""

    def __init__(self, model: nn.Module, layers: Sequence[str] | None, *, differentiable: bool) -> None:
        super().__init__()
        self.differentiable = differentiable
        self.model = model
        self.wanted = None if layers is None else set(layers)
        self.modules = dict(model.named_modules())
        self.inside: list[str] = []
        self.found: list[Recorded] = []
        self.functional: list[str] = []
        self.times: dict[str, int] = {}
        by_tensor: Any = WeakTensorKeyDictionary
        self.owner: Any = by_tensor()  # the records whose result, rescaled or not, a tensor is
        self.summed: Any = by_tensor()  # those that are terms of it
        self.gate: Any = by_tensor()  # those of whose result it is the sigmoid

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        handles = []
        try:
            for name, module in self.modules.items():
                handles.append(module.register_forward_pre_hook(lambda *_, name=name: self.inside.append(name)))
                handles.append(module.register_forward_hook(self._leave, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def kept(self, tensor: Tensor) -> Tensor:
        """The tensor itself for gradients, else a copy."""
        return tensor if self.differentiable else tensor.detach().clone()

    def _may_want(self, name: str) -> bool:
        """Whether this layer is wanted, or one of its further runs."""
        return self.wanted is not None and any(one == name or one.startswith(f"{name} (") for one in self.wanted)

    def _leave(self, module: nn.Module, _: Any, output: Any) -> None:
        name = self.inside.pop()
        is_wanted = is_convolution(module) if self.wanted is None else self._may_want(name)
        if is_wanted and output is not None:
            tensor = first_tensor(output)
            if tensor is None:
                raise ConvTypeError(f"layer {name!r} gives a {type(output).__name__} without a tensor.", "Name a layer inside it.")
            weight = getattr(module, "weight", None) if is_convolution(module) else None
            self._note(name, type(module).__name__, tensor, weight, transposed=getattr(module, "transposed", False))

    def _note(self, name: str, source: str, tensor: Tensor, weight: Any, *, transposed: bool) -> None:
        self.times[name] = self.times.get(name, 0) + 1
        called_name = name if self.times[name] == 1 else f"{name} ({self.times[name]})"
        if self.wanted is not None and called_name not in self.wanted:
            return
        record = Recorded(called_name, source, self.kept(tensor), weight if isinstance(weight, Tensor) else None, transposed)
        self.found.append(record)
        self.owner[tensor] = [*self.owner.get(tensor, ()), record]  # a module gives what its last layer gave

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if not isinstance(result, Tensor) or not args:
            return result
        name = plain_name(getattr(function, "__name__", "")).partition(".")[0]  # of operators, conv.default
        given = args[0] if isinstance(args[0], Tensor) else None
        records = self.owner.get(given) if given is not None else None
        if name in FUNCTIONS:
            if not (self.inside and is_convolution(self.modules[self.inside[-1]])):
                self._functional(name, args, result)
        elif records:
            self._follow(records, name, args, result)
        if name in SUMS:
            terms = [self.owner.get(one, ()) for one in args[:2] if isinstance(one, Tensor)]
            self.summed[result] = [record for term in terms for record in term]
        elif name in TORCH_ACTIVATIONS and given is not None:
            for record in self.summed.get(given, ()):
                record.after_sum = self.kept(result) if record.after_sum is None else record.after_sum
        return result

    def _functional(self, name: str, args: tuple[Any, ...], result: Tensor) -> None:
        around = self.inside[-1] if self.inside else ""
        full = f"{around}.{name}" if around else name
        self.functional.append(full)
        if self.wanted is None or self._may_want(full):
            tensors = [one for one in args if isinstance(one, Tensor)]
            self._note(full, name, result, tensors[1] if len(tensors) > 1 else None, transposed="transpose" in name)

    def _follow(self, records: list[Recorded], name: str, args: tuple[Any, ...], result: Tensor) -> None:
        if name in TORCH_PASSING:
            self.owner[result] = records
            return
        for record in records:
            if name in TORCH_ACTIVATIONS and record.activation is None:
                record.activation, record.activation_name = self.kept(result), self._activation_name(name)
                self.gate[result] = records
            elif name in ("mul", "__mul__") and record.activation_name == "sigmoid" and self._is_gate_of(records, args):
                record.activation, record.activation_name = self.kept(result), "silu"

    def _activation_name(self, function: str) -> str:
        """ReLU6 is a hardtanh to PyTorch: where a module makes the call, its class says what is meant."""
        module = self.modules[self.inside[-1]] if self.inside else None
        is_known = type(module).__module__ == "torch.nn.modules.activation"
        return type(module).__name__.lower() if is_known else function

    def _is_gate_of(self, records: list[Recorded], args: tuple[Any, ...]) -> bool:
        """Whether the second factor is the sigmoid of the first: x * sigmoid(x), written out."""
        return len(args) > 1 and isinstance(args[1], Tensor) and self.gate.get(args[1]) is records


def is_convolution(module: nn.Module) -> bool:
    """Whether it is one of PyTorch's convolution layers or of their subclasses."""
    return isinstance(module, nn.modules.conv._ConvNd)


def convolutions_of(model: nn.Module) -> list[str]:
    """Names of the convolution layers."""
    return [name for name, module in model.named_modules() if is_convolution(module)]


def first_tensor(output: Any) -> Tensor | None:
    """The first tensor in what a module gave: itself, in a tuple, in a mapping, in an output of transformers."""
    if isinstance(output, Tensor):
        return output
    parts: Sequence[Any] | Any = output.values() if hasattr(output, "values") and callable(output.values) else output
    if isinstance(parts, str | bytes):
        return None
    try:
        return next((found for part in parts if (found := first_tensor(part)) is not None), None)
    except TypeError:
        return None


def on_device_of(model: nn.Module, x: Any) -> Tensor:
    """`x` as a tensor where the model's weights are, in their floating-point type."""
    tensor = x if isinstance(x, Tensor) else torch.from_numpy(_writeable(x))
    like = next((one for one in model.parameters() if one.is_floating_point()), None)
    if like is None:
        return tensor
    return tensor.to(like.device, like.dtype if not tensor.is_complex() else None)


def as_numpy(tensor: Tensor) -> Any:
    """The tensor's numbers, bfloat16 as float32."""
    plain = tensor.detach().cpu()
    if plain.is_quantized:
        plain = plain.dequantize()
    return (plain.float() if plain.dtype is torch.bfloat16 else plain.resolve_conj().resolve_neg()).numpy()


def _writeable(x: Any) -> Any:
    import numpy as np

    array = np.array(x)  # a copy that PyTorch may share: contiguous, in the machine's order of bytes
    return array.astype(array.dtype.newbyteorder("="))


def check_layers(layers: object) -> list[str] | None:
    """Names as a list, each once; None for all convolutions.

    Raises
    ------
    ConvTypeError
        They are no names.
    """
    if layers is None:
        return None
    names = [layers] if isinstance(layers, str) else list(layers) if isinstance(layers, Sequence | set | frozenset) else None
    if names is None or not names or not all(isinstance(name, str) for name in names):
        raise ConvTypeError(
            f"layers of type {type(layers).__name__} names no layer.", "Give a name, or a list of names as model.named_modules() has them."
        )
    return list(dict.fromkeys(names))


def _refuse(model: nn.Module, name: str, names: list[str]) -> None:
    if name in dict(model.named_modules()):
        raise ConvTypeError(f"layer {name!r} of {type(model).__name__} did not run on this input.", "Name one that runs.")
    raise no_such_layer(type(model).__name__, name, [one for one in dict.fromkeys(names) if one])
