"""`faltung bench --suite scipy`: functions beside those whose names they have, measured and shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from faltung.cli import output
from faltung.cli.busy import Watch, watch

__all__ = ["measure_calls", "show_calls"]

Facts = Mapping[str, Any]


def measure_calls(
    only: Sequence[str], classes: Sequence[str], peers: str | None, *, rounds: int, seconds_per_row: float, threads: int | None
) -> dict[str, Any]:
    """Time the calls that the options choose."""
    from faltung.bench.call_suite import call_facts, chosen_call_peers, chosen_calls
    from faltung.bench.calls import time_call
    from faltung.engine.native import checked_threads, get_num_threads, set_num_threads

    calls, named = chosen_calls(only, classes), chosen_call_peers(peers)
    before = get_num_threads()
    count = checked_threads("--threads", threads) if threads is not None else before
    set_num_threads(count)
    rows = []
    try:
        with watch() as watched, output.progress("timing", quiet=False) as show_progress:
            for done, call in enumerate(calls):
                show_progress(done, len(calls), call.name)
                rows.append(time_call(call, named, threads=count, rounds=rounds, budget_seconds=seconds_per_row))
    finally:
        set_num_threads(before)
    return {
        "command": " ".join(["faltung", *sys.argv[1:]]),
        **call_facts(rows, named, count, rounds),
        "seconds_per_row": seconds_per_row,
        "preemptions_per_second": watched.preemptions_per_second,
    }


def show_calls(facts: Facts) -> None:
    """The run as tables, its legend and its troubles."""
    machine, peers = facts["machine"], list(facts["peers"])
    output.print_line(f"{facts['suite']}: {facts['purpose']}", style="bold")
    output.print_line(f"{machine['cpu']}, {machine['isa']}, {machine['threads']} thread{'s' if machine['threads'] != 1 else ''}")
    output.print_line()
    show_rows(facts, peers)
    output.print_line()
    show_means(facts, peers)
    output.print_line()
    output.print_line(
        "call: the result is made; into: it is given. Above 1× Faltung is faster; vs scipy: of calls, vs opencv: of the faster."
    )
    for peer, idea in facts["peers"].items():
        output.print_line(f"{peer}: {idea}.", style="dim")
    for row in facts["workloads"]:
        for peer in row["disagreeing"]:
            output.print_line(f"≠ {row['name']}: {peer} differs by {row['deviations'][peer]:.1e} of the largest.", style="bold red")
        for peer, reason in row["failures"].items():
            output.print_line(f"! {row['name']}: {peer} was left out. {reason}", style="bold red")
    watched = Watch()
    watched.preemptions_per_second = facts.get("preemptions_per_second")
    watched.warn()


def show_rows(facts: Facts, peers: Sequence[str]) -> None:
    """A line for each call."""
    columns = [("Call", "left"), ("call\nms", "right"), ("into\nms", "right")]
    columns += [(f"{peer}\nms", "right") for peer in peers] + [(f"vs\n{peer}", "right") for peer in peers]
    table = output.make_table(*columns, gap=1)
    before = None
    for row in facts["workloads"]:
        if row["class"] != before:
            table.add_row(Text(facts["classes"][row["class"]]["title"], style="bold"))
        before = row["class"]
        times = [milliseconds(row["seconds"].get(name)) for name in ("faltung", "faltung into", *peers)]
        table.add_row(Text(row["name"]), *times, *(output.factor(row["against"][peer]) for peer in peers))
    output.print_table(table)


def show_means(facts: Facts, peers: Sequence[str]) -> None:
    """The geometric means of each class, and over all."""
    columns = [("Geometric means", "left")]
    for peer in peers:
        columns += [("rows", "right"), (f"vs\n{peer}", "right"), ("lowest", "right")]
    table = output.make_table(*columns)
    for entry in (*facts["classes"].values(), {"title": "all", **facts["all"]}):
        cells = []
        for peer in peers:
            means = entry[peer]
            cells += [Text(str(means["rows"])), output.factor(means["mean"]), output.factor(means["lowest"])]
        table.add_row(Text(entry["title"], style="bold" if entry["title"] == "all" else ""), *cells)
    output.print_table(table)


def milliseconds(seconds: float | None) -> Text:
    """A time; a dash where there is none."""
    if seconds is None:
        return Text("–", style="dim")
    value = seconds * 1e3
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return Text(f"{value:.{digits}f}")
