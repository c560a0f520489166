"""PyTorch's matrix products, attention and recurrent layers as operations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from faltung.model.operations import Attend, Elementwise, Multiply, Permute
from faltung.model.torch_module.call import Call, Plan, Reader

__all__ = ["attend", "grouped", "linear", "product", "recurrent"]


def linear(call: Call) -> Plan:
    """A weight for the last dimension."""
    x, weight, bias = call["input"], call["weight"], call["bias"]
    macs = call.results[0].numel() * weight.shape[-1]
    return Multiply(macs, is_linear=not call.is_computed(weight)), [x, weight, bias]


def product(left: str, right: str, added: str = "") -> Reader:
    """Of matrices; sums go over the last dimension of the left one."""

    def reader(call: Call) -> Plan:
        a, b = call[left], call[right]
        more = [call[added]] if added else []
        result = call.results[0]
        inner = a.shape[-1] if a.dim() else 1
        batches = a.shape[0] if call.operator.name == "addbmm" else 1
        macs = result.numel() * inner * batches
        if call.is_computed(a) or not call.is_computed(b):
            return Multiply(macs, is_linear=not (call.is_computed(a) and call.is_computed(b))), [a, b, *more]
        if b.dim() == 1:
            return Multiply(macs, is_linear=True), [b, a, *more]
        # A weight times an array sums over the array's rows: the same as the transposed product, transposed.
        turned = call.emit(_turn(b.dim()), [b], _turned(b.shape))
        if a.dim() == 1:
            return Multiply(macs, is_linear=True), [turned, a, *more]
        product = call.emit(Multiply(macs, is_linear=True), [turned, a], _turned(result.shape))
        if not more:
            return _turn(result.dim()), [product]
        back = call.emit(_turn(result.dim()), [product], tuple(result.shape))
        return Elementwise("add"), [back, *more]

    return reader


def _turn(rank: int) -> Permute:
    return Permute((*range(rank - 2), rank - 1, rank - 2))


def _turned(shape: Sequence[int]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])


def grouped(call: Call) -> Plan:
    """Rows sorted by which of several weights they are multiplied with."""
    a, b = call["self"], call["mat2"]
    macs = math.prod((*a.shape, b.shape[-1])) if b.dim() == 2 else call.results[0].numel() * a.shape[-1]
    return Multiply(macs, is_linear=not call.is_computed(b)), [a, b, call.given.get("bias")]


def attend(call: Call) -> Plan:
    """Queries with all keys, then with all values."""
    query, key, value = call["query"], call["key"], call["value"]
    rows = math.prod(query.shape[:-1])
    return Attend(rows * key.shape[-2] * (query.shape[-1] + value.shape[-1])), [query, key, value, call.given.get("attn_mask")]


def recurrent(call: Call) -> Plan:
    """LSTM, GRU and plain: at each step and of each layer and direction, two products."""
    x = call["data"] if "data" in call.given else call["input"]
    rows = x.shape[0] if "batch_sizes" in call.given else math.prod(x.shape[:-1])
    macs = sum(rows * weight.numel() for weight in call["params"] if weight.dim() == 2)
    hidden = call["hx"]
    return Multiply(macs, is_linear=False), [x, *call["params"], *(hidden if isinstance(hidden, (list, tuple)) else [hidden])]
