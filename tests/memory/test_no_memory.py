"""No memory: the call says so, and the next one is right."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.engine import run_python

HERE = Path(__file__).parent


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")
def test_every_allocation_refused_in_turn(tmp_path: Path) -> None:
    """Each of C++, of calls of every kind on three threads: a result or an error, never the end of the process."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no compiler")
    library = tmp_path / "failing_new.so"
    subprocess.run([compiler, "-std=c++17", "-O1", "-shared", "-fPIC", HERE / "failing_new.cpp", "-o", library], check=True)
    found = subprocess.run(
        [sys.executable, HERE / "exhausting.py", library], env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr[-3000:]
    assert int(found.stdout) > 80


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS")
def test_a_process_with_little_memory() -> None:
    """Calls that need more than is left are a `ConvError` or a `MemoryError` with the number of bytes; small ones go on."""
    done = run_python(
        """
        import resource
        from pathlib import Path

        import numpy as np

        import faltung as fl
        from faltung import ndimage, signal

        fl.set_num_threads(2)
        x, weight = np.ones((1, 8, 40, 40), np.float32), np.ones((8, 8, 3, 3), np.float32)
        expected = fl.conv2d(x, weight)
        large = np.ones((1, 8, 900, 900), np.float32)
        fl.conv2d(large[..., :100, :100], weight)
        ndimage.gaussian_filter(large[0, 0], 2), signal.fftconvolve(x[0, 0], x[0, 1])
        calls = {
            "conv": lambda: fl.conv2d(large, weight),
            "in half precision": lambda: fl.conv2d(large.astype(np.float16), weight.astype(np.float16)),
            "gradient": lambda: fl.conv_input_grad(fl.ConvSpec(8, 8, 3, ndim=2, padding=1), large, weight, (900, 900)),
            "integers": lambda: fl.conv2d(large.astype(np.int8), weight.astype(np.int8)),
            "complex": lambda: fl.conv2d(large + 1j * large, weight + 0j),
            "unfold": lambda: fl.unfold(large, 3),
            "filter": lambda: ndimage.gaussian_filter(large.astype(np.float64), (0, 0, 3, 3)),
            "box": lambda: ndimage.uniform_filter(np.ones((3000, 3000)), 9),
            "signal": lambda: signal.fftconvolve(large[0, 0], large[0, 1]),
        }
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        refused = 0
        for name, call in calls.items():
            for spare in (2, 6, 12, 20, 30, 45):
                resource.setrlimit(resource.RLIMIT_AS, (used + spare * 2**20, resource.RLIM_INFINITY))
                try:
                    call()
                except (fl.ConvError, MemoryError) as error:
                    refused += 1
                    assert any(character.isdigit() for character in str(error)), (name, spare, error)
                finally:
                    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                np.testing.assert_array_equal(fl.conv2d(x, weight), expected)
        assert refused > 20, refused
        print(refused, "refused")
        """
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith(" refused\n")
