"""One layer by each of its algorithms, side by side: what `docs/engine.md` says of one kernel beside another.

    python benchmarks/algorithms.py "conv2d(64, 64, 3, padding=1)" --input 64x56x56 --threads 1
    python benchmarks/algorithms.py "conv2d(1, 1, 3, padding=1)" --input 1x100000x3 --accuracy exact

Prepared calls, timed in turns; *of peak* is what the direct sum's arithmetic would take at the rate of multiply-adds measured in the same
run, over the time: algorithms with fewer products go above 100 %. One that is estimated far behind is left out.
``faltung bench --layers -`` times the one that the plan takes beside other libraries.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

import faltung as fl
from faltung.bench.machine import measure_limits
from faltung.bench.timing import ratio, time_interleaved

FAR_BEHIND = 50.0
"""An algorithm that is estimated to take so many times the least is not timed."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("spec", help="a convolution, such as conv2d(64, 64, 3, padding=1)")
    asked.add_argument("--input", required=True, metavar="SIZE", help="its input shape, channels first: 64x56x56")
    asked.add_argument("--dtype", default="float32")
    asked.add_argument("--accuracy", default="default", choices=("default", "exact"))
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--rounds", type=int, default=7)
    options = asked.parse_args()
    spec = fl.ConvSpec.parse(options.spec)
    shape = tuple(map(int, options.input.split("x")))
    rng = np.random.default_rng(0)
    x, weight = (rng.random(size).astype(options.dtype) for size in (shape, spec.weight_shape))
    plan_by = partial(fl.plan, spec, shape, options.dtype, threads=options.threads, accuracy=options.accuracy)
    taken = plan_by()
    costs = {decision.algorithm: decision.cost_seconds for decision in taken.why if decision.fits and decision.cost_seconds is not None}
    runs: dict[str, Callable[[], object]] = {}
    for name, cost in costs.items():
        if cost <= FAR_BEHIND * min(costs.values()):
            runs[name] = partial(plan_by(algorithm=name).prepare(weight), x)
    timings = time_interleaved(runs, rounds=options.rounds)
    fastest = min(timings.values(), key=lambda timing: timing.seconds)
    rate = measure_limits({options.dtype}, options.threads).flops_per_second[options.dtype]
    macs = spec.macs(shape[-spec.ndim :])
    print(f"{spec} @ {options.input}, {options.dtype}, accuracy={options.accuracy!r}, threads={options.threads}: plan: {taken.algorithm}")
    for timing in sorted(timings.values(), key=lambda timing: timing.seconds):
        print(
            f"  {timing.name:12}{1e3 * timing.seconds:10.3f} ms ±{100 * timing.spread:2.0f} %"
            f"{ratio(fastest, timing):8.2f} × the fastest{100 * 2 * macs / rate / timing.seconds:8.0f} % of peak"
        )


if __name__ == "__main__":
    main()
