"""The kernels of the weight's gradient, every one on every instruction set, equal the reference around their tiles.

Channels in the lanes or positions in the lanes, blocks of rows and columns, blocks of input channels: the
sizes here lie on both sides of each limit. Whole numbers, so that equality is exact.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

import faltung as fl
from faltung.engine.native import WeightGradient, available_isas
from faltung.engine.problem import Problem
from tests.support.check import check_same
from tests.support.engine import expected_input_grad, expected_weight_grad, forced_isa, labelled, num_threads
from tests.support.strategies import integers_of_shape

DTYPES = ["float32", "float64", "int64"]
KERNELS = ["direct", "filter", "general"]
OUT_CHANNELS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 64, 65]
COLUMNS = [*range(1, 18), 31, 32, 33, 47, 48, 49]


@functools.cache
def case(text: str, shape: tuple[int, ...]) -> tuple[fl.ConvSpec, np.ndarray, np.ndarray, np.ndarray]:
    """Spec, input, gradient of the output, and the reference's gradient of the weight."""
    spec = fl.ConvSpec.parse(text)
    x, grad = integers_of_shape(shape, 5), integers_of_shape(spec.output_shape(shape), 6)
    return spec, x, grad, expected_weight_grad(spec, x, grad)


def problem_of(spec: fl.ConvSpec, size: tuple[int, ...]) -> Problem:
    """What the kernel is told of a correlation."""
    return Problem(
        groups=spec.groups,
        in_channels=spec.weight_shape[1],
        out_channels=spec.out_channels // spec.groups,
        in_size=size,
        out_size=spec.output_size(size),
        kernel_size=spec.kernel_size,
        stride=spec.stride,
        dilation=spec.dilation,
        before=tuple(before for before, _ in spec.sides(size)),
        mode=spec.padding_mode,
    )


def by_group(array: np.ndarray, groups: int, axis: int) -> np.ndarray:
    return array.reshape(*array.shape[:axis], groups, -1, *array.shape[axis + 1 :])


def check_case(text: str, shape: tuple[int, ...], kernel: str, isa: str, threads: int = 1) -> None:
    """Run one kernel in all element types; the result is written through strides that are not contiguous."""
    spec, x, grad, expected = case(text, shape)
    problem = problem_of(spec, shape[2:])
    for dtype in DTYPES:
        native = "uint64" if dtype == "int64" else dtype
        x_, grad_ = (by_group(array.astype(dtype).view(native), spec.groups, 1) for array in (x, grad))
        result = np.full((*spec.weight_shape[:-1], 2 * spec.weight_shape[-1]), 99, native)[..., ::2]
        WeightGradient(kernel, native, isa, *problem.arguments).run(x_, grad_, by_group(result, spec.groups, 0), threads)
        with labelled((text, shape, dtype)):
            check_same(result.copy().view(dtype), expected.astype(dtype))


KERNEL_BY_ISA = [(kernel, isa) for isa in available_isas() for kernel in KERNELS]


@pytest.mark.parametrize(("kernel", "isa"), KERNEL_BY_ISA)
def test_out_channels_by_columns(kernel: str, isa: str) -> None:
    for out in OUT_CHANNELS:
        for index, columns in enumerate(COLUMNS):
            inside = 1 + (index + out) % 4
            check_case(f"conv1d({inside}, {out}, 3)", (1, inside, columns + 2), kernel, isa)


@pytest.mark.parametrize(("kernel", "isa"), KERNEL_BY_ISA)
def test_taps_by_input_channels(kernel: str, isa: str) -> None:
    """Pairs of input channel and tap fill tiles of their own."""
    for taps in (1, 2, 3, 5, 7, 8, 9):
        for inside in (1, 2, 3, 4, 31, 32, 33, 65):
            check_case(f"conv1d({inside}, 9, {taps})", (1, inside, taps + 4), kernel, isa)
            check_case(f"conv1d({inside}, 2, {taps})", (1, inside, taps + 4), kernel, isa)


