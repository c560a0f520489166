"""Receptive fields: composed, measured by gradient, drawn."""
