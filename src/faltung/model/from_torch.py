"""A live PyTorch module as a `Graph`: it is run once, and what ran is written down.

Modules, functional calls, operators, arithmetic: all are the same here, because PyTorch's own operators are watched as they run. Where the
way depends on the numbers, the graph is the way that this example took.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn.parameter import UninitializedBuffer, is_lazy

import torch
from faltung.errors import ConvTypeError, shown
from faltung.model.graph import Graph, Weight
from faltung.model.operations import Convolve, Pad
from faltung.model.torch_module.examples import argument_names, example_for
from faltung.model.torch_module.failures import explained, place
from faltung.model.torch_module.tape import Names, Slot, Step, Tape, dtype_name
from faltung.model.torch_module.untouched import untouched
from faltung.model.torch_module.watching import Watching
from faltung.torch.specs import from_module
from torch import Tensor, nn

__all__ = ["record"]


def record(model: nn.Module, example: Any = None) -> Graph:
    """Run a module once, in evaluation mode, and write down what ran.

    The module is left as it was: modes, weights, running statistics, attributes, gradients, the state of random numbers. It runs where it
    is; on the ``meta`` device shapes are found without any numbers. Arrays are not kept, so this takes about the memory of one run.

    Parameters
    ----------
    model : torch.nn.Module
    example : tuple of int, tensor, tuple or dict
        What it is run on: the shape of its input, batch included, or several; a tensor or a tuple of tensors; keyword arguments.

    Returns
    -------
    Graph

    Raises
    ------
    ConvTypeError
        `model` is no module, or one that cannot be watched; no example is given.
    ConvShapeError
        Inside the model shapes do not fit: the message names the layer, the sums and what to change. Whatever else goes wrong inside the
        model is raised as it is, with the layer's name added.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    >>> for node in record(model, (1, 3, 8, 8)).nodes:
    ...     print(node.name, node.source, node.outputs[0].shape)
    0 Conv2d (1, 8, 6, 6)
    1 ReLU (1, 8, 6, 6)
    2 Flatten (1, 288)
    3 Linear (1, 10)
    """
    model = _runnable(model)
    args, kwargs = example_for(model, example)
    notes = []
    if any(is_lazy(each) for each in (*model.parameters(), *model.buffers())):
        notes = ["lazy layers took their sizes from this input, in a copy: the model itself is as it was"]
        model = _copied(model).eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            _called(model, args, kwargs, Watching(model, Tape()))
    tape = Tape()
    weights = _hold_weights(tape, model)
    inputs = _hold_inputs(tape, model, args, kwargs)
    watching = Watching(model, tape)
    with _uncompiled(), untouched(model), watching.kept():
        found, unread = _tensors_of(_called(model, args, kwargs, watching))
        outputs = [tape.slot(tape.held(tensor)) for tensor in found]
    return _graph(model, tape, inputs, outputs, weights, [*notes, *unread, *watching.notes()])


def _called(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], watching: Watching) -> Any:
    """The result of the model; what goes wrong in it is said again."""
    try:
        with watching.modules(), torch._C._AutoDispatchBelowAutograd(), watching:
            return model(*args, **kwargs)
    except Exception as error:
        failure = watching.failure_of(error)
        said = None if failure is None else explained(failure)
        if said is not None:
            raise said from error
        if failure is not None:
            error.add_note(f"in {place(failure)}")
        if " meta" in str(error) and any(each.is_meta for each in model.parameters()):
            error.add_note("the model lies on the meta device, where there are no numbers to decide by: give one that has its weights")
        if "does not require grad" in str(error):
            error.add_note("the model is recorded without gradients: one that takes them in its forward cannot be followed")
        raise


# -- before the run ----------------------------------------------------------------------------------


def _runnable(model: Any) -> nn.Module:
    """The module that is run."""
    if not isinstance(model, nn.Module):
        raise ConvTypeError(f"{shown(model)} is no torch.nn.Module.", "Give a module, or the path of an ONNX file.")
    model = getattr(model, "_orig_mod", model)  # compiled
    for name, module in model.named_modules():
        kind = type(module)
        if kind.__module__.startswith("torch.distributed.fsdp") or kind.__name__.startswith("FSDP"):
            raise ConvTypeError(
                f"layer {name!r} is a {kind.__name__}: its weights lie in shards on several processes.",
                "Give the module before it is sharded.",
            )
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            raise ConvTypeError(f"layer {name!r} is a {kind.__name__}, which runs copies of its module.", "Give its .module.")
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "device_mesh"):
            raise ConvTypeError(
                f"parameter {name!r} is a {type(parameter).__name__}: it lies in shards on several processes.",
                "Give the module before it is sharded.",
            )
    return model


def _copied(model: nn.Module) -> nn.Module:
    """A copy with everything that is lazy still so; PyTorch cannot copy lazy buffers."""
    lazy = [each for each in model.buffers() if is_lazy(each)]
    made: Any = UninitializedBuffer
    fresh = [made(device=each.device, dtype=each.dtype) for each in lazy]
    return copy.deepcopy(model, {id(each): new for each, new in zip(lazy, fresh, strict=True)})


def _uncompiled() -> Any:
    """Compiled functions run as they were written; nothing is loaded for that if nothing is compiled."""
    stance = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance is not None and "torch._dynamo" in sys.modules else nullcontext()


def _hold_weights(tape: Tape, model: nn.Module) -> list[Weight]:
    """Parameters, buffers, and tensors that are plain attributes, each once."""
    weights = []
    attributes = [
        (f"{path}.{name}" if path else name, value)
        for path, module in model.named_modules()
        if not isinstance(module, torch.jit.ScriptModule)
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
    ]
    for is_learned, named in ((True, model.named_parameters()), (False, model.named_buffers()), (False, attributes)):
        for name, tensor in named:
            if tape.knows(tensor):
                continue
            weight = _weight(name, tensor, is_learned)
            held = tape.hold(tensor, weights=(weight,))
            held.owner = tensor
            weights.append(weight)
    return weights


def _weight(name: str, tensor: Tensor, is_learned: bool) -> Weight:
    """A weight that is read from where it lies when it is asked for."""
    shape = () if is_lazy(tensor) else tuple(tensor.shape)
    read = None if tensor.device.type == "meta" or tensor.is_quantized else lambda: _numbers(tensor)
    return Weight(name, shape, dtype_name(tensor.dtype), is_learned, read)


def _numbers(tensor: Tensor) -> NDArray[Any]:
    if tensor.dtype.is_floating_point and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()
    dense = tensor.detach().resolve_conj().resolve_neg()
    array: NDArray[Any] = np.array(dense.to_dense().cpu().numpy() if dense.layout is not torch.strided else dense.cpu().numpy())
    return array


def _hold_inputs(tape: Tape, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Slot]]:
    """The tensors that the model is given, by the names of its arguments."""
    inputs = []
    for name, value in (*zip(argument_names(model, len(args)), args, strict=True), *kwargs.items()):
        tensors, _ = _tensors_of(value)
        for index, tensor in enumerate(tensors):
            slot = Slot(tuple(tensor.shape), dtype_name(tensor.dtype))
            tape.hold(tensor, slot)
            inputs.append((f"{name}[{index}]" if len(tensors) > 1 else name, slot))
    return inputs


# -- after it ------------------------------------------------------------------------------------------


def _tensors_of(value: Any) -> tuple[list[Tensor], list[str]]:
    """Every tensor in what a model is given or returns, and notes on what cannot be looked into."""
    if isinstance(value, Tensor):
        return [value], []
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, torch.dtype, torch.device, np.generic)):
        return [], []
    if isinstance(value, Mapping):
        parts: list[Any] = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = list(value)
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, each.name) for each in fields(value)]
    else:
        return [], [f"the result holds a {type(value).__name__}, in which no arrays were looked for"]
    tensors, notes = [], []
    for part in parts:
        inside, more = _tensors_of(part)
        tensors += inside
        notes += more
    return tensors, list(dict.fromkeys(notes))


def _graph(
    model: nn.Module, tape: Tape, inputs: list[tuple[str, Slot]], outputs: list[Slot | None], weights: list[Weight], notes: list[str]
) -> Graph:  # fmt: skip
    names = Names(inputs)
    modules = dict(model.named_modules(remove_duplicate=False))
    nodes = [names.node(step) for step in _with_padding(tape.steps, outputs, modules)]
    used = {weight for node in nodes for weight in node.weights}
    unused = tuple(weight for weight in weights if weight.is_learned and weight not in used)
    if None in outputs:
        notes.append("some of the results do not depend on the input, or not through operators of PyTorch")
    made = [names.values[slot] for slot in dict.fromkeys(outputs) if slot is not None]
    return Graph(type(model).__name__, tuple(nodes), tuple(names.values[slot] for _, slot in inputs), tuple(made), unused, tuple(notes))


def _with_padding(steps: list[Step], outputs: list[Slot | None], modules: dict[str, nn.Module]) -> list[Step]:
    """Convolution layers that pad in a mode of their own pad and then convolve: one step, as their spec says."""
    users: dict[Slot, int] = {}
    for step in steps:
        for slot in step.inputs:
            users[slot] = users.get(slot, 0) + 1
    kept: list[Step] = []
    for step in steps:
        before = kept[-1] if kept else None
        module = modules.get(step.frame.path)
        if (
            before is not None
            and isinstance(step.operation, Convolve)
            and isinstance(before.operation, Pad)
            and before.frame is step.frame
            and step.inputs[0].made_by is before
            and users[step.inputs[0]] == 1
            and step.inputs[0] not in outputs
            and isinstance(module, nn.modules.conv._ConvNd)
            and module.padding_mode == before.operation.mode
        ):
            spec = from_module(module)
            if spec.output_shape(before.inputs[0].shape) == step.outputs[0].shape:
                kept.pop()
                step.frame.steps -= 1
                step.operation, step.inputs = Convolve(spec), [*before.inputs, *step.inputs[1:]]
        kept.append(step)
    return kept
