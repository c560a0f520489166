"""The eleven subjects of the tour, one file each, in the order of the page.

Each file has one function ``section(photograph, clock) -> Section``: it computes with the public functions,
puts what it claims to the test, and returns data.
"""

from __future__ import annotations

from collections.abc import Callable

from faltung.tour.clock import Clock
from faltung.tour.photograph import Photograph
from faltung.tour.section import Section
from faltung.tour.sections import (
    catalogue,
    colour,
    convolution,
    correlation,
    depthwise_separable,
    equivariance,
    feature_maps,
    functions,
    pointwise,
    shapes,
    transposed,
)

__all__ = ["SECTIONS"]

SECTIONS: tuple[tuple[str, Callable[[Photograph, Clock], Section]], ...] = (
    ("Cross-correlation", correlation.section),
    ("Convolution", convolution.section),
    ("The kinds of convolution", catalogue.section),
    ("The shape of the output", shapes.section),
    ("Colour images", colour.section),
    ("Transposed convolution", transposed.section),
    ("Pointwise convolution", pointwise.section),
    ("Depthwise separable convolution", depthwise_separable.section),
    ("Function and layer", functions.section),
    ("Feature maps", feature_maps.section),
    ("Shift equivariance", equivariance.section),
)
"""Title (for a progress bar, before the section exists) and function."""
