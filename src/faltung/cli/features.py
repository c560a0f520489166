"""`faltung features`: what the layers of an ONNX file give for a picture, as a table, and one of them as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faltung.cli import output
from faltung.cli.inputs import existing_file
from faltung.cli.pictures import MEAN_HELP, PREPARED_SIZE_HELP, STD_HELP, prepared
from faltung.errors import ConvError, one_of

if TYPE_CHECKING:
    from faltung.model.seeing.maps import FeatureMap

__all__ = ["register"]

SHOWN = ("raw", "activation", "both", "kernels")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    example = "faltung features model.onnx photo.jpg --layer /features/0/Conv --mean 0.5 --std 0.25 --out maps.png"
    app.command("features", epilog=f"Example: {example}")(features)


def features(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture file, or a .npy array.")],
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="A node or tensor of the file. Without it, all convolutions are listed.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture to write: .png, .svg, .pdf, …; .npy for the maps themselves.")
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help=PREPARED_SIZE_HELP)] = None,
    mean: Annotated[str, typer.Option(metavar="M|R,G,B", help=MEAN_HELP)] = "0",
    std: Annotated[str, typer.Option(metavar="S|R,G,B", help=STD_HELP)] = "1",
    show: Annotated[str, typer.Option(metavar="NAME", help="raw, activation, both side by side, or the kernels.")] = "raw",
    maps: Annotated[int, typer.Option(metavar="N", help="Draw at most so many.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what the layers of a network give for a picture."""
    one_of("--show", show, SHOWN, ConvError)
    if out is not None and layer is None:
        raise ConvError("--out draws one layer, and --layer names none.", f"`faltung features {model} {image}` lists them.")
    if maps < 1:
        raise ConvError(f"--maps={maps} is below 1.", "Use 64.")
    existing_file(model, "an ONNX file")
    from faltung.model.onnx_run import OnnxNetwork
    from faltung.model.seeing.maps import COLUMNS, feature_maps

    with output.status(f"{model} …", quiet=as_json):
        x, how, _ = prepared(OnnxNetwork(model), image, size, mean, std)
        found = feature_maps(model, x, layer)
        if out is not None and layer is not None:
            write(out, found[layer], show, maps)
    facts: dict[str, Any] = {**found.to_dict(), "image": str(image), "input": how, "out": None if out is None else str(out)}
    if as_json:
        output.print_json(facts)
        return
    table = output.make_table(*((name, "left" if name in ("layer", "kind", "shape", "activation") else "right") for name in COLUMNS))
    for one in found.values():
        table.add_row(*one.cells)
    output.print_line(f"{model}: {how}")
    output.print_line()
    output.print_table(table)
    if out is not None:
        output.print_line()
        output.print_line(f"{out}: {show} of {layer}")
    elif layer is None:
        output.print_line()
        output.print_line("zeros and dead channels are counted behind the activation. --layer NAME --out maps.png draws one.", style="dim")


def write(out: Path, one: FeatureMap, show: str, maps: int) -> None:
    """Draw a layer into a file, or store its maps."""
    if out.suffix.lower() == ".npy":
        import numpy as np

        if show in ("both", "kernels"):
            raise ConvError(f"--show {show} is a picture, {out} an array.", "Use --show raw or activation, or write a .png.")
        np.save(out, one.maps(show), allow_pickle=False)
        return
    figure: Any
    if show == "both":
        figure = one.compare(max_maps=maps)
    elif show == "kernels":
        figure = one.plot_kernels().figure
    else:
        figure = one.plot(which=show, max_maps=maps).figure
    from faltung.cli.pictures import save_figure

    save_figure(figure, out)
