"""`anti_aliased`: a network whose strides blur before they skip.

Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019; Azulay & Weiss, "Why do deep convolutional networks generalize so
poorly to small image transformations?", JMLR 2019.
"""

from __future__ import annotations

import copy
from typing import Any

from faltung.errors import ConvTypeError
from faltung.extras import optional

__all__ = ["anti_aliased"]


def anti_aliased(model: Any, kernel_size: int = 3) -> Any:
    """A copy of a model in which every strided 2-D convolution and max pooling looks everywhere, is blurred, and skips only then.

    Each becomes itself with stride 1 and a `faltung.torch.BlurPool2d` behind it, which takes over its stride. Positions stay where they
    were. The weights are the same, so without further training the accuracy may fall.

    Parameters
    ----------
    model : torch.nn.Module
        Layers that are called as functions are left as they are.
    kernel_size : int
        Of the blur: entries of a row of Pascal's triangle.

    Returns
    -------
    torch.nn.Module
        ``named_modules()`` has ``conv.0`` and ``conv.1`` where ``conv`` was.

    Raises
    ------
    ConvTypeError
        `model` is no module, or has nothing that strides.

    Examples
    --------
    >>> import torch
    >>> anti_aliased(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2, padding=1), torch.nn.ReLU()))
    Sequential(
      (0): Sequential(
        (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
        (1): BlurPool2d(8, kernel_size=3, stride=2)
      )
      (1): ReLU()
    )
    """
    torch = optional("torch", extra="torch", purpose="anti-aliasing a model", package="PyTorch")
    nn = torch.nn
    if not isinstance(model, nn.Module):
        raise ConvTypeError(f"model is of type {type(model).__name__}.", "Give a torch.nn.Module.")
    from faltung.model.shifting.blurring import blurred, stride_of

    changed = nn.Sequential(copy.deepcopy(model))  # around it: the model itself may be such a layer
    strided = [
        (parent, name, child) for parent in changed.modules() for name, child in parent.named_children() if stride_of(child) is not None
    ]
    if not strided:
        raise ConvTypeError(
            f"{type(model).__name__} has no strided convolution or max pooling among its modules.", "There is nothing to anti-alias."
        )
    for parent, name, child in strided:
        parent._modules[name] = blurred(child, kernel_size)
    return changed[0]
