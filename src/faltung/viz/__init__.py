"""Seeing convolutions: every term of every output."""

from __future__ import annotations

from faltung.viz.explanation import Explanation, explain
from faltung.viz.terms import Product, Terms, Uses

__all__ = ["Explanation", "Product", "Terms", "Uses", "explain"]
