"""The error of every algorithm, measured against float64, beside the bound that its plan states: ``python checks/rounding.py``.

Errors and bounds are counted in units of ``u * max over outputs of sum(|input| * |weight|)``, where u is half the distance from 1 to the
next number: 2**-24 for float32, 2**-8 for bfloat16 results. It prints the table of docs/trust.md, and fails if an error is above its bound
or an algorithm of either catalog was not measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

import faltung as fl
from faltung.engine.catalog import ALGORITHMS
from faltung.engine.gradient import gradient_problem
from faltung.engine.gradient_catalog import ALGORITHMS as GRADIENTS
from faltung.engine.native import WeightGradient, chosen_isa, has_bfloat16_dots, native_problem
from faltung.errors import ConvPlanError

LAYERS = [
    ("conv2d(64, 64, 3, padding=1)", (28, 28)),
    ("conv2d(256, 64, 1)", (14, 14)),
    ("conv2d(32, 32, 4, padding=1)", (28, 28)),
    ("conv2d(32, 32, 5, padding=2)", (14, 14)),
    ("conv2d(16, 16, 7, padding=3)", (28, 28)),
    ("conv2d(32, 32, 3, stride=2, padding=1)", (28, 28)),
    ("conv2d(3, 32, 7, stride=2, padding=3)", (64, 64)),
    ("conv2d(32, 32, 3, padding=6, dilation=6)", (14, 14)),
    ("conv2d(64, 64, 3, padding=1, groups=16)", (14, 14)),
    ("conv2d(64, 64, 3, padding=1, groups=64)", (28, 28)),
    ("conv2d(8, 8, 31, padding=15, groups=8)", (64, 64)),
    ("conv_transpose2d(32, 32, 4, stride=2, padding=1)", (14, 14)),
    ("conv1d(8, 8, 64, padding=32)", (400,)),
    ("conv3d(16, 16, 3, padding=1)", (6, 12, 12)),
]
KINDS = ("normal", "positive")
ONLY_WITH = {"grouped": "avx512", "dots": "avx512"}
"""Algorithms that one instruction set alone has."""

Array = np.ndarray


class Row(NamedTuple):
    """One algorithm on one layer: errors and bound in units of the module's docstring."""

    algorithm: str
    layer: str
    root_mean_square: float
    largest: float
    bound: float


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="draws of the numbers for each layer; default 3")
    options = parser.parse_args()
    worst = worst_rows(row for seed in range(options.seeds) for row in measured(seed))
    write = sys.stdout.write
    write("| algorithm | layer where the error comes closest to its bound | root mean square | largest | bound | share |\n")
    write("|---|---|---|---|---|---|\n")
    for row in worst.values():
        share = row.largest / row.bound
        write(f"| `{row.algorithm}` | `{row.layer}` | {row.root_mean_square:.2g} | {row.largest:.2g} | {row.bound:.3g} | {share:.2g} |\n")
    faults = [f"{row.algorithm} on {row.layer} is above its bound" for row in worst.values() if not row.largest <= row.bound]
    faults += [f"{name} was not measured" for name in expected_names() if name not in worst]
    write("".join(f"\n{fault}" for fault in faults) + "\n")
    return int(bool(faults))


def expected_names() -> list[str]:
    """Every algorithm that this processor has."""
    names = [entry.name for entry in ALGORITHMS if ONLY_WITH.get(entry.name, chosen_isa()) == chosen_isa()]
    if not has_bfloat16_dots(chosen_isa()):
        names = [name for name in names if name != "dots"]
    return ["separable", *names, *(f"weight gradient {entry.name}" for entry in GRADIENTS)]


def worst_rows(rows: Iterator[Row]) -> dict[str, Row]:
    """Of each algorithm the row whose error comes closest to its bound."""
    worst: dict[str, Row] = {}
    for row in rows:
        known = worst.get(row.algorithm)
        if known is None or row.largest / row.bound > known.largest / known.bound:
            worst[row.algorithm] = row
    return worst


def measured(seed: int) -> Iterator[Row]:
    """Every algorithm on every layer that it serves."""
    for text, size in LAYERS:
        for kind in KINDS:
            yield from rows_of(text, size, kind, seed)


def rows_of(text: str, size: tuple[int, ...], kind: str, seed: int) -> Iterator[Row]:
    """Every algorithm on one layer."""
    yield from forward_rows(text, size, kind, seed)
    yield from gradient_rows(text, size, kind, seed)


