"""The overlap-save transform: whole numbers come out whole, floats within the stated bound, bits the same for any split.

Small whole numbers have exact sums in float64 and float32, so that what is left after rounding must be equal.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.fft
import scipy.signal

import faltung as fl
from faltung.borders import PADDING_MODES
from faltung.engine import fft, fft_layout
from faltung.engine.fft import FFTCorrelation
from faltung.engine.fft_layout import best_layout
from faltung.engine.problem import Problem
from tests.support.check import check_same, check_within
from tests.support.engine import expected_forward, labelled, normals, run_python
from tests.support.layouts import channels_last
from tests.support.overlap_save import DTYPES, LAYERS, arrays_of, problem_of, run, weight_shape, x_shape, y_shape
from tests.support.strategies import integers_of_shape


def check_spec(text: str, size: tuple[int, ...], batch: int = 2) -> None:
    """Equal to the reference once rounded, in both dtypes."""
    spec = fl.ConvSpec.parse(text)
    problem = problem_of(text, size)
    x, weight, bias = (
        integers_of_shape(shape, 7 + which)
        for which, shape in enumerate(((batch, spec.in_channels, *size), spec.weight_shape, (spec.out_channels,)))
    )
    expected = expected_forward(spec, x, weight, bias)
    for dtype in DTYPES:
        with labelled((text, size, dtype)):
            y = run(
                problem,
                *(a.astype(dtype).reshape(s) for a, s in ((x, x_shape(problem, batch)), (weight, weight_shape(problem)))),
                bias.astype(dtype),
            )
            check_within(y, expected.reshape(y.shape).astype(np.float64), 0.01, dtype=np.dtype(dtype))


@pytest.fixture
def all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin threads however little there is to do."""
    monkeypatch.setattr(fft, "WORTH_THREADS_CYCLES", 1.0)


# -- values ----------------------------------------------------------------------------------------

CASES = [
    ("conv1d(1, 1, 7, padding=3, padding_mode='{mode}')", (50,)),
    ("conv1d(1, 1, 1, padding=2, padding_mode='{mode}')", (9,)),
    ("conv1d(1, 1, 2, padding=70, padding_mode='{mode}')", (30,)),  # whole blocks in the border
    ("conv1d(2, 3, 11, padding=9, padding_mode='{mode}')", (5,)),  # wider than the input
    ("conv1d(4, 6, 3, padding=((4, 1),), dilation=5, groups=2, padding_mode='{mode}')", (31,)),
    ("conv1d(3, 3, 4, padding=((-2, 1),), groups=3, padding_mode='{mode}')", (40,)),
    ("conv2d(3, 3, (5, 3), padding=(2, 7), groups=3, padding_mode='{mode}')", (12, 9)),
    ("conv2d(2, 3, (4, 10), padding=((0, 5), (9, 3)), dilation=(2, 1), padding_mode='{mode}')", (13, 30)),
    ("conv2d(10, 9, 3, padding=1, padding_mode='{mode}')", (7, 8)),
    ("conv3d(2, 2, (3, 2, 4), padding=(1, 2, 2), groups=2, padding_mode='{mode}')", (5, 4, 6)),
]


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_every_border(mode: str) -> None:
    for text, size in CASES:
        check_spec(text.format(mode=mode), size)


