"""`faltung run`: a convolution applied to a picture or to an array in a file.

Owns the command line. How results become pixels is `filtering`'s, how arrays are read and written `faltung.files`'.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faltung.cli import output
from faltung.cli.inputs import SPEC_HELP, read_spec
from faltung.cli.kernel import as_weight, read_kernel
from faltung.errors import ConvError, ConvShapeError, one_of
from faltung.filtering import as_input, as_picture, sums_to_zero
from faltung.spec import ConvSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["register"]

VALUES = ("auto", "absolute", "signed", "clip")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    example = "faltung run \"conv2d(1, 1, 3, padding='same')\" photo.png --kernel sobel_x --out edges.png"
    app.command("run", epilog=f"Example: {example}")(run)


def run(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP)],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A picture (.png, .jpg, .tif, …) or an array (.npy, .zarr, .tif).")],
    kernel: Annotated[str, typer.Option(metavar="NAME|FILE.npy", help="sobel_x, gaussian(9, sigma=2), sharpen, …; or an array file.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Picture to write, or .npy, .zarr or .tif for the values as they are.")],
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
            help="For pictures and a spec with one channel: each colour on its own, or brightness only. "
            "Default: grey for kernels that sum to 0 and for grey pictures, else colour.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a .zarr that an earlier run left unfinished.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a .zarr that is there, when the new one is whole.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a line.")] = False,
) -> None:
    """Apply a convolution to a picture, or to an array of any size.

    From array to array (.npy, .zarr; .tif of 16 bits or of floating-point numbers) values stay as they are, in the types of the
    engine: float32 stays float32, whole numbers under a whole kernel become int64. The spec's axes are the array's last;
    the one before is its channels if the spec takes more than one; all others are repeated over. What does
    not fit memory is read, computed and written in blocks, with a bar that shows throughput and the time left.
    """
    from faltung.files.kinds import input_kind, is_array_name

    parsed = ConvSpec(**{**read_spec(spec).to_dict(), "bias": False})
    one_of("--values", values, VALUES, ConvError)
    taps = read_kernel(kernel)
    kind = input_kind(source)
    if kind != "picture" and is_array_name(out):
        facts = _run_array(parsed, source, kind, (taps, kernel), out, resume, overwrite, quiet=as_json)
    else:
        facts = _run_picture(parsed, source, kind, (taps, kernel), out, values, colour, resume, overwrite, quiet=as_json)
    facts = {"spec": str(parsed), "image": str(source), "kernel": kernel, "out": str(out), **facts}
    if as_json:
        output.print_json(facts)
        return
    seconds = f"{output.readable_seconds(facts['seconds'])}"
    if "dtype" in facts:
        rate = "" if resume else f", {facts['bytes'] / max(facts['seconds'], 1e-9) / 1e6:.3g} MB/s"
        what = f"{output.times(facts['shape'])}, {facts['dtype']}, {facts['values']}"
        output.print_line(f"{out}: {what}; {kernel} by {facts['algorithm']} in {seconds}{rate}")
    else:
        what = f"{output.times(facts['shape'][1:])}, {channel_name(facts['shape'][0])}, {facts['values']}"
        output.print_line(f"{out}: {what}; {kernel} by {facts['algorithm']} in {seconds}")


# -- arrays --------------------------------------------------------------------------------------


def _run_array(
    spec: ConvSpec, source: Path, kind: Any, kernel: tuple[Array, str], out: Path, resume: bool, overwrite: bool, *, quiet: bool
) -> dict[str, Any]:
    """From a file of an array to another, in blocks where it is large."""
    from faltung.dask import StorageError
    from faltung.engine.plan import plan
    from faltung.files.layout import convolved, weight_type
    from faltung.files.sources import open_array
    from faltung.files.targets import store_array

    array = open_array(source, kind, spec.ndim)
    weight = as_weight(spec, *kernel, dtype=weight_type(kernel[0], array.dtype))
    start = time.perf_counter()
    result = convolved(spec, array, weight)
    try:
        store_array(result, out, resume=resume, overwrite=overwrite, progress=False if quiet else "auto")
    except StorageError as error:
        raise StorageError(
            error.problem, error.remedy.replace("resume=True", "--resume").replace("overwrite=True", "--overwrite")
        ) from None
    except KeyboardInterrupt as interrupt:
        if str(interrupt):
            output.print_error(f"interrupted: {str(interrupt).partition(' Call again')[0]}", "Run the same with --resume to go on.")
        raise
    blocks = array.chunksize if hasattr(array, "chunksize") else array.shape
    algorithm = (
        plan(spec, (1, spec.in_channels, *blocks[-spec.ndim :]), result.dtype, accuracy="exact").algorithm if result.size else "none"
    )
    seconds = time.perf_counter() - start
    said = {"shape": result.shape, "dtype": str(result.dtype), "bytes": result.nbytes, "values": "values as they are"}
    return {**said, "algorithm": algorithm, "seconds": seconds}


# -- pictures ------------------------------------------------------------------------------------


def _run_picture(
    spec: ConvSpec,
    source: Path,
    kind: Any,
    kernel: tuple[Array, str],
    out: Path,
    values: str,
    colour: bool | None,
    resume: bool,
    overwrite: bool,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """From a picture, or to one: all of it in memory, 0 … 255, channels first."""
    from faltung.engine.plan import plan
    from faltung.photo import read_photo, write_photo

    check_picture_spec(spec, out)
    weight = as_weight(spec, *kernel)
    is_array = out.suffix.lower() in (".npy", ".zarr")
    with output.status(f"{source} …", quiet=quiet):
        is_derivative = sums_to_zero(spec, weight)
        photo = zarr_photo(source) if kind == "zarr" else read_photo(source)
        x = as_input(spec, photo, not is_derivative if colour is None else colour)
        made = plan(spec, x.shape, "float32")
        start = time.perf_counter()
        result = made(x, weight)
        seconds = time.perf_counter() - start
        channels = result[0] if len(result) == 1 else result[:, 0]  # colours went as a batch of grey pictures
        shown = "values as they are"
        if not is_array:
            how = values if values != "auto" else "absolute" if is_derivative else "clip"
            channels, shown = as_picture(channels, how, weight)
        if out.suffix.lower() == ".zarr":
            from faltung.files.targets import store_array

            store_array(channels, out, resume=resume, overwrite=overwrite, progress=False)
        else:
            write_photo(out, channels, scale="clip")
    return {"shape": channels.shape, "values": shown, "algorithm": made.algorithm, "seconds": seconds}


def zarr_photo(path: Path) -> Array:
    """A zarr array as a picture (C, H, W), its values as they are."""
    import numpy as np

    from faltung.files.sources import open_array
    from faltung.photo import MAX_PIXELS, channels_first

    array = open_array(path, "zarr", 2)
    if array.size > 3 * MAX_PIXELS:
        raise ConvShapeError(
            f"{str(path)!r} has {array.size} values; pictures of up to {3 * MAX_PIXELS} are written whole.",
            "Give an --out that is written in parts: .zarr, .npy or .tif.",
        )
    arranged = channels_first(np.asarray(array)) if array.dtype.kind in "biuf" else None
    if arranged is None:
        raise ConvShapeError(
            f"{str(path)!r} has shape {array.shape} and {array.dtype} values, a picture is (H, W), (1, H, W) or (3, H, W), real.",
            "Give an --out that holds any array: .zarr, .npy or .tif.",
        )
    return np.ascontiguousarray(arranged, np.float32)


def channel_name(channels: int) -> str:
    """What people call that many channels."""
    return {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")


def check_picture_spec(spec: ConvSpec, out: Path) -> None:
    """Raise `ConvError` where `spec` cannot be applied to a picture, or its result not be stored in `out`."""
    if spec.ndim != 2:
        raise ConvError(f"{spec} has {spec.ndim} spatial axes, a picture has 2.", "Use conv2d.")
    if spec.in_channels not in (1, 3):
        raise ConvError(
            f"{spec} takes {spec.in_channels} channels, a picture has 3, or 1 as grey.", "Use conv2d(1, 1, …) or conv2d(3, 3, …)."
        )
    if spec.out_channels not in (1, 3) and out.suffix.lower() not in (".npy", ".zarr"):
        raise ConvError(f"{spec} gives {spec.out_channels} channels, a picture has 3 or 1.", "Store all of them with --out FILE.npy.")
