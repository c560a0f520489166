"""The shapes that are tried: layers of real networks and edge cases that others collected, scaled down.

The rows written here are always there; those of the whole table (``../shared/corpus`` beside the repository, or the file that
FALTUNG_SHAPES names; from oneDNN's benchdnn) where it is present. Kernel, stride, dilation, padding and group structure stay as they are;
channels keep their remainder modulo 16, the input shrinks. Most rows are alike then, and each shape is tried once.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import os
from collections.abc import Iterable
from pathlib import Path

import faltung as fl

__all__ = ["TABLE", "WRITTEN", "Row", "Shape", "numbers", "read_table", "scaled_down", "shape_text", "shapes_of"]

TABLE = Path(os.environ.get("FALTUNG_SHAPES") or Path(__file__).parents[3] / "shared" / "corpus" / "conv_shapes.csv.gz")

MOST_PRODUCTS = 3000
"""Output positions times taps: some ten milliseconds of the reference each way."""

MOST_TAPS = 4096
"""Of kernels that cover a whole volume."""

MOST_WIDE_PRODUCTS, WIDE = 20_000, 37
"""The same, and the outputs of a row, of wide shapes: whole vectors and tiles of all kernels, and a rest."""

Row = dict[str, str]
Shape = tuple[fl.ConvSpec, tuple[int, ...]]

COLUMNS = "kind,groups,in_channels,out_channels,input,output,kernel,stride,dilation,pad_before,pad_after,name"
LAYERS = """
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
WRITTEN: list[Row] = list(csv.DictReader([COLUMNS, *LAYERS.split()]))


def read_table() -> list[Row]:
    """All rows of the table, none where it is missing."""
    if not TABLE.is_file():
        return []
    with gzip.open(TABLE, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(text: str) -> tuple[int, ...]:
    """``56x56`` as (56, 56)."""
    return tuple(map(int, text.split("x")))


def shapes_of(rows: Iterable[Row]) -> list[Shape]:
    """Each row scaled down and, where that is another shape, with long rows; every shape once, in the order of the rows."""
    rows = list({tuple(value for name, value in row.items() if name not in ("name", "source", "batch")): row for row in rows}.values())
    return list(dict.fromkeys(scaled_down(row, is_wide=is_wide) for is_wide in (False, True) for row in rows))


def scaled_down(row: Row, *, is_wide: bool = False) -> Shape:
    """The spec with few channels, and an input just large enough to show all of its border; if `is_wide`, with rows of up to 37 outputs."""
    groups = int(row["groups"])
    inside, outside = (_fewer(int(row[name]) // groups) for name in ("in_channels", "out_channels"))
    kept_groups = min(groups, 4)
    kernel, stride, dilation, before, after = (numbers(row[name]) for name in ("kernel", "stride", "dilation", "pad_before", "pad_after"))
    is_deconv = row["kind"] == "deconv"
    spec = fl.ConvSpec(
        in_channels=kept_groups * inside,
        out_channels=kept_groups * outside,
        kernel_size=_limited(kernel, MOST_TAPS, least=1),
        stride=stride,
        dilation=dilation,
        padding=tuple(zip(before, after, strict=True)),
        groups=kept_groups,
        transposed=is_deconv,
    )
    given = numbers(row["input" if is_deconv else "output"])
    most = [9] * len(given)
    if is_wide:
        most = [*(4 for _ in given[1:]), WIDE]
    windows = [min(size, limit) for size, limit in zip(given, most, strict=True)]
    products = MOST_WIDE_PRODUCTS if is_wide else MOST_PRODUCTS
    windows = list(_limited(windows, products // math.prod(spec.kernel_size), least=2))
    if is_deconv:
        return spec, tuple(windows)
    sizes = []
    for axis, count in zip(spec.axes, windows, strict=True):
        needed = (size for n in itertools.count(count) for size in axis.input_sizes(n) if size > 0)
        sizes.append(next(needed))
    return spec, tuple(sizes)


def _fewer(channels: int) -> int:
    """At most 31 channels, the same modulo 16."""
    return channels if channels < 32 else 16 + channels % 16


def _limited(sizes: Iterable[int], most: int, least: int) -> tuple[int, ...]:
    """The largest of them made smaller, none below `least`, until their product is at most `most`."""
    left = list(sizes)
    while math.prod(left) > most and max(left) > least:
        left[left.index(max(left))] -= 1
    return tuple(left)


def shape_text(shape: Shape) -> str:
    """``conv2d(…) on 9×9``."""
    spec, size = shape
    return f"{spec} on {'×'.join(map(str, size))}"
