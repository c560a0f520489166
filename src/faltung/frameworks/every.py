"""The code of every framework at once, where what one of them cannot express says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.errors import ConvError
from faltung.frameworks.jax import to_jax
from faltung.frameworks.keras import to_keras
from faltung.frameworks.onnx import to_onnx
from faltung.frameworks.pytorch import to_pytorch

if TYPE_CHECKING:
    from faltung.spec import ConvSpec

__all__ = ["to_every"]

_WRITERS = {"PyTorch": to_pytorch, "ONNX": to_onnx, "JAX": to_jax, "Keras": to_keras}


def to_every(spec: ConvSpec) -> dict[str, str]:
    """The code by the framework's name; of one that cannot express the spec, a comment with the reason.

    >>> from faltung.spec import ConvSpec
    >>> print(to_every(ConvSpec(1, 1, (3, 3, 3, 3)))["Keras"])
    # Keras has no convolution over 4 axes: Conv1D, Conv2D and Conv3D are all...
    """
    return {name: _code_or_reason(spec, name) for name in _WRITERS}


def _code_or_reason(spec: ConvSpec, name: str) -> str:
    try:
        return _WRITERS[name](spec)
    except ConvError as error:
        return f"# {error}".replace("\n", "\n# ")
