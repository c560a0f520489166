"""All phases of a stride by one kernel: every instruction set, each of the kernels, any stride, edges of tiles and of blocks of rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

import faltung as fl
from faltung.engine import planes
from faltung.engine.catalog import BY_NAME
from faltung.engine.compiled import compile_conv
from faltung.engine.lowering import lower
from faltung.engine.native import Correlation, available_isas, native_problem
from tests.support.check import check_same
from tests.support.engine import expected_forward, expected_input_grad, expected_on_large, forced_isa, labelled, num_threads
from tests.support.strategies import integers_of_shape

KERNELS = ["direct", "filter", "planes"]


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> object:
    with forced_isa(request.param):
        yield request.param


def check_bundled(
    text: str,
    size: tuple[int, ...],
    algorithm: str,
    dtype: str = "float32",
    batch: int = 1,
    expecting: Callable[..., np.ndarray] = expected_forward,
) -> None:
    """One problem, and what the reference says."""
    spec = fl.ConvSpec.parse(text)
    shape = (batch, spec.in_channels, *size)
    x, weight, bias = (
        integers_of_shape(one, 3 + i).astype(dtype) for i, one in enumerate((shape, spec.weight_shape, (spec.out_channels,)))
    )
    plan = fl.plan(spec, shape, dtype, algorithm=algorithm)
    assert plan.algorithm == f"phases+{algorithm}"
    assert len(plan._compiled.lowered.problems) == 1
    expected = expecting(spec, x, weight, bias)
    with labelled((text, size, algorithm, dtype)):
        check_same(plan(x, weight, bias), expected)
        turned = np.zeros(expected.shape[::-1], expected.dtype).T  # the columns of the output lie far apart
        check_same(plan(x, weight, bias, out=turned), expected)


@pytest.mark.parametrize("algorithm", KERNELS)
def test_strides_and_kernel_sizes(isa: str, algorithm: str) -> None:
    for stride, kernel in itertools.product((*range(2, 10), 16), (1, 2, 3, 5, 9, 16)):
        check_bundled(f"conv_transpose1d(3, 5, {kernel}, stride={stride}, output_padding={stride - 1})", (11,), algorithm)


@pytest.mark.parametrize("algorithm", KERNELS)
def test_out_channels_by_columns(isa: str, algorithm: str) -> None:
    for out, columns in itertools.product((1, 2, 4, 5, 16, 17, 33, 65), (1, 2, 7, 8, 9, 16, 17, 33, 65)):
        for stride in (2, 4):
            check_bundled(f"conv_transpose1d(2, {out}, 4, stride={stride}, padding=1)", (columns + 1,), algorithm)


@pytest.mark.parametrize("algorithm", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex64"])
def test_axes(isa: str, algorithm: str, dtype: str) -> None:
    for text, size in [
        ("conv_transpose2d(4, 6, 4, stride=2, padding=1, groups=2)", (9, 7)),
        ("conv_transpose2d(4, 6, 3, stride=2, padding=1, output_padding=1)", (70, 3)),
        ("conv_transpose2d(4, 6, 3, stride=(1, 2), padding=(3, 0))", (5, 6)),
        ("conv_transpose2d(4, 6, 3, stride=(2, 1), padding=(0, 3))", (5, 6)),
        ("conv_transpose2d(4, 6, 3, stride=2, dilation=2)", (5, 6)),
        ("conv_transpose2d(4, 6, (2, 5), stride=(3, 2), dilation=(3, 5), padding=4)", (5, 6)),
        ("conv_transpose2d(4, 6, 2, stride=4)", (5, 6)),
        ("conv_transpose2d(2, 3, 4, stride=2, padding=1)", (2, 300)),
        ("conv_transpose3d(4, 6, 3, stride=2, padding=1, output_padding=1)", (3, 4, 5)),
        ("conv_transpose2d(4, 6, 2, stride=2)", (1, 1)),
        ("conv_transpose2d(4, 6, 2, stride=2)", (1, 9)),
        ("conv_transpose3d(4, 6, (2, 3, 2), stride=(1, 3, 2))", (3, 4, 5)),
    ]:
        if algorithm != "planes" or len(size) < 3:
            check_bundled(text, size, algorithm, dtype, batch=2)


def test_planes_in_bands(isa: str) -> None:
    """Rows of planes and sums beyond a cache, positions around whole tiles of vectors."""
    for columns in (15, 16, 17, 63, 64, 65, 100):
        check_bundled("conv_transpose2d(3, 3, 3, stride=2, groups=3, padding=1, output_padding=1)", (7, columns), "planes")
    check_bundled("conv_transpose2d(2, 2, 7, stride=2, groups=2, padding=3)", (150, 90), "planes", expecting=expected_on_large)
    check_bundled("conv_transpose2d(16, 1, 4, stride=(2, 3), padding=1)", (40, 50), "planes", expecting=expected_on_large)


def test_what_planes_refuse() -> None:
    shown = {
        ("conv_transpose3d(2, 2, 3, stride=2)", (3, 4, 5)): "more than two axes",
        ("conv_transpose2d(17, 2, 3, stride=2)", (4, 5)): "17 input channels a group, this takes at most 16",
        ("conv_transpose1d(2, 2, 5000, stride=2)", (5,)): "more than 64 phases or 4096 taps",
        ("conv_transpose2d(2, 2, 40, stride=2, dilation=101)", (5, 5)): "would be more than 1048576 cells",
    }
    for (text, size), reason in shown.items():
        problem = lower(fl.ConvSpec.parse(text), size, backward=False, bundles_phases=True).problems[0]
        assert problem.phases
        assert reason in str(planes.refusal(problem, "float32"))
    with pytest.raises(fl.ConvPlanError, match="stride 1×3 is not 1 along every axis"):
        fl.plan("conv2d(2, 2, 3, stride=(1, 3))", (1, 2, 5, 6), algorithm="planes")


def test_planes_where_they_pay() -> None:
    for text, size in (
        ("conv2d(96, 96, 7, padding=3, groups=96, stride=2)", (56, 56)),
        ("conv2d(256, 256, 3, padding=1, groups=32, stride=2)", (28, 28)),
    ):
        spec = fl.ConvSpec.parse(text)
        back = spec.adjoint(size).input_grad
        assert fl.plan(back, spec.output_shape((1, spec.in_channels, *size))).algorithm == "phases+planes"


def test_channels_beyond_a_panel(isa: str) -> None:
    """Sums are taken up again from the output, where phases lie interleaved."""
    for stride in (2, 3, 8):
        check_bundled(f"conv_transpose2d(1100, 3, 3, stride={stride})", (5, 9), "direct")


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
def test_input_gradients(mode: str) -> None:
    for text in (
        "conv2d(6, 5, 3, stride=2, padding=1, padding_mode={!r})",
        "conv2d(6, 40, 4, stride=(3, 2), padding=2, padding_mode={!r}, flip=True)",
    ):
        spec = fl.ConvSpec.parse(text.format(mode))
        for size in ((9, 12), (20, 35)):
            grad, weight = integers_of_shape((2, *spec.output_shape((6, *size))), 1), integers_of_shape(spec.weight_shape, 2)
            lowered = lower(spec, size, backward=True, bundles_phases=True)
            assert len(lowered.main.steps) == 1
            with labelled((text, size)):
                check_same(fl.conv_input_grad(spec, grad, weight, size), expected_input_grad(spec, grad, weight, size))


def test_same_bits_for_any_number_of_threads_and_samples() -> None:
    rng = np.random.default_rng(0)
    for text, size in [
        ("conv_transpose2d(40, 70, 4, stride=2, padding=1)", (33, 35)),
        ("conv_transpose1d(300, 20, 16, stride=8)", (500,)),
        ("conv_transpose2d(40, 40, 5, stride=2, padding=1, groups=40)", (65, 35)),
        ("conv_transpose2d(40, 70, 2, stride=2)", (33, 35)),
    ]:
        spec = fl.ConvSpec.parse(text)
        x = rng.normal(size=(3, spec.in_channels, *size)).astype("float32")
        weight = rng.normal(size=spec.weight_shape).astype("float32")
        with num_threads(1):
            one = fl.conv(spec, x, weight)
        for threads in (2, 5):
            with num_threads(threads):
                check_same(fl.conv(spec, x, weight), one)
                check_same(np.concatenate([fl.conv(spec, sample[None], weight) for sample in x]), one)


def test_infinite_weights_meet_no_cells_that_take_no_part() -> None:
    spec = fl.ConvSpec.parse("conv_transpose2d(3, 4, 4, stride=2, padding=1, bias=False)")
    x, weight = integers_of_shape((1, 3, 5, 6), 1).astype("float32"), integers_of_shape(spec.weight_shape, 2).astype("float32")
    weight[1, 2, 0, 0] = np.inf
    check_same(fl.conv(spec, x, weight), expected_forward(spec, x, weight))


def test_taps_that_do_not_overlap(isa: str) -> None:
    """Each phase a product of its own, of positions that go over the ends of rows."""
    for stride, out, columns in itertools.product((1, 2, 3, 4, 16), (1, 4, 9, 33), (1, 5, 16, 47, 50)):
        check_bundled(f"conv_transpose2d(3, {out}, (2, {stride}), stride=(2, {stride}))", (3, columns), "pointwise")
    for text, size in [
        ("conv_transpose1d(5, 6, 8, stride=8)", (100,)),
        ("conv_transpose2d(6, 9, 2, stride=2, groups=3)", (7, 9)),
        ("conv_transpose3d(4, 20, (2, 3, 2), stride=(2, 3, 2))", (3, 4, 5)),
        ("conv_transpose2d(2100, 3, 2, stride=2)", (3, 5)),  # input channels beyond a panel
        ("conv_transpose2d(3, 300, 2, stride=2)", (3, 5)),
        ("conv_transpose2d(4, 6, 2, stride=2)", (1, 1)),
    ]:
        for dtype in ("float32", "float64", "int64", "complex64"):
            check_bundled(text, size, "pointwise", dtype, batch=2)


def test_taps_that_do_not_overlap_add_to_what_is_there(isa: str) -> None:
    """In either order of the axes, as the reference's sums do."""
    for text, size in [("conv_transpose2d(3, 9, 2, stride=2)", (5, 20)), ("conv_transpose1d(3, 4, 3, stride=3)", (50,))]:
        spec = fl.ConvSpec.parse(text)
        problem = lower(spec, size, backward=False, bundles_phases=True).problems[0]
        x, weight = integers_of_shape((2, 1, 3, *size), 1), integers_of_shape((1, *problem_weight(spec)), 2)
        kernel = Correlation("pointwise", "float32", isa, native_problem(problem))
        expected = expected_forward(spec, x[:, 0], np.swapaxes(weight[0], 0, 1)).astype("float32")
        for last in (False, True):
            y = np.full((2, 1, spec.out_channels, *spec.output_shape((3, *size))[1:]), 7, "float32")
            y = np.moveaxis(np.ascontiguousarray(np.moveaxis(y, 2, -1)), -1, 2) if last else y
            kernel.run(x.astype("float32"), kernel.pack(weight.astype("float32")), None, y, True, 3)
            check_same(np.ascontiguousarray(y[:, 0]), expected + 7)


