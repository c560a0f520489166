"""Tensors as arrays and arrays as tensors, without a copy; and which tensors Faltung serves.

Owns the border between PyTorch's memory and NumPy's.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

import torch
from faltung.engine.arrays import Array
from faltung.engine.native import fingerprint

__all__ = ["as_array", "as_tensor", "checksum_of", "is_direct", "is_plain", "is_served", "memory_format_of"]

_PLAIN_TYPES = frozenset({torch.Tensor, torch.nn.Parameter})

# Asked at each call, so looked up once.
_strided, _is_grad_enabled, _is_autocast_enabled = torch.strided, torch.is_grad_enabled, torch.is_autocast_enabled
_dispatch_modes, _function_modes = torch._C._len_torch_dispatch_stack, torch._C._len_torch_function_stack
_is_batched = torch._C._functorch.is_legacy_batchedtensor  # by autograd, for several gradients at once
_transformation, _trace, _forward_ad = torch._C._functorch.peek_interpreter_stack, torch._C._get_tracing_state, torch.autograd.forward_ad


def is_served(*tensors: torch.Tensor | None) -> bool:
    """Whether Faltung computes with these: on the CPU (or without data), strided, of one floating-point or complex dtype.

    Others go to PyTorch itself, which serves them or says why not.
    """
    dtype = None
    for tensor in tensors:
        if tensor is None:
            continue
        if not isinstance(tensor, torch.Tensor) or not (tensor.is_cpu or tensor.is_meta):
            return False
        if dtype is None:
            dtype = tensor.dtype
        if tensor.dtype is not dtype or tensor.layout is not torch.strided or tensor.is_nested:
            return False
    return dtype in _served_dtypes()


def is_plain(*tensors: torch.Tensor | None, follows_gradients: bool = False) -> bool:
    """Whether these are served, and nobody but autograd needs to hear of it: no tracing, transformation, subclass.

    Where `follows_gradients`, tensors that require one are not plain either.
    """
    dtype = None
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in _PLAIN_TYPES or not tensor.is_cpu or (follows_gradients and tensor.requires_grad):
            return False
        if dtype is None:
            dtype = tensor.dtype
        if tensor.dtype is not dtype or tensor.layout is not _strided or tensor.is_nested or _is_batched(tensor):
            return False
    return (
        not (
            _dispatch_modes()
            or _function_modes()
            or _transformation() is not None
            or _trace() is not None
            or _forward_ad._current_level >= 0
        )
        and dtype in _served_dtypes()
    )


def is_direct(*tensors: torch.Tensor | None) -> bool:
    """Whether nobody but the kernel needs to hear of it: they are plain, and neither autograd nor autocast has a part in it."""
    return not _is_autocast_enabled("cpu") and is_plain(*tensors, follows_gradients=_is_grad_enabled())


def checksum_of(*tensors: torch.Tensor | None) -> tuple[int, ...]:
    """Another one whenever numbers of these change."""
    return tuple([_checksum(tensor) for tensor in tensors if tensor is not None])


def _checksum(tensor: torch.Tensor) -> int:
    cells = tensor if tensor.is_contiguous() else tensor.detach().contiguous()
    return fingerprint(cells.data_ptr(), cells.nbytes)


@functools.cache
def _bfloat16() -> np.dtype[Any] | None:
    """NumPy's dtype for bfloat16, or None without the package that has it."""
    try:
        return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    except ModuleNotFoundError:
        return None


@functools.cache
def _served_dtypes() -> frozenset[torch.dtype]:
    dtypes = {torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128}
    return frozenset(dtypes if _bfloat16() is None else dtypes | {torch.bfloat16})


def as_array(tensor: torch.Tensor) -> Array:
    """The memory of a CPU tensor as an array, any strides; copied only where a conjugate or negative is still to be taken."""
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.is_conj():
        tensor = tensor.resolve_conj()
    if tensor.is_neg():
        tensor = tensor.resolve_neg()
    if tensor.dtype is torch.bfloat16:
        bits: Array = tensor.view(torch.int16).numpy()
        dtype = _bfloat16()
        assert dtype is not None  # else it would not be served
        return bits.view(dtype)
    array: Array = tensor.numpy()
    return array


def as_tensor(array: Array) -> torch.Tensor:
    """The memory of a result as a tensor."""
    if array.dtype.kind == "V":  # bfloat16, for which NumPy has no kind of its own
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def memory_format_of(x: torch.Tensor) -> torch.memory_format:
    """Channels-last for a batch that lies so and not also contiguously."""
    if x.dim() in (4, 5) and not x.is_contiguous():
        channels_last = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
        if x.is_contiguous(memory_format=channels_last):
            return channels_last
    return torch.contiguous_format
