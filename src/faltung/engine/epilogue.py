"""What becomes of the sums of a convolution: a bias, a residual and an activation on top of them.

Owns the names of the activations. Arrays arrive checked, in the element type of the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from faltung.engine.arrays import Array
from faltung.engine.native import chosen_isa, finish

__all__ = ["ACTIVATIONS", "NOTHING", "WHOLE", "Epilogue"]

ACTIVATIONS = ("relu", "relu6", "silu", "sigmoid", "hardsigmoid", "hardswish", "gelu")
WHOLE = ("relu", "relu6")
"""Those that are defined for integers."""


@dataclass(frozen=True, slots=True, eq=False)
class Epilogue:
    """``y = activation(sums + bias + residual)``.

    Attributes
    ----------
    bias : array (groups * written channels,), contiguous, or None
    activation : str
        Of `ACTIVATIONS`, or "none".
    residual : array (N, groups, written channels, *out_size) or None
        Of any strides.
    """

    bias: Array | None = None
    activation: str = "none"
    residual: Array | None = None

    @property
    def is_bias_alone(self) -> bool:
        """Whether the sums with their bias are the result."""
        return self.residual is None and self.activation == "none"

    def of(self, samples: slice) -> Epilogue:
        """The same for some samples."""
        return self if self.residual is None else replace(self, residual=self.residual[samples])

    def finish(self, y: Array, threads: int) -> None:
        """Do to `y`, which holds the sums with their bias, what is left to do; of complex numbers to both parts."""
        if self.is_bias_alone:
            return
        if y.dtype.kind == "c":
            assert self.residual is not None  # no activation of complex numbers
            finish(y.real, chosen_isa(), threads, "none", self.residual.real)
            finish(y.imag, chosen_isa(), threads, "none", self.residual.imag)
        else:
            finish(y, chosen_isa(), threads, self.activation, self.residual)


NOTHING = Epilogue()
