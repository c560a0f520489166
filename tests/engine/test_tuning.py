"""Measured algorithms: remembered, found again, ignored where they do not hold; never a change of what is right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
from faltung.engine import measure, tuning
from faltung.engine.problem import Problem
from tests.support.check import check_same

LAYER = fl.ConvSpec(4, 4, 5, padding=2, groups=4, bias=False, ndim=2)
SHAPE = (1, 4, 20, 24)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A cache folder of its own, in use."""
    monkeypatch.setenv("FALTUNG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FALTUNG_TUNING", "on")
    tuning.forget()
    yield tmp_path / "cache"
    monkeypatch.undo()
    tuning.forget()


def taken(algorithm: str, shape: tuple[int, ...] = SHAPE) -> dict[str, tuning.Measured]:
    """A measurement of `LAYER` in which `algorithm` was the fastest."""
    problem = Problem(4, 1, 1, shape[2:], shape[2:], (5, 5), (1, 1), (1, 1), (2, 2), "zeros")
    entry = tuning.Measured(algorithm, {algorithm: 1e-6, "general": 5e-6})
    return {tuning.key(problem, "float32", is_exact=False, is_prepared=is_prepared): entry for is_prepared in (True, False)}


def test_what_is_remembered_decides() -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.integers(-4, 5, SHAPE).astype(np.float32), rng.integers(-4, 5, LAYER.weight_shape).astype(np.float32)
    before = fl.plan(LAYER, SHAPE)
    expected = before(x, weight)
    assert before.algorithm == "depthwise"
    path = tuning.remember(taken("filter"))
    assert path == tuning.file()
    for _ in range(2):  # from memory, and from the file
        after = fl.plan(LAYER, SHAPE)
        assert after.algorithm == "filter"
        reasons = {decision.algorithm: decision.reason for decision in after.why}
        assert reasons["filter"].endswith("; the fastest measured")
        assert reasons["general"].endswith("; measured 5.0 times the time of filter")
        check_same(after(x, weight), expected)
        check_same(fl.conv(LAYER, x, weight), expected)
        assert not any("measured" in decision.reason for decision in fl.plan(LAYER, SHAPE, accuracy="exact").why)
        assert fl.plan(LAYER, SHAPE, algorithm="direct").algorithm == "direct"
        assert fl.plan(LAYER, (1, 4, 20, 25)).algorithm == "depthwise"
        tuning.forget()
    assert tuning.clear()
    assert not tuning.clear()
    assert fl.plan(LAYER, SHAPE).algorithm == "depthwise"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_shares_what_is_measured_of_float32(dtype: str) -> None:
    for text in ("conv2d(16, 16, 1)", "conv2d(4, 4, 5, padding=2, groups=4)"):
        spec = fl.ConvSpec.parse(text)
        shape = (1, spec.in_channels, 20, 24)
        before = fl.plan(spec, shape, dtype).algorithm
        tuned = measure.tune(spec, shape, dtype, seconds=0.0)
        assert (tuned.before, tuned.after) == (before, fl.plan(spec, shape, dtype).algorithm)
        assert "dots" not in tuned.seconds
    assert {key.split()[0] for key in tuning.table()} == {"float32"}


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    tuning.remember(taken("filter"))
    monkeypatch.setenv("FALTUNG_TUNING", "off")
    tuning.forget()
    assert fl.plan(LAYER, SHAPE).algorithm == "depthwise"
    monkeypatch.setenv("FALTUNG_TUNING", "perhaps")
    tuning.forget()
    with pytest.raises(fl.ConvPlanError, match="FALTUNG_TUNING"):
        fl.plan(LAYER, SHAPE)


@pytest.mark.parametrize("algorithm", ["", "dilated", "pointwise", "no such algorithm"])
def test_algorithms_that_do_not_serve_are_ignored(algorithm: str) -> None:
    tuning.remember(taken(algorithm))
    tuning.forget()
    assert fl.plan(LAYER, SHAPE).algorithm == "depthwise"


def _other_machine(held: dict) -> None:
    held["machine"]["cpu"] = "another"


def _other_version(held: dict) -> None:
    held["machine"]["version"] = "0.0.0"


def _other_format(held: dict) -> None:
    held["format"] = 0


def _no_table(held: dict) -> None:
    held["measured"] = [1]


def _bad_entry(held: dict) -> None:
    held["measured"]["float32"] = {"algorithm": "filter", "seconds": {"filter": "soon"}}


@pytest.mark.parametrize("spoil", [_other_machine, _other_version, _other_format, _no_table, _bad_entry])
def test_foreign_files_are_ignored(spoil) -> None:
    path = tuning.remember(taken("filter"))
    held = json.loads(path.read_text())
    spoil(held)
    path.write_text(json.dumps(held))
    tuning.forget()
    assert tuning.table() == {}
    assert fl.plan(LAYER, SHAPE).algorithm == "depthwise"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000])
