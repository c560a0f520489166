"""What `pip install 'faltung[peers]'` promises: Faltung measured beside every other library."""

from __future__ import annotations

import json
import subprocess
import sys

PEERS = {"torch", "onnxruntime", "openvino", "ncnn", "jax", "opencv"}

command = [sys.executable, "-m", "faltung", "bench", "--layers", "-", "--rounds", "3", "--json"]
done = subprocess.run(
    command, input="conv2d(16, 16, 3, padding=1) @ 1x16x28x28\n", capture_output=True, text=True, check=False, timeout=300
)
assert done.returncode == 0, done.stdout + done.stderr
missing = {name for name in PEERS if name not in json.dumps(json.loads(done.stdout))}
assert not missing, missing
