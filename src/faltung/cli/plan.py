"""`faltung plan`: the algorithm that computes a convolution, and why not the others."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from faltung.cli import output
from faltung.cli.inputs import SPEC_HELP, read_shape, read_spec

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("plan", epilog='Example: faltung plan "conv2d(64, 64, 3, padding=1)" --input 1x64x56x56')(plan)


def plan(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP)],
    size: Annotated[str, typer.Option("--input", metavar="SIZE", help="Input shape, 1x64x56x56; batch and channels may be left out.")],
    dtype: Annotated[str, typer.Option(metavar="NAME", help="Type of the numbers: float32, float64, complex64, int64, …")] = "float32",
    threads: Annotated[int | None, typer.Option(metavar="N", help="At most so many threads; default: every processor.")] = None,
    accuracy: Annotated[str, typer.Option(metavar="NAME", help="default, or exact: direct sums in one fixed order.")] = "default",
    algorithm: Annotated[str, typer.Option(metavar="NAME", help="Ask for one by its name.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show every algorithm for a convolution: chosen, possible, or why not."""
    from faltung.engine.native import chosen_isa, get_num_threads
    from faltung.engine.plan import plan as make_plan

    parsed = read_spec(spec)
    made = make_plan(parsed, read_shape(size, parsed), dtype, threads=threads, accuracy=accuracy, algorithm=algorithm)
    facts: dict[str, Any] = {
        "spec": str(parsed),
        "input_shape": made.input_shape,
        "output_shape": parsed.output_shape(made.input_shape),
        "dtype": str(made.dtype),
        "threads": threads or get_num_threads(),
        "isa": chosen_isa(),
        "accuracy": accuracy,
        "algorithm": made.algorithm,
        "algorithms": [
            {
                "name": entry.algorithm,
                "chosen": entry.chosen,
                "fits": entry.fits,
                "reason": entry.reason,
                "cost_seconds": entry.cost_seconds,
            }
            for entry in made.why
        ],
        "macs": made.cost.macs,
        "flops": made.cost.flops,
        "bytes_moved": made.cost.bytes_moved,
        "cost_seconds": made.cost.seconds,
        "workspace_bytes": made.workspace_bytes,
        "error_bound": made.error_bound,
    }
    if as_json:
        output.print_json(facts)
        return
    output.print_line(str(parsed), style="bold")
    result = f"{facts['input_shape']} → {facts['output_shape']}, {facts['dtype']}"
    output.print_line(f"{result}, {facts['isa']}, {facts['threads']} thread{'s' if facts['threads'] != 1 else ''}")
    table = output.make_table(("Algorithm", "left"), ("", "left"), ("Estimate", "right"), ("Why", "text"))
    for entry in facts["algorithms"]:
        verdict, style = ("chosen", "bold green") if entry["chosen"] else ("fits", "") if entry["fits"] else ("no", "dim")
        cost = "" if entry["cost_seconds"] is None else output.readable_seconds(entry["cost_seconds"])
        table.add_row(*(Text(cell, style=style) for cell in (entry["name"], verdict, cost, entry["reason"])))
    output.print_line()
    output.print_table(table)
    output.print_facts("The plan", plan_rows(facts))
    output.print_line()
    output.print_line("Estimates are for one sample on one nominal core: they rank algorithms. `faltung bench` measures.", style="dim")


def plan_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Work, memory and accuracy of the plan."""
    bound = facts["error_bound"]
    accuracy = "exact: integers are summed in 64 bits" if bound == 0 else f"|error| ≤ {bound:.3g} × the largest Σ |input|·|weight|"
    return [
        ("algorithm", facts["algorithm"]),
        ("work", f"{output.grouped(facts['macs'])} MACs, {output.grouped(facts['flops'])} FLOPs"),
        ("arrays", f"{output.readable_bytes(facts['bytes_moved'])} of input, output, weight and bias"),
        ("workspace", output.readable_bytes(facts["workspace_bytes"])),
        ("accuracy", accuracy),
    ]
