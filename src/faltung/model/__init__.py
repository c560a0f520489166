"""Whole models: what each layer costs, sees and shows, read from a PyTorch module or an ONNX file."""

from __future__ import annotations

from faltung.model.field import Box, ReceptiveField
from faltung.model.fields import receptive_field
from faltung.model.heat import HeatMap, grad_cam
from faltung.model.inputs import Preprocess
from faltung.model.maps import FeatureMap, FeatureMaps, feature_maps
from faltung.model.maximising import ActivationPicture, maximize_activation

__all__ = [
    "ActivationPicture", "Box", "FeatureMap", "FeatureMaps", "HeatMap", "Preprocess", "ReceptiveField", "feature_maps", "grad_cam",
    "maximize_activation", "receptive_field",
]  # fmt: skip
