"""`faltung animate`: a convolution as a moving picture, in the format that the file's name asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faltung.cli import output
from faltung.cli.inputs import SPEC_HELP, read_sizes, read_spec
from faltung.errors import ConvError

__all__ = ["register"]

DEFAULT_CELLS = {1: (9,), 2: (5, 5), 3: (4, 4, 4)}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("animate", epilog='Example: faltung animate "conv2d(1, 1, 3, stride=2, padding=1)" --input 5x5 --out strided.gif')(animate)


def animate(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help=f"{SPEC_HELP} Several are shown one after the other.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write: .gif, .mp4, .svg, .html, .png, or .json for the scene.")],
    size: Annotated[str | None, typer.Option("--input", metavar="HxW", help="Input size, 5x5. Default: a small one that fits.")] = None,
    style: Annotated[str, typer.Option(metavar="NAME", help="flat: grids side by side. stacked: input below, output above.")] = "flat",
    numbers: Annotated[bool, typer.Option("--numbers/--no-numbers", help="Write values into the cells.")] = True,
    reading: Annotated[
        str, typer.Option(metavar="NAME", help="Of a transposed convolution: scatter (stamping, the default) or gather (zeros inserted).")
    ] = "auto",
    palette: Annotated[str, typer.Option(metavar="NAME", help="tol, okabe-ito or grey.")] = "tol",
    theme: Annotated[str, typer.Option(metavar="NAME", help="light, dark, or auto: as the reader's page.")] = "auto",
    seconds: Annotated[float, typer.Option(metavar="S", help="How long each step is shown.")] = 0.7,
    frame: Annotated[
        str | None, typer.Option(metavar="K|all", help="The still of one step (.png, .svg), or a sheet of all (.png).")
    ] = None,
    pyramid: Annotated[bool, typer.Option("--pyramid", help="Draw the receptive field of the stacked SPECs instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a line.")] = False,
) -> None:
    """Show a convolution step by step, as a file to look at or to put into a page."""
    parsed = [read_spec(text) for text in specs]
    first = parsed[0]
    if size is None and first.ndim not in DEFAULT_CELLS:
        raise ConvError(f"{first} has {first.ndim} spatial axes, pictures have up to 3.", "Use conv1d, conv2d or conv3d.")
    cells = read_sizes(size, first) if size else tuple(map(max, DEFAULT_CELLS[first.ndim], first.effective_kernel_size))
    from faltung.viz.pictures.animate import animate_scene, receptive_pyramid
    from faltung.viz.pictures.files import write_whole
    from faltung.viz.scene import scene
    from faltung.viz.text import counted

    looks = {"palette": palette, "theme": theme, "seconds_per_frame": seconds}
    facts = {"out": str(out), "specs": [str(spec) for spec in parsed], "input": cells[-first.ndim :]}
    with output.status(f"{out} …", quiet=as_json):
        if pyramid:
            made = receptive_pyramid(parsed, cells[-first.ndim :], **looks)  # type: ignore[arg-type]
        else:
            shown = scene(parsed, cells[-first.ndim :], reading=reading)  # type: ignore[arg-type]
            made = animate_scene(shown, style=style, numbers=numbers, **looks)  # type: ignore[arg-type]
        if out.suffix.lower() == ".json" and not pyramid:
            text = shown.to_json()
            write_whole(out, lambda part: part.write_text(text, encoding="utf-8"))
        else:
            made.save(out, frame=frame if frame in (None, "all") else read_frame(frame))
    written = out.stat().st_size
    if as_json:
        output.print_json({**facts, "frames": made.frames, "bytes": written})
    else:
        output.print_line(f"{out}: {made.title}, {counted(made.frames, 'step')}, {written / 1000:.0f} kB")


def read_frame(text: str) -> int:
    """The number of a step."""
    try:
        return int(text)
    except ValueError:
        raise ConvError(f"--frame={text!r} is neither a number nor 'all'.", "Count steps from 0, or from the end with -1.") from None
