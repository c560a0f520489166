"""Whatever is given as a model, as a `Graph`: which reader it goes to, and what is refused and why.

Files are read and never executed. PyTorch is not imported here: who has a module has imported it already.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from faltung.errors import ConvTypeError, shown
from faltung.model.graph import Graph
from faltung.model.onnx_file.recognising import REMEDY

__all__ = ["graph_of"]


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
        from faltung.model.from_onnx import read_onnx

        return read_onnx(model, input_shape)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from faltung.model.from_torch import record

        return record(model, input_shape)
    if isinstance(model, dict):
        raise ConvTypeError("model is a dict: weights without the layers that use them.", "Load it into its module first and give that.")
    raise ConvTypeError(f"model={shown(model)} is neither a PyTorch module nor the path of an ONNX file.", REMEDY)
