"""On PYTHONPATH: `faltung._native` is the module that FALTUNG_NATIVE names, in this process and in those that it starts."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any


class _Sanitized:
    """Finds that one module, before anything else does."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        return importlib.util.spec_from_file_location(name, os.environ["FALTUNG_NATIVE"]) if name == "faltung._native" else None


if "FALTUNG_NATIVE" in os.environ:
    sys.meta_path.insert(0, _Sanitized)  # type: ignore[arg-type]
