"""The engine on PyTorch's threads: the same bits, any number of them, from many threads, and after a fork."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import faltung as fl
import torch
from faltung.engine.native import borrow_team
from faltung.torch.team import share_threads
from tests.support.check import check_same
from tests.support.engine import normals, num_threads, run_python

pytestmark = pytest.mark.skipif(not share_threads(), reason="this PyTorch has no OpenMP runtime that can be shared")

SPEC = fl.ConvSpec(16, 32, 3, padding=1, ndim=2)


@pytest.fixture(autouse=True)
def shared() -> Iterator[None]:
    share_threads()
    yield
    share_threads()


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("pytorch_threads", [1, 2, 5])
def test_the_same_bits(threads: int, pytorch_threads: int) -> None:
    """Whether PyTorch has fewer threads or more than the engine may use."""
    x, weight = normals((3, 16, 40, 40), 1, "float32"), normals(SPEC.weight_shape, 2, "float32")
    before = torch.get_num_threads()
    with num_threads(threads):
        borrow_team(0, 0)
        expected = fl.conv(SPEC, x, weight)
        share_threads()
        try:
            torch.set_num_threads(pytorch_threads)
            for _ in range(3):
                check_same(fl.conv(SPEC, x, weight), expected, bits=True)
                torch.ones(200_000).add_(1)
        finally:
            torch.set_num_threads(before)


def test_many_callers() -> None:
    x, weight = normals((3, 16, 40, 40), 1, "float32"), normals(SPEC.weight_shape, 2, "float32")
    expected = fl.conv(SPEC, x, weight)

    def work(caller: int) -> None:
        for _ in range(10):
            check_same(fl.conv(SPEC, x, weight), expected, bits=True)
            torch.ones(200_000).add_(caller)

    with num_threads(2), ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work, caller) for caller in range(4)]:
            future.result()


def test_small_calls_do_not_wait_for_workers_without_a_processor() -> None:
    """A team whose worker comes late is left alone by small calls for a while, not by large ones."""
    calls = []

    @ctypes.CFUNCTYPE(None, ctypes.CFUNCTYPE(None, ctypes.c_void_p), ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    def parallel(region: Callable[[int], None], data: int, threads: int, flags: int) -> None:
        began = time.perf_counter()
        region(data)
        calls.append(threads)
        end = time.perf_counter()
        while time.perf_counter() < 4 * end - 3 * began + 0.002:
            pass

    thread_number = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)
    small, large = normals((1, 16, 40, 40), 1, "float32"), normals((8, 16, 160, 160), 1, "float32")
    weight = normals(SPEC.weight_shape, 2, "float32")
    with num_threads(2):
        expected = fl.conv(SPEC, small, weight)
        borrow_team(*(ctypes.cast(each, ctypes.c_void_p).value or 0 for each in (parallel, thread_number)))
        is_left_alone = False
        for _ in range(50):  # the first wait is to be noticed; the test itself may be kept from its processor
            before = len(calls)
            check_same(fl.conv(SPEC, small, weight), expected, bits=True)
            is_left_alone = is_left_alone or len(calls) == before
        assert calls
        assert is_left_alone
        before = len(calls)
        fl.conv(SPEC, large, weight)
        assert len(calls) > before
    share_threads()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers of processor time are POSIX's")
def test_a_long_call_is_interrupted() -> None:
    """Ctrl-C in the middle: what comes last is not computed any more, and the next call is right."""
    spec, sample, weight = fl.ConvSpec(64, 64, 5, ndim=2), np.zeros((1, 64, 68, 68), np.float32), normals((64, 64, 5, 5), 2, "float32")
    fl.plan(spec, sample.shape, algorithm="direct").prepare(weight)(sample)  # kernels are made
    began = time.process_time()
    fl.plan(spec, sample.shape, algorithm="direct").prepare(weight)(sample)
    batch = int(1.5 / (time.process_time() - began)) + 1  # so many seconds of processor time, whatever the processor
    x = np.broadcast_to(sample, (batch, 64, 68, 68))
    prepared = fl.plan(spec, x.shape, algorithm="direct").prepare(weight)
    out = np.full((batch, 64, 64, 64), np.nan, np.float32)
    before = signal.signal(signal.SIGPROF, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_PROF, 0.15)
    try:
        with num_threads(2), pytest.raises(KeyboardInterrupt):
            prepared(x, out=out)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert np.isnan(out[-1, -1, -1, -1])
    check_same(prepared(x[:1]), np.zeros((1, 64, 64, 64), np.float32))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is POSIX's")
def test_a_forked_child_has_threads_of_its_own() -> None:
    """PyTorch's OpenMP runtime does not survive a fork; workers of a DataLoader convolve all the same."""
    done = run_python(
        """
        import os, warnings
        import numpy as np
        import faltung as fl, faltung.torch, torch

        warnings.simplefilter("ignore", DeprecationWarning)
        fl.set_num_threads(2)
        spec = fl.ConvSpec(16, 32, 3, padding=1, ndim=2)
        x, weight = np.ones((4, 16, 60, 60), "float32"), np.ones(spec.weight_shape, "float32")
        expected = fl.conv(spec, x, weight)
        child = os.fork()
        if child == 0:
            os._exit(17 if (fl.conv(spec, x, weight) == expected).all() else 18)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (fl.conv(spec, x, weight) == expected).all())
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "17 True\n", "")
