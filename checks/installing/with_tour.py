"""What `pip install 'faltung[tour]'` promises: pictures are read and written, and the tour runs on a photograph."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run(
        [sys.executable, "-m", "faltung", "tour", "--out", folder, "--json"], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)
    assert (Path(folder) / "index.html").stat().st_size > 100_000
    picture, blurred = Path(folder) / "picture.png", Path(folder) / "blurred.png"
    from skimage import data, io

    io.imsave(picture, data.camera())
    run = [sys.executable, "-m", "faltung", "run", "conv2d(1, 1, 3)", str(picture), "--kernel", "gaussian(3)", "--out", str(blurred)]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL, timeout=60)
    assert blurred.stat().st_size > 10_000
