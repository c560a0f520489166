"""What a live module is run on: arguments made of shapes, or taken as they are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch.nn.parameter import is_lazy

import torch
from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.normal_form import integer
from torch import Tensor, nn

__all__ = ["argument_names", "example_for", "mapped"]

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_SEED = 0


def example_for(model: nn.Module, given: Any) -> Arguments:
    """Positional and keyword arguments of one call of `model`.

    Parameters
    ----------
    model : torch.nn.Module
    given : tuple of int, tensor, array, dict, or a list or tuple of these
        A shape, batch included, becomes floats of a normal distribution, always the same, of the dtype and on the device of the model's
        first floating-point parameter; several shapes become as many arguments. Tensors and NumPy arrays are copied. A dict holds keyword
        arguments.

    Raises
    ------
    ConvTypeError
        Nothing is given, or nothing that the model could be called with.
    ConvShapeError
        A size is below 1.

    Examples
    --------
    >>> (x,), _ = example_for(nn.Conv2d(3, 8, 3).half(), (1, 3, 32, 32))
    >>> x.shape, x.dtype
    (torch.Size([1, 3, 32, 32]), torch.float16)
    """
    make = _Maker(model)
    if given is None:
        raise ConvTypeError(f"{type(model).__name__} is run once to see what it does, and no input was given.", f"Give {_proposal(model)}.")
    if isinstance(given, Mapping):
        return (), {str(name): make(value) for name, value in given.items()}
    if isinstance(given, (Tensor, np.ndarray)) or _is_shape(given):
        return (make(given),), {}
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)) or not given:
        raise ConvTypeError(
            f"{shown(given)} is nothing that {type(model).__name__} could be run on.",
            f"Give {_proposal(model)}, a tensor, a tuple of tensors, or a dict of keyword arguments.",
        )
    return tuple(make(each) for each in given), {}


class _Maker:
    """One argument after the other, from one stream of random numbers."""

    def __init__(self, model: nn.Module) -> None:
        parameters = [each for each in (*model.parameters(), *model.buffers()) if not is_lazy(each)]
        like = next((each for each in parameters if each.is_floating_point() or each.is_complex()), None)
        self.dtype = torch.float32 if like is None or like.dtype.itemsize < 2 else like.dtype
        self.device = torch.device("cpu") if not parameters else (parameters[0] if like is None else like).device
        self.random = torch.Generator().manual_seed(_SEED)

    def __call__(self, value: Any) -> Any:
        """A shape as floats; tensors are copied, so that a model that writes to them does not write to the user's."""
        if _is_shape(value):
            return self._floats(value)
        return mapped(_copied, value)

    def _floats(self, shape: Sequence[Any]) -> Tensor:
        sizes = [integer(f"input_shape[{axis}]", size, least=1, error=ConvShapeError) for axis, size in enumerate(shape)]
        if self.device.type == "meta":
            return torch.empty(sizes, dtype=self.dtype, device="meta")
        drawn = torch.complex64 if self.dtype.is_complex else torch.float32
        return torch.randn(sizes, generator=self.random, dtype=drawn).to(device=self.device, dtype=self.dtype)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """`value` with everything in its tuples, lists and dicts put through a function.

    >>> mapped(lambda number: number + 1, {"a": (1, [2])})
    {'a': (2, [3])}
    """
    if isinstance(value, dict):
        return {name: mapped(function, each) for name, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(mapped(function, each) for each in value)
    return function(value)


def argument_names(model: nn.Module, count: int) -> list[str]:
    """What the model calls its first positional arguments.

    >>> argument_names(nn.Identity(), 1), argument_names(nn.Bilinear(1, 1, 1), 3)
    (['input'], ['input1', 'input2', 'input 3'])
    """
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"input {index + 1}" if count > 1 else "input" for index in range(len(names), count)]


def _is_shape(value: Any) -> bool:
    """Whether it is a sequence of nothing but numbers; a single number is none."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, (str, bytes))
        and len(value) > 0
        and all(isinstance(size, (int, np.integer, float)) and not isinstance(size, bool) for size in value)
    )


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.array(value))
        return value.clone()
    return value.detach().clone() if isinstance(value, Tensor) else value


def _proposal(model: nn.Module) -> str:
    """What to give, by the model's first layer that tells."""
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.conv._ConvNd) and not is_lazy(module.weight):
            sizes = {1: (16000,), 2: (224, 224), 3: (32, 64, 64)}[len(module.kernel_size)]
            shape = (1, module.in_channels, *sizes)
            return f"input_shape, such as {shape} ({_place('convolution', name)} takes {module.in_channels} channels)"
        if isinstance(module, nn.Linear) and not is_lazy(module.weight):
            return f"input_shape, such as {(1, module.in_features)} ({_place('linear layer', name)} takes {module.in_features} features)"
        if isinstance(module, nn.Embedding):
            return f"a tensor of numbers below {module.num_embeddings}, such as torch.zeros(1, 16).long()"
    return "input_shape, such as (1, 3, 224, 224)"


def _place(kind: str, name: str) -> str:
    return f"its first {kind}, {name!r}," if name else "it"
