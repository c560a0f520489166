"""A transposed convolution read as a scatter with its gather beside it: two scenes of the same numbers."""

from __future__ import annotations

from typing import Any

from faltung.app.answers import answer
from faltung.app.exporting import export
from faltung.app.state import State

TRANSPOSED: dict[str, Any] = {"transposed": True, "stride": [2, 2], "input_size": [3, 3], "out_channels": 2, "bias": True}


def shown(state: dict[str, Any]) -> dict[str, Any]:
    return answer("show", {"state": state})


def test_beside_a_scatter_stands_its_gather() -> None:
    both = shown(TRANSPOSED | {"reading": "both"})
    assert both["scene"] == shown(TRANSPOSED)["scene"]
    assert both["gathered"] == shown(TRANSPOSED | {"reading": "gather"})["scene"]["stages"]
    assert both["state"]["reading"] == "both"


def test_one_reading_has_nothing_beside_it() -> None:
    for reading in ("auto", "scatter", "gather"):
        assert shown(TRANSPOSED | {"reading": reading})["gathered"] is None
    plain = {"reading": "both", "stride": [2, 2]}
    assert shown(plain)["gathered"] is None
    assert shown(plain)["scene"] == shown({"stride": [2, 2]})["scene"]


def test_of_several_layers_the_transposed_ones_are_read_both_ways() -> None:
    layers = {"input_size": [6, 6], "stride": [2, 2], "then": [{"transposed": True, "stride": [2, 2]}], "reading": "both"}
    gathered = shown(layers)["gathered"]
    assert gathered[0] is None
    assert gathered[1] == shown(layers | {"reading": "gather"})["scene"]["stages"][1]


def test_a_gather_that_is_too_large_leaves_the_scatter() -> None:
    large = {"transposed": True, "stride": [9, 9], "kernel_size": [1, 1], "input_size": [7, 7], "reading": "both", "output_padding": [8, 8]}
    assert shown(large | {"reading": "auto"})["scene"]
    assert shown(large)["scene"]
    larger = large | {"in_channels": 2}
    assert shown(larger | {"reading": "auto"})["scene"]
    refused = shown(larger)
    assert refused["scene"] is refused["gathered"] is None
    first, *others = refused["unshown"]["remedies"]
    assert first["label"] == "the scatter alone"
    assert shown(first["state"])["scene"]
    for remedy in others:
        assert shown(remedy["state"])["gathered"]


def test_files_have_the_scatter() -> None:
    both, alone = (State.from_dict(TRANSPOSED | {"reading": reading}) for reading in ("both", "auto"))
    assert export(both, "svg") == export(alone, "svg")
