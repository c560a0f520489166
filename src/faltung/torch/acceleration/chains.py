"""Convolutions of a watched run with what may be folded into them: a batch norm and an activation that alone take their result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F

import torch
from faltung.spec import ConvSpec
from faltung.torch import layers
from faltung.torch.acceleration.watching import Call, Watched
from faltung.torch.calls import spec_of_text
from faltung.torch.resolve import conv_text
from faltung.torch.specs import from_module
from torch import Tensor, nn

__all__ = ["Chain", "chains_of"]

CONVOLUTIONS = tuple(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))


@dataclass(frozen=True, eq=False)
class Chain:
    """One convolution of a model.

    Attributes
    ----------
    name : str
        Of the module that made the call.
    layer : Module
        That module; a convolution layer, or another one whose forward calls a function.
    is_layer : bool
        Whether its forward is that of PyTorch's or Faltung's own layers.
    is_alone : bool
        Whether it makes this one call alone.
    spec : ConvSpec or None
        What is computed, where it is known.
    x : Tensor
        Input of the layer, or of the function.
    call : Call
    norm : Module or None
        Batch norm that alone takes the result.
    activation : str or None
        ``"relu"``, ``"relu6"`` or ``"silu"``, by a module that alone takes the result.
    activator : Module or None
        That module.
    """

    name: str
    layer: nn.Module
    is_layer: bool
    is_alone: bool
    spec: ConvSpec | None
    x: Tensor
    call: Call
    norm: nn.Module | None = None
    activation: str | None = None
    activator: nn.Module | None = None

    @property
    def weight(self) -> Tensor:
        """The weight as the call was given it."""
        return _bound(self.call)["weight"]

    @property
    def bias(self) -> Tensor | None:
        """The bias as the call was given it."""
        return _bound(self.call).get("bias")

    def eagerly(self) -> Tensor:
        """The convolution and what follows it, by PyTorch."""
        y: Tensor
        if self.is_layer:
            y = type(self.layer).forward(self.layer, self.x)
        else:
            y = getattr(F, self.call.function)(*self.call.arguments, **self.call.keywords)
        for module in (self.norm, self.activator):
            if module is not None:
                y = type(module).forward(module, y)
        return y


def chains_of(model: nn.Module, watched: Watched, *, fuse: bool) -> list[Chain]:
    """Every convolution that ran, with what follows it where `fuse`."""
    modules = dict(model.named_modules())
    convolutions = [call for call in watched.calls if call.function in CONVOLUTIONS]
    times = Counter(call.module for call in convolutions)
    chains = []
    for call in convolutions:
        layer, is_alone = modules[call.module], times[call.module] == 1
        is_layer = is_alone and _is_own(layer)
        norm, activation, activator = _followers(call, modules) if fuse and is_alone else (None, None, None)
        x = call.given if is_layer else _bound(call)["input"]
        spec = from_module(layer) if is_layer else _spec_of(call)
        chains.append(Chain(call.module, layer, is_layer, is_alone, spec, x, call, norm, activation, activator))
    return chains


def _is_own(layer: nn.Module) -> bool:
    """Whether a layer computes as PyTorch's or Faltung's own do; a subclass may pad by itself, or standardise its weight."""
    own = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *(getattr(layers, name) for name in layers.__all__))
    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    kind: Any = type(layer)
    if isinstance(layer, transposed):
        return any(kind.forward is each.forward for each in (*transposed, layers.ConvTranspose1d))
    return (
        isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
        and any(kind.forward is each.forward for each in own)
        and any(kind._conv_forward is each._conv_forward for each in own if hasattr(each, "_conv_forward"))
    )


ORDER = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
TRANSPOSED_ORDER = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}


def _bound(call: Call) -> dict[str, Any]:
    """The arguments of a convolution function by name."""
    order = TRANSPOSED_ORDER if "transpose" in call.function else ORDER
    return {**dict(zip(order, call.arguments, strict=False)), **call.keywords}


def _spec_of(call: Call) -> ConvSpec | None:
    bound = _bound(call)
    x, weight, bias = (bound.pop(name, None) for name in ORDER[:3])
    fields = {**DEFAULTS, **({"output_padding": 0} if "transpose" in call.function else {}), **bound}
    text = conv_text(call.function, x.shape, weight.shape, None if bias is None else bias.shape, "zeros", fields)
    return None if text is None else spec_of_text(text)


def _followers(call: Call, modules: dict[str, nn.Module]) -> tuple[nn.Module | None, str | None, nn.Module | None]:
    norm = None
    following = _only_consumer(call)
    if following is not None and following.function == "batch_norm":
        module = modules[following.module]
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not module.training and module.running_mean is not None:
            norm = module
            following = _only_consumer(following)
        else:
            following = None
    activation = None if following is None else _activation(following)
    activator = modules[following.module] if following is not None and activation is not None else None
    if activator is None or list(activator.children()) or isinstance(activator, nn.modules.conv._ConvNd):
        return norm, None, None
    return norm, activation, activator


def _only_consumer(call: Call) -> Call | None:
    """The one call that takes the result, where there is one and no attribute or in-place function sees it otherwise."""
    takers = [taker for taker in call.consumers if taker.function not in ("__get__", "dim", "size")]
    return takers[0] if len(takers) == 1 else None


def _activation(call: Call) -> str | None:
    """What kind of activation a call is."""
    match call.function:
        case "relu" | "relu_" | "silu" | "silu_":
            return call.function.rstrip("_")
        case "relu6":
            return "relu6"
        case "hardtanh" | "hardtanh_":
            bounds: tuple[Any, ...] = (*call.arguments[1:3], *(call.keywords.get(name) for name in ("min_val", "max_val")))
            return "relu6" if tuple(bound for bound in bounds if bound is not None) == (0.0, 6.0) else None
    return None


def affine_of(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift of a batch norm in evaluation, per channel, in float64."""
    scale = 1 / torch.sqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    return scale, shift if norm.bias is None else shift + norm.bias.double()
