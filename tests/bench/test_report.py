"""Rows: who is compared with whom, and how a wrong answer shows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from faltung.bench.machine import Limits, cpu_name, describe, measure_limits, usage
from faltung.bench.peers import PEERS, Prepared
from faltung.bench.report import CALL, PREPARED, Row, make_arrays, time_workload
from faltung.bench.timing import Timing
from faltung.bench.workloads import Workload

LAYER = Workload("layer", "a test", "conv2d(4, 6, 3, padding=1)", (1, 4, 8, 9))
LIMITS = Limits(1, "any", {"float32": 2e9, "float64": 1e9}, 1e9)


def row(deviations: dict[str, float] | None = None, **seconds: float) -> Row:
    names = {"call": CALL, "prepared": PREPARED, "torch_best": "torch-best"}
    timings = {names.get(name, name): Timing(name, (value, value)) for name, value in seconds.items()}
    others = {name: 0.0 for name in timings if name not in (CALL, PREPARED)}
    return Row(LAYER, "direct", timings, {**others, **(deviations or {})}, 1e-6, {})


class Wrong:
    """A peer that adds `error` to one output."""

    name, idea, package, distribution = "wrong", "", "numpy", "numpy"

    def __init__(self, error: float) -> None:
        self.error = error

    def refusal(self, workload: Workload) -> None:
        return None

    def prepare(self, workload, arrays, threads) -> Prepared:
        from faltung.functional import conv

        result = conv(workload.spec, arrays.x, arrays.weight, arrays.bias).copy()
        result[0, 0, 0, 0] += self.error
        return Prepared(lambda: result, np.asarray)


def test_torch_is_compared_with_the_call_and_the_best_peer_with_the_prepared() -> None:
    found = row(call=4.0, prepared=2.0, torch=8.0, torch_best=6.0)
    assert found.against_torch() == 2.0
    assert found.against_best() == 3.0
    assert found.best_peer() == "torch-best"
    assert found.against_each() == {"torch": 4.0, "torch-best": 3.0}
    assert found.best.seconds == 2.0


def test_a_gradient_has_no_prepared_form() -> None:
    found = row(call=4.0, torch=8.0)
    assert (found.best.seconds, found.against_best()) == (4.0, 2.0)


def test_without_peers_there_is_no_ratio() -> None:
    found = row(call=4.0)
    assert found.against_torch() is None
    assert found.against_best() is found.best_peer() is None


@pytest.mark.parametrize("deviation", [2e-6, math.inf, math.nan])
def test_a_peer_that_is_wrong_is_named_and_left_out_of_the_ratios(deviation: float) -> None:
    found = row({"torch": deviation}, call=4.0, prepared=2.0, torch=1.0, torch_best=6.0)
    assert found.disagreeing == ("torch",)
    assert found.against_torch() is None
    assert found.against_best() == 3.0


def test_the_fraction_of_the_limit_is_that_of_the_fastest() -> None:
    found = row(call=1.0, prepared=0.5)
    assert found.fraction_of_limit(LIMITS) == LIMITS.seconds("float32", macs=LAYER.macs, bytes_moved=LAYER.bytes_moved) / 0.5


def test_the_limit_is_the_scarcer_of_arithmetic_and_memory() -> None:
    assert LIMITS.seconds("float32", macs=10**9, bytes_moved=1) == 1.0
    assert LIMITS.seconds("float64", macs=10**9, bytes_moved=1) == 2.0
    assert LIMITS.seconds("float32", macs=1, bytes_moved=3 * 10**9) == 3.0


def test_of_two_measurements_the_higher_rates_stand() -> None:
    other = Limits(1, "any", {"float32": 1e9, "float64": 3e9}, 2e9)
    assert LIMITS.best_of(other) == Limits(1, "any", {"float32": 2e9, "float64": 3e9}, 2e9)


@pytest.mark.parametrize("direction", ["forward", "input gradient", "weight gradient"])
def test_a_workload_is_checked_and_timed(direction) -> None:
    workload = Workload("layer", "a test", LAYER.text, LAYER.input_shape, "float32", direction)
    found = time_workload(workload, [PEERS["scipy"]], threads=1, rounds=2)
    assert set(found.timings) == ({CALL, PREPARED} if direction == "forward" else {CALL})
    assert all(len(timing.runs) == 2 for timing in found.timings.values())
    assert bool(found.algorithm) == (direction == "forward")
    assert "scipy" in found.refusals
    assert found.disagreeing == ()


@pytest.mark.parametrize(("error", "names"), [(1e-2, ("wrong",)), (math.nan, ("wrong",)), (0.0, ())])
def test_a_wrong_answer_is_found(error: float, names: tuple[str, ...]) -> None:
    found = time_workload(LAYER, [Wrong(error)], threads=1, rounds=1)
    assert found.disagreeing == names
    assert "wrong" in found.timings


class Broken(Wrong):
    """A peer that should be able to, and is not."""

    def prepare(self, workload, arrays, threads) -> Prepared:
        raise RuntimeError("no kernel for this\nstack of the library")


def test_a_peer_that_fails_is_named_with_its_message() -> None:
    found = time_workload(LAYER, [Broken(0.0), Wrong(0.0)], threads=1, rounds=1)
    assert found.failures == {"wrong": "RuntimeError: no kernel for this"}
    assert "wrong" in found.timings  # the other of that name


def test_a_peer_that_takes_longer_than_the_row_may_is_given_up_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.bench.report._timed", lambda call: (3.0, call()))
    yardstick = Wrong(0.0)
    yardstick.name = "torch"
    found = time_workload(LAYER, [Wrong(0.0), yardstick], threads=1, rounds=1, budget_seconds=4.0)
    assert found.failures == {"wrong": "one call takes 3 s, more than the 1 s that a row of 4 s has for it"}
    assert set(found.timings) == {CALL, PREPARED, "torch"}


def test_which_configuration_was_the_fastest_is_kept() -> None:
    class Best(Wrong):
        def prepare(self, workload, arrays, threads) -> Prepared:
            return replace(super().prepare(workload, arrays, threads), configuration="channels-last")

    facts = time_workload(LAYER, [Best(0.0)], threads=1, rounds=1).as_dict(LIMITS)
    assert facts["configurations"] == {"wrong": "channels-last"}


def test_plain_data_holds_every_run() -> None:
    facts = row(call=4.0, prepared=2.0, torch=8.0).as_dict(LIMITS)
    assert facts["seconds"] == {CALL: 4.0, PREPARED: 2.0, "torch": 8.0}
    assert facts["runs"]["torch"] == (8.0, 8.0)
    assert facts["against_torch"] == 2.0
    assert facts["spec"] == "conv2d(4, 6, (3, 3), padding=(1, 1))"


def test_the_data_is_the_same_every_time_and_of_the_dtype() -> None:
    first, again = make_arrays(LAYER), make_arrays(LAYER)
    assert np.array_equal(first.x, again.x)
    assert first.weight.dtype == np.float32
    assert first.bias is not None
    assert first.bias.shape == (6,)
    assert first.grad is None


@pytest.mark.parametrize("text", ["conv2d(2, 3, (5, 3))", "conv3d(1, 2, (2, 3, 4))", "conv1d(1, 1, 7)"])
def test_separable_weights_have_rank_one_along_every_axis(text: str) -> None:
    weight = make_arrays(Workload("x", "", text, (1, 2, 9, 9, 9), "float64", weights="separable")).weight
    assert np.abs(weight).max() > 0
    for kernel in weight.reshape(-1, *weight.shape[2:]):
        for axis in range(kernel.ndim):
            unfolded = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
            assert np.linalg.matrix_rank(unfolded) == 1


def test_the_machine_is_described_without_its_name() -> None:
    import platform

    facts = describe(2)
    assert facts["cpu"] == cpu_name() != ""
    assert facts["threads"] == 2
    assert platform.node() not in facts.values()


def test_limits_are_measured_for_each_dtype() -> None:
    limits = measure_limits({"float32", "float64"}, 1)
    assert set(limits.flops_per_second) == {"float32", "float64"}
    assert all(rate > 0 for rate in (*limits.flops_per_second.values(), limits.bytes_per_second))


def test_usage_only_grows() -> None:
    pytest.importorskip("resource")
    earlier = usage()
    sum(range(100_000))
    later = usage()
    assert earlier is not None
    assert later is not None
    assert later.seconds >= earlier.seconds
    assert later.preemption_rate(earlier) >= 0
