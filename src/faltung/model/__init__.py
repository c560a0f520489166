"""Whole models: what each layer costs, sees and shows, read from a PyTorch module or an ONNX file."""

from __future__ import annotations

from faltung.model.fields import Box, ReceptiveField, receptive_field

__all__ = ["Box", "ReceptiveField", "receptive_field"]
