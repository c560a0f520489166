"""A network that tells faces from other things on scikit-image's 200 pictures of 25x25 pixels, with either kind of layers."""

from __future__ import annotations

from skimage.data import lfw_subset
from training import Pictures, run

import torch


def faces() -> Pictures:
    """A hundred faces, then a hundred pictures of other things."""
    pictures = torch.tensor(lfw_subset(), dtype=torch.float32)[:, None]
    return Pictures.split(pictures, torch.tensor([1] * 100 + [0] * 100))


if __name__ == "__main__":
    run("faces", faces(), classes=2, epochs=12)
