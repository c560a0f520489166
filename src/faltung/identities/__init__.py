"""Rewrites that the theory of convolution promises: the same numbers by another convolution, or by another operation.

Each function takes a spec with its weights and gives a spec, or several, with theirs; results can be called
on an input. They are exact, in integers to the last bit, unless they say by how much not.

>>> import numpy as np
>>> from faltung.identities import dilate_kernel
>>> dilate_kernel("conv1d(1, 1, 2, dilation=3)", np.array([[[1, 2]]])).weight
array([[[1, 0, 0, 2]]])
"""

from faltung.identities.batch_norm import fold_batchnorm
from faltung.identities.circular import CircularFFT, circular_as_fft
from faltung.identities.composition import compose
from faltung.identities.dense import Linear, conv_to_linear, linear_to_conv
from faltung.identities.kernel import dense_from_grouped, dilate_kernel, flip
from faltung.identities.matrix import as_matrix
from faltung.identities.rewritten import Rewritten
from faltung.identities.separation import Separation, depthwise_separate, separate
from faltung.identities.zero_insertion import ZeroInserted, transposed_as_conv

__all__ = [
    "CircularFFT",
    "Linear",
    "Rewritten",
    "Separation",
    "ZeroInserted",
    "as_matrix",
    "circular_as_fft",
    "compose",
    "conv_to_linear",
    "dense_from_grouped",
    "depthwise_separate",
    "dilate_kernel",
    "flip",
    "fold_batchnorm",
    "linear_to_conv",
    "separate",
    "transposed_as_conv",
]
