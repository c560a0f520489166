"""`maximize_activation`: the picture that a channel of a layer answers to most.

Gradient ascent on the input (Erhan, Bengio, Courville & Vincent, "Visualizing Higher-Layer Features of a Deep Network", 2009), kept to what
photographs are like by jitter and by climbing in frequencies, coarse ones faster, and in the colours that vary most (Olah, Mordvintsev &
Schubert, "Feature Visualization", Distill, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvShapeError, ConvTypeError
from faltung.extras import optional
from faltung.model.inputs import Preprocess
from faltung.normal_form import integer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ActivationPicture", "maximize_activation"]


COLOURS = ((0.56, 0.19, 0.05), (0.58, 0.00, -0.12), (0.58, -0.19, 0.07))
"""Red, green and blue of three directions that vary independently in photographs: brightness, blue to orange, green to purple, as long as
they vary (of ImageNet, after Olah et al., scaled)."""


@dataclass(frozen=True, eq=False)
class ActivationPicture:
    """A picture that drives a channel, and how far it does.

    Attributes
    ----------
    image : float32 array (3, H, W)
        From 0 to 255.
    responses : tuple of float
        The channel's mean over the positions that were driven, before each step and after the last.
    layer : str
    channel : int
    """

    image: NDArray[np.float32] = field(repr=False)
    responses: tuple[float, ...] = field(repr=False)
    layer: str
    channel: int

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the picture, the response at its start and at its end in the title."""
        from faltung.viz.plots.canvas import axes_for, set_title, without_frame
        from faltung.viz.plots.photographs import draw_photograph

        drawn = axes_for(ax, (4.6, 5.0))
        draw_photograph(drawn, np.asarray(self.image, np.float64))
        drawn.set_xticks([])
        drawn.set_yticks([])
        without_frame(drawn)
        set_title(
            drawn, f"what {self.layer}, channel {self.channel} answers to", f"response {self.responses[0]:.3g} → {self.responses[-1]:.3g}"
        )
        return drawn


def maximize_activation(
    model: Any,
    layer: str,
    channel: int,
    *,
    preprocess: Preprocess | None = None,
    steps: int = 128,
    rate: float = 0.05,
    jitter: int = 8,
    centre: bool = False,
    seed: int = 0,
) -> ActivationPicture:
    """The picture that a channel answers to most, found by climbing its gradient from grey noise.

    Without a hand on it the gradient finds high-frequency patterns that no photograph has. So each step shifts the picture around by up to
    `jitter` pixels, and climbs (Adam) in the picture's spectrum, of which frequency f counts 1/f, as in photographs.

    Parameters
    ----------
    model : torch.nn.Module
        Over colour pictures (N, 3, H, W). It runs in evaluation and is left as it was.
    layer : str
        As ``model.named_modules()`` names it. The channel of its own result is driven, before any activation, where the gradient does not
        vanish.
    channel : int
    preprocess : Preprocess, optional
        The size of the picture, and the mean and deviation that the model was trained with; 128×128, unchanged from 0 to 1 by default.
    steps : int
    rate : float
        Of a step.
    jitter : int
        Pixels.
    centre : bool
        Drive the position in the middle alone rather than the mean of all.
    seed : int
        The same picture for the same number.

    Raises
    ------
    ConvTypeError, ConvShapeError

    Examples
    --------
    >>> import torch
    >>> blue = torch.nn.Conv2d(3, 1, 1, bias=False)
    >>> _ = blue.weight.data.copy_(torch.tensor([-1.0, -1.0, 2.0]).view(1, 3, 1, 1))
    >>> found = maximize_activation(blue, "", 0, preprocess=Preprocess((8, 8)), steps=32)
    >>> found.image.mean((1, 2)).argmax()
    np.int64(2)
    """
    torch = optional("torch", extra="torch", purpose="activation maximisation", package="PyTorch")
    if not isinstance(model, torch.nn.Module):
        raise ConvTypeError(f"model is of type {type(model).__name__}: gradients need a torch.nn.Module.", "Load it in PyTorch.")
    from faltung.model.seeing.recording import on_device_of, record_layers

    number = integer("channel", channel, least=0, error=ConvShapeError)
    count = integer("steps", steps, least=1, error=ConvShapeError)
    reach = integer("jitter", jitter, least=0, error=ConvShapeError)
    prepare = preprocess or Preprocess((128, 128))
    mean, std, weighting, colours = (
        on_device_of(model, array) for array in (*prepare.scales(), _weighting(prepare.size), np.array(COLOURS, np.float32))
    )
    random = np.random.default_rng(seed)
    spectrum = on_device_of(model, random.normal(0, 0.05, (2, 3, *weighting.shape)).astype(np.float32)).requires_grad_()
    climber = torch.optim.Adam([spectrum], lr=rate)

    def picture() -> Any:
        waves = torch.fft.irfft2(torch.complex(spectrum[0] * weighting, spectrum[1] * weighting), s=prepare.size, norm="ortho")
        return torch.sigmoid(4 * torch.einsum("ck,khw->chw", colours, waves))[None]

    def response(shift: tuple[int, int]) -> Any:
        x = (picture().roll(shift, (-2, -1)) - mean) / std
        maps = record_layers(model, (x,), [layer], differentiable=True)[0][-1].result
        if maps.ndim < 2 or number >= maps.shape[1]:
            raise ConvShapeError(
                f"channel={number} is none of layer {layer!r}, which gives shape {tuple(maps.shape)}.", "Name one that it has."
            )
        driven = maps[0, number]
        return driven[tuple(size // 2 for size in driven.shape)] if centre else driven.mean()

    responses = []
    for _ in range(count):
        height, width = random.integers(-reach, reach + 1, 2)
        driven = response((int(height), int(width)))
        responses.append(float(driven.detach()))
        (spectrum.grad,) = torch.autograd.grad(-driven, spectrum)
        climber.step()
    with torch.no_grad():
        responses.append(float(response((0, 0)).detach()))
        image = (picture()[0] * 255).float().cpu().numpy()
    return ActivationPicture(image, tuple(responses), layer, number)


def _weighting(size: tuple[int, int]) -> NDArray[np.float32]:
    """One over the frequency of each entry of a spectrum, the lowest as the one after it; so scaled that noise gives ordinary contrast."""
    rows, columns = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    frequencies = np.maximum(np.hypot(rows, columns), 1 / max(size))
    weights = 1 / frequencies
    return np.asarray(weights / np.sqrt((weights**2).mean()), np.float32)
