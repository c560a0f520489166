"""Weights packed once for many calls without gradients: kept as long as the parameter lives and does not change.

A parameter can change in ways that PyTorch does not count (``parameter.data.mul_(2)``), so each call compares a checksum of its memory,
which takes a small part of the time that packing would.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from faltung.engine.plan import plan
from faltung.engine.run import run_again
from faltung.spec import ConvSpec
from faltung.torch.calls import PreparedCall
from faltung.torch.tensors import as_array, as_tensor, checksum_of

__all__ = ["cache_bytes", "call_prepared", "clear_cache", "set_cache_limit"]

SIZES_KEPT = 4
"""Input sizes for which the weights of one parameter stay packed; the one used longest ago is forgotten first."""

_Parameter = torch.nn.Parameter
_limit_bytes = 1 << 30
_lock = threading.RLock()


class _Entry:
    """What is packed of one parameter."""

    def __init__(self, weight: torch.Tensor, forget: Callable[[Any], None]) -> None:
        self.reference = weakref.ref(weight, forget)
        self.checksum: tuple[int, ...] = ()
        self.calls: OrderedDict[tuple[Any, ...], PreparedCall] = OrderedDict()


_entries: OrderedDict[int, _Entry] = OrderedDict()


def _after_fork() -> None:
    """A forked child has not the thread that may have held the lock, and may have left the entries half changed."""
    global _lock
    _lock = threading.RLock()
    _entries.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def call_again(kind: tuple[Any, ...], x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor | None:
    """The convolution if one of this kind was computed before and its arrays lie as kernels read them; else None."""
    if type(weight) is _Parameter:
        call = _kept(kind, weight, bias)
        return None if call is None else call(x)
    if not x.is_contiguous():
        return None
    y = run_again(kind, as_array(x), as_array(weight), None if bias is None else as_array(bias), None)
    return None if y is None else as_tensor(y)


def call_prepared(
    spec: ConvSpec, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, kind: tuple[Any, ...]
) -> torch.Tensor:  # fmt: skip
    """The convolution with a weight that is likely to come again."""
    call = _kept(kind, weight, bias)
    if call is None:
        checksum, size = checksum_of(weight, bias), tuple(x.shape[-spec.ndim :])
        kernel, offset = as_array(weight), None if bias is None else as_array(bias)
        prepared = plan(spec, (1, spec.in_channels, *size), kernel.dtype).prepare(kernel, offset)
        call = PreparedCall(prepared, spec, size, x.dtype)
        _keep(kind, weight, checksum, call)
    return call(x)


def cache_bytes() -> int:
    """Memory of all packed weights."""
    with _lock:  # which parameters that come to their end meanwhile do not wait for
        return sum(call.prepared.packed_bytes for entry in list(_entries.values()) for call in entry.calls.values())


def clear_cache() -> None:
    """Forget all packed weights."""
    with _lock:
        _entries.clear()


def set_cache_limit(limit_bytes: int) -> None:
    """Keep at most so many bytes of packed weights; default 1 GiB."""
    global _limit_bytes
    _limit_bytes = limit_bytes
    with _lock:
        _shrink()


def _for_any_batch(kind: tuple[Any, ...], weight: torch.Tensor) -> tuple[Any, ...]:
    """The kind of a call, which has the input's shape second, without the batch."""
    return (kind[0], kind[1][1 - weight.dim() :], *kind[2:])


def _kept(kind: tuple[Any, ...], weight: torch.Tensor, bias: torch.Tensor | None) -> PreparedCall | None:
    """What is packed of a parameter for this kind of call, if it has not changed."""
    entry = _entries.get(id(weight))
    if entry is None or entry.reference() is not weight or entry.checksum != checksum_of(weight, bias):
        return None
    kind = _for_any_batch(kind, weight)
    with _lock:
        call = entry.calls.get(kind)
        if call is not None:
            entry.calls.move_to_end(kind)
        return call


def _keep(kind: tuple[Any, ...], weight: torch.Tensor, checksum: tuple[int, ...], call: PreparedCall) -> None:
    """Remember it; what was packed before a change is forgotten."""
    name, kind = id(weight), _for_any_batch(kind, weight)
    with _lock:
        entry = _entries.get(name)
        if entry is None or entry.reference() is not weight:
            entry = _entries[name] = _Entry(weight, functools.partial(_forget, name))
        if entry.checksum != checksum:
            entry.checksum = checksum
            entry.calls.clear()
        entry.calls[kind] = call
        if len(entry.calls) > SIZES_KEPT:
            entry.calls.popitem(last=False)
        _shrink()


def _forget(name: int, _: object) -> None:
    """The parameter is gone."""
    _entries.pop(name, None)


def _shrink() -> None:
    """Forget whole parameters, the oldest first, until the limit is kept."""
    while _entries and cache_bytes() > _limit_bytes:
        with contextlib.suppress(KeyError):  # the last one has just come to its end
            _entries.popitem(last=False)
