"""`faltung audit`: what each layer of an ONNX file costs and sees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faltung.cli import output
from faltung.cli.inputs import existing_file, read_model_shapes
from faltung.cli.pictures import MEAN_HELP, PREPARED_SIZE_HELP, STD_HELP, prepared
from faltung.errors import ConvError

__all__ = ["register"]

_EPILOG = """Example: faltung audit model.onnx --input 1x3x224x224 --sort macs

A live PyTorch module in Python: print(faltung.audit(model, (1, 3, 224, 224)))"""

SORT_HELP = "macs, flops, parameters, activation_bytes, weight_bytes, intensity, receptive_field, name or order."


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("audit", epilog=_EPILOG)(audit)


def audit(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file; it is read, never run.", show_default=False)],
    sizes: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="SHAPE", help="1x3x224x224, where the file leaves sizes open; NAME=SHAPE for each of several."),
    ] = None,
    sort: Annotated[str, typer.Option(metavar="BY", help=SORT_HELP)] = "order",
    pattern: Annotated[str, typer.Option("--filter", metavar="PATTERN", help="Rows whose name contains it; * and ? match.")] = "",
    kind: Annotated[str, typer.Option(metavar="WORD", help="Rows of a kind: depthwise, pointwise, convolution, Conv, …")] = "",
    depth: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Modules with their sums, N levels deep, instead of layers.")
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="Rows without MACs too: normalisations, activations, views.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Time each convolution in PyTorch and in Faltung too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown instead of tables.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with a map of the cost.")] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE", help="Run the file on a picture too: the page shows receptive field, feature maps and shifts as well."
        ),
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help=PREPARED_SIZE_HELP)] = None,
    mean: Annotated[str, typer.Option(metavar="M|R,G,B", help=MEAN_HELP)] = "0",
    std: Annotated[str, typer.Option(metavar="S|R,G,B", help=STD_HELP)] = "1",
) -> None:
    """Show parameters, MACs, memory and receptive field of each layer of a model, and what could be cheaper."""
    from faltung.model.auditing.audit import audit as audit_model
    from faltung.model.auditing.text import Screen

    if as_json and as_markdown:
        raise ConvError("--json and --markdown contradict each other.", "Give one of them.")
    if image is not None and html is None:
        raise ConvError(f"--image={image} goes into a page, and --html names none.", "Add --html report.html.")
    path = existing_file(model, "an ONNX file")
    shape = read_model_shapes(sizes or [])
    quiet = as_json or as_markdown
    with output.progress("reading the model", quiet=quiet) as tell:
        found = audit_model(path, shape, measure=measure, progress=tell)
    shown = found.filter(pattern, kind=kind).sorted(sort)
    if (pattern or kind) and not shown.layers:
        wanted = " and ".join(text for text in (f"--filter={pattern!r}" * bool(pattern), f"--kind={kind!r}" * bool(kind)) if text)
        raise ConvError(f"no layer of {path.name} fits {wanted}.", f"`faltung audit {path.name} --all` shows all {len(found.layers)}.")
    if html is not None and image is not None:
        write_report(path, image, html, size, mean, std, quiet=quiet)
    elif html is not None:
        html.write_text(shown.to_html(), encoding="utf-8")
    if as_json:
        output.print_json(shown.to_dict())
    elif as_markdown:
        output.print_text(shown.to_markdown())
    else:
        screen = output.console()
        screen.print(Screen(shown, is_whole=whole or bool(pattern or kind), depth=depth))
        if html is not None:
            output.print_line()
            output.print_line(f"The page is in {html}.")


def write_report(path: Path, image: Path, html: Path, size: str | None, mean: str, std: str, *, quiet: bool) -> None:
    """The page that joins the audit with what the file makes of a picture."""
    from faltung.model.inputs import Preprocess
    from faltung.model.onnx_run import OnnxNetwork
    from faltung.model.reporting import report
    from faltung.photo import read_photo

    x, _, (rows, columns) = prepared(OnnxNetwork(path), image, size, mean, std)
    picture = Preprocess((x.shape[rows], x.shape[columns])).picture(read_photo(image))
    with output.progress("measuring", quiet=quiet) as tell:
        report(path, x, picture=picture, progress=tell).save(html)
