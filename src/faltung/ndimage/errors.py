"""Errors that belong to two families: Faltung's, and those that SciPy's functions raise."""

from __future__ import annotations

import numpy as np

from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError

__all__ = ["FilterAxisError", "FilterDtypeError", "FilterError", "FilterShapeError", "FilterZeroError"]


class FilterError(ConvSpecError, RuntimeError):
    """What SciPy says with a `RuntimeError`: an argument that contradicts another, or is not known.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.correlate1d([1, 2, 3], [1], mode="blur")
    Traceback (most recent call last):
    faltung.ndimage.errors.FilterError: mode='blur': boundary mode not supported.
      Known: 'reflect', 'grid-mirror', 'mirror', 'nearest', 'wrap', 'grid-wrap', 'constant', 'grid-constant'.
    """


class FilterShapeError(ConvShapeError, RuntimeError):
    """An array whose shape does not fit."""


class FilterDtypeError(ConvTypeError, RuntimeError):
    """A dtype that cannot be filtered."""


class FilterZeroError(ConvSpecError, ZeroDivisionError):
    """A standard deviation of zero where a Gaussian kernel is asked for."""


class FilterAxisError(ConvSpecError, np.exceptions.AxisError):
    """An axis that the array does not have."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        ConvSpecError.__init__(self, problem, remedy)
