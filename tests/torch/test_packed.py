"""Packed weights: kept while a parameter stays as it is, and never longer."""

from __future__ import annotations

import copy
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

import faltung.torch as ft
import torch
from faltung.torch import packed
from tests.torch.closeness import assert_near
from torch import nn


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    ft.clear_cache()
    yield
    ft.set_cache_limit(1 << 30)
    ft.clear_cache()


def set_one_element(layer: nn.Conv2d) -> None:
    layer.weight.data[1, 1, 1, 1] = 9.0


def step(layer: nn.Conv2d) -> None:
    with torch.enable_grad():
        layer(torch.ones(1, 4, 6, 6)).sum().backward()
    torch.optim.SGD(layer.parameters(), 0.1).step()


CHANGES: dict[str, Callable[[nn.Conv2d], object]] = {
    "in place": lambda layer: layer.weight.mul_(2),
    "data in place": lambda layer: layer.weight.data.neg_(),
    "one element of data": set_one_element,
    "data replaced": lambda layer: setattr(layer.weight, "data", torch.randn(8, 4, 3, 3)),
    "parameter replaced": lambda layer: setattr(layer, "weight", nn.Parameter(torch.randn(8, 4, 3, 3))),
    "state loaded": lambda layer: layer.load_state_dict(nn.Conv2d(4, 8, 3).state_dict()),
    "optimiser": step,
    "bias": lambda layer: layer.bias.data.add_(1),
    "through NumPy": lambda layer: layer.weight.detach().numpy().fill(0.5),
    "initialised again": lambda layer: nn.init.ones_(layer.weight),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(change: str) -> None:
    torch.manual_seed(0)
    layer = ft.Conv2d(4, 8, 3)
    x = torch.randn(1, 4, 6, 6)
    with torch.no_grad():
        before = layer(x)
        CHANGES[change](layer)
        expected = nn.functional.conv2d(x, layer.weight, layer.bias)
        assert not torch.allclose(before, expected)
        assert_near(layer(x), expected)


def test_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    plan = packed.plan
    monkeypatch.setattr(packed, "plan", lambda *given: made.append(given) or plan(*given))
    layer = ft.Conv2d(4, 8, 3)
    with torch.no_grad():
        for batch in (1, 1, 3):
            layer(torch.randn(batch, 4, 6, 6))
        assert len(made) == 1
        layer(torch.randn(1, 4, 7, 6))
        assert len(made) == 2
    layer(torch.randn(1, 4, 7, 6))  # with gradients nothing is kept
    assert len(made) == 2
    copy.deepcopy(layer)


def test_it_does_not_grow() -> None:
    with torch.no_grad():
        for _ in range(5):
            layer = ft.Conv2d(16, 16, 3)
            for size in range(5, 20):
                layer(torch.randn(1, 16, size, size))
            assert len(packed._entries) == 1
            assert 0 < ft.cache_bytes() < packed.SIZES_KEPT * 16 * layer.weight.nbytes
            del layer
            gc.collect()
            assert ft.cache_bytes() == 0
        layers = [ft.Conv2d(16, 16, 3) for _ in range(4)]
        ft.set_cache_limit(3 * 16 * 16 * 9 * 4)
        for layer in layers:
            layer(torch.randn(1, 16, 4, 4))
            assert ft.cache_bytes() <= 3 * 16 * 16 * 9 * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork")
@pytest.mark.filterwarnings("ignore")  # Python and JAX warn of forks while threads are there
def test_a_fork_while_another_thread_packs() -> None:
    """The child has no such thread: nobody would give the lock back."""
    layer, x = ft.Conv2d(4, 8, 3), torch.ones(1, 4, 6, 6)
    has_lock, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with packed._lock:
            has_lock.set()
            is_over.wait()

    holder = threading.Thread(target=hold)
    with torch.no_grad():
        expected = layer(x)
        holder.start()
        has_lock.wait()
        if (child := os.fork()) == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)  # ends a child that waits
            os._exit(17 if torch.equal(layer(x), expected) and ft.cache_bytes() > 0 else 18)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    is_over.set()
    holder.join()
    assert code == 17


def test_parameters_may_end_while_the_memory_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they do where another thread drops a model, or where the garbage collector comes in between."""
    layers = [ft.Conv2d(4, 8, 3) for _ in range(3)]
    with torch.no_grad():
        for layer in layers:
            layer(torch.ones(1, 4, 6, 6))
    del layer
    counted = packed.cache_bytes()
    first = next(iter(packed._entries.values()))

    class Ending(dict):  # type: ignore[type-arg]
        def values(self) -> object:  # type: ignore[override]
            layers.pop()
            gc.collect()
            return super().values()

    monkeypatch.setattr(first, "calls", Ending(first.calls))
    assert packed.cache_bytes() == counted
    assert len(packed._entries) == 2
