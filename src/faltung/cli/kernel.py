"""The kernel that a command line names: one of the package's, or an array file; and the weight that it becomes.

Every refusal is a `ConvError` with a remedy.
"""

from __future__ import annotations

import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltung.cli.inputs import existing_file
from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.spec import ConvSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["as_weight", "read_kernel"]

_UNREADABLE = (ValueError, EOFError, SyntaxError, TypeError, KeyError, OverflowError, RecursionError, MemoryError, tokenize.TokenError)
"""What ``numpy.load`` raises on files that are no array: it reads their header as Python text."""


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


def as_weight(spec: ConvSpec, kernel: Array, name: str, dtype: Any = "float32") -> Array:
    """The weight of `spec`: the kernel for every channel, or a whole weight as it is."""
    import numpy as np

    ndim = spec.ndim
    if kernel.shape == spec.weight_shape:
        return np.asarray(kernel, dtype)
    if kernel.ndim not in (ndim, ndim + 2):
        axes = {1: "(length,)", 2: "(height, width)", 3: "(depth, height, width)"}.get(ndim, "those of space")
        raise ConvShapeError(
            f"kernel {name} has shape {kernel.shape}, {kernel.ndim} axes.",
            f"A kernel has {ndim}, {axes}, or the weight's {ndim + 2}: {spec.weight_shape}.",
        )
    if kernel.shape[-ndim:] != spec.kernel_size:
        sizes = ["×".join(map(str, size)) for size in (kernel.shape[-ndim:], spec.kernel_size)]
        raise ConvShapeError(f"kernel {name} is {sizes[0]}, the spec says {sizes[1]}.", _fitting(spec, kernel, name))
    if kernel.ndim == ndim + 2:
        raise ConvShapeError(f"kernel {name} has shape {kernel.shape}, the weight has {spec.weight_shape}.", "Make the channels agree.")
    if spec.weight_shape[1] != 1:
        raise ConvShapeError(
            f"kernel {name} is one {ndim}-D kernel, the weight {spec.weight_shape} of {spec} mixes channels.",
            f"Use conv{ndim}d(1, 1, …), or conv{ndim}d(3, 3, …, groups=3), or give a .npy file of shape {spec.weight_shape}.",
        )
    return np.broadcast_to(kernel, spec.weight_shape).astype(dtype)


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
