"""Layers of a model while they are accelerated: the same objects, with another forward; undone by taking it away.

An instance's own ``forward`` hides its class'. Class, parameters, state and hooks stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from faltung.engine.plan import plan
from faltung.spec import ConvSpec
from faltung.torch import layers
from faltung.torch.acceleration.chains import Chain, affine_of
from faltung.torch.calls import PreparedCall
from faltung.torch.tensors import as_array, checksum_of, is_direct
from torch import Tensor, nn

__all__ = ["Fused", "FusedConv", "FusedFunction", "Passing"]

MARK = "_faltung_finished"
SIZES_KEPT = 8

_Kept = tuple[tuple[Any, ...], dict[tuple[Any, ...], PreparedCall]]
"""What the parameters were, and what was packed of them; replaced as one."""


class FusedConv:
    """Convolution, batch norm and activation in one, on weights packed once.

    A change of the parameters is seen by their versions (``parameter.data`` changed in place has none).
    """

    def __init__(self, chain: Chain) -> None:
        assert chain.spec is not None
        self.spec, self.weight, self.bias = chain.spec, chain.weight, chain.bias
        self.norm, self.activation, self.activator = chain.norm, chain.activation, chain.activator
        has_bias = self.spec.bias or self.norm is not None
        self._run_spec = ConvSpec(**{**self.spec.to_dict(), "bias": has_bias})
        self._kept: _Kept = ((), {})

    def serves(self, x: Tensor) -> bool:
        """Whether `x` may go this way: no gradient is wanted, nobody follows the call, the batch norm is in evaluation."""
        return is_direct(x, self.weight) and (self.norm is None or not self.norm.training)

    def __call__(self, x: Tensor) -> Tensor:
        """The result, marked with the modules whose work is done in it."""
        y = self.call_for(x)(x)
        done = tuple(module for module in (self.norm, self.activator) if module is not None)
        if done:
            setattr(y, MARK, done)
        return y

    def call_for(self, x: Tensor) -> PreparedCall:
        """For inputs of the size and dtype of `x`."""
        state: tuple[Any, ...] = tuple([(tensor._version, tensor.data_ptr()) for tensor in self._tensors()])
        if self.norm is not None and self.norm.num_batches_tracked is None:
            state = (*state, checksum_of(self.norm.running_mean, self.norm.running_var))
        kept = self._kept
        if state != kept[0]:
            kept = self._kept = (state, {})
        calls = kept[1]  # of this state, also where another thread has seen a newer one meanwhile
        key = (tuple(x.shape[-self.spec.ndim :]), x.dtype)
        call = calls.get(key)
        if call is None:
            if len(calls) >= SIZES_KEPT:
                calls.clear()
            weight, bias = self._folded()
            made = plan(self._run_spec, (1, self.spec.in_channels, *key[0]), as_array(weight).dtype)
            prepared = made.prepare(as_array(weight), None if bias is None else as_array(bias), self.activation)
            call = calls[key] = PreparedCall(prepared, self._run_spec, key[0], x.dtype)
        return call

    def _folded(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias with the batch norm in them."""
        weight, bias = self.weight.detach(), None if self.bias is None else self.bias.detach()
        if self.norm is None:
            return weight, bias
        scale, shift = affine_of(self.norm)
        shift = shift if bias is None else shift + scale * bias.double()
        groups, ones = self.spec.groups, (1,) * self.spec.ndim
        # Written channels come first; of a transposed layer second, within groups.
        shape = (groups, 1, -1, *ones) if self.spec.transposed else (groups, -1, 1, *ones)
        grouped = weight.double().reshape(groups, -1, *weight.shape[1:]) * scale.reshape(shape)
        return grouped.reshape(weight.shape).to(weight.dtype), shift.to(weight.dtype)

    def _tensors(self) -> list[Tensor]:
        every = [self.weight, self.bias]
        if self.norm is not None:
            # Training changes the running statistics without counting it; the batches it counts.
            every += [*self.norm._parameters.values(), *self.norm._buffers.values()]
        return [tensor for tensor in every if tensor is not None]

    def __getstate__(self) -> dict[str, Any]:
        """Without what was packed, which is packed again where it is needed."""
        return {**self.__dict__, "_kept": ((), {})}


class Fused:
    """Forward of a convolution layer by a `FusedConv`; where that may not serve, as the layer's class or Faltung's layer does it."""

    def __init__(self, chain: Chain, *, trainable: bool) -> None:
        self.layer, self.conv, self.trainable = chain.layer, FusedConv(chain), trainable

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """As the layer's forward."""
        conv, layer = self.conv, self.layer
        own, is_compiling = layer._parameters, torch.compiler.is_compiling()
        is_own = own["weight"] is conv.weight and own["bias"] is conv.bias
        if not is_compiling and is_own and not args and not kwargs and conv.serves(x):
            return conv(x)
        # Compilers see the operator, and the batch norm and the activation after it.
        if not self.trainable and (not is_compiling or torch.is_grad_enabled()):
            return type(layer).forward(layer, x, *args, **kwargs)
        ours: Any = getattr(layers, f"Conv{'Transpose' if conv.spec.transposed else ''}{conv.spec.ndim}d")
        if conv.spec.transposed:
            return ours.forward(layer, x, *args, **kwargs)
        return ours._conv_forward(layer, x, layer.weight, layer.bias)


class FusedFunction:
    """A convolution function in a traced forward by a `FusedConv`; where that may not serve, by `otherwise`."""

    def __init__(self, conv: FusedConv, otherwise: Callable[..., Tensor]) -> None:
        self.conv, self.otherwise = conv, otherwise
        self.__name__ = "fused_conv"  # which torch.fx asks for

    def __call__(self, input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        """As the function."""
        if not torch.compiler.is_compiling() and weight is self.conv.weight and bias is self.conv.bias and self.conv.serves(input):
            return self.conv(input)
        return self.otherwise(input, weight, bias, *args, **kwargs)


class Passing:
    """Forward of a batch norm or an activation: what a fused layer has done already is passed on, all else is done."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """As the module's forward."""
        if not torch.compiler.is_compiling() and self.module in getattr(x, MARK, ()):
            return x
        return type(self.module).forward(self.module, x, *args, **kwargs)
