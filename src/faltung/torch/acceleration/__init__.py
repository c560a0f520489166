"""`accelerate`: a model's convolutions by Faltung where they measured faster, undone by one call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from faltung.errors import ConvError, ConvTypeError
from faltung.torch.acceleration.chains import Chain, chains_of
from faltung.torch.acceleration.exported import exported, tensor_of
from faltung.torch.acceleration.fused import Fused, FusedConv, Passing
from faltung.torch.acceleration.measuring import Compared, compared
from faltung.torch.acceleration.operations import Conv
from faltung.torch.acceleration.read import Read
from faltung.torch.acceleration.reading import read
from faltung.torch.acceleration.report import AccelerationReport, Row
from faltung.torch.acceleration.rerouting import Rerouted
from faltung.torch.acceleration.watching import tensors_in, watch
from faltung.torch.acceleration.whole import Whole
from faltung.torch.tensors import is_served
from torch import Tensor, nn

__all__ = ["AccelerationReport", "accelerate", "restore"]

OURS = (Fused, Passing, Rerouted, Whole)
CLEARLY_SLOWER = 0.8
"""Convolutions of a graph may be PyTorch's where Faltung was so many times as fast alone."""
CLEARLY_FASTER = 1.03
"""They are, where the graph becomes so many times as fast by it: what measured slower alone may have been disturbed. So many times as fast
as the graph have layers to be that are swapped one by one."""

CERTAIN = 1.5
"""Times as fast that a model is taken to be without measuring it once more, for longer, after the choice."""
WORTHWHILE = 1.1
"""Times as fast that a whole model has to be, or it is left as it was: what measures less may be slower a minute later."""


def accelerate(
    model: nn.Module,
    example_input: Any,
    *,
    fuse: bool = True,
    graph: bool = True,
    trainable: bool = False,
    least_gain: float = 1.05,
    rounds: int = 5,
    seconds: float = 0.01,
) -> tuple[nn.Module, AccelerationReport]:
    """Let Faltung compute those convolutions of a model that it computes faster.

    The model is run once and watched; each of its convolutions is measured both ways on the tensors that it met, and swapped where
    Faltung won. The object stays the same: classes, parameters, state and hooks are as before.

    Parameters
    ----------
    model : torch.nn.Module
        Put into evaluation with ``model.eval()`` if batch norms shall be folded.
    example_input : tensor or tuple of arguments
        Of the shapes that will be met; other shapes work, unmeasured.
    fuse : bool
        Fold batch norms and activations that alone take a convolution's result into it, for calls without gradients.
    graph : bool
        With `fuse`, let calls like the example run as a graph, if ``torch.export`` finds one and that is faster still: paddings, residual
        sums, joined channels and what else lies between convolutions are computed with them, and their memory is used again.
    trainable : bool
        Use Faltung in calls with gradients too; else these are PyTorch's, as before.
    least_gain : float
        Swap where PyTorch takes at least so many times as long.
    rounds, seconds : int, float
        Of each measurement.

    Returns
    -------
    model : torch.nn.Module
        The one given.
    report : AccelerationReport
        A row for each convolution; ``report.undo()`` takes everything back.

    Raises
    ------
    ConvTypeError
        `model` is no module.

    Notes
    -----
    Parameters may change afterwards: a change that PyTorch counts (in place, by an optimiser, by ``load_state_dict``, another tensor in
    ``parameter.data``) is seen. One made in place through ``parameter.data`` is not; call ``report.undo()`` before.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    >>> model, report = accelerate(model, torch.randn(1, 3, 32, 32), rounds=1, least_gain=0.0)
    >>> report.rows[0].fused, report.error < 1e-4
    (('batch norm', 'relu'), True)
    >>> report.undo() is model
    True
    """
    if not isinstance(model, nn.Module):
        raise ConvTypeError(f"model is of type {type(model).__name__}, a torch.nn.Module is needed.", "Wrap a function in a module.")
    restore(model)
    example = example_input if isinstance(example_input, tuple) else (example_input,)
    watched = watch(model, example)
    options = {"rounds": rounds, "seconds": seconds}
    found, reason = _read(model, example) if fuse and graph and any(model.children()) else (None, "")
    chains = chains_of(model, watched, fuse=fuse)
    rows = [_swapped(chain, trainable=trainable, least_gain=least_gain, options=options) for chain in chains]
    whole, runs = _compared_with_whole(model, example, rounds=rounds), 0
    if found is not None:
        graph_rows, compared_graph, forward = _with_graph(model, example, found, list(zip(chains, rows, strict=True)), rounds=rounds)
        if CLEARLY_FASTER * compared_graph.ratio >= whole.ratio:
            rows, whole, runs = graph_rows, compared_graph, len(forward.segments)
            model.__dict__["forward"] = forward
        else:
            reason = "the whole graph was not faster"
    if 1 <= whole.ratio < CERTAIN:  # the best of several measurements flatters what it chose
        whole = _compared_with_whole(model, example, rounds=2 * max(rounds, 3))
    if whole.ratio < WORTHWHILE:  # what each gains alone is lost between them, or may be in another measurement
        restore(model)
        rows = [replace(row, swapped=False, reason=row.reason or "the whole model was not clearly faster") for row in rows]
        whole, runs = Compared(whole.before, whole.before, 1.0), 0
    with torch.no_grad():
        error = _distance(model(*example), watched.result)
    return model, AccelerationReport(tuple(rows), whole.before, whole.after, whole.ratio, error, model, runs, reason)


def restore(model: nn.Module) -> nn.Module:
    """Undo `accelerate`: every module computes as its class does."""
    for module in model.modules():
        if isinstance(module.__dict__.get("forward"), OURS):
            del module.__dict__["forward"]
    return model


