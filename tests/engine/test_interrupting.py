"""Signals in the middle of a long call: Ctrl-C ends it, other handlers run and it goes on; the engine computes rightly afterwards.

Timers count the processor time of the process, so that a busy machine changes nothing: each call would take seconds of it.
"""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.engine import run_python

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers of processor time are POSIX's")

LONG = """
    import os, signal, sys, threading, time
    import numpy as np
    import faltung as fl

    def after(handler, seconds=0.15):
        signal.signal(signal.SIGPROF, handler)
        signal.setitimer(signal.ITIMER_PROF, seconds)

    def ints(*shape):
        return np.random.default_rng(len(shape)).integers(-4, 5, shape).astype("float32")

    def interrupted(call, *seconds):
        after(signal.default_int_handler, *seconds)
        try:
            call()
        except KeyboardInterrupt:
            return True
        return False

    def slow(seconds=1.0):
        # Tasks of some milliseconds, together these seconds of processor time on any machine: a call looks for signals ten times
        # a second, and one that ends before it looks again is whole.
        spec = fl.ConvSpec.parse("conv2d(8, 16, 7)")
        weight, x = ints(*spec.weight_shape), ints(1, 8, 90, 90)
        begun = time.process_time()
        fl.plan(spec, x.shape, algorithm="general").prepare(weight)(x)
        x = np.repeat(x, int(seconds / (time.process_time() - begun)) + 1, axis=0)
        return fl.plan(spec, x.shape, algorithm="general").prepare(weight), x

    small, kernels = ints(2, 8, 40, 40), ints(8, 8, 3, 3)
    expected = fl.conv2d(small, kernels)
"""

CALLS = {
    "tasks": ("conv2d(64, 64, 5)", (16, 64, 260, 260), "direct"),
    "long tasks": ("conv2d(1, 2, 63)", (1, 1, 460, 460), "general"),
}


@pytest.mark.parametrize(("threads", "seconds"), [(1, 0.03), (2, 0.15)])
@pytest.mark.parametrize("call", CALLS)
def test_it_ends_in_the_middle(call: str, threads: int, seconds: float) -> None:
    """What comes last is not computed any more, whether the signal is there when the call first looks for one or comes later."""
    text, shape, algorithm = CALLS[call]
    done = run_python(
        LONG
        + f"""
    fl.set_num_threads({threads})
    spec = fl.ConvSpec.parse({text!r})
    x, weight = np.zeros({shape}, "float32"), np.zeros(spec.weight_shape, "float32")
    prepared = fl.plan(spec, x.shape, algorithm={algorithm!r}).prepare(weight)
    out = np.full(spec.output_shape(x.shape), np.nan, "float32")
    ended = interrupted(lambda: prepared(x, out=out), {seconds})
    print(ended, bool(np.isnan(out[-1, -1, -1, -1])), np.array_equal(fl.conv2d(small, kernels), expected))
    """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True True\n", "")


def test_a_handler_that_returns_changes_nothing() -> None:
    """Even one that convolves: it has scratch memory of its own."""
    done = run_python(
        LONG
        + """
    fl.set_num_threads(2)
    prepared, x = slow()
    whole, seen = prepared(x), []
    def handler(*_):
        seen.append(bool((fl.conv2d(small, kernels) == expected).all()))
        if len(seen) < 3:
            after(handler)
    while len(seen) < 3:
        after(handler)
        assert (prepared(x) == whole).all()
    print(seen)
    """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[True, True, True]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is POSIX's")
def test_a_handler_that_forks_leaves_no_half_result_in_the_child() -> None:
    done = run_python(
        LONG
        + """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    fl.set_num_threads(2)
    prepared, x = slow()
    children = []
    def handler(*_):
        children.append(os.fork())
    after(handler)
    try:
        prepared(x)
    except RuntimeError as error:
        os._exit(17 if children == [0] and "forked" in str(error) and (fl.conv2d(small, kernels) == expected).all() else 18)
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]), (fl.conv2d(small, kernels) == expected).all())
    """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "17 True\n", "")


def test_other_threads_are_not_interrupted() -> None:
    """Signals are the main thread's: it is told while another thread computes, whose result is whole."""
    done = run_python(
        LONG
        + """
    fl.set_num_threads(2)
    prepared, x = slow(0.3)
    whole, results = prepared(x), []
    thread = threading.Thread(target=lambda: results.append([prepared(x) for _ in range(4)]))
    def watch():
        while not results:
            pass
    thread.start()
    print(interrupted(watch), thread.is_alive())
    thread.join()
    print(all((result == whole).all() for result in results[0]))
    """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\nTrue\n", "")
