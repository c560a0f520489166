"""`faltung bench`: Faltung beside other libraries, in one process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from faltung.cli import output
from faltung.cli.busy import watch
from faltung.errors import ConvError

if TYPE_CHECKING:
    from faltung.bench.machine import Limits
    from faltung.bench.peers import Peer
    from faltung.bench.report import Row
    from faltung.bench.workloads import Suite

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("bench", epilog="Example: faltung bench --suite quick --peers torch,scipy")(bench)


def bench(
    suite: Annotated[
        str, typer.Option(metavar="NAME", help="quick: every kind of layer. foundation: two layers against the limit.")
    ] = "quick",
    peers: Annotated[str | None, typer.Option(metavar="LIST", help="torch,torch-cl,scipy, or none. Default: all installed.")] = None,
    only: Annotated[
        str | None, typer.Option(metavar="LIST", help="Only workloads whose name contains one of these: 3x3,depthwise.")
    ] = None,
    rounds: Annotated[int, typer.Option(metavar="N", help="Rounds; each times everyone once, the median counts.")] = 7,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads for everyone. Default: the suite's, else every processor.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every run included, instead of a table.")] = False,
) -> None:
    """Time Faltung beside other libraries, after checking that they agree."""
    from faltung.bench.peers import chosen_peers
    from faltung.bench.workloads import suite as find_suite
    from faltung.engine.native import checked_threads, get_num_threads, set_num_threads

    if not 1 <= rounds <= 1000:
        raise ConvError(f"--rounds={rounds} is not between 1 and 1000.", "7 gives a steady median, 15 a steadier one.")
    found = find_suite(suite, [part for part in (only or "").split(",") if part.strip()])
    contenders = chosen_peers(peers)
    before = get_num_threads()
    count = checked_threads("--threads", threads) if threads is not None else found.threads or before
    set_num_threads(count)
    try:
        with watch() as watched:
            rows, limits = time_suite(found, contenders, count, rounds, quiet=as_json)
    finally:
        set_num_threads(before)
    if as_json:
        facts = as_facts(found, contenders, rows, limits, rounds)
        output.print_json({**facts, "preemptions_per_second": watched.preemptions_per_second})
        return
    show(found, contenders, rows, limits)
    watched.warn()


def time_suite(found: Suite, peers: Sequence[Peer], threads: int, rounds: int, *, quiet: bool) -> tuple[list[Row], Limits]:
    """Every workload in turn, the machine's limits measured before and after."""
    from faltung.bench.machine import measure_limits
    from faltung.bench.report import time_workload

    dtypes = {workload.dtype for workload in found.workloads}
    rows = []
    with output.progress("measuring the machine", quiet=quiet) as show_progress:
        limits = measure_limits(dtypes, threads)
        for done, workload in enumerate(found.workloads):
            show_progress(done, len(found.workloads), workload.name)
            rows.append(time_workload(workload, peers, threads=threads, rounds=rounds))
        return rows, limits.best_of(measure_limits(dtypes, threads))


def as_facts(found: Suite, peers: Sequence[Peer], rows: Sequence[Row], limits: Limits, rounds: int) -> dict[str, Any]:
    """The run as plain data."""
    import platform

    import numpy as np

    import faltung
    from faltung.bench.machine import describe
    from faltung.bench.peers import version_of
    from faltung.bench.report import geometric_mean

    return {
        "suite": found.name,
        "command": " ".join(["faltung", *sys.argv[1:]]),
        "machine": describe(limits.threads),
        "versions": {
            "faltung": faltung.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            **{peer.package: version_of(peer.package) for peer in peers},
        },
        "limits": {"flops_per_second": limits.flops_per_second, "bytes_per_second": limits.bytes_per_second},
        "rounds": rounds,
        "workloads": [row.as_dict(limits) for row in rows],
        "geometric_mean": {
            "against_torch": geometric_mean([row.against_torch() for row in rows]),
            "against_best": geometric_mean([row.against_best() for row in rows]),
        },
    }


