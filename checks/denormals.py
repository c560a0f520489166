"""How much longer every algorithm takes on denormal numbers than on normal ones: ``python checks/denormals.py``.

Normal and denormal numbers are measured in turn, on the same layer, with weights prepared; a row's ratio is the median of its rounds.
It fails if a ratio is above 2, other than that of accuracy="exact", under which denormal numbers count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import faltung as fl
from faltung.engine.catalog import ALGORITHMS
from faltung.engine.gradient import gradient_problem
from faltung.engine.gradient_catalog import ALGORITHMS as GRADIENTS
from faltung.engine.native import FloatState, WeightGradient, chosen_isa, native_problem
from faltung.errors import ConvPlanError

LAYERS = [
    ("conv2d(32, 32, 3, padding=1)", (28, 28)),
    ("conv2d(64, 64, 1)", (28, 28)),
    ("conv2d(32, 32, 3, padding=1, groups=32)", (28, 28)),
    ("conv2d(16, 16, 3, padding=6, dilation=6)", (14, 14)),
    ("conv2d(8, 8, 15, padding=7, groups=8)", (40, 40)),
    ("conv_transpose2d(16, 16, 4, stride=2, padding=1)", (14, 14)),
]
MOST = 2.0

Call = Callable[[np.ndarray], object]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--layer", type=int, choices=range(len(LAYERS)), help="one layer; default all")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    options = parser.parse_args()
    worst = 0.0
    for dtype in options.dtypes:
        for text, size in LAYERS if options.layer is None else [LAYERS[options.layer]]:
            spec = fl.ConvSpec.parse(text)
            normal = np.random.default_rng(1).standard_normal((1, spec.in_channels, *size)).astype(dtype)
            denormal = (normal.astype("float64" if dtype != "float64" else "longdouble") * np.finfo(dtype).tiny / 8).astype(dtype)
            for name, call in calls(spec, normal, dtype):
                ratio = in_turn(call, normal, denormal, options.rounds)
                if name == "exact":
                    print(f"{dtype} {text:50} {name:28} {ratio:6.2f}, without limit", flush=True)
                    continue
                worst = max(worst, ratio)
                print(f"{dtype} {text:50} {name:28} {ratio:6.2f}{'  above the limit' if ratio > MOST else ''}", flush=True)
    print(f"largest ratio {worst:.2f}, limit {MOST}")
    return int(worst > MOST)


def calls(spec: fl.ConvSpec, x: np.ndarray, dtype: str) -> Iterator[tuple[str, Call]]:
    """Each algorithm that serves the layer, by its name."""
    rng = np.random.default_rng(2)
    weight = rng.standard_normal(spec.weight_shape).astype(dtype)
    for accuracy in ("default", "exact"):
        yield accuracy, fl.plan(spec, x.shape, dtype, accuracy=accuracy, threads=1).prepare(weight)
    for entry in ALGORITHMS:
        try:
            yield entry.name, fl.plan(spec, x.shape, dtype, algorithm=entry.name, threads=1).prepare(weight)
        except ConvPlanError:
            continue
    grad = rng.standard_normal(spec.output_shape(x.shape)).astype(dtype)
    yield "weight gradient, whole call", lambda x: fl.conv_weight_grad(spec, x, grad)
    if spec.transposed:
        return
    problem = gradient_problem(spec, x.shape[2:])
    result = np.empty((spec.groups, spec.weight_shape[0] // spec.groups, *spec.weight_shape[1:]), dtype)
    small = grad.reshape(1, spec.groups, -1, *grad.shape[2:])
    for gradient in GRADIENTS:
        if gradient.refusal(problem, dtype) is None:
            kernel = as_called(WeightGradient(gradient.name, dtype, chosen_isa(), native_problem(problem)))
            yield (
                f"weight gradient {gradient.name}",
                lambda x, kernel=kernel: kernel(x.reshape(1, spec.groups, -1, *x.shape[2:]), small, result, 1),
            )


def as_called(kernel: WeightGradient) -> Callable[..., None]:
    """A kernel in the state in which a whole call runs it."""

    def run(*arguments: Any) -> None:
        with FloatState(flushes_denormals=True):
            kernel.run(*arguments)

    return run


def in_turn(call: Call, normal: np.ndarray, denormal: np.ndarray, rounds: int) -> float:
    """The median of the rounds' ratios."""
    call(normal), call(denormal)
    return statistics.median(best_of(call, denormal) / best_of(call, normal) for _ in range(rounds))


def best_of(call: Call, x: np.ndarray, tries: int = 3) -> float:
    seconds = []
    for _ in range(tries):
        started = time.perf_counter()
        call(x)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    sys.exit(main())
