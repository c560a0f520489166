"""What `pip install 'faltung[plot]'` promises: plots, and moving pictures in every form."""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("agg")

import faltung as fl

assert fl.plot_kernels(np.random.default_rng(0).standard_normal((4, 3, 3, 3))) is not None
assert fl.plot_frequency_response(np.ones((3, 3)) / 9) is not None
animation = fl.animate("conv2d(1, 1, 3)", x=np.arange(25).reshape(1, 5, 5))
with tempfile.TemporaryDirectory() as folder:
    for kind in ("gif", "svg", "html", "png", "mp4"):
        path = Path(folder) / f"animation.{kind}"
        animation.save(path)
        assert path.stat().st_size > 500, kind
