"""Convolution as `scipy.signal` has it, faster: the same names, arguments, results, dtypes and kinds of error.

``from faltung.signal import convolve, fftconvolve`` in the place of ``from scipy.signal import …``. What differs stands in the guide,
"Use it in place of SciPy".
"""

from faltung.signal.convolution import choose_conv_method, convolve, correlate, correlation_lags
from faltung.signal.frequency import fftconvolve, oaconvolve
from faltung.signal.images import convolve2d, correlate2d
from faltung.signal.separable import sepfir2d

__all__ = [
    "choose_conv_method",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "correlation_lags",
    "fftconvolve",
    "oaconvolve",
    "sepfir2d",
]
