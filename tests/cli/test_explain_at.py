"""`faltung explain --at`: the arithmetic of one output on the screen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fl
from faltung.cli.example_data import example_data

SPEC = "conv2d(1,1,3,padding=1)"


def test_the_arithmetic_is_on_the_screen(faltung) -> None:
    result = faltung("explain", SPEC, "--input", "5x5", "--at", "0,0,0,2", "--no-code")
    assert result.exit_code == 0
    x, weight, bias = example_data(fl.ConvSpec.parse(SPEC), (1, 1, 5, 5))
    total = fl.conv(SPEC, x, weight, bias)[0, 0, 0, 2]
    assert f"output[0, 0, 0, 2] = 9 products + bias = {total}".replace("-", "−") in result.stdout
    assert "padding (−1, 1) = 0  ×  w[0, 0, 0, 0]" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


@pytest.mark.parametrize("at", ["0,0,1,2", "(0, 0, 1, 2)", "0 0 1 2", "[0,0,-4,-3]"])
def test_indices_are_read_as_people_write_them(as_json, at: str) -> None:
    assert as_json("explain", SPEC, "--input", "5x5", "--at", at)["at"]["output_index"] == [0, 0, 1, 2]


def test_json_has_the_products_and_nothing_without_the_option(as_json) -> None:
    facts = as_json("explain", "conv_transpose1d(2, 4, 3, stride=2, groups=2)", "--input", "4", "--at", "0,3,4")["at"]
    assert facts["total"] == sum(product["product"] for product in facts["products"]) + facts["bias"]
    assert len(facts["gather"]) == 3
    assert "at" not in as_json("explain", SPEC, "--input", "5x5")


def test_a_long_sum_is_abbreviated(faltung) -> None:
    result = faltung("explain", "conv2d(64, 8, 3)", "--input", "56x56", "--at", "0,7,3,3")
    assert "output[0, 7, 3, 3] = 576 products + bias = " in result.stdout
    assert "… 552 more products, together" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--at", "0,0,1,2"), "--at='0,0,1,2' needs the size of the input.\n  Add --input, such as --input 8x8."),
        (("--input", "5x5", "--at", "0,0,5,2"), "y=5 is outside the output of shape (1, 1, 5, 5), 5 along y.\n  y goes from 0 to 4"),
        (("--input", "5x5", "--at", "0,1,1"), "output index (0, 1, 1) has 3 entries"),
        (("--input", "5x5", "--at", "a,b"), "--at='a,b' is not an index.\n  Write whole numbers with commas between: --at 0,0,0,0."),
        (("--input", "5x5", "--at", ""), "--at='' is not an index."),
        (("--input", "5x5", "--at", "0,,1,1"), "is not an index."),
        (("--input", "999999999x5", "--at", "0,0,0,0"), "is too large for example data."),
    ],
)
def test_bad_input_is_one_block(refused, arguments: tuple[str, ...], told: str) -> None:
    assert told in refused("explain", SPEC, *arguments)


def test_example_data_differs_between_neighbours_and_takes_no_memory() -> None:
    spec = fl.ConvSpec(4, 4, (3, 3, 3))
    for array in example_data(spec, (2, 4, 5, 5, 5))[:2]:
        for axis, index in itertools.product(range(array.ndim), np.ndindex(*(size - 1 for size in array.shape))):
            neighbour = tuple(cell + (at == axis) for at, cell in enumerate(index))
            assert array[index] != array[neighbour]
    x, _, bias = example_data(fl.ConvSpec(512, 512, 3, bias=False, ndim=2), (64, 512, 1024, 1024))
    assert x.base is not None
    assert x.nbytes > 2**37
    assert bias is None
