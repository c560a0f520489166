"""Functions beside SciPy's and OpenCV's: checked, timed, told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faltung.bench.call_suite import CALL_CLASSES, CALLS, call_facts, chosen_call_peers, chosen_calls
from faltung.bench.calls import Call, time_call
from faltung.errors import ConvError


def small(**fields: Any) -> Call:
    defaults: dict[str, Any] = {
        "name": "sum",
        "call_class": "lines",
        "module": "ndimage",
        "shape": (20, 30),
        "dtype": "uint8",
        "run": lambda module, x, output: module.correlate1d(x, [1, 1], output=output),
    }
    return Call(**{**defaults, **fields})


def timed(call: Call, *peers: str) -> Any:
    return time_call(call, peers, threads=1, rounds=1, budget_seconds=0.1)


def test_names_are_unique_and_classes_known() -> None:
    assert len({call.name for call in CALLS}) == len(CALLS) > 80
    assert {call.call_class for call in CALLS} == set(CALL_CLASSES)


def test_a_row_has_both_calls_and_a_ratio() -> None:
    pytest.importorskip("scipy")
    row = timed(small(), "scipy")
    assert set(row.timings) == {"faltung", "faltung into", "scipy"}
    assert row.deviations == {"scipy": 0.0}
    assert row.against("scipy") == row.timings["scipy"].runs[0] / row.timings["faltung"].runs[0]
    assert row.against("opencv") is None


def test_another_result_counts_for_nothing() -> None:
    pytest.importorskip("scipy")

    def run(module: Any, x: Any, output: Any) -> Any:
        return module.correlate1d(x, [1, 1] if module.__name__.startswith("faltung") else [1, 2], output=output)

    row = timed(small(run=run), "scipy")
    assert row.disagreeing == ("scipy",)
    assert row.against("scipy") is None


def test_the_faster_of_opencvs_ways_is_taken_and_a_broken_one_named() -> None:
    pytest.importorskip("cv2")

    def opencv(cv2: Any, x: Any) -> Any:
        return {"box": lambda dst: cv2.blur(x, (3, 3), dst=dst), "none": lambda dst: cv2.no_such_function(x)}

    call = small(run=lambda module, x, output: module.uniform_filter(x, 3, mode="mirror", output=output), opencv=opencv)
    row = timed(call, "opencv")
    assert row.configurations["opencv"] == "box"
    assert row.against("opencv") is not None
    broken = timed(small(opencv=lambda cv2, x: {"none": lambda dst: cv2.no_such_function(x)}), "opencv")
    assert "no_such_function" in broken.failures["opencv"]


def test_means_are_geometric_and_leave_out_who_took_no_part() -> None:
    pytest.importorskip("scipy")
    rows = [timed(small(), "scipy"), timed(small(name="other"), "scipy")]
    facts = call_facts(rows, ["scipy"], 1, 1)
    ratios = [row.against("scipy") for row in rows]
    assert facts["all"]["scipy"]["mean"] == pytest.approx(np.sqrt(np.prod(ratios)))
    assert facts["classes"]["lines"]["scipy"]["lowest"] == min(ratios)
    assert facts["all"]["opencv"] == {"rows": 0, "mean": None, "lowest": None}


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ConvError, match="no call"):
        chosen_calls(["no such name"])
    with pytest.raises(ConvError, match="class='lime'"):
        chosen_calls(classes=["lime"])
    with pytest.raises(ConvError, match="peer='torch'"):
        chosen_call_peers("torch")
    assert chosen_call_peers("none") == ()
