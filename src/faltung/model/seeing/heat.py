"""`grad_cam`: where in a photograph the network sees what speaks for a class.

Selvaraju, Cogswell, Das, Vedantam, Parikh & Batra, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvShapeError, ConvTypeError, shown
from faltung.extras import optional
from faltung.model.inputs import batch_of, picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HeatMap", "grad_cam"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where a layer's maps speak for a class.

    Attributes
    ----------
    heat : float32 array (H, W)
        In pixels of the network's input, bilinear between the layer's cells; from 0 to 1, its largest value. 0 everywhere where nothing
        speaks for the class.
    cells : float32 array (h, w)
        The same before it was enlarged, one number for each position of the layer.
    target : int
        The class.
    score : float
        What the network gave for it, before softmax as after, whichever is its last layer.
    layer : str
    picture : float32 array (3, H, W) or None
        What the network saw, from 0 to 255, where it is known.
    """

    heat: Array = field(repr=False)
    cells: Array = field(repr=False)
    target: int
    score: float
    layer: str
    picture: Array | None = field(default=None, repr=False)

    def share_in(self, top: int, left: int, bottom: int, right: int) -> float:
        """The share of the heat's sum in the rows from `top` to `bottom` and the columns from `left` to `right`, ends excluded."""
        return float(self.heat[top:bottom, left:right].sum() / max(float(self.heat.sum()), 1e-30))

    def plot(self, image: object = None, *, label: str = "", ax: Axes | None = None, colorbar: bool = True) -> Axes:
        """Draw the heat over the photograph: clear where nothing speaks for the class.

        Parameters
        ----------
        image : array (H, W), (3, H, W) or (H, W, 3), optional
            What the network saw, of any resolution; by default the picture that was read, else the heat alone.
        label : str
            The class in words.

        Returns
        -------
        matplotlib Axes
        """
        from faltung.model.seeing.overlay import draw_heat

        image = self.picture if image is None else image
        what = f"class {self.target}" + (f", {label}" if label else "")
        return draw_heat(
            self.heat, image, [f"what speaks for {what}", f"score {self.score:.3g}, layer {self.layer}"], ax=ax, colorbar=colorbar
        )

    def to_dict(self) -> dict[str, Any]:
        """As data; of the heat the layer's cells."""
        return {"target": self.target, "score": self.score, "layer": self.layer, "cells": self.cells.tolist()}


def grad_cam(
    model: Any, x: Any, target: int | None = None, layer: str | None = None, *, preprocess: Callable[[Any], Any] | None = None
) -> HeatMap:
    """Where in a picture a layer's maps speak for a class (Grad-CAM).

    The layer's maps, behind the activation that follows, over a residual sum too, are summed with weights: how much the class's score grows
    with each map, on average over its positions. What is negative in the sum is dropped.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier, (N, classes); of a result with positions, (N, classes, h, w), the score is their mean.
    x : array or tensor (1, C, H, W) or (C, H, W), or path of a picture
    target : int, optional
        The class, by default the one that the model predicts.
    layer : str, optional
        By default the last convolution with more than one position.
    preprocess : callable, optional
        As of `faltung.feature_maps`.

    Raises
    ------
    ConvTypeError, ConvShapeError

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 4, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 10))
    >>> found = grad_cam(model, np.random.default_rng(0).random((3, 32, 48), np.float32))
    >>> found.heat.shape, found.cells.shape, found.layer
    ((32, 48), (15, 23), '0')
    """
    torch = optional("torch", extra="torch", purpose="Grad-CAM", package="PyTorch")
    if not isinstance(model, torch.nn.Module):
        raise ConvTypeError(f"model is of type {type(model).__name__}: gradients need a torch.nn.Module.", "Load it in PyTorch.")
    from faltung.model.seeing.recording import as_numpy, first_tensor, on_device_of, record_layers

    picture = picture_of(x, preprocess)
    given = on_device_of(model, batch_of(x, preprocess))
    if given.ndim != 4 or len(given) != 1:
        raise ConvShapeError(f"x has shape {tuple(given.shape)}, one picture (1, C, H, W) is needed.", "Give one sample, x[:1].")
    # Frozen weights have no gradients; the input's go through every layer.
    recorded, output = record_layers(model, (given.clone().requires_grad_(),), None if layer is None else [layer], differentiable=True)
    logits = first_tensor(output)
    if logits is None or logits.ndim < 2:
        raise ConvShapeError("the model gives no scores (N, classes).", "Wrap it in a module that returns them.")
    place = _target(target, logits)
    seen = _maps(recorded, layer)
    maps = next(one for one in (seen.activation, seen.after_sum, seen.result) if one is not None)
    score = logits[0, place].mean()
    (gradient,) = torch.autograd.grad(score, maps, allow_unused=True) if score.requires_grad else (None,)
    if gradient is None:
        raise ConvTypeError(f"the score does not depend on layer {seen.name!r}.", "Name a layer on the way to the result.")
    weights = gradient[0].mean(dim=(-2, -1), keepdim=True)  # equation 1
    cells = torch.relu((weights * maps[0]).sum(dim=0)).detach()  # equation 2
    cells = cells / cells.max().clamp_min(torch.finfo(cells.dtype).tiny)
    heat = torch.nn.functional.interpolate(cells[None, None].float(), tuple(given.shape[-2:]), mode="bilinear", align_corners=False)[0, 0]
    return HeatMap(as_numpy(heat), as_numpy(cells.float()), place, float(score.detach()), seen.name, picture)


def _target(target: object, logits: Any) -> int:
    if target is None:
        return int(logits[0].flatten(1).mean(dim=1).argmax() if logits.ndim > 2 else logits[0].argmax())
    classes = logits.shape[1]
    if isinstance(target, bool) or not isinstance(target, int | np.integer) or not -classes <= target < classes:
        raise ConvTypeError(f"target={shown(target)} is none of the {classes} classes.", f"Use 0 to {classes - 1}, or leave it out.")
    return int(target % classes)


def _maps(recorded: list[Any], layer: str | None) -> Any:
    """The record that is asked for, or the last with more than one position."""
    fitting = [one for one in recorded if one.result.ndim == 4 and (layer is not None or max(one.result.shape[-2:]) > 1)]
    if fitting:
        return fitting[-1]
    if recorded and layer is not None:
        raise ConvShapeError(
            f"layer {layer!r} gives shape {tuple(recorded[-1].result.shape)}, maps (N, C, h, w) are needed.", "Name a convolution."
        )
    raise ConvTypeError("the model ran no convolution with more than one position.", "Name the layer whose maps are to be used.")
