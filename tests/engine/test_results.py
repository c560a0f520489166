"""Memory of results: given out again when nobody uses it, never while somebody does, and not kept without bound."""

from __future__ import annotations

import gc
import os
import threading

import numpy as np
import pytest

import faltung as fl
from faltung import _native
from tests.support.check import check_same
from tests.support.engine import expected_forward
from tests.support.strategies import integers_of_shape

SPEC = fl.ConvSpec(4, 8, 3, padding=1, bias=False, ndim=2)
KEPT_BYTES = 256 << 20


def convolved(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return fl.conv(SPEC, x, weight)


def operands(side: int = 48) -> tuple[np.ndarray, np.ndarray]:
    return integers_of_shape((1, 4, side, side), 1, "float32"), integers_of_shape(SPEC.weight_shape, 2, "float32")


KEEPS = pytest.mark.skipif("FALTUNG_NATIVE" in os.environ, reason="a module that checks itself gives memory back at once")


@KEEPS
def test_memory_is_given_out_again() -> None:
    x, weight = operands()
    y = convolved(x, weight)
    address = y.ctypes.data
    del y
    assert any(convolved(x, weight).ctypes.data == address for _ in range(3))


def test_results_in_use_share_nothing() -> None:
    x, weight = operands()
    results = [convolved(x * (number + 1), weight) for number in range(5)]
    expected = expected_forward(SPEC, x, weight, None).astype(np.float32)
    for number, result in enumerate(results):
        check_same(result, expected * (number + 1))
        assert not any(np.shares_memory(result, other) for other in results[:number])


def test_a_view_keeps_the_memory() -> None:
    x, weight = operands()
    view = convolved(x, weight)[:, 3:5, 1::2]
    held = view.copy()
    for number in range(2, 5):
        convolved(x * number, weight)
    np.testing.assert_array_equal(view, held)


def test_results_are_ordinary_arrays() -> None:
    x, weight = operands()
    for side in (8, 48):  # small ones and large ones
        y = convolved(*operands(side))
        assert type(y) is np.ndarray
        assert y.flags.c_contiguous
        assert y.flags.writeable
        assert y.flags.aligned
        assert y.shape == (1, 8, side, side)
        assert y.dtype == np.float32
    gradient = fl.conv_input_grad(SPEC, convolved(x, weight), weight, (48, 48))
    assert type(gradient) is np.ndarray
    assert gradient.shape == x.shape


@KEEPS
def test_what_is_kept_is_bounded() -> None:
    x, weight = operands(512)  # 8 MiB a result
    results = [convolved(x, weight) for _ in range(40)]
    assert sum(result.nbytes for result in results) > KEPT_BYTES
    del results
    gc.collect()
    assert 0 < _native.idle_bytes() <= KEPT_BYTES


def test_large_results_are_not_kept() -> None:
    before = _native.idle_bytes()
    spec = fl.ConvSpec(1, 1, 1, bias=False, ndim=1)
    y = fl.conv(spec, np.zeros((1, 1, KEPT_BYTES // 8), np.float32), np.ones((1, 1, 1), np.float32))
    assert y.nbytes > KEPT_BYTES // 4
    del y
    assert _native.idle_bytes() <= before + (1 << 20)


def test_threads_take_and_give_at_once() -> None:
    x, weight = operands()
    expected = expected_forward(SPEC, x, weight, None).astype(np.float32)
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(30):
            held = [convolved(x * number, weight) for _ in range(2)]
            if not all(np.array_equal(result, expected * number) for result in held):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
