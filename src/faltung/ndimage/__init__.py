"""SciPy's convolution filters: the functions of ``scipy.ndimage``, with its signatures, results, dtypes and classes of errors.

``from faltung import ndimage`` in the place of ``from scipy import ndimage`` is all that changes. Where SciPy sums in float64 and cuts
off, so do these; `correlate1d` and `correlate` say where they round otherwise. Every output is summed from its window alone, in one
order: it is the same whatever else is in the array, and however many threads there are.
"""

from faltung.ndimage.correlation import convolve, convolve1d, correlate, correlate1d
from faltung.ndimage.derivatives import (
    gaussian_gradient_magnitude,
    gaussian_laplace,
    generic_gradient_magnitude,
    generic_laplace,
    laplace,
    prewitt,
    sobel,
)
from faltung.ndimage.smoothing import gaussian_filter, gaussian_filter1d, uniform_filter, uniform_filter1d

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "generic_gradient_magnitude",
    "generic_laplace",
    "laplace",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]