def test_absent_cells_are_zeros() -> None:
    problem = problem_of(CASES[5][0].format(mode="zeros"), CASES[5][1])
    x, weight, bias = arrays_of(problem, 2, "float64")
    check_same(run(dataclasses.replace(problem, mode="absent"), x, weight, bias), run(problem, x, weight, bias), bits=True)


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize(("text", "size"), [("conv1d(1, 2, 5, padding=4, dilation=2", (29,)), ("conv2d(1, 1, 3, padding=2", (13, 11))])
def test_every_way_to_cut(mode: str, text: str, size: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each size of the transform that the choice weighs, blocks of one output included."""
    monkeypatch.setattr(fft_layout, "MAX_OPTIONS", dict.fromkeys(range(5), 100))
    problem = problem_of(f"{text}, padding_mode='{mode}')", size)
    choices = list(itertools.product(*(fft_layout._axis_options(problem, axis) for axis in range(len(size)))))
    choices.append(tuple(fft_layout.AxisBlocks(k + 2, k, 1, out, -before, 0) for k, out, before in _extents(problem)))
    assert len(choices) > 2
    for axes in choices:
        for tasks in (1, 3, 1000):
            layout = dataclasses.replace(fft_layout._grouped(problem, "float64", axes), blocks_at_once=min(tasks, axes[-1].blocks))
            monkeypatch.setattr(fft, "best_layout", lambda *_, layout=layout: layout)
            check_spec(f"{text}, padding_mode='{mode}')", size)


def _extents(problem: Problem) -> Iterator[tuple[int, int, int]]:
    for kernel, dilation, out, before in zip(problem.kernel_size, problem.dilation, problem.out_size, problem.before, strict=True):
        yield dilation * (kernel - 1) + 1, out, before


@pytest.mark.parametrize("dtype", DTYPES)
def test_lengths_around_the_edges_of_blocks(dtype: str) -> None:
    partial = set()
    weight = integers_of_shape((1, 1, 1, 40), 1).astype(dtype)
    for length in (*range(1, 90), *range(2990, 3020), 5000, 5001, 9000):
        problem = Problem(1, 1, 1, (length,), (length,), (40,), (1,), (1,), (20,), "zeros")
        last = FFTCorrelation(problem, dtype).layout.axes[0]
        partial.add((last.blocks > 1, length % last.outputs == 0))
        x = integers_of_shape((1, 1, 1, length), 2).astype(dtype)
        expected = np.correlate(np.pad(x.ravel(), (20, 19)), weight.ravel(), "valid")
        check_within(run(problem, x, weight).ravel(), expected.astype(np.float64), 0.01, dtype=np.dtype(dtype))
    assert len(partial) >= 3  # one block, several, and several of which the last is not full


def test_image_in_many_tiles() -> None:
    problem = problem_of("conv2d(1, 1, 15, padding=7)", (700, 900))
    assert min(axis.blocks for axis in FFTCorrelation(problem, "float32").layout.axes) > 1
    x, weight = integers_of_shape((700, 900), 1), integers_of_shape((15, 15), 2)
    expected = scipy.signal.correlate(x.astype(np.float64), weight.astype(np.float64), "same", "fft").round()
    y = run(problem, x.astype(np.float32).reshape(x_shape(problem, 1)), weight.astype(np.float32).reshape(weight_shape(problem)))
    check_within(y[0, 0, 0], expected, 0.01, dtype=np.float32)


def test_nothing_to_compute() -> None:
    problem = Problem(1, 1, 1, (0,), (2,), (3,), (1,), (1,), (2,), "zeros")
    check_same(run(problem, np.empty((2, 1, 1, 0)), np.ones((1, 1, 1, 3)), np.array([3.0])), np.full((2, 1, 1, 2), 3.0))
    problem = Problem(1, 1, 1, (9,), (9,), (3,), (1,), (1,), (1,), "zeros")
    assert run(problem, np.empty((0, 1, 1, 9)), np.ones((1, 1, 1, 3))).shape == (0, 1, 1, 9)
    problem = dataclasses.replace(problem, out_size=(0,))
    assert run(problem, np.empty((1, 1, 1, 9)), np.ones((1, 1, 1, 3))).shape == (1, 1, 1, 0)


# -- arrays in and out -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("text", "size"), LAYERS)
def test_same_bits_for_any_threads_and_batch(text: str, size: tuple[int, ...], dtype: str, all_threads: None) -> None:
    problem = problem_of(text, size)
    x, weight, bias = arrays_of(problem, 5, dtype)
    expected = run(problem, x, weight, bias)
    for threads in (2, 3):
        check_same(run(problem, x, weight, bias, threads), expected, bits=True)
    for first, last in ((0, 1), (1, 3), (4, 5)):
        check_same(run(problem, x[first:last], weight, bias, 2), expected[first:last], bits=True)


def test_the_layers_have_several_tasks() -> None:
    tasks = [best_layout(problem_of(text, size), dtype).tasks for text, size in LAYERS for dtype in DTYPES]
    assert min(tasks[:2] + tasks[4:]) > 1


@pytest.mark.parametrize(("text", "size"), LAYERS)
def test_strides_of_every_array(text: str, size: tuple[int, ...]) -> None:
    problem = problem_of(text, size)
    x, weight, bias = arrays_of(problem, 2, "float32")
    expected = run(problem, x, weight, bias)
    flipped = np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    thinned = np.repeat(x, 2, axis=-1)[..., ::2]
    turned = channels_last(weight)
    for view in (flipped, channels_last(x, 2), thinned):
        check_same(run(problem, view, turned, bias), expected, bits=True)
    kernel = FFTCorrelation(problem, "float32")
    packed = kernel.pack(weight)
    canvas = np.zeros((*expected.shape[:-1], 2 * expected.shape[-1] + 1), np.float32)
    kernel.run(x, packed, bias, canvas[..., 1::2], False, 1)
    check_same(canvas[..., 1::2], expected, bits=True)
    assert not canvas[..., ::2].any()
    backwards = np.empty_like(expected)[..., ::-1]
    kernel.run(x, packed, bias, backwards, False, 1)
    check_same(backwards, expected, bits=True)


@pytest.mark.parametrize("fork", ["fork"] if hasattr(os, "fork") else [])
def test_a_forked_child_computes_on(fork: str) -> None:
    """Its parent's threads are not there."""
    done = run_python("""
        import os, warnings
        import numpy as np
        from faltung.engine import fft
        from faltung.engine.problem import Problem

        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of any fork while threads are there
        fft.WORTH_THREADS_CYCLES = 1.0
        kernel = fft.FFTCorrelation(Problem(1, 1, 1, (90000,), (90000,), (50,), (1,), (1,), (25,), "zeros"), "float32")
        weight = kernel.pack(np.random.default_rng(0).normal(size=(1, 1, 1, 50)).astype("float32"))
        x = np.random.default_rng(1).normal(size=(2, 1, 1, 90000)).astype("float32")

        def result():
            y = np.empty_like(x)
            kernel.run(x, weight, None, y, False, 3)
            return y

        expected = result()
        child = os.fork()
        if child == 0:
            os._exit(17 if (result() == expected).all() else 18)
        assert (result() == expected).all()
        print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("child 17\n", "", 0)


def test_errors_of_threads_arrive(all_threads: None) -> None:
    problem = problem_of(*LAYERS[0])
    x, weight, _ = arrays_of(problem, 3, "float32")
    kernel = FFTCorrelation(problem, "float32")
    y = np.empty(y_shape(problem, 3), np.float32)
    y.flags.writeable = False
    for threads in (1, 3):
        with pytest.raises(ValueError, match="read-only"):
            kernel.run(x, kernel.pack(weight), None, y, False, threads)


def test_another_backend_of_scipy_is_left_alone(all_threads: None) -> None:
    """One that a caller set for itself computes nothing here, in no thread."""
    problem = problem_of(*LAYERS[2])
    x, weight, bias = arrays_of(problem, 2, "float64")
    expected = run(problem, x, weight, bias, 2)
    with scipy.fft.set_backend(_NoBackend, only=True):
        check_same(run(problem, x, weight, bias, 2), expected, bits=True)
        with pytest.raises(AssertionError, match="asked"):
            scipy.fft.rfft(x)


class _NoBackend:
    __ua_domain__ = "numpy.scipy.fft"

    @staticmethod
    def __ua_function__(method: object, args: object, kwargs: object) -> None:
        raise AssertionError("asked")


def test_repeated_cells() -> None:
    problem = problem_of("conv1d(2, 2, 9, padding=4, groups=2)", (3000,))
    _, weight, _ = arrays_of(problem, 1, "float64")
    x = np.broadcast_to(np.float64(1.5), x_shape(problem, 2))
    check_same(run(problem, x, weight), run(problem, x.copy(), weight), bits=True)


@pytest.mark.parametrize(("text", "size"), LAYERS)
def test_adding_to_the_output(text: str, size: tuple[int, ...]) -> None:
    problem = problem_of(text, size)
    x, weight, bias = arrays_of(problem, 2, "float64")
    kernel = FFTCorrelation(problem, "float64")
    packed = kernel.pack(weight)
    before = normals(y_shape(problem, 2), 9, "float64")
    for added in (None, bias):
        y = before.copy()
        kernel.run(x, packed, added, y, True, 2)
        check_same(y, before + run(problem, x, weight, added), bits=True)


def test_the_weight_is_read_once() -> None:
    problem = problem_of(*LAYERS[0])
    x, weight, _ = arrays_of(problem, 1, "float32")
    kernel, expected = FFTCorrelation(problem, "float32"), run(problem, x, weight)
    packed = kernel.pack(weight)
    weight[...] = 0
    y = np.empty_like(expected)
    kernel.run(x, packed, None, y, False, 1)
    check_same(y, expected, bits=True)
