"""`faltung.dask`: convolutions and filters of arrays that are larger than memory, chunk by chunk, with the bits of one array.

Takes and gives dask arrays. `correlate` and `convolve` are those of `import faltung as fl`; SciPy's, which have another signature, are in
`faltung.dask.ndimage` with all other filters. Dask itself is imported when a function is called.
"""

from faltung.dask.convolution import (
    conv,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from faltung.dask.ndimage import (
    convolve1d,
    correlate1d,
    gaussian_filter,
    gaussian_filter1d,
    gaussian_gradient_magnitude,
    gaussian_laplace,
    generic_gradient_magnitude,
    generic_laplace,
    laplace,
    prewitt,
    sobel,
    uniform_filter,
    uniform_filter1d,
)
from faltung.dask.network import apply
from faltung.dask.plain import convolve, correlate
from faltung.dask.storing import Progress, StorageError, to_zarr

__all__ = [
    "Progress",
    "StorageError",
    "apply",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
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
    "to_zarr",
    "uniform_filter",
    "uniform_filter1d",
]
