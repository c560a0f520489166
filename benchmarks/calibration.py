"""How well the plan's estimates choose: every algorithm timed on layers drawn at random.

    python benchmarks/calibration.py --seconds 100 --out layers.jsonl
    python benchmarks/calibration.py --recorded layers.jsonl

Run it on one core (``taskset -c 1``), several seeds side by side on several. *Regret* is the time of the algorithm that the plan takes
over that of the fastest; *time over estimate* should be the same for every algorithm, whatever the layer: only ratios matter.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import faltung as fl

CHANNELS = (3, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 512)
SIZES = (4, 7, 8, 10, 13, 14, 16, 20, 28, 32, 38, 56, 64)
MOST_MACS = 2e9
ONLY_WHEN_ASKED = ("general", "winograd6")
FAR_BEHIND = 4.0
"""An algorithm that is estimated to take so many times the least is not timed."""


@dataclass(frozen=True)
class Sample:
    """One layer: what the plan takes, and of each algorithm the measured and the estimated seconds of a prepared call."""

    spec: str
    input_shape: tuple[int, ...]
    taken: str
    seconds: dict[str, float]
    estimates: dict[str, float]

    @property
    def regret(self) -> float:
        """Time of what the plan takes over the least."""
        return self.seconds["auto"] / min(self.seconds.values())


def main() -> None:
    """Draw layers and time them, or show what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="append a line of JSON for each layer")
    parser.add_argument("--recorded", type=Path, nargs="+", help="measure nothing")
    options = parser.parse_args()
    if options.recorded:
        show([Sample(**json.loads(line)) for path in options.recorded for line in path.read_text().splitlines()])
        return
    samples = []
    for sample in timed(options.seed, time.monotonic() + options.seconds):
        samples.append(sample)
        if options.out:
            with options.out.open("a") as file:
                file.write(json.dumps(asdict(sample)) + "\n")
    show(samples)


def timed(seed: int, end: float) -> Iterator[Sample]:
    """Layers until the clock says `end`."""
    draw = np.random.default_rng(seed)
    fl.set_num_threads(1)
    while time.monotonic() < end:
        spec, shape = drawn(draw)
        try:
            plan = fl.plan(spec, shape)
        except fl.ConvError:
            continue  # a kernel larger than its input
        if plan.cost.macs > MOST_MACS:
            continue
        x, weight = (draw.random(size, np.float32) for size in (shape, spec.weight_shape))
        prepared = plan.prepare(weight)
        out = prepared(x)
        estimates = {entry.algorithm: entry.cost_seconds for entry in plan.why if entry.fits and entry.cost_seconds is not None}
        least = min(estimates.values())
        near = [name for name, cost in estimates.items() if cost < FAR_BEHIND * least + 2e-5 and name not in ONLY_WHEN_ASKED]
        plans = {name: asked for name in near if (asked := plan_with(spec, shape, name))}
        seconds = {name: seconds_of(asked.prepare(weight), x, out) for name, asked in plans.items()}
        seconds["auto"] = seconds_of(prepared, x, out)
        yield Sample(str(spec), shape, prepared.algorithm, seconds, {name: asked.cost.seconds for name, asked in plans.items()})


def plan_with(spec: fl.ConvSpec, shape: tuple[int, ...], algorithm: str) -> fl.Plan | None:
    """The plan that takes `algorithm`, or None where it does not serve all of the layer."""
    try:
        return fl.plan(spec, shape, algorithm=algorithm)
    except fl.ConvPlanError:
        return None


