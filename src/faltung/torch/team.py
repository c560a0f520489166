"""The engine on PyTorch's own threads.

PyTorch's OpenMP workers wait awake for milliseconds after each of its operations. Workers of the engine beside them would share the
processors with them for as long, so within one process both use the same threads.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import torch
from faltung.engine.native import borrow_team

__all__ = ["share_threads"]


def share_threads() -> bool:
    """Let the engine run on PyTorch's threads; false where PyTorch keeps none that can be shared, and the engine has its own."""
    if not hasattr(os, "RTLD_NOLOAD"):
        return False
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        addresses = [ctypes.cast(library[name], ctypes.c_void_p).value or 0 for name in ("GOMP_parallel", "omp_get_thread_num")]
    except (OSError, AttributeError):
        return False
    borrow_team(*addresses)
    return all(addresses)
