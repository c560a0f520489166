"""Counts against counting: the products that the definition lists, the numbers that arrays hold."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from faltung import reference
from faltung.cost import Memory
from faltung.errors import ConvShapeError, ConvSpecError
from faltung.spec import ConvSpec
from tests.support.check import check_error
from tests.support.strategies import Problem, problems


@given(problems(allow_empty=True))
def test_macs_are_the_products_of_the_definition(problem: Problem) -> None:
    spec = problem.spec
    spatial = math.prod(len(reference.meetings(spec, axis, size)[0]) for axis, size in enumerate(problem.input_size))
    channel_pairs = sum(
        1
        for i in range(spec.in_channels)
        for o in range(spec.out_channels)
        if i * spec.groups // spec.in_channels == o * spec.groups // spec.out_channels
    )
    assert spec.macs(problem.input_size) == spatial * channel_pairs


@given(problems(allow_empty=True))
def test_parameters_flops_and_memory_are_what_the_arrays_hold(problem: Problem) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays(np.float32)
    out = reference.conv(spec, x, weight, bias)
    assert spec.parameters == weight.size + (0 if bias is None else bias.size)
    bias_adds = 0 if bias is None else out[0].size
    assert spec.flops(problem.input_size) == 2 * spec.macs(problem.input_size) + bias_adds
    memory = spec.memory(problem.input_shape)
    assert memory == Memory(x.nbytes, 4 * out.size, weight.nbytes, 0 if bias is None else bias.nbytes)
    assert memory.total_bytes == x.nbytes + 4 * out.size + weight.nbytes + (0 if bias is None else bias.nbytes)


@pytest.mark.parametrize(
    ("text", "input_size", "parameters", "macs"),
    [
        ("conv2d(3, 64, 7, stride=2, padding=3, bias=False)", 224, 9_408, 118_013_952),  # the first layer of ResNet
        ("conv2d(64, 64, 3, padding=1, bias=False)", 56, 36_864, 115_605_504),
        ("conv2d(32, 64, 3, padding=1, bias=False)", 10, 18_432, 1_843_200),
        ("conv2d(32, 32, 3, padding=1, groups=32, bias=False)", 10, 288, 28_800),
        ("conv2d(32, 64, 1, bias=False)", 10, 2_048, 204_800),
        ("conv2d(3, 64, 3, padding=1)", 224, 1_792, 86_704_128),  # the first layer of VGG
        ("conv_transpose2d(1, 1, 2, stride=2, bias=False)", 2, 4, 16),
        ("conv_transpose2d(16, 8, 4, stride=2, padding=1)", 7, 2_056, 100_352),
    ],
)
def test_known_counts(text: str, input_size: int, parameters: int, macs: int) -> None:
    spec = ConvSpec.parse(text)
    assert (spec.parameters, spec.macs(input_size)) == (parameters, macs)


def test_depthwise_separable_is_an_eighth_of_the_parameters() -> None:
    standard = ConvSpec.parse("conv2d(32, 64, 3, bias=False)").parameters
    separable = (
        ConvSpec.parse("conv2d(32, 32, 3, groups=32, bias=False)").parameters + ConvSpec.parse("conv2d(32, 64, 1, bias=False)").parameters
    )
    assert (standard, separable, round(standard / separable, 2)) == (18_432, 2_336, 7.89)


def test_flops_add_the_bias_once_an_output() -> None:
    assert ConvSpec.parse("conv1d(2, 3, 2)").flops(5) == 2 * (4 * 12) + 3 * 4
    assert ConvSpec.parse("conv_transpose1d(2, 3, 2)").flops(5) == 2 * (5 * 12) + 3 * 6
    assert ConvSpec.parse("conv1d(2, 3, 2, bias=False)").flops(5) == 2 * (4 * 12)


@pytest.mark.parametrize(
    ("dtype", "itemsize"),
    [
        *(
            (name, np.dtype(name).itemsize)
            for name in ("bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "complex64", "complex128")
        ),
        ("bfloat16", 2),
        (np.dtype("float64"), 8),
        (np.dtype(">i2"), 2),
        (np.float32, 4),
        (np.complex128, 16),
        (float, None),
    ],
)
def test_memory_takes_a_dtype_or_its_name(dtype: Any, itemsize: int | None) -> None:
    spec = ConvSpec.parse("conv1d(2, 3, 2)")
    if itemsize is None:
        with pytest.raises(ConvSpecError, match="dtype='float' is not known"):
            spec.memory((1, 2, 5), dtype)
    else:
        assert spec.memory((1, 2, 5), dtype) == Memory(10 * itemsize, 12 * itemsize, 12 * itemsize, 3 * itemsize)
        assert spec.memory((2, 5), dtype) == spec.memory((1, 2, 5), dtype)


def test_memory_takes_pytorchs_dtypes(torch: ModuleType) -> None:
    spec = ConvSpec.parse("conv1d(2, 3, 2)")
    assert spec.memory((1, 2, 5), torch.bfloat16) == spec.memory((1, 2, 5), "bfloat16")
    assert spec.memory((1, 2, 5), torch.float64) == spec.memory((1, 2, 5), "float64")


@pytest.mark.parametrize("transposed", [False, True])
def test_counts_of_what_does_not_fit_are_errors(transposed: bool) -> None:
    spec = ConvSpec(1, 1, 3, transposed=transposed, padding=4 if transposed else 0, ndim=1)
    for count in (spec.macs, spec.flops, spec.output_size, lambda size: spec.memory((1, 1, size))):
        with pytest.raises(ConvShapeError, match="no output along axis 0"):
            count(2)


def test_large_counts_are_exact() -> None:
    spec = ConvSpec(2**40, 2**40, 3, padding=1, ndim=3)
    assert spec.macs(2**40) == 27 * 2**200
    assert spec.flops(2**40) == 2 * 27 * 2**200 + 2**160


def test_messages() -> None:
    check_error(
        lambda: ConvSpec.parse("conv1d(1, 1, 2)").memory((1, 1, 5), "float31"),
        ConvSpecError,
        "dtype='float31' is not known.\n  Did you mean 'float32'? Known: 'bool', 'int8', 'uint8', 'float16', 'bfloat16', 'int16', "
        "'uint16', 'float32', 'int32', 'uint32', 'float64', 'int64', 'uint64', 'complex64', 'complex128'.",
    )