def seconds_of(prepared: fl.PreparedConv, x: np.ndarray, out: np.ndarray) -> float:
    """A low quantile of at least four calls in about 30 ms."""
    runs: list[float] = []
    prepared(x, out=out)
    end = time.perf_counter() + 0.03
    while len(runs) < 4 or (time.perf_counter() < end and len(runs) < 40):
        started = time.perf_counter()
        prepared(x, out=out)
        runs.append(time.perf_counter() - started)
    return sorted(runs)[len(runs) // 5]


def drawn(draw: np.random.Generator) -> tuple[fl.ConvSpec, tuple[int, ...]]:
    """A layer such as networks have."""

    def one(*choices: object) -> object:
        return choices[draw.integers(len(choices))]

    kind = one("dense", "dense", "strided", "patches", "pointwise", "depthwise", "grouped", "filter", "1-D", "3-D", "transposed",
               "transposed", "transposed 1-D", "dilated", "bordered")  # fmt: skip
    channels, outputs = int(one(*CHANNELS)), int(one(*CHANNELS))
    size, batch = int(one(*SIZES)), int(one(1, 1, 1, 4))
    common = {"bias": False, "ndim": 2}
    shape = (batch, channels, size, size)
    kernel = int(one(3, 3, 5, 7, 2))
    if kind == "strided":
        return fl.ConvSpec(channels, outputs, kernel, stride=2, padding=kernel // 2, **common), shape
    if kind == "patches":
        kernel = int(one(2, 4, 8))
        return fl.ConvSpec(channels, outputs, kernel, stride=kernel, **common), shape
    if kind == "pointwise":
        return fl.ConvSpec(channels, outputs, 1, **common), shape
    if kind == "depthwise":
        kernel = int(one(3, 5, 7, 9, 13))
        return fl.ConvSpec(channels, channels, kernel, stride=int(one(1, 1, 2)), padding=kernel // 2, groups=channels, **common), shape
    if kind == "grouped":
        groups, width = int(one(2, 4, 8, 16)), int(one(2, 4, 8, 16, 32))
        kernel = int(one(1, 3, 3, 5))
        spec = fl.ConvSpec(groups * width, groups * width, kernel, stride=int(one(1, 1, 2)), padding=kernel // 2, groups=groups, **common)
        return spec, (batch, groups * width, size, size)
    if kind == "filter":
        kernel = int(one(3, 5, 7, 9, 11, 15, 21))
        return fl.ConvSpec(1, int(one(1, 1, 4)), kernel, padding=kernel // 2, **common), (1, 1, int(one(128, 256, 480)), int(one(256, 640)))
    if kind == "1-D":
        kernel, dilation = int(one(3, 5, 9, 31)), int(one(1, 1, 4))
        spec = fl.ConvSpec(
            channels, outputs, kernel, stride=int(one(1, 1, 2)), dilation=dilation, padding=dilation * (kernel // 2), bias=False, ndim=1
        )
        return spec, (batch, channels, int(one(100, 400, 1600)))
    if kind == "3-D":
        size = max(min(size, 16), 7)
        spec = fl.ConvSpec(
            min(channels, 64), min(outputs, 64), one(3, 2, (1, 3, 3), (3, 1, 1)), stride=int(one(1, 1, 2)), bias=False, ndim=3
        )
        return spec, (1, min(channels, 64), size, size, size)
    if kind == "transposed":
        kernel, stride, padding = one((2, 2, 0), (4, 2, 1), (3, 2, 1), (4, 4, 0), (3, 1, 1), (5, 2, 2), (6, 3, 1), (8, 4, 2))
        size = min(size, 20)
        spec = fl.ConvSpec(channels, outputs, kernel, stride=stride, padding=padding, transposed=True, **common)
        return spec, (batch, channels, size, size)
    if kind == "transposed 1-D":
        kernel, stride = one((16, 8), (4, 2), (8, 4), (3, 2), (2, 2))
        spec = fl.ConvSpec(channels, outputs, kernel, stride=stride, transposed=True, bias=False, ndim=1)
        return spec, (1, channels, int(one(50, 200, 800)))
    if kind == "dilated":
        kernel, dilation = int(one(3, 3, 5)), int(one(2, 3, 4, 6))
        return fl.ConvSpec(channels, outputs, kernel, dilation=dilation, padding=dilation * (kernel // 2), **common), (1, *shape[1:])
    mode = one("circular", "reflect", "replicate") if kind == "bordered" and size >= 7 else "zeros"
    return fl.ConvSpec(channels, outputs, kernel, padding=kernel // 2, padding_mode=mode, **common), shape


def show(samples: Iterable[Sample]) -> None:
    """The regret, where it is large, and how estimates compare with times."""
    samples = sorted(samples, key=lambda sample: -sample.regret)
    if not samples:
        sys.exit("no layer was timed")
    mean = math.exp(statistics.fmean(math.log(sample.regret) for sample in samples))
    print(f"{len(samples)} layers; regret {mean:.3f} in the geometric mean, above 1.2 in {share(samples):.1%}; the largest:")
    for sample in samples[:15]:
        best = min(sample.seconds, key=sample.seconds.__getitem__)
        times = f"{sample.taken} {1e6 * sample.seconds['auto']:.0f} µs, {best} {1e6 * sample.seconds[best]:.0f}"
        print(f"  {sample.regret:.2f}  {sample.spec} @ {'x'.join(map(str, sample.input_shape))}: {times}")
    ratios = defaultdict(list)
    for sample in samples:
        for name, estimate in sample.estimates.items():
            if sample.seconds[name] > 8e-6:
                ratios[name].append(sample.seconds[name] / estimate)
    print("time over estimate, deciles:")
    for name, found in sorted(ratios.items()):
        if len(found) > 1:
            print(f"  {name:12}", len(found), *(f"{decile:.2f}" for decile in statistics.quantiles(found, n=10)))


def share(samples: list[Sample]) -> float:
    """Of layers on which the plan loses more than a fifth."""
    return sum(sample.regret > 1.2 for sample in samples) / len(samples)


if __name__ == "__main__":
    main()
