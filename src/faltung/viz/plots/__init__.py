"""Plots on matplotlib's Axes: each takes `ax`, or makes a figure, and returns the Axes that it drew on."""

from __future__ import annotations

from faltung.viz.plots.circulant import plot_circulant
from faltung.viz.plots.feature_maps import plot_feature_maps
from faltung.viz.plots.frequency_response import plot_frequency_response
from faltung.viz.plots.kernels import plot_kernels
from faltung.viz.plots.matrix import plot_matrix
from faltung.viz.plots.output_against_input import plot_output_against_input
from faltung.viz.plots.receptive_field import plot_receptive_field
from faltung.viz.plots.separable_approximations import plot_separable_approximations

__all__ = [
    "plot_circulant",
    "plot_feature_maps",
    "plot_frequency_response",
    "plot_kernels",
    "plot_matrix",
    "plot_output_against_input",
    "plot_receptive_field",
    "plot_separable_approximations",
]
