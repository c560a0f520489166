"""The scene in columns says what the scene says, read back cell by cell."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

import faltung as fl
from faltung.viz.scene import columns_schema
from tests.support.strategies import problems
from tests.viz.test_scene import broken

VALIDATOR = Draft202012Validator(columns_schema())


def index_of(place: int, size) -> tuple[int, ...]:
    return tuple(int(entry) for entry in np.unravel_index(place, size))


def check_grid(columns, grid, position_of) -> None:
    for name in ("channels", "groups", "size", "first", "last", "values"):
        assert columns[name] == grid[name]
    for number, cell in enumerate(grid["cells"]):
        source = columns["sources"][number]
        assert position_of(number) == tuple(cell["position"])
        assert columns["origins"][number] == cell["origin"]
        assert columns["used"][number] == cell["is_used"]
        assert (None if source < 0 else list(index_of(source, grid["size"]))) == cell["source"]
    assert len(columns["origins"]) == len(columns["sources"]) == len(columns["used"]) == len(grid["cells"])


def placed(grid):
    """The position of a place number: C order from first to last."""
    shown = list(itertools.product(*(range(first, last + 1) for first, last in zip(grid["first"], grid["last"], strict=True))))
    return lambda number: shown[number]


def check_stage(columns, stage) -> None:
    for name in ("name", "spec", "kinds", "reading", "padding_mode", "is_transposed", "arithmetic", "kernel"):
        assert columns[name] == stage[name]
    for side in ("input", "output"):
        check_grid(columns[side], stage[side], placed(stage[side]))
    scatter = stage["reading"] == "scatter"
    under, focused = (stage["output"], stage["input"]) if scatter else (stage["input"], stage["output"])
    steps = columns["steps"]
    so_far: dict[tuple[int, tuple[int, ...]], int] = {}
    for number, step in enumerate(stage["steps"]):
        assert index_of(steps["focus"][number], focused["size"]) == tuple(step["focus"])
        assert [list(placed(under)(place)) for place in steps["windows"][number]] == [tap["position"] for tap in step["window"]]
        pattern = columns["patterns"][steps["pattern"][number]]
        assert steps["products"][number] == [term["product"] for term in step["terms"]]
        for at, term in enumerate(step["terms"]):
            named = [term["output_channel"], term["input_channel"], term["tap"]]
            assert [pattern["oc"][at], pattern["ic"][at], pattern["tap"][at]] == named
            assert index_of(pattern["weight"][at], stage["kernel"]["shape"]) == tuple(term["weight_index"])
            cell = tuple(step["window"][term["tap"]]["source"] if scatter else step["focus"])
            start = 0 if stage["kernel"]["bias"] is None or not scatter else stage["kernel"]["bias"][term["output_channel"]]
            key = term["output_channel"], cell
            so_far[key] = so_far.get(key, start) + term["product"]
            assert steps["sums"][number][at] == so_far[key]
        written = [[write["channel"], list(write["cell"]), write["before"], write["value"]] for write in step["writes"]]
        assert [[oc, list(index_of(cell, stage["output"]["size"])), *rest] for oc, cell, *rest in steps["writes"][number]] == written


@given(problems(max_axes=3), st.sampled_from(["auto", "gather"]))
def test_columns_say_what_the_scene_says(problem, reading) -> None:
    x, weight, bias = problem.arrays()
    made = fl.scene(problem.spec, x=x[0], weight=weight, bias=bias, reading=reading)
    columns = json.loads(json.dumps(made.to_columns(), allow_nan=False))
    VALIDATOR.validate(columns)
    check_stage(columns["stages"][0], json.loads(made.to_json())["stages"][0])


def test_the_schema_refuses_what_is_no_scene_in_columns() -> None:
    data = fl.scene("conv1d(1, 1, 2, padding=1)", 2, bias=[1]).to_columns()
    VALIDATOR.validate(data)
    wrong = list(broken(data))
    assert len(wrong) > 60
    assert [where for one, where in wrong if VALIDATOR.is_valid(one)] == []


def test_overlapping_stamps_are_summed_in_floats_as_well() -> None:
    made = fl.scene("conv_transpose1d(1, 1, 2)", x=[[0.1, 0.2]], weight=[[[0.5, 0.25]]], bias=[1.5])
    steps = made.to_columns()["stages"][0]["steps"]
    assert steps["sums"] == [[1.5 + 0.05, 1.5 + 0.025], [float(Fraction(0.1) / 4 + Fraction(0.2) / 2 + Fraction(1.5)), 1.5 + 0.05]]


def test_several_stages() -> None:
    made = fl.scene(["conv2d(2, 2, 3, groups=2, padding=1)", "conv2d(2, 3, 1)"], (3, 4))
    columns, whole = made.to_columns(), json.loads(made.to_json())
    assert columns["title"] == whole["title"] == "depthwise separable convolution"
    for one, other in zip(columns["stages"], whole["stages"], strict=True):
        check_stage(one, other)


@pytest.mark.parametrize(("spec", "size"), [("conv2d(1, 1, 3, padding=1)", 16), ("conv2d(4, 4, 3, padding=1)", 8)])
def test_they_are_a_tenth_of_the_bytes(spec: str, size: int) -> None:
    made = fl.scene(spec, size)
    assert len(made.to_json()) > 10 * len(json.dumps(made.to_columns(), separators=(",", ":")))


def test_running_sums_of_floats_are_rounded_once_each() -> None:
    made = fl.scene("conv1d(1, 1, 10)", x=[[0.1] * 10], weight=[[[1.0] * 10]])
    (sums,) = made.to_columns()["stages"][0]["steps"]["sums"]
    assert sums == [float(count * Fraction(0.1)) for count in range(1, 11)]


def test_what_is_no_finite_number_is_text() -> None:
    made = fl.scene("conv1d(1, 1, 1)", x=[[float("inf"), float("nan")]], weight=[[[1.0]]])
    columns = json.loads(json.dumps(made.to_columns(), allow_nan=False))
    assert columns["stages"][0]["steps"]["products"] == [["Infinity"], ["NaN"]]
