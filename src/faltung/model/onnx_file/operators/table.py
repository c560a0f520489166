"""The type of what reads an operator, and what all of them share: broadcasting, and results of the first input's shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from faltung.errors import ConvShapeError
from faltung.model.onnx_file.calls import Call
from faltung.model.onnx_file.tensors import Shape, Tensor

__all__ = ["Operator", "broadcast"]

Operator = Callable[[Call], Sequence[Tensor | None]]


def broadcast(call: Call, tensors: Sequence[Tensor]) -> Shape:
    """The shape of arrays against one another; None where one is not known.

    Raises
    ------
    ConvShapeError
        Two sizes differ and neither is 1.
    """
    shapes = [tensor.shape for tensor in tensors]
    known = [shape for shape in shapes if shape is not None]
    rank = max((len(shape) for shape in known), default=0)
    sizes = []
    for place in range(-rank, 0):
        met = {shape[place] for shape in known if len(shape) >= -place}
        if len(met - {1}) > 1:
            names = " and ".join(str(shape) for shape in known)
            raise ConvShapeError(
                f"{call.op} takes {names}, whose sizes {' and '.join(map(str, sorted(met)))} along dimension {place} do not fit.",
                "Sizes are equal, or one is 1: give an input_shape for which the branches meet.",
            )
        sizes.append(next(iter(met - {1}), 1))
    return None if len(known) < len(shapes) else tuple(sizes)
