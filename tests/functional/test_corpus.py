"""Layers of real networks and edge cases that others collected, scaled down: forward and both gradients.

The rows written here are always tested; a seeded sample of the whole table (``../shared/corpus`` beside the
repository, from oneDNN's benchdnn) where it is present. Kernel, stride, dilation, padding and group structure
stay as they are; channels keep their remainder modulo 16, the input shrinks.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import random
from pathlib import Path

import pytest

import faltung as fl
from tests.support.engine import check_all_directions
from tests.support.strategies import integers_of_shape

TABLE = Path(__file__).parents[3] / "shared" / "corpus" / "conv_shapes.csv.gz"
SAMPLE = {("conv", 1): 20, ("conv", 2): 60, ("conv", 3): 50, ("deconv", 1): 5, ("deconv", 2): 15, ("deconv", 3): 10}
MOST_PRODUCTS = 3000
"""Output positions times taps: some ten milliseconds of the reference each way."""

Row = dict[str, str]

COLUMNS = "kind,groups,in_channels,out_channels,input,output,kernel,stride,dilation,pad_before,pad_after,name"
WRITTEN = """
conv,1,3,64,224x224,112x112,7x7,2x2,1x1,3x3,2x2,resnet_50:conv1
conv,1,64,256,56x56,56x56,1x1,1x1,1x1,0x0,0x0,resnet_50:res2a_branch1
conv,1,256,512,56x56,28x28,1x1,2x2,1x1,0x0,-1x-1,resnet_50:res3a_branch1
conv,1,3,96,227x227,55x55,11x11,4x4,1x1,0x0,0x0,alexnet:conv1
conv,2,96,256,27x27,27x27,5x5,1x1,1x1,2x2,2x2,alexnet:conv2
conv,512,512,512,14x14,14x14,3x3,1x1,1x1,1x1,1x1,mobilenet:conv4_1/dw
conv,64,64,64,112x112,56x56,3x3,2x2,1x1,1x1,0x0,mobilenet:conv2_1/dw
conv,32,1024,1024,7x7,7x7,3x3,1x1,1x1,1x1,1x1,resnext_101:conv5
conv,1,512,1024,19x19,19x19,3x3,1x1,6x6,6x6,6x6,ssd_300:fc6
conv,1,128,192,17x17,17x17,1x7,1x1,1x1,0x3,0x3,googlenet_v3:conv_1x7
conv,1,3,64,16x112x112,16x56x56,3x7x7,1x2x2,1x1x1,1x3x3,1x2x2,i3d:conv1
conv,1,32,32,100,100,2,1,64,64,0,wavenet:dilated
deconv,1,64,32,8x8,16x16,4x4,2x2,1x1,1x1,1x1,dcgan:up
deconv,1,21,21,16x16,34x34,4x4,2x2,1x1,0x0,0x0,fcn:score2
"""


def read_rows() -> list[Row]:
    rows = list(csv.DictReader([COLUMNS, *WRITTEN.split()]))
    if TABLE.exists():
        with gzip.open(TABLE, "rt", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        for kind, count in SAMPLE.items():
            alike = [row for row in table if (row["kind"], len(numbers(row["kernel"]))) == kind]
            rows += random.Random(7).sample(alike, min(count, len(alike)))
    return rows


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


def fewer(channels: int) -> int:
    """At most 31 channels, the same modulo 16."""
    return channels if channels < 32 else 16 + channels % 16


def scaled_down(row: Row) -> tuple[fl.ConvSpec, tuple[int, ...]]:
    """The spec with few channels, and an input just large enough to show all of its border."""
    groups = int(row["groups"])
    inside, outside = (fewer(int(row[name]) // groups) for name in ("in_channels", "out_channels"))
    kept_groups = min(groups, 4)
    kernel, stride, dilation, before, after = (numbers(row[name]) for name in ("kernel", "stride", "dilation", "pad_before", "pad_after"))
    is_deconv = row["kind"] == "deconv"
    spec = fl.ConvSpec(
        in_channels=kept_groups * inside,
        out_channels=kept_groups * outside,
        kernel_size=kernel,
        stride=stride,
        dilation=dilation,
        padding=tuple(zip(before, after, strict=True)),
        groups=kept_groups,
        transposed=is_deconv,
    )
    windows = [min(size, 9) for size in numbers(row["input" if is_deconv else "output"])]
    while math.prod(windows) * math.prod(kernel) > MOST_PRODUCTS and max(windows) > 2:
        windows[windows.index(max(windows))] -= 1
    if is_deconv:
        return spec, tuple(windows)
    sizes = []
    for axis, count in zip(spec.axes, windows, strict=True):
        needed = (size for n in itertools.count(count) for size in axis.input_sizes(n) if size > 0)
        sizes.append(next(needed))
    return spec, tuple(sizes)


def label(row: Row) -> str:
    return f"{row['kind']} {row['name']} {row['kernel']}/{row['stride']} {row['in_channels']}-{row['out_channels']}g{row['groups']}"


@pytest.mark.parametrize("row", read_rows(), ids=label)
def test_forward_and_gradients(row: Row) -> None:
    spec, size = scaled_down(row)
    batch = 1 if math.prod(size) > 200 else 2
    x = integers_of_shape((batch, spec.in_channels, *size), 5, "float32")
    weight, bias = integers_of_shape(spec.weight_shape, 6, "float32"), integers_of_shape((spec.out_channels,), 7, "float32")
    grad = integers_of_shape(spec.output_shape(x.shape), 8, "float32")
    check_all_directions(spec, x, weight, bias, grad)


@pytest.mark.parametrize("row", read_rows(), ids=label)
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
