"""What the layouts share, in one place to import from: roles, lettering, wording, time, marks.

Standard library only.
"""

from __future__ import annotations

from faltung.viz.pictures.hatching import hatch
from faltung.viz.pictures.lettering import LEAST_FONT, factor, fitting_size, number_text, text_width
from faltung.viz.pictures.roles import StageRoles, cell_role, emphasis, stage_roles, weight_place
from faltung.viz.pictures.timeline import Frame, Interval, Move, Shown, Timeline, contents, frames_of, runs, starts, touched
from faltung.viz.pictures.wording import arithmetic, captions, grid_title, is_flipped, kernel_title, size_text, stage_title, step_lines

__all__ = [
    "LEAST_FONT", "Frame", "Interval", "Move", "Shown", "StageRoles", "Timeline", "arithmetic", "captions", "cell_role", "contents",
    "emphasis", "factor", "fitting_size", "frames_of", "grid_title", "hatch", "is_flipped", "kernel_title", "number_text", "runs",
    "size_text", "stage_roles", "stage_title", "starts", "step_lines", "text_width", "touched", "weight_place",
]  # fmt: skip
