"""Layers of real networks and edge cases that others collected: a seeded sample of `make test-exhaustive`, and full sizes planned."""

from __future__ import annotations

import random

import pytest

import faltung as fl
from faltung import reference
from faltung.engine.native import available_isas
from tests.exhaustive.case import DIRECTIONS, Case
from tests.exhaustive.comparing import DTYPES, Refusal, Result, compare, some_dtypes
from tests.exhaustive.report import Report
from tests.exhaustive.shapes import WRITTEN, Row, Shape, numbers, read_table, scaled_down, shape_text, shapes_of
from tests.support.check import check_same
from tests.support.engine import forced_isa

SAMPLE = {("conv", 1): 20, ("conv", 2): 60, ("conv", 3): 50, ("deconv", 1): 5, ("deconv", 2): 15, ("deconv", 3): 10}
COMPARED_EVERY, DEFINED_EVERY = 4, 3
ISAS = available_isas()


def sampled_rows() -> list[Row]:
    rows, table = list(WRITTEN), read_table()
    for kind, count in SAMPLE.items():
        alike = [row for row in table if (row["kind"], len(numbers(row["kernel"]))) == kind]
        rows += random.Random(7).sample(alike, min(count, len(alike)))
    return rows


ROWS = sampled_rows()
SHAPES = [*shapes_of(WRITTEN), *(shape for shape in shapes_of(ROWS[len(WRITTEN) :])[::COMPARED_EVERY])]


@pytest.mark.parametrize("number", range(len(SHAPES)), ids=lambda number: shape_text(SHAPES[number]))
def test_every_algorithm(number: int) -> None:
    """In every direction, on one instruction set after the other as shapes go on."""
    isa = ISAS[number % len(ISAS)]
    with forced_isa(isa):
        results = list(compare(Case(SHAPES[number], number), number, some_dtypes(number, isa)))
    assert [result.fault for result in results if isinstance(result, Result) and result.fault] == []
    assert sum(isinstance(result, Result) for result in results) > 20


@pytest.mark.parametrize("number", range(0, len(SHAPES), DEFINED_EVERY), ids=lambda number: shape_text(SHAPES[number]))
def test_what_is_expected_is_the_definition(number: int) -> None:
    (spec, size), case = SHAPES[number], Case(SHAPES[number], number)
    x, weight, bias, grad = (case.arrays[name] for name in ("x", "weight", "bias", "grad"))
    check_same(case.expected("forward"), reference.conv(spec, x, weight, bias).astype(float))
    check_same(case.expected("input gradient"), reference.conv_input_grad(spec, grad, weight, size).astype(float))
    check_same(case.expected("weight gradient"), reference.conv_weight_grad(spec, x, grad).astype(float))


def test_a_wrong_result_is_noticed() -> None:
    """One weight changed in the dark, in a kernel's last tap of one channel, is a fault of every algorithm and direction but that one."""
    shape: Shape = (fl.ConvSpec.parse("conv2d(4, 5, 3, padding=1)"), (9, 9))
    case = Case(shape, 3)
    case.arrays["weight"][4, 3, 2, 2] = 4
    for direction in DIRECTIONS[:2]:
        case.expected(direction)
    case.arrays["weight"][4, 3, 2, 2] = 3
    results = [result for result in compare(case, 0, ("float32", "int64")) if isinstance(result, Result)]
    assert {result.direction for result in results if result.fault is None} == {"weight gradient", "forward"}
    assert {result.algorithm for result in results if result.fault is None and result.direction == "forward"} <= {
        "separable",
        "whole call, outer products",
    }
    report = Report(isas=(ISAS[-1],))
    for result in results:
        report.take(result, ISAS[-1], 0, shape_text(shape))
    assert len(report.faults) == sum(result.fault is not None for result in results) > 10
    assert "of 810 differ" in report.faults[0]


def test_what_was_never_tried_is_told() -> None:
    report = Report(isas=ISAS)
    for result in compare(Case(SHAPES[0], 0), 0, tuple(DTYPES)):
        report.take(result, ISAS[-1], 0, "")
    told = list(report.never_tried())
    assert any("dilated was never tried: forward" in line for line in told)
    assert not any(line.startswith("direct ") and ISAS[-1] in line for line in told)
    assert any(isinstance(result, Refusal) for result in compare(Case(SHAPES[0], 0), 0, ("float32",)))


def test_some_algorithms_alone() -> None:
    case = Case(SHAPES[0], 0)
    asked = ("stem", "direct", "unfold")
    everything = [one for one in compare(case, 0, ("float32", "int64")) if one.algorithm in asked]
    assert list(compare(case, 0, ("float32", "int64"), asked)) == everything
    assert {one.algorithm for one in everything if isinstance(one, Result)} == set(asked)
    report = Report(isas=(ISAS[-1],), algorithms=asked[1:])
    for one in everything:
        report.take(one, ISAS[-1], 0, "")
    assert list(report.never_tried()) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']} {row['name']} {row['kernel']}/{row['stride']}")
def test_the_full_size_is_planned(row: Row) -> None:
    """Shapes as they stand in the table: the sizes agree, an algorithm is found, its memory stays small."""
    spec = fl.ConvSpec(
        in_channels=int(row["in_channels"]),
        out_channels=int(row["out_channels"]),
        kernel_size=numbers(row["kernel"]),
        stride=numbers(row["stride"]),
        dilation=numbers(row["dilation"]),
        padding=tuple(zip(numbers(row["pad_before"]), numbers(row["pad_after"]), strict=True)),
        groups=int(row["groups"]),
        transposed=row["kind"] == "deconv",
    )
    shape = (1, spec.in_channels, *numbers(row["input"]))
    plan = fl.plan(spec, shape, threads=1)
    assert spec.output_size(shape[2:]) == numbers(row["output"])
    assert sum(decision.chosen for decision in plan.why) == 1
    needed = spec.memory(shape, "float32")
    assert plan.workspace_bytes < 2 * needed.weight_bytes + 2**26


def test_kernels_as_large_as_a_volume_are_made_smaller() -> None:
    row = WRITTEN[0] | {"kernel": "192x192x192", "input": "192x192x192", "output": "1x1x1"}
    row |= {"stride": "1x1x1", "dilation": "1x1x1", "pad_before": "0x0x0", "pad_after": "0x0x0"}
    spec, size = scaled_down(row)
    assert spec.kernel_size == size == (16, 16, 16)
