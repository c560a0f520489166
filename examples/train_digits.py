"""A network trained on scikit-learn's 1797 digits of 8x8 pixels, with PyTorch's layers and with Faltung's, from the same seed."""

from __future__ import annotations

from sklearn.datasets import load_digits
from training import Pictures, run

import torch


def digits() -> Pictures:
    """The digits as pictures of one channel."""
    data = load_digits()
    return Pictures.split(torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, torch.tensor(data.target))


if __name__ == "__main__":
    run("digits", digits(), classes=10, epochs=6)
