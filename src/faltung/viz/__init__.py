"""Seeing convolutions: every term of every output, the scene, pictures and plots.

Names are loaded when first used: a scene needs the standard library alone, products need NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faltung.viz.explanation import Explanation, explain
    from faltung.viz.terms import Product, Terms, Uses

__all__ = ["Explanation", "Product", "Terms", "Uses", "explain"]

_HOMES = {"Explanation": "explanation", "explain": "explanation", "Product": "terms", "Terms": "terms", "Uses": "terms"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'faltung.viz' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"faltung.viz.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
