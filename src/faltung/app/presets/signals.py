"""One dimension and three, and filters of images."""

from __future__ import annotations

from faltung.app.presets.preset import GUIDE, Preset

__all__ = ["filters", "signals"]


def signals() -> list[Preset]:
    """Signals, volumes."""
    group = "One dimension, and three"
    return [
        Preset("one-dimensional", "One dimension", group, "A signal and a window that slides along it.", f"{GUIDE}, §2",
               {"kernel_size": [3], "padding": 1, "input_size": [8]}),
        Preset("moving-average", "Moving average", group, "The mean of three neighbours smooths the edge.",
               "Smith, The scientist and engineer's guide to digital signal processing, ch. 15",
               {"kernel_size": [3], "weight": {"named": "box_x"}, "x": {"named": "edge"}, "padding": 1, "padding_mode": "replicate",
                "input_size": [9]}),
        Preset("wavenet", "WaveNet: dilations 1, 2, 4, 8", group, "Each layer doubles the dilation: four layers of two taps see 16 cells.",
               "van den Oord et al., WaveNet, 2016",
               {"kernel_size": [2], "padding": "causal", "input_size": [16], "x": {"named": "impulse"},
                "weight": {"values": [[[1, 1]]]},
                "then": [{"kernel_size": [2], "padding": "causal", "dilation": [rate], "weight": {"values": [[[1, 1]]]}}
                         for rate in (2, 4, 8)]}),
        Preset("circular-1d", "Circular, one dimension", group, "Its matrix is circulant: the discrete Fourier transform diagonalises it.",
               "Gray, Toeplitz and circulant matrices: a review, 2006",
               {"kernel_size": [3], "padding": 1, "padding_mode": "circular", "input_size": [6]}),
        Preset("three-dimensional", "Three dimensions", group, "Slices of a volume, or frames of a film.",
               "Tran et al., C3D, 2015", {"kernel_size": [2, 2, 2], "input_size": [3, 3, 3]}),
    ]  # fmt: skip


def filters() -> list[Preset]:
    """Named kernels on small pictures."""
    group = "Image filters"

    def of(name: str, title: str, note: str, source: str, size: int = 3, x: str = "digit") -> Preset:
        fields = {"kernel_size": [size, size], "padding": "same", "padding_mode": "replicate", "input_size": [12, 12]}
        return Preset(
            f"filter-{name.replace('_', '-')}", title, group, note, source, fields | {"weight": {"named": name}, "x": {"named": x}}
        )

    gonzalez = "Gonzalez & Woods, Digital image processing"
    return [
        of(
            "sobel_x",
            "Sobel, horizontal",
            "Positive where brightness rises to the right, negative where it falls.",
            "Sobel & Feldman, 1968",
        ),
        of("sobel_y", "Sobel, vertical", "Positive where brightness rises downwards.", "Sobel & Feldman, 1968"),
        of("laplacian", "Laplacian", "The second derivative: both sides of an edge, with unlike signs.", gonzalez),
        of("gaussian", "Gaussian blur", "Weights fall off like a bell and sum to 1.", gonzalez, 5),
        of("box", "Box blur", "The mean of nine cells.", gonzalez),
        of("sharpen", "Sharpen", "The picture minus its Laplacian.", gonzalez, x="photo"),
        of("emboss", "Emboss", "Light from one corner: a derivative along the diagonal, with the picture kept.", gonzalez, x="photo"),
    ]
