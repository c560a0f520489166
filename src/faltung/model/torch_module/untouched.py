"""A live module, left as it was: whatever a run changes in it is put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

__all__ = ["untouched"]

_CONTAINERS = (dict, list, set)


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """While this lasts, `model` is in evaluation mode and needs no gradients; afterwards it is as before.

    Put back are the modes of its modules, their attributes and what is in lists and dicts among these, the numbers in its buffers, and the
    state of PyTorch's random numbers. Not put back is what lies deeper, in objects of a module's own making.
    """
    modules = list(model.modules())
    # Attributes of a scripted module are not Python's.
    attributes = [(module, _attributes(module)) for module in modules if not isinstance(module, torch.jit.ScriptModule)]
    modes = [(module, module.training) for module in modules]
    buffers = [(each, each.detach().clone()) for each in model.buffers() if each.device.type != "meta"]
    devices = {each.device for each in (*model.parameters(), *model.buffers()) if each.device.type == "cuda"}
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device.index for device in devices]))
        stack.enter_context(torch.no_grad())
        stack.enter_context(_slow_attention())
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, before in attributes:
                _restore(module, before)
            for module, mode in modes:
                module.training = mode
            for buffer, numbers in buffers:
                if not torch.equal(buffer, numbers):
                    buffer.copy_(numbers)


@contextmanager
def _slow_attention() -> Iterator[None]:
    """Without the path on which a whole encoder layer is one operator, of which nothing can be seen."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _attributes(module: nn.Module) -> dict[str, tuple[Any, Any]]:
    """Every attribute, and what is in those that hold others: parameters, buffers, hooks, caches."""
    return {name: (value, _shallow(value)) for name, value in vars(module).items()}


def _shallow(value: Any) -> Any:
    kind = next((kind for kind in _CONTAINERS if isinstance(value, kind)), None)
    return None if kind is None else kind(value)


def _restore(module: nn.Module, before: dict[str, tuple[Any, Any]]) -> None:
    now = vars(module)
    for name in [name for name in now if name not in before]:
        del now[name]
    for name, (value, inside) in before.items():
        if now.get(name) is not value:
            now[name] = value
        if inside is not None and not _is_same(value, inside):
            value.clear()
            value.extend(inside) if isinstance(value, list) else value.update(inside)


def _is_same(value: Any, inside: Any) -> bool:
    """Whether a container holds the same objects in the same order."""
    if isinstance(value, dict):
        return list(value) == list(inside) and all(one is other for one, other in zip(value.values(), inside.values(), strict=True))
    return len(value) == len(inside) and (isinstance(value, set) or all(one is other for one, other in zip(value, inside, strict=True)))
