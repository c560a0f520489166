"""`faltung tour`: every kind of convolution on a photograph, checked, timed and drawn."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from faltung.cli import output
from faltung.cli.busy import watch
from faltung.errors import ConvError

if TYPE_CHECKING:
    from faltung.tour import TourResult

__all__ = ["register"]

CHECK_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("tour", epilog="Example: faltung tour photo.jpg --out tour-report")(tour)


def tour(
    image: Annotated[Path | None, typer.Argument(metavar="IMAGE", help="A picture file. Default: a photograph from scikit-image.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report, index.html.")] = Path("tour-report"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Run every kind of convolution on a photograph and write a report.

    Each section is checked against the definition and timed. Exit status 1 means that a check failed.
    """
    from faltung.tour import take_tour

    if out.exists() and not out.is_dir():
        raise ConvError(f"--out {out} is a file, a folder is needed.", "Name a folder; it is made where it is missing.")
    with output.progress("looking at the photograph", quiet=as_json) as show_progress, watch() as watched:
        result = take_tour(image, out, show_progress)
    if as_json:
        output.print_json({**as_facts(result), "preemptions_per_second": watched.preemptions_per_second})
    else:
        show(result)
        watched.warn()
    if not result.passed:
        raise typer.Exit(CHECK_FAILED)


def as_facts(result: TourResult) -> dict[str, Any]:
    """The summary as plain data."""
    return {
        "report": str(result.path),
        "seconds": result.seconds,
        "passed": result.passed,
        "sections": [asdict(row) for row in result.summary_rows],
        "failed": failures(result),
    }


def failures(result: TourResult) -> list[str]:
    """The checks that failed, each under its section's title."""
    return [
        f"{section.title}: {check.name} ({check.compared}: off by {check.difference:.3g}, {check.rule})"
        for section in result.sections
        for check in section.checks
        if not check.passed
    ]


def show(result: TourResult) -> None:
    """The summary table, and where the report is."""
    headers = (("Subject", "text"), ("checks", "right"), ("Faltung", "right"), ("peer", "right"), ("", "left"), ("ratio", "right"))
    table = output.make_table(("", "right"), *headers)
    for row in result.summary_rows:
        good = row.checks_passed == row.checks_total
        checks = Text(f"{row.checks_passed} of {row.checks_total}", style="green" if good else "bold red")
        table.add_row(
            str(row.number),
            row.subject,
            checks,
            _milliseconds(row.faltung_ms),
            _milliseconds(row.peer_ms),
            row.peer or "",
            output.factor(row.ratio),
        )
    output.print_table(table)
    output.print_line()
    for failure in failures(result):
        output.print_line(f"FAILED {failure}", style="bold red")
    if any(row.ratio is not None for row in result.summary_rows):
        output.print_line("ratio: the peer's time / Faltung's, side by side in this process; above 1 Faltung is faster.", style="dim")
    output.print_line(
        f"{len(result.sections)} sections in {output.readable_seconds(result.seconds)}. The report: {result.path}", style="bold"
    )


def _milliseconds(value: float | None) -> Text:
    return Text("–", style="dim") if value is None else Text(output.readable_seconds(value / 1e3))
