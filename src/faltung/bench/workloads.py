"""What is timed: one convolution, its data's shape, type and direction, and the class that it is counted in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faltung.spec import ConvSpec

__all__ = ["CLASSES", "Direction", "Order", "Weights", "Workload"]

Direction = Literal["forward", "input gradient", "weight gradient"]
Weights = Literal["random", "separable"]
Order = Literal["channels first", "channels last"]

CLASSES = {
    "dense-3x3": "3×3, stride 1",
    "dense": "1×1, strided, 5×5, stem",
    "depthwise": "depthwise 3–13",
    "depthwise-large": "depthwise 15 and up",
    "grouped": "grouped",
    "dilated": "dilated",
    "transposed": "transposed",
    "circular": "circular 3×3",
    "filter": "image filters",
    "fir": "long 1-D, FIR",
    "3d": "3-D",
    "float64": "float64",
    "channels-last": "channels last",
    "bfloat16": "bfloat16",
    "tiny": "tiny",
    "input-grad": "input gradient",
    "weight-grad": "weight gradient",
    "weight-grad-depthwise": "weight gradient, depthwise",
}
"""Keys, as typed, and titles of the classes that results are summed up in."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to time.

    Attributes
    ----------
    name : str
        Short, unique in its suite.
    origin : str
        The network or use that it comes from.
    text : str
        The spec, as `ConvSpec.parse` reads it.
    input_shape : tuple of int
        ``(N, C, *size)``.
    dtype : str
        NumPy's name, or "bfloat16", a type of ml-dtypes.
    direction : str
        "forward", "input gradient" or "weight gradient".
    layer_class : str
        A key of `CLASSES`; "layers" of layers of one's own.
    weights : str
        "random", or "separable": every kernel the outer product of one vector an axis.
    order : str
        How input and output lie in memory, whatever their shape says: "channels first", or "channels last", PyTorch's ``channels_last``.

    Examples
    --------
    >>> Workload("stem", "ResNet", "conv2d(3, 64, 7, stride=2, padding=3, bias=False)", (1, 3, 224, 224)).macs
    118013952
    """

    name: str
    origin: str
    text: str
    input_shape: tuple[int, ...]
    dtype: str = "float32"
    direction: Direction = "forward"
    layer_class: str = ""
    weights: Weights = "random"
    order: Order = "channels first"

    @property
    def spec(self) -> ConvSpec:
        """The convolution."""
        return ConvSpec.parse(self.text)

    @property
    def input_size(self) -> tuple[int, ...]:
        """Spatial size of the input."""
        return self.input_shape[2:]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """``(N, out, *output_size)``."""
        return self.spec.output_shape(self.input_shape)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch: the same in every direction."""
        return self.input_shape[0] * self.spec.macs(self.input_size)

    @property
    def bytes_moved(self) -> int:
        """Bytes of input, output and weight, each once."""
        return self.spec.memory(self.input_shape, self.dtype).total_bytes

    @property
    def intensity(self) -> float:
        """Floating-point operations per byte."""
        return 2 * self.macs / self.bytes_moved
