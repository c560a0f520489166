"""The tasks of a dask array run on whatever scheduler there is, their results handed over one by one as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from faltung.extras import optional

__all__ = ["run_tasks"]


def run_tasks(array: Any, keys: Sequence[Hashable], done: Callable[[Any], None], scheduler: Any = None) -> None:
    """Compute these keys of a dask array and call `done` with each result, in this thread, as soon as it is there.

    Parameters
    ----------
    array : dask array
        Whose blocks are results, small ones: they are kept until the end.
    keys : sequence
        Of the blocks wanted; whatever only others need is not computed.
    done : callable
        What it raises ends the computation.
    scheduler : str, callable, Client or Executor, optional
        As dask's own ``scheduler=``; by default what dask is set to, a ``distributed.Client`` included.
    """
    base = optional("dask.base", extra="dask", purpose="faltung.dask")
    get = base.get_scheduler(scheduler=scheduler, collections=[array])
    graph = array.__dask_optimize__(array.__dask_graph__(), list(keys))
    client = getattr(get, "__self__", None)
    distributed = sys.modules.get("distributed")
    if distributed is not None and isinstance(client, distributed.Client):
        _run_distributed(distributed, client, graph, keys, done)
        return
    callbacks = optional("dask.callbacks", extra="dask", purpose="faltung.dask")
    wanted = set(keys)

    def finished(key: Hashable, result: Any, *_: Any) -> None:
        if key in wanted:
            done(result)

    with callbacks.Callback(posttask=finished):
        get(graph, list(keys))


def _run_distributed(distributed: Any, client: Any, graph: Any, keys: Sequence[Hashable], done: Callable[[Any], None]) -> None:
    futures = client.get(graph, list(keys), sync=False)
    try:
        for future, result in distributed.as_completed(futures, with_results=True):
            future.release()
            done(result)
    except BaseException:
        client.cancel(futures, force=True)
        raise
