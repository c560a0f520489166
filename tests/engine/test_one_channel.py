"""What `depthwise` and `channelwise` must both do with one input channel a group: borders, one order of sums, what is not finite."""

from __future__ import annotations

import numpy as np
import pytest

from faltung.engine.native import available_isas
from tests.support.check import check_same
from tests.support.one_channel import arrays, check_case, problem, run

pytestmark = pytest.mark.parametrize("algorithm", ["depthwise", "channelwise"])


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("mode", ["zeros", "absent", "circular", "reflect", "replicate", "symmetric"])
def test_borders(algorithm: str, isa: str, mode: str) -> None:
    """Padding wider than the input too."""
    for size, kernel, stride, dilation in (
        ((12, 20), (5, 7), 1, 1), ((9, 7), (5, 7), 1, 1), ((6, 9), (3, 3), 2, 1), ((9, 19), (3, 5), 1, 3), ((7, 9), (3, 3), 1, 6),
        ((5, 11), (3, 3), 2, 2), ((3, 4), (13, 15), 1, 1), ((40,), (9,), 2, 1), ((5, 4, 9), (3, 2, 3), 1, 1),
    ):  # fmt: skip
        before = max(kernel) * dilation // 2
        for groups in (3, 18):
            check_case(algorithm, isa, problem(groups, 1, size, kernel, stride, dilation, mode, short=min(before, min(size) - 1)))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("columns", [7, 9, 14, 28, 70])
def test_same_bits_however_it_is_read(algorithm: str, isa: str, stride: int, columns: int, kernel: int) -> None:
    """Strides of the arrays, threads and batch change no bit."""
    case = problem(21, 1, (9, columns), (kernel, kernel), stride, short=kernel // 2)
    generator = np.random.default_rng(1)
    x = generator.standard_normal((3, 21, 1, *case.in_size)).astype(np.float32)
    weight = generator.standard_normal((21, 1, 1, kernel, kernel)).astype(np.float32)
    y = run(algorithm, isa, case, x, weight, None)
    check_same(run(algorithm, isa, case, x, weight, None, threads=3), y, bits=True)
    check_same(run(algorithm, isa, case, x[1:2], weight, None), y[1:2], bits=True)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, (1, 2), (-2, -1))), (-2, -1), (1, 2))
    check_same(run(algorithm, isa, case, last, weight, None), y, bits=True)
    turned = np.ascontiguousarray(x[..., ::-1, ::-1])[..., ::-1, ::-1]
    check_same(run(algorithm, isa, case, turned, np.ascontiguousarray(weight[..., ::-1])[..., ::-1], None), y, bits=True)
    for step, width in ((1, 1024), (2, 2 * x.shape[-1])):
        wide = np.zeros((*x.shape[:-1], width), np.float32)
        view = wide[..., ::step][..., : x.shape[-1]]
        view[...] = x
        check_same(run(algorithm, isa, case, view, weight, None), y, bits=True)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_zeros_of_the_padding_take_part(algorithm: str, isa: str, value: float) -> None:
    """An infinite weight over the padding gives NaN; an infinite cell reaches only the windows over it."""
    case = problem(2, 1, (6, 7), (3, 3), short=1)
    x, weight, _ = arrays(case, 1, "float32")
    weight[0, 0, 0, 0, 0] = value
    y = run(algorithm, isa, case, x, weight, None)
    check_same(y, run("general", isa, case, x, weight, None))
    assert np.isnan(y[0, 0, 0, 0]).all()
    assert np.isfinite(y[0, 1]).all()
    x, weight, _ = arrays(case, 1, "float32")
    x[0, 0, 0, 2, 2] = value
    check_same(run(algorithm, isa, case, x, weight, None), run("general", isa, case, x, weight, None))
