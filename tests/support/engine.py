"""What the tests of the engine share: expected results, forced instruction sets and threads, other processes.

`expected_forward`, `expected_input_grad` and `expected_weight_grad` are the reference in the dtype that the
contract promises; `result_dtype` is that promise, written apart from the package's own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from hypothesis import settings

import faltung as fl
from faltung import reference
from faltung.engine import native
from faltung.engine.catalog import ALGORITHMS
from tests.support.check import check_same, check_within
from tests.support.strategies import Problem, integers_of_shape

__all__ = [
    "check_all_directions", "check_planes", "examples", "expected_forward", "expected_input_grad", "expected_on_large",
    "expected_weight_grad", "forced_isa", "labelled", "magnitude", "normal_arrays", "normals", "num_threads", "result_dtype", "run_python",
    "served",
]  # fmt: skip


def examples(count: int) -> settings:
    """`count` examples by default, in proportion more or less under another profile of hypothesis."""
    return settings(max_examples=max(1, count * settings.default.max_examples // 100))


def result_dtype(*dtypes: Any) -> np.dtype[Any]:
    """The dtype of a result: ``numpy.result_type``, but 64 bits for integers and bool, which never become floats."""
    given = [np.dtype(dtype) for dtype in dtypes]
    if {dtype.kind for dtype in given} <= set("bui"):
        return np.dtype(np.uint64 if np.result_type(*given).kind == "u" else np.int64)
    return np.result_type(*given)


def _in_result_dtype(result: np.ndarray, *arrays: np.ndarray | None) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return result.astype(result_dtype(*(array.dtype for array in arrays if array is not None)))


def expected_forward(spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    return _by_definition("conv", spec, (_frozen(x), _frozen(weight), _frozen(bias))).copy()


def expected_input_grad(spec: fl.ConvSpec, grad: np.ndarray, weight: np.ndarray, input_size: tuple[int, ...]) -> np.ndarray:
    return _by_definition("conv_input_grad", spec, (_frozen(grad), _frozen(weight)), input_size).copy()


def expected_weight_grad(spec: fl.ConvSpec, x: np.ndarray, grad: np.ndarray) -> np.ndarray:
    return _by_definition("conv_weight_grad", spec, (_frozen(x), _frozen(grad))).copy()


def _frozen(array: np.ndarray | None) -> tuple[np.dtype[Any], tuple[int, ...], bytes] | None:
    return None if array is None else (array.dtype, array.shape, array.tobytes())


@functools.lru_cache(maxsize=2048)  # the same is expected of every algorithm, instruction set and number of threads
def _by_definition(name: str, spec: fl.ConvSpec, frozen: Sequence[Any], *rest: Any) -> np.ndarray:
    arrays = [None if one is None else np.ndarray(one[1], one[0], one[2]) for one in frozen]
    return _in_result_dtype(getattr(reference, name)(spec, *arrays, *rest), *arrays)


def expected_on_large(spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Of whole numbers what the general kernel gives, in integers, one cell at a time: for what takes the definition seconds.

    `tests.engine.test_tiles` compares that kernel with the definition.
    """
    plan = fl.plan(spec, x.shape, "int64", algorithm="general")
    result = plan(*(None if array is None else array.astype(np.int64) for array in (x, weight, bias)))
    return _in_result_dtype(result, x, weight, bias)


