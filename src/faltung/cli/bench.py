"""`faltung bench`: Faltung beside other libraries, in one process."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faltung.cli import output
from faltung.cli.bench_table import show
from faltung.cli.busy import watch
from faltung.cli.inputs import LAYERS_HELP, read_layers
from faltung.errors import ConvError, one_of

if TYPE_CHECKING:
    from faltung.bench.machine import Limits
    from faltung.bench.peers import Peer
    from faltung.bench.report import Row
    from faltung.bench.suites import Suite
    from faltung.bench.workloads import Direction

__all__ = ["register"]

CALLS = "scipy"
"""The suite whose rows are functions, no layers."""

DIRECTIONS: dict[str, Direction] = {"forward": "forward", "input-grad": "input gradient", "weight-grad": "weight gradient"}
"""As typed, and as a workload has them."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("bench", epilog="Example: faltung bench --suite full --class depthwise --peers torch,onnxruntime")(bench)


def bench(
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="quick: every kind of layer. full: the layers of many networks. foundation: two layers against the limit. "
            "scipy: functions of SciPy and OpenCV, whose classes are gaussian, mean, edges, kernel, lines, volume, signal, signal-images, "
            "signal-large. "
            "Default: quick, with --class full.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="LIST",
            help="Only layers of these classes: dense-3x3, dense, depthwise, depthwise-large, grouped, dilated, transposed, circular, "
            "filter, fir, 3d, float64, channels-last, bfloat16, tiny, input-grad, weight-grad, weight-grad-depthwise.",
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="LIST", help="Only workloads whose name contains one of these: 3x3,depthwise.")
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="torch, torch-best, onnxruntime, openvino, ncnn, jax, opencv, scipy, or none. Default: all installed."
        ),
    ] = None,
    layers: Annotated[str | None, typer.Option(metavar="FILE", help=f"Layers of your own instead. {LAYERS_HELP}")] = None,
    dtype: Annotated[str, typer.Option(metavar="NAME", help="Of --layers: float32, float64 or bfloat16.")] = "float32",
    direction: Annotated[str, typer.Option(metavar="NAME", help=f"Of --layers: {', '.join(DIRECTIONS)}.")] = "forward",
    rounds: Annotated[int, typer.Option(metavar="N", help="Rounds; each times everyone once, the median counts.")] = 7,
    seconds_per_row: Annotated[
        float, typer.Option(metavar="S", help="Begin no further round of a workload after so long; three are run in any case.")
    ] = 4.0,
    passes: Annotated[
        int, typer.Option(metavar="N", help="Time the whole suite so often: what disturbs the machine for some seconds then spoils no row.")
    ] = 1,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads for everyone. Default: the suite's, else every processor.")
    ] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw roofline and ratios into a .png, .svg or .pdf file.")] = None,
    recorded: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measure nothing: show a run that --json wrote, with --figure draw it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every run included, instead of a table.")] = False,
) -> None:
    """Time Faltung beside other libraries, after checking that they agree."""
    if suite == CALLS or (recorded is not None and read_run(recorded)["suite"] == CALLS):
        calls(only, classes, peers, Effort(rounds, seconds_per_row, passes), threads, figure, recorded, layers, as_json=as_json)
        return
    if figure is not None:
        from faltung.bench.figure import check_figure

        check_figure(figure)
    if recorded is not None:
        facts = read_run(recorded)
    else:
        if layers is not None:
            refuse_beside_layers({"--suite": suite, "--class": classes, "--only": only})
            found = own_layers(layers, dtype, direction)
        else:
            found = known_layers(suite or ("quick" if classes is None else "full"), only, classes)
        facts = measure(found, peers, Effort(rounds, seconds_per_row, passes), threads)
    if as_json:
        output.print_json(facts)
    else:
        show(facts)
    if figure is not None:
        from faltung.bench.figure import save_figure

        save_figure(facts, figure)
        if not as_json:
            output.print_line()
            output.print_line(f"figure: {figure}")


def calls(
    only: str | None, classes: str | None, peers: str | None, effort: Effort, threads: int | None, figure: Path | None,
    recorded: Path | None, layers: str | None, *, as_json: bool,
) -> None:  # fmt: skip
    """`bench` of the suite of functions."""
    from faltung.cli.bench_calls import measure_calls, show_calls

    if figure is not None or layers is not None or effort.passes != 1:
        raise ConvError(f"--suite {CALLS} has neither --figure nor --layers nor --passes.", "Leave them out.")
    effort.check()
    if recorded is not None:
        facts = read_run(recorded)
    else:
        facts = measure_calls(
            listed(only), listed(classes), peers, rounds=effort.rounds, seconds_per_row=effort.seconds_per_row, threads=threads
        )
    if as_json:
        output.print_json(facts)
    else:
        show_calls(facts)


