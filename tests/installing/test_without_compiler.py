"""Who builds without a compiler, or with one that cannot, is told what is missing and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def configured(folder: Path, **environment: str) -> str:
    """What CMake says of the sources; as one line, since it breaks lines where it likes."""
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if cmake is None:
        pytest.skip("CMake is not installed")
    command = [cmake, "-S", str(ROOT), "-B", str(folder / "build"), f"-DPython_EXECUTABLE={sys.executable}"]
    plain = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX", "CMAKE_GENERATOR")}
    done = subprocess.run(command, env=plain | environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    return " ".join(done.stderr.split())


def test_compiler_not_there(tmp_path: Path) -> None:
    said = configured(tmp_path, CXX="/not/there/g++")
    assert 'needs a C++17 compiler, GCC or Clang. The one that the environment variable CXX names, "/not/there/g++"' in said
    assert "apt-get install g++ python3-dev" in said
    assert "pip install --only-binary faltung faltung" in said


def test_compiler_of_another_kind(tmp_path: Path) -> None:
    """One that works for CMake, and is told to be none of those that the engine is written for."""
    preset = tmp_path / "preset.cmake"
    preset.write_text('set(CMAKE_CXX_COMPILER_ID_RUN TRUE)\nset(CMAKE_CXX_COMPILER_ID "MSVC")\nset(CMAKE_CXX_COMPILER_FORCED TRUE)\n')
    said = configured(tmp_path, CMAKE_TOOLCHAIN_FILE=str(preset))
    assert "Faltung is written for GCC and Clang" in said
    assert "Windows is not served" in said
