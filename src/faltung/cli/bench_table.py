"""A run of the benchmark as text: the layers, the classes, and what is to be said about the peers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from faltung.cli import output
from faltung.cli.busy import Watch

__all__ = ["show"]

Facts = Mapping[str, Any]

CALL, PREPARED = "faltung", "faltung prepared"


def show(facts: Facts) -> None:
    """The run as tables, its notes and its summary."""
    machine, limits = facts["machine"], facts["limits"]
    has_torch = any(row["against_torch"] is not None for row in facts["workloads"])
    output.print_line(f"{facts['suite']}: {facts['purpose']}", style="bold")
    output.print_line(f"{machine['cpu']}, {machine['isa']}, {machine['threads']} thread{'s' if machine['threads'] != 1 else ''}")
    rates = ", ".join(f"{rate / 1e9:.0f} GFLOP/s {dtype}" for dtype, rate in limits["flops_per_second"].items())
    output.print_line(f"limits measured: {rates}, {limits['bytes_per_second'] / 1e9:.1f} GB/s")
    output.print_line()
    show_layers(facts, has_torch=has_torch)
    if len(facts["classes"]) > 1 or len(facts["workloads"]) > 1:
        output.print_line()
        show_classes(facts, has_torch=has_torch)
    output.print_line()
    for line in legend(facts, has_torch=has_torch):
        output.print_line(line, style="dim")
    for line in remarks(facts):
        output.print_line(line)
    for line in troubles(facts):
        output.print_line(line, style="bold red")
    watched = Watch()
    watched.preemptions_per_second = facts.get("preemptions_per_second")
    watched.warn()


def show_layers(facts: Facts, *, has_torch: bool) -> None:
    """A line for each workload, under the title of its class."""
    has_peers = bool(facts["peers"])
    headers = ["call\nms", "prepared\nms", *(["torch\nms"] if "torch" in facts["peers"] else []), *(["best peer\nms"] if has_peers else [])]
    headers += [*(["vs\ntorch"] if has_torch else []), *(["vs\nbest"] if has_peers else []), "of\nlimit"]
    table = output.make_table(("Workload", "left"), *((header, "right") for header in headers), gap=1)
    is_grouped = len(facts["workloads"]) > 2 * len(facts["classes"]) > 2
    before = None
    for row in facts["workloads"]:
        if is_grouped and row["class"] != before:
            table.add_row(Text(facts["classes"][row["class"]]["title"], style="bold"))
        before = row["class"]
        name = Text.assemble(row["name"], "\n", (f"  {row['algorithm'] or 'gradient'}", "dim"))
        cells = [milliseconds(row, CALL), milliseconds(row, PREPARED)]
        if "torch" in facts["peers"]:
            cells.append(milliseconds(row, "torch"))
        if has_peers:
            best = row["best_peer"]
            cells.append(Text.assemble(milliseconds(row, best), "\n", (best, "dim")) if best else Text("–", style="dim"))
        cells += [
            *([output.factor(row["against_torch"])] if has_torch else []),
            *([output.factor(row["against_best"])] if has_peers else []),
        ]
        table.add_row(name, *cells, percent(row["fraction_of_limit"]))
    output.print_table(table)


def show_classes(facts: Facts, *, has_torch: bool) -> None:
    """The geometric means of each class, and over all."""
    has_peers = bool(facts["peers"])
    headers = ["rows", *(["vs\ntorch"] if has_torch else []), *(["vs\nbest", "lowest\nvs best"] if has_peers else []), "of\nlimit"]
    table = output.make_table(("Geometric means", "left"), *((header, "right") for header in headers))
    for entry in (*facts["classes"].values(), {"title": "all", **facts["all"]}):
        ratios = [*([output.factor(entry["against_torch"])] if has_torch else [])]
        if has_peers:
            ratios += [output.factor(entry["against_best"]), output.factor(entry["lowest_against_best"])]
        title = Text(entry["title"], style="bold" if entry["title"] == "all" else "")
        table.add_row(title, str(entry["rows"]), *ratios, percent(entry["fraction_of_limit"]))
    output.print_table(table)


def legend(facts: Facts, *, has_torch: bool) -> list[str]:
    """What the columns mean."""
    lines = ["call: weights packed at every call; prepared: packed once, output array given. Above 1× Faltung is faster."]
    if has_torch:
        lines.append("vs torch: torch / call.")
    if facts["peers"]:
        lines.append("vs best: fastest peer / Faltung's fastest.")
    lines.append(
        "of limit: the least time that arithmetic, at the rate measured in the same round, or memory allows / Faltung's fastest;"
        " above 100 % where arrays stay in the caches or an algorithm needs fewer multiplications than the direct sum."
    )
    lines += [f"{name}: {idea}." for name, idea in facts["peers"].items()]
    return lines


def remarks(facts: Facts) -> list[str]:
    """Where peers did not take part, and rows that were left out, and why."""
    lines = []
    for name in facts["peers"]:
        reasons = Counter(row["refusals"][name] for row in facts["workloads"] if name in row["refusals"])
        if reasons:
            told = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
            lines.append(f"not in {reasons.total()} of {len(facts['workloads'])} rows: {name}. {told}.")
    if left_out := facts.get("left_out"):
        lines.append(f"left out: {len(left_out)} rows of bfloat16. Run pip install ml_dtypes to time them.")
    absent = facts.get("peers_not_installed")
    if absent:
        lines.append(
            f"not installed: {', '.join(absent)}. Run pip install {' '.join(dict.fromkeys(absent.values()))} to compare with them."
        )
    return lines


def troubles(facts: Facts) -> list[str]:
    """Peers that gave another result, or none."""
    lines = []
    failures: dict[tuple[str, str], list[str]] = {}
    for row in facts["workloads"]:
        lines += [
            f"≠ {row['name']}: {name} differs from Faltung by {shown_deviation(row['deviations'][name])} of the largest sum, "
            f"more than rounding ({row['tolerance']:.1e}); it is left out of the ratios."
            for name in row["disagreeing"]
        ]
        for failure in row["failures"].items():
            failures.setdefault(failure, []).append(row["name"])
    for (name, reason), rows in failures.items():
        lines.append(f"! {', '.join(rows) if len(rows) <= 3 else f'{len(rows)} rows'}: {name} was left out. {reason}")
    return lines


def shown_deviation(deviation: float | None) -> str:
    """The number; None is what JSON makes of NaN and infinity."""
    return "more than can be told" if deviation is None else f"{deviation:.1e}"


def percent(fraction: float | None) -> Text:
    """The fraction as a whole percentage."""
    return Text("–", style="dim") if fraction is None else Text(f"{fraction:.0%}".replace("%", " %"))


def milliseconds(row: Facts, contender: str) -> Text:
    """The contender's time; ``≠`` marks a result that is not Faltung's."""
    if contender not in row["seconds"]:
        return Text("–", style="dim")
    value = row["seconds"][contender] * 1e3
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    is_wrong = contender in row["disagreeing"]
    return Text(f"{'≠' if is_wrong else ''}{value:.{digits}f}", style="bold red" if is_wrong else "")
