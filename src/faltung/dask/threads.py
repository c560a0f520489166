"""How many threads the engine takes inside a task, so that those of dask and those of the engine are not multiplied."""

from __future__ import annotations

import multiprocessing
import threading

from faltung.engine.native import get_num_threads

__all__ = ["engine_threads"]


def engine_threads() -> int:
    """`faltung.get_num_threads` where tasks run one after another, else 1.

    Dask's synchronous scheduler runs tasks in the thread that asked for the result, which is taken for the process' main thread. Every
    other scheduler runs them in threads of its own (threads, distributed workers) or in processes that it started, one for each core.
    """
    is_alone = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    return get_num_threads() if is_alone else 1
