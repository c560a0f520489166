"""Whole models: what each layer costs, sees and shows, read from a PyTorch module or an ONNX file."""

from __future__ import annotations

from faltung.model.auditing.advice import Advice
from faltung.model.auditing.audit import Audit, audit
from faltung.model.auditing.rows import Layer, Totals
from faltung.model.fields.field import Box, ReceptiveField
from faltung.model.fields.finding import receptive_field
from faltung.model.inputs import Preprocess
from faltung.model.reporting import Report, report
from faltung.model.seeing.heat import HeatMap, grad_cam
from faltung.model.seeing.maps import FeatureMap, FeatureMaps, feature_maps
from faltung.model.seeing.maximising import ActivationPicture, maximize_activation
from faltung.model.shifting.aliasing import anti_aliased
from faltung.model.shifting.found import Equivariance
from faltung.model.shifting.measuring import equivariance

__all__ = [
    "ActivationPicture", "Advice", "Audit", "Box", "Equivariance", "FeatureMap", "FeatureMaps", "HeatMap", "Layer", "Preprocess",
    "ReceptiveField", "Report", "Totals", "anti_aliased", "audit", "equivariance", "feature_maps", "grad_cam", "maximize_activation",
    "receptive_field", "report",
]  # fmt: skip
