"""The environment: FALTUNG_NUM_THREADS, FALTUNG_ISA, and what an import does not do."""

from __future__ import annotations

import os

import pytest

import faltung as fl
from faltung.engine.native import available_isas, chosen_isa, get_num_threads
from tests.support.check import check_error
from tests.support.engine import forced_isa, num_threads, run_python

CONVOLVE = """
    import numpy as np
    import faltung as fl
    from faltung.engine.native import chosen_isa
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    try:
        print(fl.conv2d(x, np.ones((1, 1, 2, 2))).ravel().tolist(), fl.get_num_threads(), chosen_isa())
    except fl.ConvError as error:
        print(type(error).__name__, error)
"""
RIGHT = "[8.0, 12.0, 20.0, 24.0]"


@pytest.mark.parametrize("isa", available_isas())
def test_faltung_isa_forces_an_instruction_set(isa: str) -> None:
    done = run_python(CONVOLVE, FALTUNG_ISA=isa, FALTUNG_NUM_THREADS="3")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{RIGHT} 3 {isa}\n", "")


@pytest.mark.parametrize("value", ["sse9", "", "AVX2"])
def test_an_unknown_instruction_set_is_an_error(value: str) -> None:
    done = run_python(CONVOLVE, FALTUNG_ISA=value)
    assert done.returncode == 0
    assert done.stderr == ""
    problem, remedy = done.stdout.splitlines()
    assert problem == f"ConvPlanError FALTUNG_ISA={value!r} is not known."
    assert remedy.endswith(f"Known: {', '.join(map(repr, available_isas()))}.")


@pytest.mark.parametrize("value", ["0", "-1", "two", "", "1.5", "1025", "9" * 5000])
def test_an_impossible_number_of_threads_is_an_error(value: str) -> None:
    done = run_python(CONVOLVE, FALTUNG_NUM_THREADS=value)
    assert (done.returncode, done.stderr) == (0, "")
    problem, remedy = done.stdout.splitlines()
    assert problem.startswith("ConvPlanError FALTUNG_NUM_THREADS=")
    assert problem.endswith(" is no number of threads.")
    assert remedy == "  Use a whole number from 1 to 1024."


def test_the_widest_instruction_set_is_the_default() -> None:
    with forced_isa(available_isas()[0]):
        assert chosen_isa() == available_isas()[0]
    if "FALTUNG_ISA" not in os.environ:
        assert chosen_isa() == available_isas()[-1]


def test_set_num_threads() -> None:
    before = fl.get_num_threads()
    assert 1 <= before <= 1024
    for n in (1, 7, 1024):
        with num_threads(n):
            assert fl.get_num_threads() == get_num_threads() == n
    assert fl.get_num_threads() == before


@pytest.mark.parametrize("n", [0, -3, 1025, 2.0, "2", None, True, 10**30])
def test_set_num_threads_refuses(n: object) -> None:
    before = fl.get_num_threads()
    message = f"n={n!r} is no number of threads.\n  Use a whole number from 1 to 1024."
    check_error(lambda: fl.set_num_threads(n), fl.ConvPlanError, message)
    assert fl.get_num_threads() == before


def test_an_import_loads_and_starts_nothing() -> None:
    done = run_python(
        """
        import sys, threading, os
        import faltung as fl
        fl.ConvSpec(3, 64, 7, ndim=2).output_size(224)
        heavy = {"numpy", "scipy", "torch", "onnx", "rich", "typer", "PIL", "skimage", "faltung._native", "faltung.engine"}
        print(sorted(heavy & set(sys.modules)), threading.active_count())
        import faltung.functional
        print(sorted((heavy - {"numpy", "faltung._native", "faltung.engine"}) & set(sys.modules)), threading.active_count())
        if os.path.isdir("/proc/self/task"):
            alone = len(os.listdir("/proc/self/task"))
            import subprocess
            numpy_alone = int(subprocess.run(
                [sys.executable, "-c", "import numpy, os; print(len(os.listdir('/proc/self/task')))"], capture_output=True, text=True
            ).stdout)
            assert alone == numpy_alone, (alone, numpy_alone)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[] 1\n[] 1\n", "")


def test_one_thread_starts_no_others() -> None:
    done = run_python(
        """
        import os
        import numpy as np
        import faltung as fl
        import faltung.functional
        count = lambda: len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
        before = count()
        x, weight = np.ones((8, 16, 32, 32), "float32"), np.ones((32, 16, 3, 3), "float32")
        fl.set_num_threads(1)
        fl.conv2d(x, weight)
        print(count() - before)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_the_public_names() -> None:
    for name in fl.__all__:
        assert getattr(fl, name) is not None
        assert name in dir(fl)
    with pytest.raises(AttributeError, match="module 'faltung' has no attribute 'conv4d'"):
        fl.conv4d  # noqa: B018
