"""`apply`: a fully convolutional network over an image that is larger than memory, in tiles, with the borders of the whole.

Owns the graph of tiles and what a task does. How far the network looks is found by `looking`, where tiles lie by `faltung.parts`.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from faltung import __version__
from faltung.dask.convolving import as_dask, ranges
from faltung.dask.gathering import Cells, Gathering, assembled, dask_array
from faltung.dask.labelled import SAME, Places, is_labelled, labelled
from faltung.dask.looking import Looking, look
from faltung.dask.threads import engine_threads
from faltung.engine.arrays import Array
from faltung.engine.native import checked_threads, get_num_threads, using_threads
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.parts import Surroundings, spread, tile
from faltung.reach import hull

__all__ = ["apply"]


def apply(model: Any, array: Any, receptive_field: Any = None, *, chunks: Any = None, threads: int | None = None) -> Any:
    """Run a fully convolutional network over a dask array, tile by tile, with the borders of the whole.

    Each chunk of the result is a task. It reads the cells that its positions see, from a multiple of the network's stride on, runs the
    network on them and keeps its own positions. At the ends of the image the network's own padding stands; elsewhere what its padding
    spoils is not kept. The result is that of one run, up to the rounding of the library that computes: its sums may depend on sizes.

    Parameters
    ----------
    model : torch.nn.Module or callable
        From one array ``(N, C, *size)`` to one ``(N, C', *size')``; a module in ``eval`` mode, on the CPU or where it is. A callable takes
        and gives NumPy arrays and needs a `receptive_field`.
    array : dask.array.Array (N, C, *size)
        In any chunks; samples are independent of each other. An xarray ``DataArray`` gives a ``DataArray``, whose positions have the
        coordinates of the places over which they stand.
    receptive_field : optional
        What `faltung.receptive_field` says of the network, or numbers ``(size, stride, offset)``, one each or one for each axis: position o
        sees `size` cells from ``offset + o*stride`` on; layers that crop need more cells.
        A module is followed layer by layer, on two small inputs.
    chunks : optional
        Of the result, one entry for each axis; by default over those of `array`, all channels in one. Larger tiles compute less twice, and
        need memory for the network's features: for 64 channels of float32 at full resolution 256 bytes a pixel and layer.
    threads : int, optional
        Of PyTorch and of the engine inside a task; by default 1 where dask runs tasks side by side.

    Returns
    -------
    dask.array.Array (N, C', *size')

    Raises
    ------
    ConvTypeError, ConvShapeError
        The model is in training mode, does not run in tiles (global pooling, statistics over the image, circular padding, positions that
        depend on the size of the image), or gives another size than its receptive field says.
    MissingExtraError

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import faltung as fl
    >>> layers = ["conv2d(1, 1, 3, stride=2, padding=1, bias=False)", "conv2d(1, 1, 3, padding=1, bias=False)"]
    >>> def network(x):
    ...     for layer in layers:
    ...         x = fl.conv(layer, x, np.ones((1, 1, 3, 3)))
    ...     return x
    >>> image = da.random.default_rng(0).random((1, 1, 90, 70), chunks=(1, 1, 40, 32))
    >>> field = fl.receptive_field(layers, input_shape=(1, 1, 64, 64))
    >>> tiled = apply(network, image, field)
    >>> tiled.chunks[2:], np.allclose(tiled.compute(), network(image.compute()))
    (((20, 20, 5), (16, 16, 3)), True)
    """
    da = dask_array()
    x = as_dask("array", array.data if is_labelled(array) else array)
    threads = None if threads is None else checked_threads("threads", threads)
    if x.ndim < 3:
        raise ConvShapeError(f"array has shape {x.shape}, expected (N, C, *size).", "Add axes with array[None].")
    is_module = _is_module(model)
    if is_module and model.training:
        raise ConvTypeError("model is in training mode, in which samples and tiles depend on each other.", "Call model.eval() first.")
    if not is_module and (receptive_field is None or not callable(model)):
        raise ConvTypeError(
            f"model of type {type(model).__name__} is no PyTorch module, and how far it looks is not given.",
            "Give receptive_field=fl.receptive_field(…), or numbers: (size, stride, offset).",
        )
    with using_threads(threads or engine_threads()):
        seen = look(model, lambda block: _called(model, block), x.shape, x.dtype, receptive_field)
    shape = (x.shape[0], seen.channels, *seen.size)
    following = (x.chunks[0], (seen.channels,), *_following(seen, x))
    asked = following if chunks is None else da.core.normalize_chunks(chunks, shape, dtype=seen.dtype)
    if 0 in shape:
        return da.zeros(shape, dtype=seen.dtype, chunks=asked)
    wanted = tuple(tuple(size for size in along if size) for along in asked)
    result = _graph(model, x, seen, wanted, threads)
    if not is_labelled(array):
        return result
    over: list[Places] = [(centre, Fraction(cells, count)) for centre, (count, cells) in zip(seen.centres, seen.repeats, strict=True)]
    return labelled(array, result, [SAME, None, *over])


def _following(seen: Looking, x: Any) -> Iterator[tuple[int, ...]]:
    """Chunks of the result over those of x; one along axes that are not cut."""
    for outputs, chunks, (positions, cells), is_whole in zip(seen.size, x.chunks[2:], seen.repeats, seen.is_whole, strict=True):
        yield (outputs,) if is_whole else spread(outputs, chunks, cells, positions)


def _graph(model: Any, x: Any, seen: Looking, chunks: tuple[tuple[int, ...], ...], threads: int | None) -> Any:
    from dask._task_spec import DataNode, Task, TaskRef
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    da = dask_array()
    name = f"apply-{tokenize('faltung.apply', __version__, _token(model), x.name, chunks, seen.reaches, seen.repeats)}"
    space = [[_tile(seen, axis, size, outputs) for outputs in ranges(chunks[axis + 2])] for axis, size in enumerate(x.shape[2:])]
    batches: list[Cells] = [(one,) for one in ranges(chunks[0])]
    every = (range(x.shape[1]),)
    gathering = Gathering(x, f"{name}-cells", [batches, [every] * len(chunks[1]), *([one.cells for one in along] for along in space)])
    key = f"{name}-model"
    layer: dict[Any, Any] = {key: DataNode(key, model)}
    channels = [slice(one.start, one.stop) for one in ranges(chunks[1])]
    for index in itertools.product(*(range(len(along)) for along in chunks)):
        grid, blocks = gathering.refs(index)
        wanted = tuple(along[number].wanted for along, number in zip(space, index[2:], strict=True))
        sizes = (len(batches[index[0]][0]), *(along[number] for along, number in zip(chunks[1:], index[1:], strict=True)))
        job = Job(grid, (slice(None), channels[index[1]], *wanted), sizes, threads)
        layer[(name, *index)] = Task((name, *index), run_tile, job, TaskRef(key), *blocks)
    layer.update(gathering.layer)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[x])
    return da.Array(graph, name, chunks, dtype=seen.dtype, meta=np.empty((0,) * x.ndim, seen.dtype))


def _tile(seen: Looking, axis: int, size: int, outputs: range) -> Surroundings:
    if seen.is_whole[axis]:
        return Surroundings((range(size),), (), slice(outputs.start, outputs.stop))
    reach, (positions, cells) = seen.reaches[axis], seen.repeats[axis]
    ends = (
        range(outputs.start, min(outputs.start + reach.period, outputs.stop)),
        range(max(outputs.stop - reach.period, outputs.start), outputs.stop),
    )
    spans = (reach.at(place) or (place * cells // positions,) * 2 for place in itertools.chain(*ends))  # where no tap arrives
    span = hull(spans) or (0, size - 1)
    missing = seen.cropped[axis]
    return tile(size, outputs, (span[0] - missing, span[1] + missing), cells, positions, reach.size + 2 * missing)


# -- what a task does ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """One tile, apart from its cells."""

    grid: tuple[int, ...]
    wanted: tuple[slice, ...]
    shape: tuple[int, ...]
    threads: int | None


def run_tile(job: Job, model: Any, *blocks: Array) -> Array:
    """The positions of one tile that are kept."""
    block = assembled(job.grid, blocks)
    with using_threads(job.threads or engine_threads()):
        result = _called(model, block)
    kept = result[job.wanted]
    if kept.shape != job.shape:
        raise ConvShapeError(
            f"the model makes an array of shape {result.shape} of a tile of shape {block.shape}; by its receptive field positions"
            f" {_shown(job.wanted)} were expected in it.",
            "Resize by scale_factor and not to a fixed size; check the receptive field that was given.",
        )
    return np.ascontiguousarray(kept)


def _shown(places: tuple[slice, ...]) -> str:
    return ", ".join(f"{place.start} to {place.stop - 1}" for place in places[2:])


def _is_module(model: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _called(model: Any, block: Array) -> Array:
    """What the model makes of an array; a module's tensors are brought to where its parameters are, and back."""
    if not _is_module(model):
        return np.asarray(model(block))
    import torch

    parameter = next(itertools.chain(model.parameters(), model.buffers()), None)
    tensor = torch.from_numpy(np.array(block, order="C"))
    with torch.inference_mode(), _torch_threads():
        result = model(tensor if parameter is None else tensor.to(parameter.device))
    array: Array = result.cpu().numpy()
    return array


@contextlib.contextmanager
def _torch_threads() -> Iterator[None]:
    """PyTorch with as many threads as the engine has here."""
    import torch

    before, wanted = torch.get_num_threads(), get_num_threads()
    if before == wanted:
        yield
        return
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _token(model: Any) -> Any:
    """What tells a network from others: of a module its text and its numbers."""
    if not _is_module(model):
        return model
    return type(model).__qualname__, repr(model), [(name, tensor.detach().cpu().numpy()) for name, tensor in model.state_dict().items()]
