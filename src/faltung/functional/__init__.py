"""The functions of ``import faltung as fl``: NumPy arrays in, NumPy arrays out.

Each turns its arguments into a `ConvSpec` and hands over to the engine; none computes by itself. Arrays
are channels first, ``(N, C, *spatial)`` or ``(C, *spatial)``; anything with ``__array__`` or a CPU
``__dlpack__`` is accepted.

Results have the dtype that ``numpy.result_type`` gives the inputs, except that integers and bool are summed
exactly in 64 bits: int64, or uint64 where all are unsigned. float16 and bfloat16 are summed in float32.
"""

from faltung.functional.convolution import conv, conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from faltung.functional.gradients import conv_input_grad, conv_weight_grad
from faltung.functional.patches import fold, unfold
from faltung.functional.plain_arrays import convolve, correlate
from faltung.functional.separable import depthwise_separable_conv2d, separable_conv2d

__all__ = [
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_input_grad",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "conv_weight_grad",
    "convolve",
    "correlate",
    "depthwise_separable_conv2d",
    "fold",
    "separable_conv2d",
    "unfold",
]
