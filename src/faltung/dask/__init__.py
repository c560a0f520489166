"""`faltung.dask`: convolutions and filters of arrays that are larger than memory, chunk by chunk, with the bits of one array.

Takes and gives dask arrays. Dask itself is imported when a function is called.
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
from faltung.dask.storing import Progress, StorageError, to_zarr

__all__ = [
    "Progress",
    "StorageError",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "to_zarr",
]