def numbers(shape: tuple[int, ...], kind: str, seed: int, dtype: Any) -> Array:
    """Normal numbers, or positive ones, of which nothing cancels."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape) if kind == "normal" else rng.random(shape)
    return values.astype(dtype)


def row_of(name: str, text: str, actual: Array, exact: Array, scale: float, bound: float, unit: float) -> Row:
    """Errors of one result."""
    error = np.abs(actual.astype(np.float64) - exact)
    units = scale * unit
    return Row(name, text, float(np.sqrt(np.mean(error**2))) / units, float(error.max()) / units, bound / unit)


def forward_rows(text: str, size: tuple[int, ...], kind: str, seed: int) -> Iterator[Row]:
    """Forward, weights prepared; `separable` with weights that are outer products."""
    spec = fl.ConvSpec.parse(text)
    shape = (1, spec.in_channels, *size)
    for dtype in ("float32", np.dtype(ml_dtypes.bfloat16)):
        is_half = dtype != "float32"
        x, weight = numbers(shape, kind, seed + 1, dtype), numbers(spec.weight_shape, kind, seed + 2, dtype)
        bias = numbers((spec.out_channels,), kind, seed + 3, dtype)
        exact, scale = exactly(spec, x, weight, bias)
        for name in ["dots"] if is_half else [entry.name for entry in ALGORITHMS if entry.name != "dots"]:
            try:
                plan = fl.plan(spec, shape, dtype, algorithm=name)
            except ConvPlanError:
                continue
            yield row_of(name, text, plan(x, weight, bias), exact, scale, plan.error_bound, 2.0**-8 if is_half else 2.0**-24)
    if spec.ndim == 2 and spec.groups == spec.in_channels:
        x, bias = (array.astype(np.float32) for array in (x, bias))
        factors = [
            numbers((*spec.weight_shape[:2], *one), kind, seed + 4, np.float32)
            for one in ((spec.kernel_size[0], 1), (1, spec.kernel_size[1]))
        ]
        outer = factors[0] * factors[1]
        plan = fl.plan(spec, shape)
        prepared = plan.prepare(outer, bias)
        exact, scale = exactly(spec, x, outer, bias)
        if prepared.algorithm == "separable":
            yield row_of("separable", text, prepared(x), exact, scale, plan.error_bound, 2.0**-24)


def exactly(spec: fl.ConvSpec, x: Array, weight: Array, bias: Array) -> tuple[Array, float]:
    """The result in double precision, and the largest sum of magnitudes."""
    wide = [array.astype(np.float64) for array in (x, weight, bias)]
    return fl.conv(spec, *wide, accuracy="exact"), float(fl.conv(spec, *map(np.abs, wide), accuracy="exact").max())


def gradient_rows(text: str, size: tuple[int, ...], kind: str, seed: int) -> Iterator[Row]:
    """The weight's gradient of two samples."""
    spec = fl.ConvSpec.parse(text)
    shape = (2, spec.in_channels, *size)
    x, grad = numbers(shape, kind, seed + 1, np.float32), numbers(spec.output_shape(shape), kind, seed + 2, np.float32)
    wide = x.astype(np.float64), grad.astype(np.float64)
    exact = fl.conv_weight_grad(spec, *wide, accuracy="exact")
    scale = float(fl.conv_weight_grad(spec, *map(np.abs, wide), accuracy="exact").max())
    problem = gradient_problem(spec, size)
    large, small = ((array.reshape(2, spec.groups, -1, *array.shape[2:])) for array in ((grad, x) if spec.transposed else (x, grad)))
    for entry in GRADIENTS:
        if entry.refusal(problem, "float32") is not None:
            continue
        result = np.empty((spec.groups, spec.weight_shape[0] // spec.groups, *spec.weight_shape[1:]), np.float32)
        WeightGradient(entry.name, "float32", chosen_isa(), native_problem(problem)).run(large, small, result, 1)
        growth = 1.0 if entry.error_growth is None else entry.error_growth(problem, "float32")
        bound = growth * (2 * int(np.prod(problem.out_size)) + 1) * 2.0**-24
        yield row_of(f"weight gradient {entry.name}", text, result.reshape(spec.weight_shape), exact, scale, bound, 2.0**-24)


if __name__ == "__main__":
    sys.exit(main())
