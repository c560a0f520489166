"""threadpoolctl sees the engine's threads and limits them, without anything to be imported or registered by who uses it."""

from __future__ import annotations

import threading

import pytest

import faltung as fl
from faltung import _native
from faltung.engine.native import using_threads
from tests.support.engine import num_threads, run_python

threadpoolctl = pytest.importorskip("threadpoolctl")


def listed() -> list[dict[str, object]]:
    return [entry for entry in threadpoolctl.threadpool_info() if entry["user_api"] == "faltung"]


def test_it_is_listed() -> None:
    with num_threads(3):
        (entry,) = listed()
    assert (entry["num_threads"], entry["internal_api"], entry["filepath"]) == (3, "faltung", _native.__file__)


@pytest.mark.parametrize("api", [None, "faltung"])
def test_it_is_limited_and_set_free_again(api: str | None) -> None:
    with num_threads(3):
        with threadpoolctl.threadpool_limits(1, user_api=api):
            assert fl.get_num_threads() == listed()[0]["num_threads"] == 1
        assert fl.get_num_threads() == 3
        with threadpoolctl.threadpool_limits({"faltung": 2}):
            assert fl.get_num_threads() == 2
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            assert fl.get_num_threads() == 3


def test_a_limit_inside_of_another_one_leaves_that_as_it_was() -> None:
    with num_threads(4):
        with using_threads(3):
            with threadpoolctl.threadpool_limits(1):
                assert fl.get_num_threads() == 1
            assert fl.get_num_threads() == 3
        assert fl.get_num_threads() == 4


def test_no_thread_is_started_under_a_limit_of_one() -> None:
    done = run_python(
        """
        import os
        import threadpoolctl
        before = [entry["user_api"] for entry in threadpoolctl.threadpool_info()]
        import numpy as np, faltung as fl
        x, weight = np.ones((8, 64, 60, 60), "float32"), np.ones((64, 64, 3, 3), "float32")
        fl.set_num_threads(4)
        count = lambda: len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
        threads = count()
        with threadpoolctl.threadpool_limits(1):
            fl.conv2d(x, weight)
            under_limit = count() - threads
        fl.conv2d(x, weight)
        print("faltung" in before, under_limit, count() - threads in (0, 3))
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "False 0 True\n", "")


def test_what_is_not_installed_is_not_missed() -> None:
    done = run_python(
        """
        import sys
        sys.modules["threadpoolctl"] = None
        import numpy as np, faltung as fl
        print(fl.conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 3, 3))))
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[[[9.]]]\n", "")


def test_other_threads_see_the_limit() -> None:
    seen = []
    with num_threads(3), threadpoolctl.threadpool_limits(2):
        thread = threading.Thread(target=lambda: seen.append(fl.get_num_threads()))
        thread.start()
        thread.join()
    assert seen == [2]