@pytest.mark.parametrize(("kernel", "isa"), KERNEL_BY_ISA)
def test_rows(kernel: str, isa: str) -> None:
    for rows in (1, 2, 15, 16, 17, 33):
        for out, columns in ((1, 3), (9, 17), (33, 5)):
            check_case(f"conv2d(2, {out}, 3, padding=1)", (1, 2, rows, columns), kernel, isa)
            check_case(f"conv2d(2, {out}, 2, stride=2, padding=1)", (2, 2, rows, columns), kernel, isa)


FEATURES = [
    (f"conv2d(4, {oc}, {k}, {s}, {p}, {d}, {g}, padding_mode='{mode}')", size)
    for oc, g in ((4, 4), (8, 4), (16, 1), (34, 2))
    for k, s, p, d, size in (
        (3, 1, 1, 1, (5, 7)),
        ((3, 2), (2, 3), 2, 1, (6, 9)),
        ((2, 5), (1, 2), 4, (3, 1), (6, 6)),
        ((1, 1), (1, 1), 0, 1, (5, 19)),
    )
    for mode in ("zeros", "circular", "reflect", "replicate", "symmetric")
]
OTHERS = [
    ("conv2d(300, 9, 3, padding=1)", (1, 300, 4, 5)),
    ("conv1d(3, 20, 2, stride=3)", (1, 3, 900)),
    ("conv3d(3, 10, 2, padding=1)", (2, 3, 3, 3, 4)),
    ("conv3d(3, 2, (1, 3, 2), stride=(2, 1, 1))", (2, 3, 3, 4, 4)),
    ("conv4d(4, 3, (2, 1, 2, 2))", (1, 4, 3, 2, 3, 3)),
]


@pytest.mark.parametrize(("kernel", "isa"), KERNEL_BY_ISA)
def test_strides_dilations_groups_and_borders(kernel: str, isa: str) -> None:
    for text, size in FEATURES:
        check_case(text, (2, 4, *size), kernel, isa)
    for text, shape in OTHERS:
        check_case(text, shape, kernel, isa)


@pytest.mark.parametrize(("kernel", "isa"), KERNEL_BY_ISA)
def test_threads(kernel: str, isa: str) -> None:
    for threads in (1, 2, 3, 8):
        for batch in (1, 2, 5):
            for text, size in FEATURES[:20:5]:
                check_case(text, (batch, 4, *size), kernel, isa, threads)


@pytest.mark.parametrize("isa", available_isas())
def test_the_functions_on_every_instruction_set(isa: str) -> None:
    """Both gradients as users call them, transposed specs too; input gradients run the kernels of `test_tiles`."""
    texts = [
        "conv2d(5, 33, 3, stride=2, padding=1)",
        "conv2d(33, 5, 3, padding=2, dilation=2, padding_mode='reflect')",
        "conv_transpose2d(20, 9, 4, stride=2, padding=1)",
        "conv_transpose2d(6, 40, 3, stride=3, groups=2)",
        "conv2d(20, 20, 3, padding=1, groups=20)",
        "conv2d(17, 16, 1)",
    ]
    with forced_isa(isa):
        for text in texts:
            spec = fl.ConvSpec.parse(text)
            x, weight = integers_of_shape((2, spec.in_channels, 6, 9), 5), integers_of_shape(spec.weight_shape, 6)
            grad = integers_of_shape(spec.output_shape(x.shape), 7)
            expected = expected_input_grad(spec, grad, weight, (6, 9)), expected_weight_grad(spec, x, grad)
            for dtype in DTYPES:
                for threads in (1, 2):
                    with labelled((text, dtype, threads)), num_threads(threads):
                        check_same(fl.conv_input_grad(spec, grad.astype(dtype), weight.astype(dtype), (6, 9)), expected[0].astype(dtype))
                        check_same(fl.conv_weight_grad(spec, x.astype(dtype), grad.astype(dtype)), expected[1].astype(dtype))