def magnitude(spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> float:
    """The largest sum over one output of ``|input| * |weight|``."""
    wide = [None if array is None else np.abs(array.astype(complex if array.dtype.kind == "c" else float)) for array in (x, weight, bias)]
    return float(reference.conv(spec, *wide).max())


def check_planes(text: str, size: tuple[int, ...], algorithm: str, dtype: str = "float32", batch: int = 1) -> None:
    """Of small integers equal to the definition, on planes in order and not; what lies beside a row is not read."""
    spec = fl.ConvSpec.parse(text)
    shape = (batch, spec.in_channels, *size)
    arrays = (integers_of_shape(one, 7 + i) for i, one in enumerate((shape, spec.weight_shape, (spec.out_channels,))))
    x, weight, bias = (array.astype(dtype) for array in arrays)
    expected = expected_forward(spec, x, weight, bias)
    plan = fl.plan(spec, shape, dtype, algorithm=algorithm)
    with labelled((text, size, dtype)):
        check_same(plan(x, weight, bias), expected)
        check_same(plan(np.asfortranarray(x), weight, bias), expected)
        around = np.full((*shape[:-1], shape[-1] + 2), 99, dtype)
        around[..., 1:-1] = x
        check_same(plan(around[..., 1:-1], weight, bias, out=np.zeros(expected.shape[::-1], expected.dtype).T), expected)


def check_all_directions(spec: fl.ConvSpec, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, grad: np.ndarray) -> None:
    """Forward and both gradients equal the reference, to the dtype and the last bit of value.

    By default algorithms may round: then forward and input gradient are within the largest bound that one of them states.
    """
    size = x.shape[2:]
    forward, input_grad = expected_forward(spec, x, weight, bias), expected_input_grad(spec, grad, weight, size)
    check_same(fl.conv(spec, x, weight, bias, accuracy="exact"), forward)
    check_same(fl.conv_input_grad(spec, grad, weight, size, accuracy="exact"), input_grad)
    check_same(fl.conv_weight_grad(spec, x, grad, accuracy="exact"), expected_weight_grad(spec, x, grad))
    check_rounded(fl.conv(spec, x, weight, bias), forward, spec, x.shape, lambda: magnitude(spec, *map(finite, (x, weight, bias))))
    back, grad_spec = fl.conv_input_grad(spec, grad, weight, size), spec.adjoint(size).input_grad
    scale = lambda: float(reference.conv_input_grad(spec, finite(grad), finite(weight), size).max())  # noqa: E731
    check_rounded(back, input_grad, grad_spec, grad.shape, scale)


def finite(array: np.ndarray | None) -> np.ndarray | None:
    """Magnitudes in double precision, 0 where there is none."""
    if array is None:
        return None
    wide = np.abs(array.astype(complex if array.dtype.kind == "c" else float))
    return np.where(np.isfinite(wide), wide, 0.0)


def check_rounded(actual: np.ndarray, expected: np.ndarray, spec: fl.ConvSpec, shape: Sequence[int], scale: Callable[[], float]) -> None:
    """Fail unless `actual` is `expected`, or within the largest bound of an algorithm that rounds; NaN and Inf are where they belong.

    `spec` and `shape` are those of the convolution that was computed.
    """
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    if np.array_equal(actual, expected, equal_nan=actual.dtype.kind in "fc"):
        return
    bounds = [0.0]
    for entry in ALGORITHMS:
        with contextlib.suppress(fl.ConvPlanError):
            bounds += [] if entry.is_direct else [fl.plan(spec, shape, expected.dtype, algorithm=entry.name).error_bound]
    bound = max(bounds)
    check_within(actual, expected, bound * scale() if bound else 0.0, dtype=expected.dtype)


def served(spec: fl.ConvSpec, x: np.ndarray, names: Sequence[str] | None = None) -> list[str]:
    """Those of the algorithms, by default of all, that compute it."""
    found = []
    for name in [entry.name for entry in ALGORITHMS] if names is None else names:
        with contextlib.suppress(fl.ConvPlanError):
            fl.plan(spec, x.shape, x.dtype, algorithm=name)
            found.append(name)
    return found


def normals(shape: Sequence[int], seed: int, dtype: Any) -> np.ndarray:
    """Random normal numbers, of complex dtypes in both parts."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    return (values + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else values).astype(dtype)


def normal_arrays(problem: Problem, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Input, weight and bias of `problem` as random normal numbers."""
    spec, seed = problem.spec, problem.seed
    bias = normals((spec.out_channels,), seed + 2, dtype) if spec.bias else None
    return normals(problem.input_shape, seed, dtype), normals(spec.weight_shape, seed + 1, dtype), bias


@contextlib.contextmanager
def labelled(label: object) -> Iterator[None]:
    """Name the case of a loop in the error that it raises."""
    try:
        yield
    except Exception as error:
        error.add_note(f"case: {label}")
        raise


@contextlib.contextmanager
def forced_isa(isa: str) -> Iterator[None]:
    """Run the engine on another instruction set of this machine, as FALTUNG_ISA does in a new process."""
    before = os.environ.get("FALTUNG_ISA")
    os.environ["FALTUNG_ISA"] = isa
    _forget()
    try:
        assert native.chosen_isa() == isa
        yield
    finally:
        del os.environ["FALTUNG_ISA"]
        if before is not None:
            os.environ["FALTUNG_ISA"] = before
        _forget()


def _forget() -> None:
    """Empty every cache of the engine: kernels are cached with their instruction set."""
    for name in [name for name in sys.modules if name.startswith("faltung.")]:
        for value in list(vars(sys.modules[name]).values()):
            if hasattr(value, "cache_clear") and not isinstance(value, type):
                value.cache_clear()


@contextlib.contextmanager
def num_threads(n: int) -> Iterator[None]:
    """At most `n` threads."""
    before = fl.get_num_threads()
    fl.set_num_threads(n)
    try:
        yield
    finally:
        fl.set_num_threads(before)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python of its own; it is killed after five minutes. What it wrote is in ``.stdout`` and ``.stderr``."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
