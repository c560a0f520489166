"""Named kernels of image processing: ``sobel_x``, ``gaussian(9, sigma=2)``, ``emboss`` and the like.

All are *correlation* kernels, laid on the image as they are printed, rows downwards and columns to the
right: ``sobel_x`` answers positively where brightness rises to the right, ``sobel_y`` where it rises
downwards. Smoothing kernels sum to 1, derivatives to 0. Owns the names and their parameters; knows
nothing of images or of how a convolution is computed.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvSpecError, one_of

__all__ = ["kernel_names", "named_kernel"]

Kernel = NDArray[np.float64]

MAX_SIZE = 1023
"""The largest side of a named kernel, in cells."""

_EXAMPLE = "Write a name, or a name with its parameters: sobel_x, gaussian(9), gaussian(9, sigma=2), motion(15, angle=30)."


def kernel_names() -> tuple[str, ...]:
    """The names that `named_kernel` knows, in alphabetical order.

    >>> "sobel_x" in kernel_names()
    True
    """
    return tuple(sorted({**_FIXED, **_MADE}))


def named_kernel(name: str) -> Kernel:
    """The kernel called `name`, for correlation.

    Parameters
    ----------
    name : str
        One of `kernel_names`, with parameters in parentheses where it has any: ``box(5)``,
        ``gaussian(9, sigma=2)``, ``motion(15, angle=30)``, ``laplacian_of_gaussian(9, sigma=1.4)``.
        Sizes are odd numbers of cells, sigma is in cells, angles are in degrees, counter-clockwise
        from the right.

    Returns
    -------
    float64 array (kh, kw)
        The caller's own copy.

    Raises
    ------
    ConvSpecError
        The name is unknown (the message has the nearest one) or a parameter does not fit.

    Examples
    --------
    >>> named_kernel("sobel_x").astype(int).tolist()
    [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    >>> named_kernel("box(5)").shape
    (5, 5)
    >>> named_kernel("sobel")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    faltung.errors.ConvSpecError: kernel='sobel' is not known.
      Did you mean 'sobel_y'? Known: 'box', ...
    """
    head, arguments, keywords = _read(name)
    one_of("kernel", head, kernel_names(), ConvSpecError)
    if head in _FIXED:
        if arguments or keywords:
            raise ConvSpecError(f"kernel {head!r} takes no parameters, got {name!r}.", f"Write {head}.")
        return np.array(_FIXED[head], np.float64)
    make = _MADE[head]
    signature = inspect.signature(make)
    try:
        bound = signature.bind(*arguments, **keywords)
    except TypeError as error:
        raise ConvSpecError(f"kernel {name!r}: {error}.", f"Its parameters: {head}{_shown(signature)}.") from None
    return make(*bound.args, **bound.kwargs)


def _read(name: object) -> tuple[str, list[object], dict[str, object]]:
    """Name and literal arguments of ``name`` or ``name(…)``, read through Python's grammar, never evaluated."""
    if not isinstance(name, str):
        raise ConvSpecError(f"a kernel is named by text, not by {type(name).__name__}.", _EXAMPLE)
    text = name.strip()
    if len(text) > 200:
        raise ConvSpecError(f"the kernel's name has {len(text)} characters, more than 200.", _EXAMPLE)
    if "(" not in text:
        return text, [], {}
    try:
        call = ast.parse(text, mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise ValueError("not a call")
        arguments = [ast.literal_eval(argument) for argument in call.args]
        keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ConvSpecError(f"kernel={text!r} cannot be read.", _EXAMPLE) from None
    return call.func.id, arguments, keywords


def _shown(signature: inspect.Signature) -> str:
    """The parameters without their annotations: ``(size=3, sigma=None)``."""
    return f"({', '.join(f'{name}={parameter.default}' for name, parameter in signature.parameters.items())})"


def _odd(size: object) -> int:
    if isinstance(size, bool) or not isinstance(size, int):
        raise ConvSpecError(
            f"size={size!r} is of type {type(size).__name__}, an int is needed.", "Write an odd number of cells, such as 5."
        )
    if not 1 <= size <= MAX_SIZE or size % 2 == 0:
        raise ConvSpecError(
            f"size={size} is not an odd number between 1 and {MAX_SIZE}.", "An odd kernel has a middle cell; use for example 5."
        )
    return size


def _number(name: str, value: object, *, above: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConvSpecError(f"{name}={value!r} is no finite number.", f"Write for example {name}=1.5.")
    if value <= above:
        raise ConvSpecError(f"{name}={value} is not above {above:g}.", f"Write for example {name}=1.5.")
    return float(value)


def _centred(size: int) -> NDArray[np.float64]:
    """Positions of the cells, the middle one at 0."""
    return np.arange(size, dtype=np.float64) - size // 2


def _sigma_for(size: int, sigma: object) -> float:
    # So that a 3-cell kernel is close to [1, 2, 1] / 4 and the tails end near 3 sigma (OpenCV's rule).
    return 0.3 * ((size - 1) * 0.5 - 1) + 0.8 if sigma is None else _number("sigma", sigma, above=0)


def _gaussian(size: int = 5, sigma: float | None = None) -> Kernel:
    size = _odd(size)
    profile = np.exp(-0.5 * (_centred(size) / _sigma_for(size, sigma)) ** 2)
    profile /= profile.sum()
    return np.outer(profile, profile)


def _box(size: int = 3) -> Kernel:
    size = _odd(size)
    return np.full((size, size), 1 / size**2)


def _box_x(size: int = 3) -> Kernel:
    size = _odd(size)
    return np.full((1, size), 1 / size)


def _laplacian_of_gaussian(size: int = 9, sigma: float | None = None) -> Kernel:
    """Laplace operator of a Gaussian (Marr & Hildreth, 1980): negative in the middle, shifted to sum to 0."""
    size = _odd(size)
    width = 1.4 if sigma is None else _number("sigma", sigma, above=0)
    squared = _centred(size)[:, None] ** 2 + _centred(size)[None, :] ** 2
    kernel = (squared / width**2 - 2) / width**2 * np.exp(-squared / (2 * width**2)) / (2 * math.pi * width**2)
    return np.asarray(kernel - kernel.mean())


def _motion(size: int = 9, angle: float = 0.0) -> Kernel:
    """A straight smear through the middle: `size` points one cell apart, each shared between its four cells."""
    size = _odd(size)
    turn = math.radians(_number("angle", angle))
    kernel = np.zeros((size, size))
    steps = _centred(size)
    rows, columns = size // 2 - steps * math.sin(turn), size // 2 + steps * math.cos(turn)
    for row, column in zip(rows, columns, strict=True):
        top, left = math.floor(row), math.floor(column)
        for i, j in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            share = (1 - abs(row - i)) * (1 - abs(column - j))
            if share > 1e-9 and 0 <= i < size and 0 <= j < size:
                kernel[i, j] += share
    return np.asarray(kernel / kernel.sum())


def _unsharp(size: int = 5, amount: float = 1.0) -> Kernel:
    """The image plus `amount` times what a Gaussian takes away from it."""
    kernel = -_number("amount", amount) * _gaussian(size)
    kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] += 1 + amount
    return kernel


_FIXED: dict[str, list[list[int]]] = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "sobel_x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel_y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "prewitt_x": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "prewitt_y": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "scharr_x": [[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]],
    "scharr_y": [[-3, -10, -3], [0, 0, 0], [3, 10, 3]],
    "laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "laplacian_8": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "outline": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
}

_MADE: dict[str, Callable[..., Kernel]] = {
    "box": _box,
    "box_x": _box_x,
    "gaussian": _gaussian,
    "laplacian_of_gaussian": _laplacian_of_gaussian,
    "motion": _motion,
    "unsharp": _unsharp,
}
