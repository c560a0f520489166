"""The clock discipline, with a clock that only moves when told."""

from __future__ import annotations

import pytest

from faltung.bench.timing import Timing, ratio, time_interleaved
from faltung.errors import ConvError


class Bench:
    """A clock, a sleep and contenders that share one time line and write down what happened."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[tuple[str, float]] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.events.append(("sleep", seconds))
        self.now += seconds

    def contender(self, name: str, *costs: float):
        """Takes the given seconds at its first calls, the last of them ever after."""
        calls = iter(costs)
        last = costs[-1]

        def call() -> None:
            self.events.append((name, self.now))
            self.now += next(calls, last)

        return call

    def time(self, contenders, **options):
        return time_interleaved(contenders, clock=self.clock, sleep=self.sleep, **options)


def test_each_contender_gets_one_entry_a_round() -> None:
    bench = Bench()
    timings = bench.time({"fast": bench.contender("fast", 0.001), "slow": bench.contender("slow", 0.004)}, rounds=5)
    assert list(timings) == ["fast", "slow"]
    assert timings["fast"].runs == pytest.approx((0.001,) * 5)
    assert timings["slow"].runs == pytest.approx((0.004,) * 5)


def test_the_order_rotates_and_everyone_pauses_first() -> None:
    bench = Bench()
    names = ["a", "b", "c"]
    bench.time({name: bench.contender(name, 1.0) for name in names}, rounds=4, pause_seconds=0.5)
    turns = [bench.events[at + 1][0] for at, (what, _) in enumerate(bench.events) if what == "sleep"]
    assert turns == ["a", "b", "c", "b", "c", "a", "c", "a", "b", "a", "b", "c"]
    assert {seconds for what, seconds in bench.events if what == "sleep"} == {0.5}


def test_what_is_slow_only_at_first_does_not_count() -> None:
    bench = Bench()
    timing = bench.time({"cold": bench.contender("cold", 0.009, 0.002)}, rounds=1, warm_seconds=0.010)["cold"]
    assert timing.runs == pytest.approx((0.002,))


def test_warming_lasts_as_long_as_asked() -> None:
    bench = Bench()
    bench.time({"x": bench.contender("x", 0.001)}, rounds=1, pause_seconds=0, warm_seconds=0.0105)
    assert len(bench.events) == 11 + 5  # 11 ms of warming, then 5 ms that count


@pytest.mark.parametrize(("seconds", "calls"), [(0.1, 6), (0.19, 6), (0.21, 4), (3.0, 4)])
def test_a_long_call_is_measured_once_a_round_and_a_very_long_one_warmed_in_the_first_alone(seconds: float, calls: int) -> None:
    bench = Bench()
    timing = bench.time({"long": bench.contender("long", seconds)}, rounds=3, pause_seconds=0)["long"]
    assert len(bench.events) == calls
    assert timing.runs == pytest.approx((seconds,) * 3)


def test_no_pause_means_no_sleep() -> None:
    bench = Bench()
    bench.time({"x": bench.contender("x", 1.0)}, rounds=1, pause_seconds=0)
    assert all(what != "sleep" for what, _ in bench.events)


def test_progress_is_told_after_every_round() -> None:
    bench = Bench()
    done: list[int] = []
    bench.time({"x": bench.contender("x", 1.0)}, rounds=3, on_round=done.append)
    assert done == [1, 2, 3]


@pytest.mark.parametrize(("budget", "rounds"), [(None, 9), (1e9, 9), (2.0, 5), (1.3, 4), (1.2, 3), (0.1, 3)])
def test_a_budget_ends_the_rounds_but_three_are_run(budget: float | None, rounds: int) -> None:
    bench = Bench()
    contenders = {"a": bench.contender("a", 0.1), "b": bench.contender("b", 0.1)}  # warmed and measured: 0.4 s a round
    timings = bench.time(contenders, rounds=9, pause_seconds=0, budget_seconds=budget)
    assert {len(timing.runs) for timing in timings.values()} == {rounds}


@pytest.mark.parametrize(("contenders", "rounds", "problem"), [({}, 3, "nothing to time"), ({"x": print}, 0, "rounds=0 is below 1")])
def test_nothing_to_time_is_an_error(contenders, rounds, problem) -> None:
    with pytest.raises(ConvError, match=problem):
        time_interleaved(contenders, rounds=rounds)


def test_seconds_is_the_median() -> None:
    assert Timing("x", (5.0, 1.0, 2.0)).seconds == 2.0
    assert Timing("x", (1.0, 3.0)).seconds == 2.0


def test_spread_is_half_the_quartile_distance_over_the_median() -> None:
    assert Timing("x", (1.0, 2.0, 3.0, 4.0, 5.0)).spread == pytest.approx(1 / 3)
    assert Timing("x", (2.0,)).spread == 0.0


def test_ratio_is_taken_within_rounds() -> None:
    # The machine slows down tenfold for the second round: within it the two still differ by 2.
    mine, other = Timing("mine", (1.0, 10.0, 1.0)), Timing("other", (2.0, 20.0, 2.0))
    assert ratio(mine, other) == 2.0
    assert ratio(other, mine) == 0.5


def test_ratio_is_not_the_ratio_of_medians() -> None:
    mine, other = Timing("mine", (1.0, 4.0, 4.0)), Timing("other", (2.0, 2.0, 8.0))
    assert ratio(mine, other) == 2.0
    assert other.seconds / mine.seconds == 0.5


def test_timings_of_different_runs_have_no_ratio() -> None:
    with pytest.raises(ConvError, match="3 rounds"):
        ratio(Timing("mine", (1.0, 1.0, 1.0)), Timing("other", (1.0,)))
