"""The gallery: a moving picture of every kind of convolution.

``python -m faltung.viz.gallery FOLDER`` (or ``make gallery``) writes every picture as SVG, GIF and PNG, and a page.
"""

from __future__ import annotations

from faltung.viz.gallery.cases import CASES, Case, case
from faltung.viz.gallery.page import write_gallery

__all__ = ["CASES", "Case", "case", "write_gallery"]
