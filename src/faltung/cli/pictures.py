"""Pictures in and out of the commands on networks: how a photograph becomes an ONNX file's input, and a figure a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltung.cli.inputs import shortened
from faltung.errors import ConvError

if TYPE_CHECKING:
    from faltung.model.onnx_run import OnnxNetwork

__all__ = ["MEAN_HELP", "PREPARED_SIZE_HELP", "STD_HELP", "prepared", "save_figure"]

PREPARED_SIZE_HELP = "Height and width of the input. Default: the file's, else the picture's, in multiples of 32."
MOST_PIXELS = 2**26
MEAN_HELP = "Taken from colours, which go from 0 to 1; one number or three."
STD_HELP = "Then divided by this; one number or three. For an input from 0 to 255: --std 0.00392157."


def prepared(
    network: OnnxNetwork, image: Path, size: str | None, mean: str, std: str, *, beside: int = 0
) -> tuple[Any, str, tuple[int, int]]:
    """The picture as the file's input, larger by `beside` pixels; in words what was done; and the input's rows and columns as axes."""
    from faltung.model.inputs import Preprocess, as_input, picture_places
    from faltung.photo import read_photo

    shape, dtype = network.picture_input()
    photo = read_photo(image)
    found = picture_places(shape)
    if found is None:
        raise ConvError(
            f"{network.path.name} takes an input of shape {shape}, which is no picture.", "Call faltung.feature_maps with arrays."
        )
    channels, (rows, columns) = found
    asked = read_size(size) if size is not None else None
    # Networks that halve their maps several times take multiples of 32, and others take these as well.
    open_size = asked or tuple(max(32 * round(cells / 32), 32) for cells in photo.shape[1:])
    wanted = [given or open_size[axis] for axis, given in enumerate((shape[rows], shape[columns]))]
    if asked is not None and tuple(wanted) != asked:
        raise ConvError(f"--size={size}: {network.path.name} takes {wanted[0]}x{wanted[1]} alone.", "Leave --size out.")
    wanted = [cells + beside for cells in wanted]
    if wanted[0] * wanted[1] > MOST_PIXELS:
        raise ConvError(f"an input of {wanted[0]}×{wanted[1]} has more than {MOST_PIXELS} = 2**26 pixels.", "Use a smaller --size.")
    prepare = Preprocess((wanted[0], wanted[1]), read_colours("--mean", mean), read_colours("--std", std), channels=channels)
    how = f"{image.name}, {photo.shape[1]}×{photo.shape[2]}, as {channels}×{wanted[0]}×{wanted[1]}, (colour − {mean}) / {std}"
    return as_input(photo, prepare, rows, dtype), how, (rows, columns)


def read_size(text: str) -> tuple[int, int]:
    """``224x224``."""
    found = re.fullmatch(r"\s*(\d{1,5})\s*[x×,]\s*(\d{1,5})\s*", text)
    if not found or 0 in (sizes := (int(found[1]), int(found[2]))):
        raise ConvError(f"--size={shortened(text)!r} is no height and width.", "Write 224x224.")
    return sizes


def read_colours(option: str, text: str) -> float | tuple[float, ...]:
    """One number, or three."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise ConvError(
            f"{option}={shortened(text)!r} is neither a number nor three.", f"Write {option} 0.5 or {option} 0.485,0.456,0.406."
        )
    return numbers[0] if len(numbers) == 1 else numbers


def save_figure(figure: Any, out: Path) -> None:
    """Write a figure of matplotlib in the format that the file's name asks for."""
    known = figure.canvas.get_supported_filetypes()
    if out.suffix[1:].lower() not in known:
        raise ConvError(f"{out}: no picture format has the ending {out.suffix!r}.", f"Use {', '.join(sorted(known))}.")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
