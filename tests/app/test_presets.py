"""The presets are the layers that they are called after: figures as published."""

from __future__ import annotations

import pytest

from faltung.app.answers import answer
from faltung.app.presets import PRESETS, preset
from faltung.app.showing import scene_shown
from faltung.errors import ConvSpecError


def row(name: str, wanted: str, table: str = "") -> str:
    facts = answer("show", {"state": preset(name).to_dict()})["facts"]
    return next(row["value"] for one in facts if table in one["title"] for row in one["rows"] if row["name"] == wanted)


@pytest.mark.parametrize(
    ("name", "output", "parameters"),
    [
        ("lenet-c1", "6 × 28 × 28", "156"),
        ("alexnet-conv1", "96 × 55 × 55", "34 944"),
        ("vgg-conv1", "64 × 224 × 224", "1 792"),
        ("resnet-stem", "64 × 112 × 112", "9 408"),
        ("resnext", "128 × 56 × 56", "4 608"),
        ("convnext", "96 × 56 × 56", "4 800"),
        ("deeplab", "256 × 28 × 28", "4 718 592"),
        ("unet-up", "512 × 56 × 56", "2 097 664"),
        ("dcgan", "1024 × 4 × 4", "1 638 400"),
        ("dcgan-up", "512 × 8 × 8", "8 388 608"),
        ("vit-patches", "768 × 14 × 14", "590 592"),
        ("c3d", "64 × 16 × 112 × 112", "5 248"),
    ],
)
def test_layers_of_networks_have_the_published_size(name: str, output: str, parameters: str) -> None:
    assert row(name, "output") == output
    assert row(name, "parameters") == parameters


def test_the_separable_block_is_compared_with_one_layer() -> None:
    assert row("mobilenet", "parameters", "together") == "2 336"
    assert row("mobilenet", "which is", "together") == "7.89 times the parameters, 7.89 times the MACs"


def test_wavenet_sees_sixteen_cells() -> None:
    assert row("wavenet", "receptive field", "together") == "16 input cells"
    assert [value for (value,) in zip(*scene_shown(preset("wavenet")).stages[-1].walk.result, strict=True)] == [0] * 8 + [1] * 8


def outputs(name: str) -> list:
    stage = scene_shown(preset(name)).stages[-1]
    width = stage.output.size[-1]
    (cells,) = stage.walk.result
    return [list(cells[start : start + width]) for start in range(0, len(cells), width)]


def test_the_flip_is_seen_in_the_response_to_an_impulse() -> None:
    kernel = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert [line[1:4] for line in outputs("flipped")[1:4]] == kernel
    assert [line[1:4] for line in outputs("cross-correlation")[1:4]] == [line[::-1] for line in kernel[::-1]]


def test_uneven_overlap_shows_a_checkerboard_and_even_overlap_does_not() -> None:
    assert [line[2:7] for line in outputs("checkerboard")[2:7]] == [[4, 2, 4, 2, 4], [2, 1, 2, 1, 2]] * 2 + [[4, 2, 4, 2, 4]]
    assert {value for line in outputs("no-checkerboard")[1:-1] for value in line[1:-1]} == {4}


def test_overlapping_stamps_are_those_of_the_gallery() -> None:
    assert outputs("transposed") == outputs("transposed-gather")
    assert outputs("transposed-no-overlap") == [[1, 0, 2, 0], [0, 1, 0, 2], [3, 0, 4, 0], [0, 3, 0, 4]]


def test_a_column_and_a_row_are_the_sobel_kernel() -> None:
    whole = {"input_size": [6, 6], "x": {"named": "edge"}, "weight": {"named": "sobel_x"}}
    shown = answer("show", {"state": whole})["scene"]["stages"][0]["steps"]["writes"]
    assert [value for line in outputs("spatially-separable") for value in line] == [step[0][3] for step in shown]


def test_names_are_there_once_and_unknown_ones_are_told() -> None:
    names = [one.name for one in PRESETS]
    assert len(names) == len(set(names))
    assert all(one.note.endswith(".") and one.source and one.title for one in PRESETS)
    with pytest.raises(ConvSpecError, match="preset='ordinary' is not known"):
        preset("ordinary")
