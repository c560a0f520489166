"""`faltung equivariance`: whether the answer of an ONNX file moves along with a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faltung.cli import output
from faltung.cli.inputs import existing_file
from faltung.cli.pictures import MEAN_HELP, PREPARED_SIZE_HELP, STD_HELP, prepared, save_figure
from faltung.errors import ConvError, one_of

__all__ = ["register"]

BOUNDARIES = ("circular", "crop")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    example = "faltung equivariance model.onnx photo.jpg --mean 0.5 --std 0.25 --out shifts.png"
    app.command("equivariance", epilog=f"Example: {example}")(equivariance)


def equivariance(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture file, or a .npy array.")],
    shifts: Annotated[int | None, typer.Option(metavar="N", help="Largest shift, in pixels. Default: two periods of the stride.")] = None,
    step: Annotated[int, typer.Option(metavar="N", help="From one shift to the next, with --shifts.")] = 1,
    boundary: Annotated[
        str, typer.Option(metavar="NAME", help="circular: what leaves comes in on the other side. crop: windows of a larger picture.")
    ] = "circular",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Picture of the error over the shifts: .png, .svg, .pdf, …")] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help=PREPARED_SIZE_HELP)] = None,
    mean: Annotated[str, typer.Option(metavar="M|R,G,B", help=MEAN_HELP)] = "0",
    std: Annotated[str, typer.Option(metavar="S|R,G,B", help=STD_HELP)] = "1",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure whether the answer moves along when the picture moves, layer by layer."""
    one_of("--boundary", boundary, BOUNDARIES, ConvError)
    if shifts is not None and (shifts < 0 or step < 1):
        raise ConvError(f"--shifts {shifts} --step {step}: shifts go from 0 upwards, by 1 or more.", "Use --shifts 8.")
    if boundary == "crop" and shifts is None:
        raise ConvError("--boundary crop needs --shifts: windows are smaller than the picture by the largest of them.", "Use --shifts 8.")
    existing_file(model, "an ONNX file")
    from faltung.model.onnx_run import OnnxNetwork
    from faltung.model.shifting.found import LAYER_COLUMNS
    from faltung.model.shifting.measuring import equivariance as measure

    beside = shifts if boundary == "crop" and shifts is not None else 0
    with output.progress(f"{model} …", quiet=as_json) as told:
        x, how, axes = prepared(OnnxNetwork(model), image, size, mean, std, beside=beside - beside % step)
        wanted = None if shifts is None else range(0, shifts + 1, step)
        found = measure(model, x, wanted, boundary, axes=axes, progress=told)
        if out is not None:
            save_figure(found.plot().figure, out)
    if as_json:
        output.print_json({**found.to_dict(), "image": str(image), "input": how, "out": None if out is None else str(out)})
        return
    output.print_line(f"{model}: {how}")
    output.print_facts(f"Equivariance of {found.name}", found.facts())
    if found.layers:
        table = output.make_table(*((name, "left" if name in LAYER_COLUMNS[:3] else "right") for name in LAYER_COLUMNS))
        for row in found.layer_rows():
            table.add_row(*row)
        output.print_line()
        output.print_table(table)
    if out is not None:
        output.print_line()
        output.print_line(f"{out}: the error over the shifts")
