"""What fuzzing has found, once more; and that a run finds what it is there to find."""

from __future__ import annotations

import importlib
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
from faltung import _native
from tests.fuzz import TARGETS, plans, running
from tests.fuzz.draw import Draw

CASES = sorted(running.CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
@pytest.mark.filterwarnings("ignore")
def test_what_was_found_stays_mended(path: Path) -> None:
    importlib.import_module(f"tests.fuzz.{path.parent.name}").check(path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_a_few_new_cases(target: str) -> None:
    """Of each target some that are always the same, so that none of them goes out of use."""
    module = importlib.import_module(f"tests.fuzz.{target}")
    cases = running.cases_of(target, 5)
    for _ in range({"sizes": 30, "files": 30, "models": 20, "answers": 20, "plans": 40}.get(target, 100)):
        module.check(next(cases))


def test_a_wrong_result_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A planted defect: large convolutions lose their last column."""
    real = fl.conv

    def wrong(*arguments: object, **options: object) -> np.ndarray:
        y = real(*arguments, **options)
        y[..., -1:] += y.shape[-1] > 5
        return y

    monkeypatch.setattr(plans.fl, "conv", wrong)
    monkeypatch.chdir(tmp_path)
    assert running.run("plans", 0.1, 1, 0) > 0
    assert "AssertionError" in capsys.readouterr().out
    (case, *_) = sorted(Path("build/fuzz/plans").iterdir())
    with pytest.raises(AssertionError):
        plans.check(case.read_bytes())


def test_a_process_that_ends_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr(plans, "check", lambda data: os.abort())
    monkeypatch.chdir(tmp_path)
    assert running.run("plans", 0.2, 1, 0) > 0
    assert "SIGABRT" in capsys.readouterr().out


def test_a_process_that_hangs_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr(plans, "check", lambda data: signal.pause())
    monkeypatch.setattr(running, "CASE_SECONDS", 0.1)
    monkeypatch.chdir(tmp_path)
    assert running.run("plans", 0.3, 1, 0) > 0
    assert "no answer in 0.1 s" in capsys.readouterr().out


def test_bytes_choose() -> None:
    draw = Draw(random.Random(1).randbytes(4000))
    views = [draw.array((3, 4), dtype) for _ in range(60) for dtype in ("float32", "int16")]
    assert {view.shape for view in views} == {(3, 4)}
    assert any(not view.flags.aligned for view in views)
    assert any(not view.dtype.isnative for view in views)
    assert any(0 in view.strides for view in views)
    assert any(min(view.strides) < 0 for view in views)
    sizes = [draw.huge() for _ in range(500)]
    assert min(sizes) < -(2**14)
    assert max(sizes) > 2**63


def odd(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Zeros that begin between two elements."""
    return np.ndarray(shape, dtype, bytearray(int(np.prod(shape)) * np.dtype(dtype).itemsize + 1), 1)


def test_the_compiled_module_refuses_what_is_not_aligned() -> None:
    """Python copies such arrays first; kernels would read them against the rules of C++."""
    x, y = np.zeros((2, 3, 4), np.float32), np.zeros((2, 3, 4), np.float32)
    one = (None, 3, 1, "reflect", 0.0)
    for first, second in ((odd(2, 3, 4), y), (x, odd(2, 3, 4))):
        with pytest.raises(ValueError, match="not aligned"):
            _native.filter_lines(first, second, "baseline" if "baseline" in _native.detected_isas() else "neon", 1, None, one, 1, False)
    with pytest.raises(ValueError, match="not aligned"):
        _native.is_within(odd(3), 1.0, _native.detected_isas()[0], 1)


def test_the_compiled_module_asks_for_all_its_memory_at_once() -> None:
    """Of what stands beyond the ends of an axis: it used to fill the machine's memory before it gave up."""
    x = np.zeros((1, 1, 5), np.float32)
    with pytest.raises(MemoryError, match="8796093022200 bytes"):
        _native.filter_lines(x, x.copy(), _native.detected_isas()[0], 1, None, (None, 2**40, 3, "reflect", 0.0), 1, False)


def test_a_kernel_of_no_taps_is_refused() -> None:
    """Several families divide by their number."""
    with pytest.raises(ValueError, match="no tap"):
        _native.Problem(2, 1, 1, [5], [6], [0], [1], [1], [0], "zeros")