# -- the table -----------------------------------------------------------------------------------


def show(found: Suite, peers: Sequence[Peer], rows: Sequence[Row], limits: Limits) -> None:
    """The run as a table, its notes and its summary."""
    from faltung.bench.machine import cpu_name
    from faltung.bench.report import CALL, PREPARED, geometric_mean

    shown = [peer for peer in peers if any(peer.name in row.timings for row in rows)]
    has_torch = any(row.against_torch() is not None for row in rows)
    headers = ["call\nms", "prepared\nms", *(peer.name.replace("-", "\n", 1) if "-" in peer.name else f"{peer.name}\nms" for peer in shown)]
    headers += [*(["vs\ntorch"] if has_torch else []), *(["vs\nbest"] if shown else []), "of\nlimit"]
    table = output.make_table(("Workload", "left"), *((header, "right") for header in headers), gap=1)
    for row in rows:
        name = Text.assemble(row.workload.name, "\n", (f"  {row.algorithm or 'gradient'}", "dim"))
        times = [milliseconds(row, contender) for contender in (CALL, PREPARED, *(peer.name for peer in shown))]
        ratios = [*([output.factor(row.against_torch())] if has_torch else []), *([output.factor(row.against_best())] if shown else [])]
        table.add_row(name, *times, *ratios, Text(f"{row.fraction_of_limit(limits):.0%}".replace("%", " %")))
    output.print_line(f"{found.name}: {found.purpose}", style="bold")
    rates = ", ".join(f"{rate / 1e9:.0f} GFLOP/s {dtype}" for dtype, rate in limits.flops_per_second.items())
    output.print_line(f"{cpu_name()}, {limits.isa}, {limits.threads} thread{'s' if limits.threads != 1 else ''}")
    output.print_line(f"limits measured: {rates}, {limits.bytes_per_second / 1e9:.1f} GB/s")
    output.print_line()
    output.print_table(table)
    output.print_line()
    for row in rows:
        for peer_name in row.disagreeing:
            output.print_line(
                f"≠ {row.workload.name}: {peer_name} differs from Faltung by {row.deviations[peer_name]:.1e} of the largest sum, "
                f"more than rounding ({row.tolerance:.1e}); it is left out of the ratios.",
                style="bold red",
            )
    summary = [
        f"{name} {output.factor(mean).plain}"
        for name, mean in (
            ("vs torch", geometric_mean([row.against_torch() for row in rows])),
            ("vs best", geometric_mean([row.against_best() for row in rows])),
        )
        if mean is not None
    ]
    if summary:
        output.print_line(f"geometric mean: {', '.join(summary)} (above 1: Faltung is faster)", style="bold")
    for line in legend(shown, has_torch=has_torch):
        output.print_line(line, style="dim")


def legend(peers: Sequence[Peer], *, has_torch: bool) -> list[str]:
    """What the columns mean."""
    lines = ["call: weights packed at every call; prepared: packed once."]
    lines += [f"{peer.name}: {peer.idea}." for peer in peers]
    if has_torch:
        lines.append("vs torch: torch / call.")
    if peers:
        lines.append("vs best: fastest peer / Faltung's fastest.")
    lines.append(
        "of limit: the least time that arithmetic, at the rate measured in the same round, or memory allows / Faltung's fastest;"
        " above 100 % where arrays stay in the caches."
    )
    return lines


def milliseconds(row: Row, contender: str) -> Text:
    """The contender's time; ``≠`` marks a result that is not Faltung's."""
    if contender not in row.timings:
        return Text("–", style="dim")
    value = row.timings[contender].seconds * 1e3
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    is_wrong = contender in row.disagreeing
    return Text(f"{'≠' if is_wrong else ''}{value:.{digits}f}", style="bold red" if is_wrong else "")
