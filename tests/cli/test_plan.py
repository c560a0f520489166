"""`faltung plan`: every algorithm, and why."""

from __future__ import annotations

import json

import pytest

from faltung.engine.plan import plan

LAYER = "conv2d(64, 64, 3, padding=1)"


def test_every_algorithm_is_listed_with_its_reason(faltung) -> None:
    result = faltung("plan", LAYER, "--input", "1x64x56x56")
    assert result.exit_code == 0
    made = plan(LAYER, (1, 64, 56, 56))
    for decision in made.why:
        row = next(line for line in result.stdout.splitlines() if line.startswith(decision.algorithm))
        assert ("chosen" if decision.chosen else "fits" if decision.fits else "no") in row.split()
    assert "115 605 504 MACs" in result.stdout
    assert f"algorithm  {made.algorithm}" in result.stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_nothing_is_cut_off(faltung, columns: int) -> None:
    result = faltung("plan", LAYER, "--input", "1x64x56x56", columns=columns)
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= columns


def test_json_is_the_plan(as_json) -> None:
    facts = as_json("plan", LAYER, "--input", "56x56", "--dtype", "float64", "--threads", "1", "--accuracy", "exact")
    made = plan(LAYER, (1, 64, 56, 56), "float64", threads=1, accuracy="exact")
    assert facts["algorithm"] == made.algorithm
    assert facts["dtype"] == "float64"
    assert facts["threads"] == 1
    assert facts["workspace_bytes"] == made.workspace_bytes
    assert facts["error_bound"] == made.error_bound
    assert [entry["name"] for entry in facts["algorithms"]] == [decision.algorithm for decision in made.why]
    assert sum(entry["chosen"] for entry in facts["algorithms"]) == 1


def test_integers_are_exact(faltung) -> None:
    assert "exact: integers are summed in 64 bits" in faltung("plan", LAYER, "--input", "8x8", "--dtype", "int32").stdout


def test_an_algorithm_can_be_asked_for(as_json) -> None:
    assert as_json("plan", LAYER, "--input", "8x8", "--algorithm", "general")["algorithm"] == "general"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--input", "1x63x56x56"), "has 63 channels"),
        (("--input", "56x56", "--dtype", "flot32"), "flot32"),
        (("--input", "56x56", "--dtype", "object"), "object"),
        (("--input", "56x56", "--threads", "0"), "threads=0 is no number of threads."),
        (("--input", "56x56", "--threads", "two"), "Invalid value for '--threads'"),
        (("--input", "56x56", "--accuracy", "exakt"), "Did you mean 'exact'?"),
        (("--input", "56x56", "--algorithm", "pointwise"), "algorithm 'pointwise' does not serve this convolution"),
        ((), "Missing option '--input'."),
    ],
)
def test_bad_input_is_one_block(refused, options: tuple[str, ...], told: str) -> None:
    assert told in refused("plan", LAYER, *options)


def test_huge_sizes_are_planned_or_refused_never_tried(faltung) -> None:
    result = faltung("plan", "conv2d(1, 1, 3)", "--input", "1000000000x1000000000", "--json")
    assert result.exit_code in (0, 2)
    if result.exit_code == 0:
        assert json.loads(result.stdout)["output_shape"] == [1, 1, 999999998, 999999998]
