"""Whole models: what each layer costs, sees and shows, read from a PyTorch module or an ONNX file."""

from __future__ import annotations

from faltung.model.advice import Advice
from faltung.model.aliasing import anti_aliased
from faltung.model.auditing import Audit, audit
from faltung.model.field import Box, ReceptiveField
from faltung.model.fields import receptive_field
from faltung.model.heat import HeatMap, grad_cam
from faltung.model.inputs import Preprocess
from faltung.model.maps import FeatureMap, FeatureMaps, feature_maps
from faltung.model.maximising import ActivationPicture, maximize_activation
from faltung.model.reporting import Report, report
from faltung.model.rows import Layer, Totals
from faltung.model.shift_report import Equivariance
from faltung.model.shifting import equivariance

__all__ = [
    "ActivationPicture", "Advice", "Audit", "Box", "Equivariance", "FeatureMap", "FeatureMaps", "HeatMap", "Layer", "Preprocess",
    "ReceptiveField", "Report", "Totals", "anti_aliased", "audit", "equivariance", "feature_maps", "grad_cam", "maximize_activation",
    "receptive_field", "report",
]  # fmt: skip