def problem_weight(spec: fl.ConvSpec) -> tuple[int, ...]:
    """The shape of the weights as kernels read them: out, in, taps."""
    return (spec.out_channels, spec.in_channels, *spec.kernel_size)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("conv_transpose2d(3, 4, 3, stride=2)", "kernel 3×3 is not the stride 2×2: outputs meet several taps, or none"),
        ("conv_transpose2d(3, 4, (2, 1), stride=2)", "kernel 2×1 is not the stride 2×2: outputs meet several taps, or none"),
        ("conv_transpose2d(3, 4, 2, stride=2, padding=1)", "cropping leaves phases of the stride that do not read the whole input"),
    ],
)
def test_taps_that_overlap_are_not_shuffled(text: str, reason: str) -> None:
    problem = lower(fl.ConvSpec.parse(text), (5, 6), backward=False, bundles_phases=True).problems[0]
    assert BY_NAME["pointwise"].refusal(problem, "float32") == reason
    with pytest.raises(ValueError, match="algorithm 'pointwise' does not serve this problem"):
        Correlation("pointwise", "float32", available_isas()[0], native_problem(problem))


def test_an_algorithm_of_single_phases_may_be_asked_for() -> None:
    spec = fl.ConvSpec.parse("conv_transpose2d(3, 4, 2, stride=2)")
    plan = fl.plan(spec, (1, 3, 5, 6), algorithm="unfold")
    assert plan.algorithm == "phases+unfold"
    assert len(compile_conv(spec, (5, 6), plan._compiled.request).lowered.problems) == 4
    reasons = {decision.algorithm: decision.reason for decision in fl.plan(spec, (1, 3, 5, 6), algorithm="direct").why}
    assert "one phase at a time" in reasons["unfold"]
