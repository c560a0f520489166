"""The table of layers: every entry is what it says."""

from __future__ import annotations

import pytest

from faltung.bench.workloads import SUITES, Workload, suite
from faltung.errors import ConvError

ALL = [(found.name, workload) for found in SUITES.values() for workload in found.workloads]


@pytest.mark.parametrize(("name", "workload"), ALL, ids=lambda value: getattr(value, "name", value))
def test_every_workload_is_a_convolution_with_an_output(name: str, workload: Workload) -> None:
    spec = workload.spec
    assert len(workload.input_shape) == spec.ndim + 2
    assert workload.output_shape[1] == spec.out_channels
    assert workload.macs > 0
    assert workload.bytes_moved > 0
    assert workload.origin


@pytest.mark.parametrize("name", SUITES)
def test_names_are_unique_and_short_enough_for_the_table(name: str) -> None:
    names = [workload.name for workload in SUITES[name].workloads]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 25


def test_the_quick_suite_has_every_kind() -> None:
    kinds = frozenset().union(*(workload.spec.kinds for workload in SUITES["quick"].workloads))
    assert kinds >= {"standard", "strided", "dilated", "grouped", "depthwise", "pointwise", "transposed", "circular", "reflect", "causal"}
    assert {workload.spec.ndim for workload in SUITES["quick"].workloads} == {1, 2, 3}
    assert {workload.direction for workload in SUITES["quick"].workloads} == {"forward", "input gradient", "weight gradient"}
    assert {workload.dtype for workload in SUITES["quick"].workloads} == {"float32", "float64"}


def test_the_foundation_suite_is_the_two_layers_on_two_threads() -> None:
    found = SUITES["foundation"]
    assert found.threads == 2
    assert [(workload.spec.weight_shape, workload.input_size) for workload in found.workloads] == [
        ((64, 64, 3, 3), (56, 56)),
        ((256, 256, 1, 1), (28, 28)),
    ]


def test_the_batch_counts() -> None:
    one = Workload("x", "y", "conv1d(2, 3, 5, bias=False)", (1, 2, 10))
    four = Workload("x", "y", "conv1d(2, 3, 5, bias=False)", (4, 2, 10))
    assert (one.macs, four.macs) == (6 * 3 * 2 * 5, 4 * 6 * 3 * 2 * 5)
    assert one.bytes_moved == 4 * (2 * 10 + 3 * 6 + 3 * 2 * 5)


def test_workloads_are_found_as_a_keyboard_types_them() -> None:
    assert [workload.name for workload in suite("quick", ["1x1 256"]).workloads] == ["1×1 256→256 at 28²"]
    assert len(suite("quick", ["depthwise", "TINY"]).workloads) == 3


def test_a_misspelt_suite_is_told_the_near_one() -> None:
    with pytest.raises(ConvError, match="Did you mean 'quick'"):
        suite("quik")


def test_a_filter_that_leaves_nothing_lists_what_there_is() -> None:
    with pytest.raises(ConvError, match="no workload of suite 'foundation' contains 'nothing'") as caught:
        suite("foundation", ["nothing"])
    assert "1×1 256→256" in caught.value.remedy
