"""Faltung: convolution computed, explained, trained and measured.

``import faltung as fl`` gives the names below. They are loaded when first used: the description alone
(`ConvSpec`, the errors) needs nothing but the standard library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faltung import dask as dask
    from faltung import identities as identities
    from faltung import ndimage as ndimage
    from faltung.adjoint import Adjoint
    from faltung.engine.native import get_num_threads, set_num_threads
    from faltung.engine.plan import Plan, PreparedConv, plan
    from faltung.errors import ConvError, ConvPlanError, ConvShapeError, ConvSpecError, ConvTypeError
    from faltung.functional import (
        conv,
        conv1d,
        conv2d,
        conv3d,
        conv_input_grad,
        conv_transpose1d,
        conv_transpose2d,
        conv_transpose3d,
        conv_weight_grad,
        convolve,
        correlate,
        depthwise_separable_conv2d,
        fold,
        separable_conv2d,
        unfold,
    )
    from faltung.model import Audit, audit, equivariance, feature_maps, grad_cam, maximize_activation, receptive_field
    from faltung.spec import ConvSpec
    from faltung.viz import Explanation, Terms, explain
    from faltung.viz.pictures.animate import animate, receptive_pyramid
    from faltung.viz.pictures.animation import Animation
    from faltung.viz.plots import (
        plot_circulant,
        plot_feature_maps,
        plot_frequency_response,
        plot_kernels,
        plot_matrix,
        plot_output_against_input,
        plot_receptive_field,
        plot_separable_approximations,
    )
    from faltung.viz.scene import Scene, scene

__version__ = "0.1.0"

__all__ = [
    "Adjoint", "Animation", "Audit", "ConvError", "ConvPlanError", "ConvShapeError", "ConvSpec", "ConvSpecError", "ConvTypeError",
    "Explanation", "Plan", "PreparedConv", "Scene", "Terms", "animate", "audit", "conv", "conv1d", "conv2d", "conv3d",
    "conv_input_grad", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_weight_grad", "convolve", "correlate",
    "depthwise_separable_conv2d", "equivariance", "explain", "feature_maps", "fold", "get_num_threads", "grad_cam",
    "maximize_activation", "plan", "plot_circulant", "plot_feature_maps", "plot_frequency_response", "plot_kernels", "plot_matrix",
    "plot_output_against_input", "plot_receptive_field", "plot_separable_approximations", "receptive_field", "receptive_pyramid",
    "scene", "separable_conv2d", "set_num_threads", "unfold",
]  # fmt: skip

_HOMES = {
    "adjoint": ("Adjoint",),
    "engine.native": ("get_num_threads", "set_num_threads"),
    "engine.plan": ("Plan", "PreparedConv", "plan"),
    "errors": ("ConvError", "ConvPlanError", "ConvShapeError", "ConvSpecError", "ConvTypeError"),
    "model": (
        "Audit",
        "audit",
        "equivariance",
        "feature_maps",
        "grad_cam",
        "maximize_activation",
        "receptive_field",
    ),
    "spec": ("ConvSpec",),
    "viz": ("Explanation", "Terms", "explain"),
    "viz.pictures.animate": ("animate", "receptive_pyramid"),
    "viz.pictures.animation": ("Animation",),
    "viz.plots": (
        "plot_circulant",
        "plot_feature_maps",
        "plot_frequency_response",
        "plot_kernels",
        "plot_matrix",
        "plot_output_against_input",
        "plot_receptive_field",
        "plot_separable_approximations",
    ),
    "viz.scene": ("Scene", "scene"),
}
_PACKAGES = ("dask", "identities", "ndimage")
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"faltung.{name}")  # which also makes it an attribute here
    if name not in __all__:
        raise AttributeError(f"module 'faltung' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"faltung.{_HOME_OF.get(name, 'functional')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
