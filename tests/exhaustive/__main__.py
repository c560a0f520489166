"""``python -m tests.exhaustive``: see ``--help``. It fails if a result is wrong, a worker dies, or an algorithm was never tried."""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from faltung.engine.native import available_isas
from tests.exhaustive.problems import problem_lines
from tests.exhaustive.report import Report, named
from tests.exhaustive.shapes import TABLE, WRITTEN, read_table, shapes_of
from tests.exhaustive.working import Numbered, work

CHUNK = 24
"""Shapes that a worker takes at a time."""


def main() -> int:
    options = arguments()
    if options.add:
        return finish(Report.load(options.add), options, 0.0)
    rows = read_table()
    if not rows and not options.problems:
        sys.stderr.write(f"The table of shapes is not on this machine: {TABLE} (FALTUNG_SHAPES names another place).\n")
        return 2
    shapes = list(enumerate(shapes_of([*WRITTEN, *rows])))
    if options.shape is not None:
        shapes = [shapes[options.shape]]
    elif options.sample:
        shapes = sorted(random.Random(options.seed).sample(shapes, min(options.sample, len(shapes))))
    if options.problems:
        options.problems.write_text("\n".join(problem_lines(shape for _, shape in shapes)) + "\n")
        return 0
    part, parts = options.part
    return run(shapes[part - 1 :: parts], options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "tests.exhaustive", description="Every shape of the table by every algorithm, compared with exact sums."
    )
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="N shapes drawn at random; default all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample and of the numbers in the arrays")
    parser.add_argument("--shape", type=int, metavar="NUMBER", help="one shape, by the number that a fault names")
    parser.add_argument("--part", type=of_parts, default=(1, 1), metavar="K/N", help="every N-th shape, from the K-th on")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--isas", nargs="+", default=list(available_isas()), choices=available_isas(), help="default all of this machine")
    parser.add_argument("--algorithms", nargs="+", choices=named(), metavar="NAME", help=f"default all: {', '.join(named())}")
    parser.add_argument(
        "--all-dtypes", action="store_true", help="each dtype on each instruction set; default float32, and the others in turn"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the report")
    parser.add_argument("--problems", type=Path, metavar="FILE", help="compare nothing, write what is computed, for tests/native")
    parser.add_argument("--add", type=Path, nargs="+", metavar="FILE", help="run nothing, add up kept reports")
    return parser.parse_args()


def of_parts(text: str) -> tuple[int, int]:
    part, parts = map(int, text.split("/"))
    return part, parts


def run(shapes: Numbered, options: argparse.Namespace) -> int:
    report = Report(options.seed, isas=tuple(options.isas), algorithms=tuple(options.algorithms or ()))
    started = time.monotonic()
    chunks = [shapes[first : first + CHUNK] for first in range(0, len(shapes), CHUNK)]
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        futures: dict[Future[Report], Numbered] = {
            pool.submit(work, chunk, options.seed, options.isas, options.all_dtypes, options.algorithms): chunk for chunk in chunks
        }
        for future in as_completed(futures):
            try:
                part = future.result()
            except BrokenProcessPool:
                first, last = futures[future][0][0], futures[future][-1][0]
                report.faults.append(f"a worker died while shapes {first} to {last} were computed or waited")
                continue
            for fault in part.faults[:20]:
                sys.stderr.write(f"{fault}\n")
            report.add(part)
            seconds = time.monotonic() - started
            left = seconds / report.shapes * (len(shapes) - report.shapes)
            sys.stderr.write(
                f"{report.shapes}/{len(shapes)} shapes, {report.compared.total()} comparisons, {seconds:.0f} s, {left:.0f} s left\n"
            )
            sys.stderr.flush()
    return finish(report, options, time.monotonic() - started)


def finish(report: Report, options: argparse.Namespace, seconds: float) -> int:
    if options.shape is None:
        report.faults += report.never_tried()
    if options.json:
        report.save(options.json)
    sys.stdout.write("\n".join(report.lines()) + f"\n{seconds:.0f} seconds\n")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
