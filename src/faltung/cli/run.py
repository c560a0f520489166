"""`faltung run`: a convolution applied to a photograph.

Owns how a 2-D kernel becomes a weight; how results become pixels is `filtering`'s.
"""

from __future__ import annotations

import time
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faltung.cli import output
from faltung.cli.inputs import SPEC_HELP, existing_file, read_spec
from faltung.errors import ConvError, ConvShapeError, ConvTypeError, one_of
from faltung.filtering import as_input, as_picture, sums_to_zero
from faltung.spec import ConvSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["register"]

VALUES = ("auto", "absolute", "signed", "clip")
_UNREADABLE = (ValueError, EOFError, SyntaxError, TypeError, KeyError, OverflowError, RecursionError, MemoryError, tokenize.TokenError)
"""What ``numpy.load`` raises on files that are no array: it reads their header as Python text."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    example = "faltung run \"conv2d(1, 1, 3, padding='same')\" photo.png --kernel sobel_x --out edges.png"
    app.command("run", epilog=f"Example: {example}")(run)


def run(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP)],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture file, or a .npy array.")],
    kernel: Annotated[str, typer.Option(metavar="NAME|FILE.npy", help="sobel_x, gaussian(9, sigma=2), sharpen, …; or an array file.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Picture to write, or .npy for the values as they are.")],
    values: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How results become pixels. clip: cut off below 0 and above 255. absolute: |result|, stretched; 0 is black. "
            "signed: stretched; 0 is mid-grey. auto: absolute for kernels that sum to 0, else clip.",
        ),
    ] = "auto",
    colour: Annotated[
        bool | None,
        typer.Option(
            "--colour/--grey",
            help="For a spec with one channel: each colour on its own, or brightness only. "
            "Default: grey for kernels that sum to 0 and for grey pictures, else colour.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a line.")] = False,
) -> None:
    """Apply a convolution to a photograph."""
    parsed = picture_spec(read_spec(spec), out)
    one_of("--values", values, VALUES, ConvError)
    weight = as_weight(parsed, read_kernel(kernel), kernel)
    from faltung.engine.plan import plan
    from faltung.photo import read_photo, write_photo

    with output.status(f"{image} …", quiet=as_json):
        is_derivative = sums_to_zero(parsed, weight)
        x = as_input(parsed, read_photo(image), not is_derivative if colour is None else colour)
        made = plan(parsed, x.shape, "float32")
        start = time.perf_counter()
        result = made(x, weight)
        seconds = time.perf_counter() - start
        channels = result[0] if len(result) == 1 else result[:, 0]  # colours went as a batch of grey pictures
        shown = "values as they are"
        if out.suffix.lower() != ".npy":
            how = values if values != "auto" else "absolute" if is_derivative else "clip"
            channels, shown = as_picture(channels, how, weight)
        write_photo(out, channels, scale="clip")
    facts = {
        "spec": str(parsed),
        "image": str(image),
        "kernel": kernel,
        "out": str(out),
        "shape": channels.shape,
        "values": shown,
        "algorithm": made.algorithm,
        "seconds": seconds,
    }
    if as_json:
        output.print_json(facts)
    else:
        output.print_line(
            f"{out}: {output.times(channels.shape[1:])}, {channel_name(len(channels))}, {shown}; "
            f"{kernel} by {made.algorithm} in {output.readable_seconds(seconds)}"
        )


def channel_name(channels: int) -> str:
    """What people call that many channels."""
    return {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")


def picture_spec(spec: ConvSpec, out: Path) -> ConvSpec:
    """`spec` without a bias, if it can be applied to a picture and its result stored in `out`."""
    if spec.ndim != 2:
        raise ConvError(f"{spec} has {spec.ndim} spatial axes, a picture has 2.", "Use conv2d.")
    if spec.in_channels not in (1, 3):
        raise ConvError(
            f"{spec} takes {spec.in_channels} channels, a picture has 3, or 1 as grey.", "Use conv2d(1, 1, …) or conv2d(3, 3, …)."
        )
    if spec.out_channels not in (1, 3) and out.suffix.lower() != ".npy":
        raise ConvError(f"{spec} gives {spec.out_channels} channels, a picture has 3 or 1.", "Store all of them with --out FILE.npy.")
    return ConvSpec(**{**spec.to_dict(), "bias": False})


def read_kernel(text: str) -> Array:
    """The kernel of that name, or the array in that ``.npy`` file; real numbers, all finite."""
    import numpy as np

    from faltung.kernels import named_kernel

    path = Path(text)
    if path.suffix.lower() != ".npy":
        if "/" in text or "\\" in text or path.suffix.lower() in (".npz", ".txt", ".csv", ".json", ".pt", ".pkl"):
            raise ConvError(f"kernel file {text} is no .npy file.", "Write the array with numpy.save('kernel.npy', array).")
        return named_kernel(text)
    existing_file(path, "a .npy array")
    if path.stat().st_size == 0:
        raise ConvError(f"kernel file {path} is empty (0 bytes).", "Write the array with numpy.save('kernel.npy', array).")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header that promises too much is refused unread
    except _UNREADABLE as error:
        if "objects" in str(error) or "pickle" in str(error):
            problem = f"kernel file {path} holds Python objects, or is no array at all; such files are never loaded."
        else:
            problem = f"kernel file {path} is no readable .npy array: {str(error).rstrip('.')}."
        raise ConvError(problem, "Write an array of numbers with numpy.save('kernel.npy', array).") from None
    if not isinstance(array, np.ndarray):
        raise ConvError(f"kernel file {path} holds several arrays.", "Save one of them with numpy.save.")
    if array.dtype.kind not in "biuf":
        raise ConvTypeError(
            f"kernel file {path} holds {array.dtype} values, real numbers are needed.", "Use array.real, or array.astype('float32')."
        )
    if not np.isfinite(array).all():
        raise ConvError(f"kernel file {path} has NaN or infinite values.", "Replace them: they would spread over the picture.")
    return np.asarray(array)


def as_weight(spec: ConvSpec, kernel: Array, name: str) -> Array:
    """The float32 weight of `spec`: the kernel for every channel, or a whole weight as it is."""
    import numpy as np

    if kernel.shape == spec.weight_shape:
        return np.asarray(kernel, np.float32)
    if kernel.ndim not in (2, 4):
        raise ConvShapeError(
            f"kernel {name} has shape {kernel.shape}, {kernel.ndim} axes.",
            f"A kernel has 2, (height, width), or the weight's 4: {spec.weight_shape}.",
        )
    if kernel.shape[-2:] != spec.kernel_size:
        sizes = ["×".join(map(str, size)) for size in (kernel.shape[-2:], spec.kernel_size)]
        raise ConvShapeError(f"kernel {name} is {sizes[0]}, the spec says {sizes[1]}.", _fitting(spec, kernel, name))
    if kernel.ndim == 4:
        raise ConvShapeError(f"kernel {name} has shape {kernel.shape}, the weight has {spec.weight_shape}.", "Make the channels agree.")
    if spec.weight_shape[1] != 1:
        raise ConvShapeError(
            f"kernel {name} is one 2-D kernel, the weight {spec.weight_shape} of {spec} mixes channels.",
            f"Use conv2d(1, 1, …), or conv2d(3, 3, …, groups=3), or give a .npy file of shape {spec.weight_shape}.",
        )
    return np.broadcast_to(kernel, spec.weight_shape).astype(np.float32)


def _fitting(spec: ConvSpec, kernel: Array, name: str) -> str:
    """The remedy for a kernel of another size: the spec with its size, or the kernel with the spec's."""
    from faltung.kernels import kernel_names, named_kernel

    try:
        remedy = f"Write {ConvSpec(**{**spec.to_dict(), 'bias': True, 'kernel_size': kernel.shape[-2:]})}"
    except ConvError:
        return "Make the two agree."
    resized = f"{name.partition('(')[0]}({spec.kernel_size[0]})"
    try:
        if name.partition("(")[0] in kernel_names() and named_kernel(resized).shape == spec.kernel_size:
            remedy += f', or --kernel "{resized}"'
    except ConvError:
        pass
    return remedy + "."
