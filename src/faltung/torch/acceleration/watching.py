"""What a model does with its tensors in one run: every call with a tensor, who made it, who took its result.

Owns the observation alone; what follows from it is `chains`'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch.overrides import TorchFunctionMode

import torch
from torch import Tensor, nn

__all__ = ["Call", "Watched", "tensors_in", "watch"]


@dataclass(eq=False)
class Call:
    """One call of a PyTorch function.

    Attributes
    ----------
    function : str
        Its name, such as ``conv2d``.
    module : str
        Name of the innermost module whose forward made the call.
    given : object
        What that forward was given first.
    arguments, keywords : tuple, dict
    result : Tensor or None
    consumers : list of Call
        Calls that took the result.
    """

    function: str
    module: str
    given: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    result: Tensor | None
    consumers: list[Call] = field(default_factory=list)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors among its arguments."""
        return tuple(tensors_in((*self.arguments, *self.keywords.values())))


@dataclass
class Watched:
    """One run: its calls in order, and the result."""

    calls: list[Call]
    result: Any


def watch(model: nn.Module, example: tuple[Any, ...]) -> Watched:
    """Run `model` once without gradients and note every call with a tensor."""
    inside: list[tuple[str, Any]] = []
    calls: list[Call] = []
    made_by: dict[int, Call] = {}
    handles = []

    def leave(*_: Any) -> None:
        inside.pop()

    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda _module, args, name=name: inside.append((name, args[0] if args else None))))
        handles.append(module.register_forward_hook(leave, always_call=True))

    class Notes(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            # Objects are kept, so that no identity is given out twice.
            name, given = inside[-1] if inside else ("", None)
            call = Call(getattr(function, "__name__", ""), name, given, tuple(args), dict(kwargs or {}), None)
            if isinstance(result, Tensor):
                call.result = result
            for tensor in call.tensors:
                if id(tensor) in made_by:
                    made_by[id(tensor)].consumers.append(call)
            if isinstance(result, Tensor):
                made_by[id(result)] = call
            calls.append(call)
            return result

    try:
        with torch.no_grad(), Notes():
            result = model(*example)
    finally:
        for handle in handles:
            handle.remove()
    for tensor in tensors_in((result,)):
        if id(tensor) in made_by:
            made_by[id(tensor)].consumers.append(Call("return", "", None, (tensor,), {}, None))
    return Watched(calls, result)


def tensors_in(values: Any) -> list[Tensor]:
    """Every tensor among nested values."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += tensors_in(value)
        elif isinstance(value, dict):
            found += tensors_in(value.values())
        elif hasattr(value, "to_tuple"):  # what the models of transformers return
            found += tensors_in(value.to_tuple())
    return found
