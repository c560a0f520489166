"""34 314 shapes of real layers, from a table that stands beside the checkout on some machines.

The table re-expresses the inputs of oneDNN's benchmark driver (github.com/uxlfoundation/oneDNN, tests/benchdnn/inputs, Apache-2.0), so that
its output sizes come from elsewhere.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from faltung.spec import ConvSpec

TABLE = Path(__file__).parents[3] / "shared" / "corpus" / "conv_shapes.csv.gz"
ROWS = {"conv": 34_141, "deconv": 173}

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    if not TABLE.is_file():
        pytest.skip("the table of shapes, shared/corpus beside the checkout, is not on this machine")
    with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(text: str) -> tuple[int, ...]:
    """``56x56`` as (56, 56)."""
    return tuple(map(int, text.split("x")))


def spec_of(row: Row, padding: tuple[int, ...] | tuple[tuple[int, int], ...]) -> ConvSpec:
    return ConvSpec(
        int(row["in_channels"]),
        int(row["out_channels"]),
        numbers(row["kernel"]),
        stride=numbers(row["stride"]),
        padding=padding,
        dilation=numbers(row["dilation"]),
        groups=int(row["groups"]),
        transposed=row["kind"] == "deconv",
    )


def sides_of(row: Row) -> tuple[tuple[int, int], ...]:
    return tuple(zip(numbers(row["pad_before"]), numbers(row["pad_after"]), strict=True))


def test_the_table_is_whole(rows: list[Row]) -> None:
    assert {kind: sum(row["kind"] == kind for row in rows) for kind in ROWS} == ROWS


def test_output_sizes_with_a_padding_for_each_side(rows: list[Row]) -> None:
    for row in rows:
        spec, input_size, output_size = spec_of(row, sides_of(row)), numbers(row["input"]), numbers(row["output"])
        assert spec.output_size(input_size) == output_size, row
        assert all(size in sizes for size, sizes in zip(input_size, spec.input_sizes(output_size), strict=True)), row
        assert not any(axis.unused_cells(size) for axis, size in zip(spec.axes, input_size, strict=True)), row


def test_output_sizes_with_one_padding_for_both_sides(rows: list[Row]) -> None:
    """Where cells are left over, no window reaches the padding that the other side has too much."""
    tried = 0
    for row in rows:
        strides, sides = numbers(row["stride"]), sides_of(row)
        if row["kind"] == "conv" and all(before - stride < after <= before for (before, after), stride in zip(sides, strides, strict=True)):
            tried += 1
            assert spec_of(row, numbers(row["pad_before"])).output_size(numbers(row["input"])) == numbers(row["output"]), row
    assert tried == 13_612


def test_the_adjoint_gives_the_input_size_back(rows: list[Row]) -> None:
    for row in rows[::20]:
        spec, input_size, output_size = spec_of(row, sides_of(row)), numbers(row["input"]), numbers(row["output"])
        adjoint = spec.adjoint(input_size)
        assert adjoint.input_grad.output_size(output_size) == input_size, row
        assert adjoint.input_grad.weight_shape == spec.weight_shape, row
        assert adjoint.weight_grad is not None
        large = output_size if spec.transposed else input_size
        assert adjoint.weight_grad.output_size(large) == spec.kernel_size, row
        assert spec.macs(input_size) == adjoint.input_grad.macs(output_size), row


def test_text_round_trips(rows: list[Row]) -> None:
    for row in rows[::20]:
        spec = spec_of(row, sides_of(row))
        assert ConvSpec.parse(str(spec)) == spec
