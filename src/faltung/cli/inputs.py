"""What users type, read: specs, sizes, dtypes. Every refusal is a `ConvError` with a remedy."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from faltung.errors import ConvError, ConvShapeError
from faltung.spec import ConvSpec

__all__ = [
    "LAYERS_HELP", "SIZE_HELP", "SPEC_HELP", "axis_names", "existing_file", "read_layers", "read_model_shapes", "read_shape", "read_sizes",
    "read_spec", "shortened",
]  # fmt: skip

SIZE_HELP = "Input size, 224x224, or with batch and channels, 1x3x224x224."
SPEC_HELP = "A convolution, such as conv2d(3, 64, 7, stride=2), or a PyTorch layer as it prints itself."

_EXAMPLE_LAYER = "conv2d(64, 64, 3, padding=1) @ 1x64x56x56"
LAYERS_HELP = f"Lines of SPEC @ SIZE, such as {_EXAMPLE_LAYER}; - reads standard input."

_LETTERS = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def read_spec(text: str) -> ConvSpec:
    """The spec that `text` spells."""
    return ConvSpec.parse(text)


def read_sizes(text: str, spec: ConvSpec, *, source: str = "--input=") -> tuple[int, ...]:
    """``224x224`` as (224, 224); ``×``, ``,`` and spaces separate too. `source` says in errors where it was written.

    >>> read_sizes("1x3x224x224", ConvSpec(3, 8, 3, ndim=2))
    (1, 3, 224, 224)
    """
    parts = _split_sizes(text)
    if not all(map(_is_size, parts)):
        raise ConvShapeError(f"{source}{shortened(text)!r} is not a size.", f"Write whole numbers with x between: {example_sizes(spec)}.")
    return tuple(map(int, parts))


def read_shape(text: str, spec: ConvSpec, *, source: str = "--input=") -> tuple[int, ...]:
    """The input's whole shape (N, C, *size) from spatial sizes, or from all of it; N is 1 where not given. `source` as in `read_sizes`.

    >>> read_shape("224x224", ConvSpec(3, 8, 3, ndim=2))
    (1, 3, 224, 224)
    """
    sizes = read_sizes(text, spec, source=source)
    if len(sizes) == spec.ndim:
        return (1, spec.in_channels, *sizes)
    if len(sizes) in (spec.ndim + 1, spec.ndim + 2):
        channels = sizes[-spec.ndim - 1]
        if channels != spec.in_channels:
            raise ConvShapeError(
                f"{source}{shortened(text)!r} has {channels} channels, {spec} takes {spec.in_channels}.", f"Write {example_sizes(spec)}."
            )
        return sizes if len(sizes) == spec.ndim + 2 else (1, *sizes)
    raise ConvShapeError(
        f"{source}{shortened(text)!r} has {len(sizes)} sizes, {spec} takes {spec.ndim} ({' x '.join(axis_names(spec.ndim))}).",
        f"Write {example_sizes(spec)}.",
    )


def read_model_shapes(texts: Sequence[str]) -> tuple[int, ...] | dict[str, tuple[int, ...]] | None:
    """``1x3x224x224`` as the whole shape of a model's input; ``name=1x512`` of several by their names; None of nothing.

    >>> read_model_shapes(["1x3x224x224"]), read_model_shapes(["sound=1x512", "state=2x1x128"])
    ((1, 3, 224, 224), {'sound': (1, 512), 'state': (2, 1, 128)})
    """
    if len(texts) == 1 and "=" not in texts[0]:
        return _model_shape(texts[0], "--input=")
    shapes = {}
    for text in texts:
        name, named, sizes = text.rpartition("=")
        if not named:
            raise ConvShapeError(
                f"--input={shortened(text)!r} names no input, and there are {len(texts)}.", "Write --input NAME=1x3x224x224 for each."
            )
        shapes[name] = _model_shape(sizes, f"--input={shortened(name)}=")
    return shapes or None


def _model_shape(text: str, source: str) -> tuple[int, ...]:
    parts = _split_sizes(text)
    if not all(map(_is_size, parts)):
        raise ConvShapeError(
            f"{source}{shortened(text)!r} is not a shape.", "Write whole numbers with x between, batch first: 1x3x224x224."
        )
    return tuple(map(int, parts))


def _split_sizes(text: str) -> list[str]:
    return re.split(r"\s*[x×X*,]\s*|\s+", text.strip().strip("()[]"))


def _is_size(part: str) -> bool:
    return re.fullmatch(r"[0-9]{1,19}", part) is not None


def read_layers(name: str) -> list[tuple[ConvSpec, tuple[int, ...]]]:
    """Specs and input shapes, one a line, from the file `name` (``-``: standard input); empty lines and ``#`` are passed over.

    Raises
    ------
    ConvError
        It cannot be read, holds no layers, or a line is none.
    """
    try:
        lines = (sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")).splitlines()
    except (OSError, ValueError) as error:
        raise ConvError(f"--layers={shortened(name)!r} cannot be read: {error}.", "Name a text file, or - for standard input.") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    if not numbered:
        raise ConvError(f"--layers={shortened(name)!r} has no layers.", f"Write one a line, as {_EXAMPLE_LAYER}.")
    return [_layer(line, number) for number, line in numbered]


def _layer(line: str, number: int) -> tuple[ConvSpec, tuple[int, ...]]:
    text, at, size = line.rpartition("@")
    if not at:
        raise ConvError(f"line {number} of --layers, {shortened(line)!r}, names no size.", f"Write a layer as {_EXAMPLE_LAYER}.")
    spec = read_spec(text.strip())
    return spec, read_shape(size.strip(), spec, source=f"line {number} of --layers: ")


def example_sizes(spec: ConvSpec) -> str:
    """A size of the right rank, alone and with batch and channels."""
    size = "x".join(["224"] * spec.ndim if spec.ndim == 2 else ["16000"] if spec.ndim == 1 else ["16"] * spec.ndim)
    return f"{size}, or with batch and channels 1x{spec.in_channels}x{size}"


def axis_names(ndim: int) -> tuple[str, ...]:
    """What the spatial axes are called."""
    return _LETTERS.get(ndim, tuple(f"axis {axis}" for axis in range(ndim)))


def existing_file(path: Path, what: str) -> Path:
    """`path` if it is a file that can be opened."""
    try:
        if path.is_dir():
            raise ConvError(f"{path} is a directory, {what} is needed.", "Give the path of a file.")
        if not path.exists():
            folder = path.parent
            if not folder.is_dir():
                raise ConvError(f"there is no file {path}: the directory {folder} does not exist.", "Check the path.")
            near = difflib.get_close_matches(path.name, os.listdir(folder), n=2)
            raise ConvError(f"there is no file {path}.", f"Did you mean {' or '.join(near)}?" if near else "Check the path.")
    except ConvError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConvError(f"{shortened(str(path))} cannot be opened: {reason}.", f"Give the path of {what}.") from None
    return path


def shortened(text: str) -> str:
    """At most 40 characters of what was typed, for a message."""
    return text if len(text) <= 40 else text[:40] + "…"
