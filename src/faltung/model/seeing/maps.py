"""`feature_maps`: what chosen layers of a network gave for an input, raw and behind their activation, with numbers and pictures.

Reads a live PyTorch module through hooks, an ONNX file through onnxruntime. Owns what is shown of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvShapeError, ConvTypeError, one_of, shown
from faltung.extras import optional
from faltung.model.inputs import batch_of
from faltung.model.onnx_run import OnnxNetwork, is_onnx_path
from faltung.model.seeing.channel_statistics import ChannelStatistics, channel_statistics
from faltung.notebook import table_html

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "FeatureMap", "FeatureMaps", "feature_maps"]

Array = NDArray[Any]
COLUMNS = ("layer", "kind", "shape", "mean", "std", "largest", "activation", "zeros", "dead")


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """What one layer gave.

    Attributes
    ----------
    layer : str
    kind : str
        What the framework calls it: ``"Conv2d"``, ``"QLinearConv"``.
    array : array (N, C, *size)
        Its result: the feature maps.
    activation : array or None
        What the activation that follows made of it, over a batch norm or dropout between: the activation maps. None where no activation
        takes the result, as before a residual sum.
    activation_name : str
    weight : array or None
        Of a convolution.
    transposed : bool
    """

    layer: str
    kind: str
    array: Array = field(repr=False)
    activation: Array | None = field(default=None, repr=False)
    activation_name: str = ""
    weight: Array | None = field(default=None, repr=False)
    transposed: bool = False

    def maps(self, which: str = "raw") -> Array:
        """The ``"raw"`` maps, or those behind the ``"activation"``.

        Raises
        ------
        ConvTypeError
            No activation follows.
        """
        one_of("which", which, ("raw", "activation"), ConvTypeError)
        if which == "raw":
            return self.array
        if self.activation is None:
            raise ConvTypeError(f"no activation takes the result of {self.layer!r}.", 'Use which="raw".')
        return self.activation

    def statistics(self, which: str = "raw") -> ChannelStatistics:
        """Numbers of each channel over all samples and positions.

        Raises
        ------
        ConvShapeError
            The result has no axis of channels.
        """
        maps = self.maps(which)
        if maps.ndim < 2:
            raise ConvShapeError(f"{self.layer!r} gives shape {maps.shape}, without channels.", "Name another layer.")
        return channel_statistics(maps)

    def plot(self, sample: int = 0, *, which: str = "raw", ax: Axes | None = None, max_maps: int = 64, **options: Any) -> Axes:
        """Draw the channels of one sample in a grid, as `faltung.plot_feature_maps` does, which takes the other options.

        Each map has a scale of its own, so that weak ones show; ``scale="shared"`` lets them be compared.
        """
        from faltung.viz.plots import plot_feature_maps
        from faltung.viz.plots.canvas import set_title

        maps = self.maps(which)
        if not -len(maps) <= sample < len(maps):
            raise ConvShapeError(f"sample={shown(sample)} is none of {len(maps)}.", f"Use 0 to {len(maps) - 1}.")
        drawn = plot_feature_maps(maps[sample], ax=ax, max_maps=max_maps, **{"scale": "each", **options})
        what = self.kind if which == "raw" else f"after {self.activation_name}"
        set_title(drawn, f"{self.layer}, {what}", drawn.get_title())
        return drawn

    def compare(self, sample: int = 0, *, max_maps: int = 16, **options: Any) -> Figure:
        """The raw maps and those behind the activation side by side."""
        pyplot = optional("matplotlib.pyplot", extra="plot", purpose="plotting")
        figure: Figure
        figure, axes = pyplot.subplots(1, 2, figsize=(12, 5.6), layout="compressed")
        for ax, which in zip(axes, ("raw", "activation"), strict=True):
            self.plot(sample, which=which, ax=ax, max_maps=max_maps, **options)
        return figure

    def plot_kernels(self, *, ax: Axes | None = None, max_channels: int = 24) -> Axes:
        """Draw the layer's kernels, those over three colours as colours.

        Raises
        ------
        ConvTypeError
            It has none.
        """
        from faltung.viz.plots import plot_kernels
        from faltung.viz.plots.canvas import set_title

        if self.weight is None:
            raise ConvTypeError(f"{self.layer!r} ({self.kind}) has no kernels.", "Name a convolution.")
        is_colour = self.weight.ndim == 4 and self.weight.shape[1] == 3 and not self.transposed
        drawn = plot_kernels(self.weight, ax=ax, transposed=self.transposed, rgb=is_colour, max_channels=max_channels)
        set_title(drawn, f"{self.layer}, {self.kind}", drawn.get_title())
        return drawn

    def to_dict(self) -> dict[str, Any]:
        """Names, shapes and statistics as data; not the maps."""
        has_channels = self.array.ndim > 1
        return {
            "layer": self.layer,
            "kind": self.kind,
            "shape": list(self.array.shape),
            "statistics": self.statistics().to_dict() if has_channels else None,
            "activation": self.activation_name or None,
            "activation_statistics": self.statistics("activation").to_dict() if has_channels and self.activation is not None else None,
        }

    @property
    def cells(self) -> tuple[str, ...]:
        """The layer in a table: `COLUMNS` in words. Zeros and dead channels are counted behind the activation, if one follows."""
        maps = self.array[np.isfinite(self.array)].astype(np.float64)
        numbers = [f"{value:.3g}" for value in (maps.mean(), maps.std(), maps.max())] if maps.size else ["–"] * 3
        after = self.array if self.activation is None else self.activation
        dead = f"{len(channel_statistics(after).dead)} of {after.shape[1]}" if after.ndim > 1 else "–"
        size = "×".join(map(str, self.array.shape))
        return self.layer, self.kind, size, *numbers, self.activation_name or "none", f"{float((after == 0).mean()):.0%}", dead


class FeatureMaps(Mapping[str, FeatureMap]):
    """What layers of a network gave, by their names, in the order in which they ran.

    Attributes
    ----------
    model : str
        The network's class, or its file.
    """

    def __init__(self, model: str, maps: Sequence[FeatureMap]) -> None:
        self.model = model
        self._maps = {one.layer: one for one in maps}

    def __getitem__(self, layer: str) -> FeatureMap:
        if layer not in self._maps:
            one_of("layer", layer, self._maps, ConvTypeError)
        return self._maps[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)

    def __contains__(self, layer: object) -> bool:
        return layer in self._maps

    def plot(self, layer: str | None = None, sample: int = 0, *, max_maps: int = 64, **options: Any) -> Axes:
        """Draw the maps of a layer, of the first one by default, as `FeatureMap.plot` does."""
        return self._one(layer).plot(sample, max_maps=max_maps, **options)

    def compare(self, layer: str | None = None, sample: int = 0, *, max_maps: int = 16, **options: Any) -> Figure:
        """Raw maps and activation maps side by side, of the first layer by default."""
        return self._one(layer).compare(sample, max_maps=max_maps, **options)

    def plot_kernels(self, layer: str | None = None, *, ax: Axes | None = None, max_channels: int = 24) -> Axes:
        """Draw the kernels of a layer, of the first convolution by default."""
        if layer is None:
            layer = next((name for name, one in self._maps.items() if one.weight is not None), None)
        return self._one(layer).plot_kernels(ax=ax, max_channels=max_channels)

    def _one(self, layer: str | None) -> FeatureMap:
        return self[next(iter(self._maps)) if layer is None else layer]

    def to_dict(self) -> dict[str, Any]:
        """Names, shapes and statistics as data; not the maps."""
        return {"model": self.model, "layers": [one.to_dict() for one in self._maps.values()]}

    def __repr__(self) -> str:
        rows = [COLUMNS, *(one.cells for one in self._maps.values())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join((f"{self._title()}:", *lines))

    def _title(self) -> str:
        return f"feature maps of {len(self)} layer{'s' if len(self) != 1 else ''} of {self.model}"

    def _repr_html_(self) -> str:
        return table_html(self._title(), (one.cells for one in self._maps.values()), COLUMNS)


def feature_maps(
    model: Any | str | os.PathLike[str],
    x: Any,
    layers: str | Sequence[str] | None = None,
    *,
    preprocess: Callable[[Any], Any] | None = None,
) -> FeatureMaps:
    """What layers of a network give for an input: their feature maps and the activation maps behind them.

    The network runs once, in evaluation and without gradients, and is left as it was.

    Parameters
    ----------
    model : torch.nn.Module, or path of an ONNX file
        Of a file onnxruntime computes; weights that lie in other files are not opened.
    x : array or tensor (N, C, *size) or (C, H, W), or path of a picture
        A tuple of tensors for modules that take several, a mapping from names to arrays for files that do.
    layers : str or sequence of str, optional
        As ``model.named_modules()`` names them, any module; convolutions that are called as functions by the module around them,
        ``"block.conv2d"``; further runs of the same layer by their number, ``"block (2)"``. Of a file: nodes or tensors. By default
        all convolutions.
    preprocess : callable, optional
        From a picture to `x`: a `faltung.model.Preprocess`, ``Weights.transforms()`` of torchvision, a processor of transformers.

    Returns
    -------
    FeatureMaps
        A mapping from layers to `FeatureMap`.

    Raises
    ------
    ConvTypeError
        There is no such layer, or it did not run.
    ConvShapeError
        The network cannot run on `x`.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.BatchNorm2d(2), torch.nn.ReLU())
    >>> maps = feature_maps(model, np.ones((1, 1, 8, 8), np.float32))
    >>> maps["0"].array.shape, maps["0"].activation_name, maps["0"].activation.min() >= 0
    ((1, 2, 8, 8), 'relu', np.True_)
    """
    if is_onnx_path(model):
        network = OnnxNetwork(model)
        names = layers if layers is None or not isinstance(layers, str) else [layers]
        given = x if isinstance(x, Mapping) else batch_of(x, preprocess)
        found = [
            FeatureMap(one.name, one.source, one.result, one.activation, one.activation_name, one.weight, one.transposed)
            for one in network.record(given, names)
        ]
        return FeatureMaps(network.path.name, _some(found, network.path.name))
    torch = optional("torch", extra="torch", purpose="looking into a PyTorch module", package="PyTorch")
    if not isinstance(model, torch.nn.Module):
        raise ConvTypeError(f"model is of type {type(model).__name__}.", "Give a torch.nn.Module, or the path of an ONNX file.")
    from faltung.model.seeing.recording import as_numpy, check_layers, on_device_of, record_layers

    wanted = check_layers(layers)
    given = x if isinstance(x, tuple) else (on_device_of(model, batch_of(x, preprocess)),)
    recorded = [
        FeatureMap(
            one.name,
            one.source,
            as_numpy(one.result),
            None if one.activation is None else as_numpy(one.activation),
            one.activation_name,
            None if one.weight is None else as_numpy(one.weight),
            one.transposed,
        )
        for one in record_layers(model, given, wanted)[0]
    ]
    return FeatureMaps(type(model).__name__, _some(recorded, type(model).__name__))


def _some(found: list[FeatureMap], model: str) -> list[FeatureMap]:
    if not found:
        raise ConvTypeError(f"{model} ran no convolution.", "Name the layers that are to be shown.")
    return found
