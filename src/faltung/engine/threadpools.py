"""The engine's threads as threadpoolctl sees them: ``threadpool_info()`` lists them, ``threadpool_limits(1)`` limits them.

Imports threadpoolctl, where it is installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from faltung import __version__

__all__ = ["register"]


def register(get_num_threads: Callable[[], int], limit_threads: Callable[[int], None], most: int) -> bool:
    """Make the engine known to threadpoolctl; false where that is not installed, or too old. It may set 1 to `most` threads.

    To be called once, when the compiled module is loaded: libraries that threadpoolctl has seen before and did not know are not looked
    at again by each of its versions.
    """
    try:
        threadpoolctl = importlib.import_module("threadpoolctl")
        add, base = threadpoolctl.register, threadpoolctl.LibController
    except (ImportError, AttributeError):
        return False

    class FaltungController(base):  # type: ignore[misc, valid-type]
        """How threadpoolctl asks and tells."""

        user_api = internal_api = "faltung"
        filename_prefixes = ("_native",)
        check_symbols = ("faltung_most_threads",)  # other packages, too, have a module of that name

        def get_num_threads(self) -> int:
            return get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            limit_threads(max(1, min(num_threads, most)))

        def get_version(self) -> str:
            return __version__

    add(FaltungController)
    return True
