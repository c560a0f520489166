"""Whatever is given as a model, as a `Graph`: which reader it goes to, and what is refused and why.

Files are read and never executed. PyTorch is not imported here: who has a module has imported it already.
"""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import Any

from faltung.errors import ConvError, ConvTypeError, shown
from faltung.model.graph import Graph

__all__ = ["graph_of"]

_REMEDY = "Give the live module, fl.audit(model, (1, 3, 224, 224)), or an ONNX file: torch.onnx.export(model, (x,), 'model.onnx')."
_PICKLED = "Opening it runs whatever code it holds"

# Of what a file begins with, what it is; a suffix where its beginning could be anything.
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF", "an HDF5 file (Keras weights)", "The operations are not in it as a graph that can be read without Keras"),
    (b"PK\x03\x04", "a zip archive, as torch.save, TorchScript and .keras files are", _PICKLED),
    (b"\x80", "a file of pickled Python objects", _PICKLED),
    (b"\x1f\x8b", "compressed", "What is in it is not looked at"),
)
_SUFFIXES = {
    **dict.fromkeys((".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"), ("a file of pickled Python objects by its name", _PICKLED)),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), ("a Keras file by its name", "Its operations cannot be read without Keras")),
    ".safetensors": ("a safetensors file", "It holds weights alone: which layers they belong to is not in it"),
    ".tflite": ("a TensorFlow Lite file", "It has a format of its own"),
}


def graph_of(model: Any, input_shape: Any = None) -> Graph:
    """The nodes, shapes and weights of a model.

    Parameters
    ----------
    model : Graph, torch.nn.Module or path
        A path is that of an ONNX file.
    input_shape : tuple of int, optional
        ``(N, C, *size)``, batch included. Of a live module it is needed, and tensors, several shapes or a dict of arguments may stand in
        its place (as `record` takes them). Of a file it is for sizes that the file leaves open (as `read_onnx` takes them).

    Returns
    -------
    Graph

    Raises
    ------
    ConvTypeError
        The model is none of these, or a file that would have to be executed.
    ConvError
        The file cannot be read, or the model does not run on such an input.

    >>> graph_of(3)
    Traceback (most recent call last):
    faltung.errors.ConvTypeError: model=3 is neither a PyTorch module nor the path of an ONNX file.
      Give the live module, fl.audit(model, (1, 3, 224, 224)), or an ONNX file: torch.onnx.export(model, (x,), 'model.onnx').
    """
    if isinstance(model, Graph):
        return model
    if isinstance(model, str | os.PathLike):
        path = _checked(Path(model))
        from faltung.model.from_onnx import read_onnx

        return read_onnx(path, input_shape)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from faltung.model.from_torch import record

        return record(model, input_shape)
    if isinstance(model, dict):
        raise ConvTypeError("model is a dict: weights without the layers that use them.", "Load it into its module first and give that.")
    raise ConvTypeError(f"model={shown(model)} is neither a PyTorch module nor the path of an ONNX file.", _REMEDY)


# -- files -----------------------------------------------------------------------------------------


def _checked(path: Path) -> Path:
    """The path, if it is a file that is no pickle and nothing else that is known not to be ONNX."""
    try:
        if path.is_dir():
            raise ConvError(
                f"{path} is a directory, an ONNX file is needed.", "Of a saved TensorFlow model, convert it with tf2onnx first."
            )
        with path.open("rb") as file:
            beginning = file.read(16)
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _neighbours(path), n=2)
        raise ConvError(f"there is no file {path}.", f"Did you mean {' or '.join(near)}?" if near else "Check the path.") from None
    except (OSError, ValueError) as error:
        raise ConvError(f"{shown(str(path))} cannot be opened: {getattr(error, 'strerror', None) or error}.", "Check the path.") from None
    found = next(((what, why) for start, what, why in _BEGINNINGS if beginning.startswith(start)), None)
    found = found or _SUFFIXES.get(path.suffix.lower())
    if found is None and beginning[4:8] == b"TFL3":
        found = _SUFFIXES[".tflite"]
    if found is None and beginning[8:9] == b"{" and int.from_bytes(beginning[:8], "little") < path.stat().st_size:
        found = _SUFFIXES[".safetensors"]
    if found is not None:
        what, why = found
        raise ConvTypeError(f"{path} is {what}. {why}, so it is not opened.", _REMEDY)
    return path


def _neighbours(path: Path) -> list[str]:
    try:
        return os.listdir(path.parent)
    except OSError:
        return []