def _swapped(chain: Chain, *, trainable: bool, least_gain: float, options: dict[str, Any]) -> Row:
    """Measure one convolution, and swap it where that pays."""
    x = chain.x
    fused = (("batch norm",) if chain.norm is not None else ()) + ((chain.activation,) if chain.activation is not None else ())
    row = Row(chain.name, str(chain.spec or chain.call.function), tuple(x.shape), fused, 0.0, 0.0, 0.0, "", 0.0, False)
    if chain.spec is None or not is_served(*chain.call.tensors):
        return replace(row, reason=f"{x.dtype} on {x.device} is left to PyTorch")
    try:
        forward, conv = _forward_of(chain, trainable=trainable)
        with torch.no_grad():
            prepared = conv.call_for(x).prepared
            found, expected = conv(x), chain.eagerly()
            times = compared(chain.eagerly, lambda: conv(x), **options)
    except ConvError as error:
        return replace(row, reason=str(error).splitlines()[0])
    row = replace(row, before_seconds=times.before, after_seconds=times.after, ratio=times.ratio)
    row = replace(row, algorithm=prepared.plan.algorithm, error=_distance(found, expected))
    if times.ratio < least_gain:
        return replace(row, reason="not faster")
    chain.layer.__dict__["forward"] = forward
    for module in (chain.norm, chain.activator):
        if module is not None and "forward" not in module.__dict__:
            module.__dict__["forward"] = Passing(module)
    return replace(row, swapped=True)


def _forward_of(chain: Chain, *, trainable: bool) -> tuple[Fused | Rerouted, FusedConv]:
    """What takes the place of the forward that made the call, and what it computes."""
    if chain.is_layer:
        forward = Fused(chain, trainable=trainable)
        return forward, forward.conv
    conv = FusedConv(chain)
    # Where a forward makes several calls, all of them are Faltung's, and nothing is folded.
    return Rerouted(chain.layer, conv if chain.is_alone else None, trainable=trainable), conv


def _read(model: nn.Module, example: tuple[Any, ...]) -> tuple[Read | None, str]:
    """The model's graph, or why there is none."""
    try:
        found = read(exported(model, example))
    except ConvTypeError as error:
        return None, str(error).splitlines()[0].removeprefix("ConvTypeError: ").rstrip(".")
    return (found, "") if found.convolutions else (None, "no convolution was found in its graph")


def _with_graph(
    model: nn.Module, example: tuple[Any, ...], found: Read, measured: list[tuple[Chain, Row]], *, rounds: int
) -> tuple[list[Row], Compared, Whole]:
    """The model's graph: with all convolutions Faltung's, or with those left to PyTorch that it computes clearly faster."""
    row_of = {id(chain.weight): row for chain, row in measured}
    rows_of = {conv: row_of.get(id(tensor_of(found.graph, conv.weight))) for conv in found.convolutions if conv.weight is not None}
    slower = [conv for conv, row in rows_of.items() if row is not None and 0 < row.ratio < CLEARLY_SLOWER]
    best: tuple[Compared, Whole, list[Conv]] | None = None
    had = model.__dict__.get("forward")
    for by_pytorch in ([], slower) if slower else ([],):
        for conv in found.convolutions:
            conv.by_pytorch = conv in by_pytorch
        forward = Whole(model, example, found)
        model.__dict__["forward"] = forward
        times = _compared_with_whole(model, example, rounds=rounds)
        if best is None or times.ratio > CLEARLY_FASTER * best[0].ratio:
            best = times, forward, by_pytorch
    assert best is not None
    for conv in found.convolutions:
        conv.by_pytorch = conv in best[2]
    del model.__dict__["forward"]
    if had is not None:
        model.__dict__["forward"] = had
    of_row = {id(row): conv for conv, row in rows_of.items()}
    rows = [_in_graph(row, of_row.get(id(row)), best[2]) for _, row in measured]
    return rows, best[0], best[1]


def _in_graph(row: Row, conv: Conv | None, by_pytorch: list[Conv]) -> Row:
    """What became of a convolution in the graph."""
    if conv is None:
        return replace(row, swapped=False, reason=row.reason or "not found in the graph")
    if conv in by_pytorch:
        return replace(row, fused=conv.fused, swapped=False, reason="not faster")
    return replace(row, fused=conv.fused, swapped=True, reason="")


def _compared_with_whole(model: nn.Module, example: tuple[Any, ...], *, rounds: int) -> Compared:
    """The model before and as it is now."""
    own = {module: module.__dict__["forward"] for module in model.modules() if "forward" in module.__dict__}
    own = {module: forward for module, forward in own.items() if isinstance(forward, OURS)}

    @contextlib.contextmanager
    def as_before() -> Iterator[None]:
        for module in own:
            del module.__dict__["forward"]
        try:
            yield
        finally:
            for module, forward in own.items():
                module.__dict__["forward"] = forward

    def run() -> None:
        with torch.no_grad():
            model(*example)

    def run_before() -> None:
        with as_before():
            run()

    return compared(run_before, run, rounds=max(rounds, 3), seconds=0.05)


def _distance(found: Any, expected: Any) -> float:
    """Largest difference of two results, over the largest number of the second."""
    pairs = list(zip(_flat(found), _flat(expected), strict=True))
    largest = max((float(other.abs().max()) for _, other in pairs if other.numel()), default=0.0)
    apart = max((float((one.double() - other.double()).abs().max()) for one, other in pairs if other.numel()), default=0.0)
    return apart / largest if largest else apart


def _flat(result: Any) -> list[Tensor]:
    return [tensor for tensor in tensors_in((result,)) if tensor.is_floating_point()]
