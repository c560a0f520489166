"""`faltung tune`: measure which algorithm is the fastest on this machine, and remember it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from faltung.cli import output
from faltung.cli.inputs import LAYERS_HELP, read_layers, read_shape, read_spec
from faltung.errors import ConvError

__all__ = ["register"]

EPILOG = """Examples: faltung tune "conv2d(64, 64, 3, padding=1)" --input 1x64x56x56 · faltung tune --layers layers.txt, a layer a line:
conv2d(64, 64, 3, padding=1) @ 1x64x56x56 · faltung tune, for the layers of `faltung bench --suite quick`"""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("tune", epilog=EPILOG)(tune)


def tune(
    spec: Annotated[
        str | None, typer.Argument(metavar="[SPEC]", help="A convolution; without one, the layers of --layers or --suite.")
    ] = None,
    size: Annotated[str | None, typer.Option("--input", metavar="SIZE", help="Its input shape, 1x64x56x56.")] = None,
    layers: Annotated[str | None, typer.Option(metavar="FILE", help=LAYERS_HELP)] = None,
    suite: Annotated[str, typer.Option(metavar="NAME", help="A suite of `faltung bench`; its forward layers are measured.")] = "quick",
    dtype: Annotated[str, typer.Option(metavar="NAME", help="Type of the numbers, of SPEC and --layers.")] = "float32",
    seconds: Annotated[float, typer.Option(metavar="S", min=0.0, help="About so long for each layer.")] = 0.3,
    show: Annotated[bool, typer.Option("--show", help="Show what is remembered, and measure nothing.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Forget it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the algorithms on this machine and remember the fastest.

    Later plans take what is remembered, in every program of the user: it changes their speed, and no error bound. FALTUNG_TUNING=off
    leaves it aside; FALTUNG_CACHE_DIR names another folder.
    """
    from faltung.engine import tuning

    if show and clear:
        raise ConvError("--show and --clear exclude one another.", "Give one of them.")
    if clear:
        existed = _cleared()
        if as_json:
            output.print_json({"file": str(tuning.file()), "removed": existed})
        else:
            output.print_line(f"{tuning.file()} {'removed' if existed else 'was not there'}")
    elif show:
        _show(as_json=as_json)
    else:
        _measure(_jobs(spec, size, layers, suite, dtype), seconds, as_json=as_json)


def _cleared() -> bool:
    from faltung.engine import tuning

    try:
        return tuning.clear()
    except OSError as error:
        raise ConvError(f"{tuning.file()} cannot be removed: {error.strerror}.", "Remove it by hand.") from None


def _jobs(spec: str | None, size: str | None, layers: str | None, suite: str, dtype: str) -> list[tuple[Any, tuple[int, ...], str]]:
    """Specs, input shapes and dtypes to measure."""
    if spec is not None and layers is not None:
        raise ConvError("SPEC and --layers exclude one another.", "Give one of them.")
    if spec is not None:
        if size is None:
            raise ConvError("The size of the input is missing.", "Add --input, such as --input 1x64x56x56.")
        parsed = read_spec(spec)
        return [(parsed, read_shape(size, parsed), dtype)]
    if size is not None:
        raise ConvError("--input goes with a SPEC.", "Name the convolution first.")
    if layers is not None:
        return [(parsed, shape, dtype) for parsed, shape in read_layers(layers)]
    from faltung.bench.suites import suite as suite_of

    return [(entry.spec, entry.input_shape, entry.dtype) for entry in suite_of(suite).workloads if entry.direction == "forward"]


def _measure(jobs: list[tuple[Any, tuple[int, ...], str]], seconds: float, *, as_json: bool) -> None:
    from faltung.engine import tuning
    from faltung.engine.measure import tune as measure

    if not tuning.is_on():
        raise ConvError("FALTUNG_TUNING=off leaves measurements aside.", "Unset it to measure.")
    rows: list[dict[str, Any]] = []
    path: Path | None = tuning.file()
    with output.progress("measuring", quiet=as_json) as step:
        for number, (spec, shape, dtype) in enumerate(jobs):
            step(number, len(jobs), str(spec))
            tuned = measure(spec, shape, dtype, seconds=seconds)
            path = tuned.path and path
            rows.append(
                {
                    "spec": str(spec), "input_shape": shape, "dtype": dtype, "before": tuned.before, "after": tuned.after,
                    "seconds": tuned.seconds,
                }
            )  # fmt: skip
    if as_json:
        output.print_json({"machine": _machine(), "file": None if path is None else str(path), "layers": rows})
        return
    table = output.make_table(("Layer", "text"), ("Input", "left"), ("Before", "left"), ("", "right"), ("After", "left"), ("", "right"))
    for row in rows:
        before, after, taken = row["before"], row["after"], row["seconds"]
        style = "bold green" if before != after else ""
        times = [output.readable_seconds(taken[name]) if name in taken else "" for name in (before, after)]
        cells = (row["spec"], "x".join(map(str, row["input_shape"])), before, times[0], after, times[1])
        table.add_row(*(Text(cell, style=style) for cell in cells))
    output.print_table(table)
    output.print_line()
    output.print_line("Not remembered: the folder cannot be written." if path is None else f"Remembered in {path}", style="dim")


def _show(*, as_json: bool) -> None:
    from faltung.engine import tuning

    held = tuning.table()
    if as_json:
        entries = {name: {"algorithm": entry.algorithm, "seconds": dict(entry.seconds)} for name, entry in held.items()}
        output.print_json({"machine": _machine(), "file": str(tuning.file()), "measured": entries})
        return
    output.print_facts("This machine", [(name, str(value)) for name, value in _machine().items()])
    output.print_line()
    if not held:
        output.print_line(f"Nothing is remembered in {tuning.file()}")
        return
    table = output.make_table(("Problem", "text"), ("Taken", "left"), ("Measured", "text"))
    for name, entry in held.items():
        times = ", ".join(f"{algorithm} {output.readable_seconds(seconds)}" for algorithm, seconds in sorted(entry.seconds.items()))
        table.add_row(name, entry.algorithm or "as estimated", times)
    output.print_table(table)
    output.print_line()
    output.print_line(f"From {tuning.file()}", style="dim")


def _machine() -> dict[str, Any]:
    from dataclasses import asdict

    from faltung.bench.machine import measure_limits
    from faltung.engine import tuning
    from faltung.engine.native import get_num_threads

    limits = measure_limits({"float32", "float64"}, get_num_threads())
    rates = {f"{dtype} GFLOP/s": round(rate / 1e9, 1) for dtype, rate in limits.flops_per_second.items()}
    return {**asdict(tuning.machine()), "threads": limits.threads, **rates, "GB/s": round(limits.bytes_per_second / 1e9, 1)}
