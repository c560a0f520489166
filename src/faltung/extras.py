"""Optional dependencies: imported when they are needed, and what is said when one is missing.

Imports nothing of the package but `errors`.
"""

from __future__ import annotations

import importlib
from typing import Any

from faltung.errors import ConvError

__all__ = ["MissingExtraError", "optional"]


class MissingExtraError(ConvError, ImportError):
    """A package is needed that is installed with one of Faltung's extras, and is not there."""


def optional(module: str, *, extra: str, purpose: str, package: str | None = None) -> Any:
    """Import a module of an optional dependency.

    Parameters
    ----------
    module : str
        Its dotted name.
    extra : str
        The extra of Faltung that installs it.
    purpose : str
        What needs it, as the subject of the message.
    package : str, optional
        What is installed, where its name is not the module's.

    Raises
    ------
    MissingExtraError
        It is not installed.

    >>> optional("not_there.at_all", extra="plot", purpose="drawing kernels")
    Traceback (most recent call last):
    faltung.extras.MissingExtraError: drawing kernels needs not_there, which is not installed.
      Run pip install 'faltung[plot]'.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        # Another module that is missing inside the package is a fault to be seen, not one of the user's.
        if (error.name or "").partition(".")[0] != top:
            raise
        raise MissingExtraError(
            f"{purpose} needs {package or top}, which is not installed.", f"Run pip install 'faltung[{extra}]'."
        ) from None
