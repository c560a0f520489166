"""The kernels of the weight's gradient, every one on every instruction set, equal the reference around their tiles.

Channels in the lanes or positions in the lanes, blocks of rows and columns, blocks of input channels: the
sizes here lie on both sides of each limit. Whole numbers, so that equality is exact.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

import faltung as fl
from faltung.engine.gradient_catalog import BY_NAME
from faltung.engine.native import WeightGradient, available_isas, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same
from tests.support.engine import expected_input_grad, expected_weight_grad, forced_isa, labelled, num_threads
from tests.support.layouts import channels_last
from tests.support.strategies import integers_of_shape

DTYPES = ["float32", "float64", "int64"]
KERNELS = ["direct", "filter", "depthwise", "general"]
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
        WeightGradient(kernel, native, isa, native_problem(problem)).run(x_, grad_, by_group(result, spec.groups, 0), threads)
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


DEPTHWISE = [
    ("conv2d(2, 2, {k}, {s}, {p}, {d}, groups=2)", k, s, p, d, size)
    for k, s, p, d, size in (
        *(((k, k), 1, k // 2, 1, (9, 19)) for k in (*range(1, 9), 11, 13)),
        ((31, 29), 1, (15, 14), 1, (7, 7)),
        ((7, 5), 1, 3, 1, (66, 3)),
        ((3, 3), 2, 1, 1, (33, 40)),
        ((5, 7), (2, 3), (2, 5), 1, (20, 47)),
        ((3, 4), (3, 2), (4, 6), (2, 3), (17, 39)),
        ((4, 3), (2, 1), (4, 6), (4, 6), (15, 36)),
        ((3, 3), 1, (9, 20), 1, (4, 5)),
    )
]


@pytest.mark.parametrize("isa", available_isas())
def test_depthwise_rows_and_columns_of_taps(isa: str) -> None:
    for text, k, s, p, d, size in DEPTHWISE:
        check_case(text.format(k=k, s=s, p=p, d=d), (1, 2, *size), "depthwise", isa)
    for text, shape in (
        ("conv1d(2, 2, 40, padding=20, groups=2)", (1, 2, 150)),
        ("conv1d(1, 1, 67, padding=9, dilation=2)", (1, 1, 200)),
        ("conv1d(2, 2, 5, stride=2, padding=3, groups=2)", (1, 2, 99)),
        ("conv1d(1, 1, 90, padding=89)", (1, 1, 33)),
        ("conv3d(2, 2, 3, stride=(1, 2, 1), padding=1, groups=2)", (2, 2, 4, 5, 18)),
        ("conv2d(3, 2, 3, padding=1)", (2, 3, 20, 33)),
    ):
        for threads in (1, 3):
            check_case(text, shape, "depthwise", isa, threads)


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize("kernel", ["direct", "depthwise", "channelwise"])
def test_zeros_of_the_padding_meet_what_is_not_finite(kernel: str, isa: str) -> None:
    """0 * inf is NaN, in the taps that read the padding there and in no other."""
    for text, size, at in (
        ("conv2d(2, 2, 3, padding=1, groups=2)", (5, 20), (0, 7)),
        ("conv2d(2, 2, 3, padding=1, groups=2)", (5, 20), (4, 19)),
        ("conv2d(2, 2, (5, 3), padding=(6, 1), groups=2)", (5, 20), (0, 0)),
        ("conv2d(2, 18, (1, 3), 2, padding=(0, 1))", (5, 20), (1, 0)),
        ("conv3d(2, 2, 3, padding=1, groups=2)", (3, 4, 5), (0, 2, 2)),
    ):
        spec = fl.ConvSpec.parse(text)
        if kernel == "channelwise" and spec.groups == 1:
            continue
        shape = (1, 2, *size)
        x, grad = (integers_of_shape(s, 5).astype("float32") for s in (shape, spec.output_shape(shape)))
        for infinite in ("x", "grad"):
            x_, grad_ = x.copy(), grad.copy()
            (x_ if infinite == "x" else grad_)[(0, 1, *at)] = np.inf
            with np.errstate(all="ignore"):
                expected = expected_weight_grad(spec, x_, grad_)
            result = np.zeros(spec.weight_shape, "float32")
            arrays = (by_group(x_, spec.groups, 1), by_group(grad_, spec.groups, 1), by_group(result, spec.groups, 0))
            WeightGradient(kernel, "float32", isa, native_problem(problem_of(spec, size))).run(*arrays, 1)
            with labelled((text, at, infinite)):
                check_same(result, expected.astype("float32"))


@pytest.mark.parametrize("isa", available_isas())
def test_depthwise_in_other_layouts(isa: str) -> None:
    """Channels last, reversed, repeated: what lies apart is copied."""
    for text in ("conv2d(3, 3, 5, padding=2, groups=3)", "conv2d(3, 3, 3, 2, padding=1, groups=3, padding_mode='reflect')"):
        spec = fl.ConvSpec.parse(text)
        shape = (2, 3, 9, 21)
        x, grad = integers_of_shape(shape, 5), integers_of_shape(spec.output_shape(shape), 6)
        expected = expected_weight_grad(spec, x, grad).astype("float32")
        kernel = WeightGradient("depthwise", "float32", isa, native_problem(problem_of(spec, shape[2:])))
        last = [channels_last(a.astype("float32")) for a in (x, grad)]
        reverse = [np.ascontiguousarray(a.astype("float32")[..., ::-1])[..., ::-1] for a in (x, grad)]
        for x_, grad_ in (last, reverse, (last[0], grad.astype("float32")), (x.astype("float32"), reverse[1])):
            result = np.zeros(spec.weight_shape, "float32")
            kernel.run(by_group(x_, 3, 1), by_group(grad_, 3, 1), by_group(result, 3, 0), 2)
            with labelled(text):
                check_same(result, expected)


def test_depthwise_bits_do_not_depend_on_the_layout() -> None:
    """Large enough for several blocks of rows: those read in place are the ones that are copied."""
    rng = np.random.default_rng(7)
    for text, size in (("conv2d(1, 1, 5, padding=2)", (75, 400)), ("conv1d(1, 1, 40, padding=20)", (9000,))):
        spec = fl.ConvSpec.parse(text)
        shape = (1, 1, *size)
        x, grad = (rng.standard_normal(s).astype("float32") for s in (shape, spec.output_shape(shape)))
        apart = [np.repeat(a, 2, axis=-1)[..., ::2] for a in (x, grad)]
        kernel = WeightGradient("depthwise", "float32", available_isas()[-1], native_problem(problem_of(spec, size)))
        results = []
        for x_, grad_ in ((x, grad), (apart[0], grad), (x, apart[1]), apart):
            results.append(np.zeros(spec.weight_shape, "float32"))
            kernel.run(by_group(x_, 1, 1), by_group(grad_, 1, 1), by_group(results[-1], 1, 0), 2)
        for result in results[1:]:
            check_same(result, results[0], bits=True)


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


@pytest.mark.parametrize("isa", available_isas())
def test_channels_in_the_lanes(isa: str) -> None:
    for groups in (1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 130):
        check_case(f"conv2d({groups}, {groups}, 3, padding=1, groups={groups}, bias=False)", (2, groups, 4, 5), "channelwise", isa)
    for k, s, d, mode, p in [
        (3, 2, 1, "zeros", 1), (5, 1, 1, "zeros", 2), (2, 3, 1, "zeros", 0), (3, 1, 2, "zeros", 2), (3, 1, 1, "circular", 1),
        (3, 1, 1, "reflect", 2), (3, 2, 1, "replicate", 3), (3, 1, 1, "symmetric", 2), (1, 1, 1, "zeros", 0), (4, 1, 1, "zeros", 3),
    ]:  # fmt: skip
        text = f"conv2d(20, 20, {k}, stride={s}, padding={p}, dilation={d}, groups=20, bias=False, padding_mode='{mode}')"
        for size in [(7, 7), (5, 11), (9, 3)]:
            for threads in (1, 3):
                check_case(text, (2, 20, *size), "channelwise", isa, threads)
    check_case("conv1d(18, 18, 5, padding=2, groups=18, bias=False)", (3, 18, 21), "channelwise", isa)
    check_case("conv3d(18, 18, (2, 3, 3), padding=1, groups=18, bias=False)", (2, 18, 3, 4, 5), "channelwise", isa)


@pytest.mark.parametrize("isa", available_isas())
def test_channels_in_the_lanes_in_other_layouts(isa: str) -> None:
    spec = fl.ConvSpec.parse("conv2d(19, 19, 3, padding=1, groups=19, bias=False)")
    spec, x, grad, expected = case(str(spec), (2, 19, 6, 5))
    kernel = WeightGradient("channelwise", "float32", isa, native_problem(problem_of(spec, (6, 5))))
    for lay in (
        lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
        lambda a: a[::-1, :, ::-1, ::-1].copy()[::-1, :, ::-1, ::-1],
    ):
        result = np.empty((3, 3, 1, 1, 19), np.float32).transpose(4, 3, 2, 0, 1)
        kernel.run(by_group(lay(x.astype("f4")), 19, 1), by_group(lay(grad.astype("f4")), 19, 1), result, 2)
        np.testing.assert_array_equal(result.reshape(expected.shape), expected)


def test_what_channels_in_the_lanes_refuse() -> None:
    for text, size in [("conv2d(4, 8, 3, groups=4, bias=False)", (8, 8)), ("conv1d(4, 4, 300, groups=4, bias=False)", (3000,))]:
        spec = fl.ConvSpec.parse(text)
        assert BY_NAME["channelwise"].refusal(problem_of(spec, size), "float32") is not None
        with pytest.raises(ValueError, match="does not serve"):
            WeightGradient("channelwise", "float32", available_isas()[0], native_problem(problem_of(spec, size)))
