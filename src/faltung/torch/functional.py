"""``conv1d`` … ``conv_transpose3d``, ``unfold`` and ``fold`` as in ``torch.nn.functional``, and `conv` by a spec.

What Faltung does not serve (another device, dtype or layout, a quantised tensor, sizes that do not fit) goes to PyTorch's own function,
which serves it or says what is wrong in its own words: see `dispatch`.
"""

from __future__ import annotations

from collections.abc import Sequence

from faltung.engine.checks import as_spec
from faltung.spec import ConvSpec
from faltung.torch import dispatch
from torch import Tensor

__all__ = [
    "conv", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold", "unfold",
]  # fmt: skip

Ints = int | Sequence[int]


def conv(spec: ConvSpec | str, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve by a spec: any number of axes, any padding mode, any field.

    Parameters
    ----------
    spec : ConvSpec or str
    x : tensor (N, in, *i) or (in, *i)
        Of a real or complex floating-point dtype that all arguments share; of another device or dtype where PyTorch has the same.
    weight : tensor of ``spec.weight_shape``
    bias : tensor (out,), optional

    Returns
    -------
    tensor (N, out, *o) or (out, *o)

    Raises
    ------
    ConvSpecError, ConvShapeError

    Examples
    --------
    >>> import torch
    >>> conv("conv1d(1, 1, 3, padding='causal')", torch.tensor([[1.0, 2.0, 3.0]]), torch.ones(1, 1, 3))
    tensor([[1., 3., 6.]])
    """
    return dispatch.conv_described(str(as_spec(spec)), x, weight, bias)


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """As ``torch.nn.functional.conv1d``: input (N, C, L) or (C, L), weight (O, C/groups, K).

    >>> import torch
    >>> conv1d(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[[-1.0, 1.0]]]))
    tensor([[1., 2.]])
    """
    return dispatch.conv_nd("conv1d", input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """As ``torch.nn.functional.conv2d``: input (N, C, H, W) or (C, H, W), weight (O, C/groups, KH, KW).

    >>> import torch
    >>> conv2d(torch.arange(9.0).reshape(1, 3, 3), torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]))
    tensor([[[19., 25.],
             [37., 43.]]])
    """
    return dispatch.conv_nd("conv2d", input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints | str = 0, dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """As ``torch.nn.functional.conv3d``: input (N, C, D, H, W) or (C, D, H, W), weight (O, C/groups, KD, KH, KW).

    >>> import torch
    >>> conv3d(torch.ones(1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2))
    tensor([[[[8.]]]])
    """
    return dispatch.conv_nd("conv3d", input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """As ``torch.nn.functional.conv_transpose1d``: input (N, C, L) or (C, L), weight (C, O/groups, K).

    >>> import torch
    >>> conv_transpose1d(torch.tensor([[1.0, 2.0]]), torch.ones(1, 1, 3), stride=2)
    tensor([[1., 1., 3., 2., 2.]])
    """
    return dispatch.conv_nd(
        "conv_transpose1d", input, weight, bias, stride=stride, padding=padding, output_padding=output_padding, groups=groups,
        dilation=dilation,
    )  # fmt: skip


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """As ``torch.nn.functional.conv_transpose2d``: input (N, C, H, W) or (C, H, W), weight (C, O/groups, KH, KW).

    >>> import torch
    >>> conv_transpose2d(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]]), stride=2)
    tensor([[[1., 0., 2., 0.],
             [0., 1., 0., 2.]]])
    """
    return dispatch.conv_nd(
        "conv_transpose2d", input, weight, bias, stride=stride, padding=padding, output_padding=output_padding, groups=groups,
        dilation=dilation,
    )  # fmt: skip


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
    groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """As ``torch.nn.functional.conv_transpose3d``: input (N, C, D, H, W) or (C, D, H, W), weight (C, O/groups, KD, KH, KW).

    >>> import torch
    >>> conv_transpose3d(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1, 2), stride=2).shape
    torch.Size([1, 1, 1, 2])
    """
    return dispatch.conv_nd(
        "conv_transpose3d", input, weight, bias, stride=stride, padding=padding, output_padding=output_padding, groups=groups,
        dilation=dilation,
    )  # fmt: skip


def unfold(input: Tensor, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> Tensor:
    """As ``torch.nn.functional.unfold``: the windows of (N, C, H, W) or (C, H, W) as columns, (N, C*KH*KW, L).

    >>> import torch
    >>> unfold(torch.arange(4.0).reshape(1, 2, 2), 2)
    tensor([[0.],
            [1.],
            [2.],
            [3.]])
    """
    return dispatch.unfold(input, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)


def fold(
    input: Tensor, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Tensor:  # fmt: skip
    """As ``torch.nn.functional.fold``: columns (N, C*KH*KW, L) added back where `unfold` took them.

    >>> import torch
    >>> fold(torch.ones(4, 4), (3, 3), 2)
    tensor([[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]])
    """
    return dispatch.fold(input, output_size, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
