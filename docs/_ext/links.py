"""Links of the built pages, checked when they have been written: each mistake is a warning, and ``make docs`` takes warnings for errors."""

from __future__ import annotations

from pathlib import Path

from link_problems import problems
from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for problem in problems(Path(app.outdir)):
            _log.warning(problem, type="links")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("build-finished", _check, priority=900)  # after everything has been copied
    return {"parallel_read_safe": True, "parallel_write_safe": True}
