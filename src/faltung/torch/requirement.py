"""PyTorch there, and new enough. Imports nothing of the package but `errors` and `extras`."""

from __future__ import annotations

from typing import Any

from faltung.errors import ConvError
from faltung.extras import optional

__all__ = ["OLDEST", "UnsupportedTorchError", "required_torch"]

OLDEST = (2, 4)
"""The first PyTorch with the operator registrations that are used here."""


class UnsupportedTorchError(ConvError, ImportError):
    """The PyTorch that is installed is too old."""


def required_torch() -> Any:
    """The module ``torch``.

    Raises
    ------
    MissingExtraError
        It is not installed.
    UnsupportedTorchError
        It is older than `OLDEST`.
    """
    module = optional("torch", extra="torch", purpose="faltung.torch", package="PyTorch")
    check_version(module.__version__)
    return module


def check_version(version: str) -> None:
    """Raise `UnsupportedTorchError` for a version before `OLDEST`.

    >>> check_version("2.13.0+cpu")
    >>> check_version("1.13.1")
    Traceback (most recent call last):
    faltung.torch.requirement.UnsupportedTorchError: faltung.torch needs PyTorch 2.4 or newer, 1.13.1 is installed.
      Run pip install --upgrade 'faltung[torch]'.
    """
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise UnsupportedTorchError(
            f"faltung.torch needs PyTorch {'.'.join(map(str, OLDEST))} or newer, {version} is installed.",
            "Run pip install --upgrade 'faltung[torch]'.",
        )