def test_damaged_files_are_ignored_and_replaced(content: bytes) -> None:
    path = tuning.file()
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    tuning.forget()
    assert fl.plan(LAYER, SHAPE).algorithm == "depthwise"
    tuning.remember(taken("filter"))
    tuning.forget()
    assert fl.plan(LAYER, SHAPE).algorithm == "filter"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in the way").write_text("")
    monkeypatch.setenv("FALTUNG_CACHE_DIR", str(tmp_path / "in the way" / "cache"))
    tuning.forget()
    assert fl.plan(LAYER, SHAPE).algorithm == "depthwise"
    assert tuning.remember(taken("filter")) is None
    assert fl.plan(LAYER, SHAPE).algorithm == "filter"  # in this process


def test_what_others_remembered_meanwhile_is_kept() -> None:
    tuning.remember(taken("filter"))
    tuning.forget()
    assert tuning.table()
    other = taken("direct", (1, 4, 9, 9))
    path = tuning.remember(other)
    held = json.loads(path.read_text())
    held["measured"]["float32 of another process"] = {"algorithm": "direct", "seconds": {}}
    path.write_text(json.dumps(held))
    tuning.remember(taken("general"))
    names = json.loads(path.read_text())["measured"]
    assert {"float32 of another process", *other} <= set(names)


def test_the_folder_for_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FALTUNG_CACHE_DIR")
    monkeypatch.setattr(tuning.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tuning.file().parent == tmp_path / "faltung"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the XDG specification
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert tuning.file().parent == tmp_path / "home" / ".cache" / "faltung"
    assert tuning.file().name != replace_machine(monkeypatch, cpu="another")
    monkeypatch.setattr(tuning.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert tuning.file().parent == tmp_path / "local" / "faltung" / "Cache"


def replace_machine(monkeypatch: pytest.MonkeyPatch, **changes: object) -> str:
    other = replace(tuning.machine(), **changes)
    monkeypatch.setattr(tuning, "machine", lambda: other)
    return tuning.file().name


def test_the_fastest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(calls: dict, _seconds: float) -> dict:
        for call in calls.values():
            call()
        fast = {("run", "direct"): 1.0, ("pack", "direct"): 9.0, ("run", "filter"): 2.0, ("pack", "filter"): 1.0}
        return {name: fast.get(name, 5.0) for name in calls}

    monkeypatch.setattr(measure, "WORTH_TRYING", 1e9)
    monkeypatch.setattr(measure, "_interleaved", pretend)
    tuned = measure.tune(LAYER, SHAPE)
    assert (tuned.before, tuned.after) == ("depthwise", "direct")
    assert tuned.seconds["direct"] == 1.0
    assert fl.plan(LAYER, SHAPE).algorithm == "direct"
    x, weight = np.ones(SHAPE, np.float32), np.ones(LAYER.weight_shape, np.float32)
    assert fl.engine.run._checked(LAYER, x.shape, x.dtype, weight.shape, weight.dtype, None, False)[1].algorithm == "filter"


def test_about_as_fast_is_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    tuning.remember(taken("filter"))
    monkeypatch.setattr(measure, "_interleaved", lambda calls, _seconds: dict.fromkeys(calls, 1.0))
    tuned = measure.tune(LAYER, SHAPE)
    assert (tuned.before, tuned.after) == ("depthwise", "depthwise")  # what was remembered before is overruled


@pytest.mark.parametrize(
    ("spec", "shape", "dtype"),
    [
        ("conv_transpose2d(3, 4, 4, stride=2, padding=1)", (2, 3, 7, 7), "float32"),
        ("conv1d(2, 2, 3)", (2, 30), "complex64"),
        ("conv2d(2, 3, 3, padding=1)", (1, 2, 8, 8), "uint8"),
        ("conv2d(16, 16, 3, dilation=8, padding=8)", (1, 16, 12, 12), "float16"),
    ],
)
def test_every_kind_is_measured(spec: str, shape: tuple[int, ...], dtype: str) -> None:
    parsed = fl.ConvSpec.parse(spec)
    planned = fl.plan(parsed, shape, dtype, tune=True)
    assert tuning.file().exists()
    assert planned.algorithm == fl.plan(parsed, shape, dtype).algorithm
    assert sum(decision.chosen for decision in planned.why) == 1


def test_nothing_to_measure() -> None:
    assert fl.plan(LAYER, (0, 4, 20, 24), tune=True).algorithm == "depthwise"
    assert not tuning.file().exists()


def test_two_threads_that_read_the_file_go_on_with_one_table() -> None:
    with pytest.MonkeyPatch.context() as patch:

        def overtaken() -> dict[str, tuning.Measured]:
            patch.undo()
            tuning.remember(taken("filter"))  # by a thread that began later, and was over first
            return {}

        patch.setattr(tuning, "_read", overtaken)
        assert tuning.table() == taken("filter")
    assert fl.plan(LAYER, SHAPE).algorithm == "filter"
