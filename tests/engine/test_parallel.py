"""Many callers at once: Python threads, changes of the thread count, forked processes."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import faltung as fl
from faltung.engine.arrays import element_types_of
from tests.support.check import check_same
from tests.support.engine import normals, num_threads, run_python
from tests.support.meanwhile import between_steps

CALLERS, CALLS = 4, 12


def in_parallel(work: Callable[[int], None]) -> None:
    """Run ``work(0)``, ``work(1)``, … at the same time; the first exception is raised."""
    with ThreadPoolExecutor(CALLERS) as pool:
        for future in [pool.submit(work, caller) for caller in range(CALLERS)]:
            future.result()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_one_prepared_convolution(threads: int) -> None:
    spec = fl.ConvSpec(16, 32, 3, padding=1, ndim=2)
    prepared = fl.plan(spec, (1, 16, 20, 20)).prepare(normals(spec.weight_shape, 1, "float32"), normals((32,), 2, "float32"))
    inputs = [normals((2, 16, 20, 20), 10 + caller, "float32") for caller in range(CALLERS)]
    expected = [prepared(x) for x in inputs]

    def work(caller: int) -> None:
        for _ in range(CALLS):
            check_same(prepared(inputs[caller]), expected[caller], bits=True)

    with num_threads(threads):
        in_parallel(work)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="affinities are Linux's")
def test_the_caller_stays_where_it_may_be() -> None:
    """Workers are kept off its processor, also where it moves or is confined to one."""
    spec = fl.ConvSpec(64, 64, 3, padding=1, ndim=2)
    prepared = fl.plan(spec, (1, 64, 20, 20), threads=2).prepare(normals(spec.weight_shape, 1, "float32"))
    x = normals((1, 64, 20, 20), 2, "float32")
    expected, allowed = prepared(x), os.sched_getaffinity(0)
    try:
        for processor in sorted(allowed)[:3]:
            os.sched_setaffinity(0, {processor})
            check_same(prepared(x), expected, bits=True)
            assert os.sched_getaffinity(0) == {processor}
    finally:
        os.sched_setaffinity(0, allowed)
    check_same(prepared(x), expected, bits=True)
    assert os.sched_getaffinity(0) == allowed


SPECS = [
    "conv2d(16, 24, 3, padding=1)",
    "conv2d(16, 24, 1)",
    "conv_transpose2d(16, 8, 4, stride=2, padding=1, padding_mode='circular')",
    "conv2d(16, 16, 5, groups=16, padding=2, padding_mode='reflect')",
]


def test_different_convolutions_and_gradients() -> None:
    specs = [fl.ConvSpec.parse(text) for text in SPECS]
    arrays = [(normals((2, 16, 15, 15), 3, "float32"), normals(spec.weight_shape, 4, "float32")) for spec in specs]
    grads = [normals(spec.output_shape((2, 16, 15, 15)), 5, "float32") for spec in specs]

    def everything(which: int) -> list[np.ndarray]:
        spec, (x, weight), grad = specs[which], arrays[which], grads[which]
        return [fl.conv(spec, x, weight), fl.conv_input_grad(spec, grad, weight, 15), fl.conv_weight_grad(spec, x, grad)]

    expected = [everything(which) for which in range(len(specs))]

    def work(caller: int) -> None:
        for call in range(CALLS):
            which = (caller + call) % len(specs)
            check_same(everything(which), expected[which], bits=True)

    with num_threads(3):
        in_parallel(work)


def test_the_thread_count_changes_meanwhile() -> None:
    spec = fl.ConvSpec(16, 32, 3, padding=1, ndim=2)
    x, weight = normals((2, 16, 20, 20), 1, "float32"), normals(spec.weight_shape, 2, "float32")
    expected = fl.conv(spec, x, weight)

    def work(caller: int) -> None:
        for call in range(2 * CALLS):
            if caller == 0:
                fl.set_num_threads(1 + call % 5)
            check_same(fl.conv(spec, x, weight), expected, bits=True)

    with num_threads(2):
        in_parallel(work)


def test_first_calls_at_the_same_time() -> None:
    """Nobody has planned these specs yet: caches fill while others read them."""
    x = np.ones((1, 3, 9, 9), np.float32)

    def work(caller: int) -> None:
        for extra in range(20):
            weight = np.ones((5 + extra, 3, 2, 2), np.float32)
            check_same(fl.conv2d(x, weight, stride=2), np.full((1, 5 + extra, 4, 4), 12, np.float32))

    in_parallel(work)


def test_two_threads_keep_the_programs_of_one_plan() -> None:
    """Both found none at first, and the one that is slower replaces what the other has put there."""
    compiled = fl.plan("conv2d(2, 3, 3)", (1, 2, 7, 7))._compiled
    types = element_types_of(x=np.zeros(1, np.float32))
    with between_steps(type(compiled).program, lambda: vars(compiled).update(_programs={})):
        assert compiled.program(types) is not None


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="a free-threaded Python")
def test_a_free_threaded_python_stays_so() -> None:
    """It would take its lock again, and say so, if the compiled module asked for it."""
    done = run_python(
        """
        import sys, warnings
        warnings.simplefilter("error")
        from faltung import _native
        print(sys._is_gil_enabled())
        """,
        PYTHON_GIL="",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


needs_fork = pytest.mark.parametrize("fork", ["fork"] if hasattr(os, "fork") else [])

FORKING = """
    import os, warnings
    import numpy as np
    import faltung as fl

    warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of any fork while threads are there
    fl.set_num_threads(2)
    spec = fl.ConvSpec(16, 32, 3, padding=1, ndim=2)
    x = np.random.default_rng(0).normal(size=(4, 16, 30, 30)).astype("float32")
    weight = np.random.default_rng(1).normal(size=spec.weight_shape).astype("float32")
    prepared = fl.plan(spec, x.shape).prepare(weight)
    expected = prepared(x)

    def same():
        return all((prepared(x) == expected).all() and (fl.conv(spec, x, weight) == expected).all() for _ in range(5))
