"""What a run comes down to: means by class, and that its JSON is recognised."""

from __future__ import annotations

import pytest

from faltung.bench.summary import checked_run, class_means, geometric_mean
from faltung.errors import ConvError
from tests.bench.runs import a_run, a_workload


def test_the_geometric_mean_of_a_ratio_and_its_inverse_is_one() -> None:
    assert geometric_mean([4.0, 0.25, None]) == pytest.approx(1.0)
    assert geometric_mean([None]) is None


def test_each_class_has_its_own_means_and_its_lowest_ratio() -> None:
    rows = [a_workload("a", "fir", against_best=2.0), a_workload("b", "tiny"), a_workload("c", "fir", against_best=0.5)]
    means = class_means(rows)
    assert list(means) == ["fir", "tiny"]
    assert means["fir"]["rows"] == 2
    assert means["fir"]["title"] == "long 1-D, FIR"
    assert means["fir"]["against_best"] == pytest.approx(1.0)
    assert means["fir"]["lowest_against_best"] == 0.5


def test_a_class_without_peers_has_no_ratio() -> None:
    means = class_means([a_workload("a", "fir", against_best=None, against_torch=None)])["fir"]
    assert means["against_torch"] is means["against_best"] is means["lowest_against_best"] is None


def test_a_run_is_taken_as_it_is() -> None:
    assert checked_run(a_run(), "run.json") == a_run()


@pytest.mark.parametrize(("facts", "told"), [([1], "it has no 'suite'"), ({"suite": "quick"}, "it has no 'machine'")])
def test_other_json_is_no_run(facts: object, told: str) -> None:
    with pytest.raises(ConvError, match=told):
        checked_run(facts, "x.json")
