"""The same convolution as code for PyTorch, ONNX, JAX and Keras.

Each function receives a `ConvSpec` and returns a short Python text to copy and run. What the framework
cannot express is a `ConvSpecError`, never code that computes something else. Every text ends by defining
one name, so that it can be executed and called in the same way:

================ ==========================================================================================
`to_pytorch`     ``conv``, an ``nn.Module`` that owns weight and bias in PyTorch's layout, the spec's own
`to_onnx`        ``model``, a ``ModelProto`` with inputs ``x``, ``weight``, ``bias`` (float32) and output ``y``
`to_jax`         ``conv(x, weight, bias)``, without ``bias`` where the spec has none
`to_keras`       ``conv``, a Keras layer or model, channels last, that owns its weights
================ ==========================================================================================

ONNX and JAX take the weight in the spec's layout, ``flip=True`` included. PyTorch's and Keras' layers keep
their own: where it differs, a comment above the layer holds the statement that loads ``weight`` and
``bias`` of the spec's shapes (PyTorch: only with ``flip=True``; Keras: always).

PyTorch and ONNX Runtime refuse, when called, an input so small that its padding would wrap around twice.

`to_every` gives all four texts, each by its framework's name.

Uses the standard library and `geometry` only; the frameworks are never imported.
"""

from faltung.frameworks.every import to_every
from faltung.frameworks.jax import to_jax
from faltung.frameworks.keras import to_keras
from faltung.frameworks.onnx import to_onnx
from faltung.frameworks.pytorch import to_pytorch

__all__ = ["to_every", "to_jax", "to_keras", "to_onnx", "to_pytorch"]