def known_layers(suite: str, only: str | None, classes: str | None) -> Suite:
    """What the options choose of a suite."""
    from faltung.bench.suites import suite as find_suite

    return find_suite(suite, listed(only), listed(classes))


def own_layers(layers: str, dtype: str, direction: str) -> Suite:
    """The layers in the file `layers`, of a type of numbers and in a direction as typed.

    Raises
    ------
    ConvError
        An option is not known, or the file holds no layers.
    """
    from faltung.bench.suites import suite_of

    one_of("--dtype", dtype, ("float32", "float64", "bfloat16"), ConvError)
    return suite_of(read_layers(layers), dtype, DIRECTIONS[one_of("--direction", direction, DIRECTIONS, ConvError)])


def refuse_beside_layers(options: Mapping[str, str | None]) -> None:
    """Only a suite has names and classes to choose by."""
    for option, value in options.items():
        if value is not None:
            raise ConvError(f"{option} and --layers exclude one another.", "Give one of them.")


@dataclass(frozen=True, slots=True)
class Effort:
    """How often everything is timed: rounds of a workload, seconds after which none is begun, and passes of the suite."""

    rounds: int
    seconds_per_row: float
    passes: int

    def check(self) -> None:
        """Raise `ConvError` where a number makes no sense."""
        if not 1 <= self.rounds <= 1000:
            raise ConvError(f"--rounds={self.rounds} is not between 1 and 1000.", "7 gives a steady median, 15 a steadier one.")
        if not 0 < self.seconds_per_row <= 3600:
            raise ConvError(f"--seconds-per-row={self.seconds_per_row:g} is not above 0 and up to 3600.", "4 suits most layers.")
        if not 1 <= self.passes <= 100:
            raise ConvError(f"--passes={self.passes} is not between 1 and 100.", "3 suit a machine that others use too.")


def measure(found: Suite, peers: str | None, effort: Effort, threads: int | None) -> dict[str, Any]:
    """Time a suite as the options ask for."""
    from faltung.bench.peers import chosen_peers
    from faltung.bench.summary import run_facts
    from faltung.engine.native import checked_threads, get_num_threads, set_num_threads

    effort.check()
    contenders = chosen_peers(peers)
    before = get_num_threads()
    count = checked_threads("--threads", threads) if threads is not None else found.threads or before
    set_num_threads(count)
    try:
        with watch() as watched:
            rows, limits = time_suite(found, contenders, count, effort)
    finally:
        set_num_threads(before)
    facts = run_facts(found, contenders, rows, limits, effort.rounds, effort.passes)
    return {
        "command": " ".join(["faltung", *sys.argv[1:]]),
        **facts,
        "seconds_per_row": effort.seconds_per_row,
        "preemptions_per_second": watched.preemptions_per_second,
    }


def listed(text: str | None) -> list[str]:
    """The parts of a comma-separated list that are not empty."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def time_suite(found: Suite, peers: Sequence[Peer], threads: int, effort: Effort) -> tuple[list[Row], Limits]:
    """Every workload in turn, the machine's limits measured before and after."""
    from faltung.bench.machine import measure_limits
    from faltung.bench.report import time_workload

    dtypes = {workload.dtype for workload in found.workloads}
    rows: dict[int, Row] = {}
    every = [*enumerate(found.workloads)] * effort.passes
    with output.progress("measuring the machine", quiet=False) as show_progress:
        limits = measure_limits(dtypes, threads)
        for done, (place, workload) in enumerate(every):
            show_progress(done, len(every), workload.name)
            row = time_workload(workload, peers, threads=threads, rounds=effort.rounds, budget_seconds=effort.seconds_per_row)
            rows[place] = rows[place].followed_by(row) if place in rows else row
        return [*rows.values()], limits.best_of(measure_limits(dtypes, threads))


def read_run(path: Path) -> dict[str, Any]:
    """The run in a file that --json wrote."""
    from faltung.bench.summary import checked_run

    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConvError(f"{path} holds no JSON: {error}.", "Record a run with --json.") from None
    return checked_run(facts, str(path))