"""


@needs_fork
def test_a_forked_child_computes_on(fork: str) -> None:
    done = run_python(
        FORKING
        + """
    child = os.fork()
    if child == 0:
        os._exit(17 if same() else 18)
    assert same()
    _, status = os.waitpid(child, 0)
    print("child", os.waitstatus_to_exitcode(status))
    """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "child 17\n", "")


@needs_fork
def test_a_child_forked_during_a_call_computes_on(fork: str) -> None:
    """Another thread holds the workers at the moment of the fork."""
    done = run_python(
        FORKING
        + """
    import threading
    stop = threading.Event()
    def busy():
        while not stop.is_set():
            prepared(x)
    thread = threading.Thread(target=busy)
    thread.start()
    codes = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            os._exit(17 if same() else 18)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    thread.join()
    assert same()
    print(set(codes))
    """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{17}\n", "")


@needs_fork
def test_multiprocessing_by_fork(fork: str) -> None:
    done = run_python(
        FORKING
        + """
    import multiprocessing
    def work(n):
        return float(np.abs(prepared(x[n : n + 1]) - expected[n : n + 1]).max())
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(work, range(4)))
    assert same()
    """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0.0, 0.0, 0.0, 0.0]\n", "")


def test_a_process_ends_while_others_compute() -> None:
    """A daemon thread in the middle of a call does not keep the process from ending."""
    done = run_python(
        """
        import threading
        import numpy as np
        import faltung as fl
        fl.set_num_threads(2)
        x, weight = np.ones((8, 32, 64, 64), "float32"), np.ones((32, 32, 3, 3), "float32")
        started = threading.Event()
        def forever():
            while True:
                fl.conv2d(x, weight)
                started.set()
        threading.Thread(target=forever, daemon=True).start()
        started.wait()
        print("end")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
