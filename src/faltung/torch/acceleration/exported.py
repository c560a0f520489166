"""A model as one functional graph of PyTorch's operators, as ``torch.export`` sees its run on an example."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from faltung.errors import ConvTypeError
from torch import Tensor, fx, nn

__all__ = ["exported", "tensor_of", "tensors_of"]

REMEDY = "Its convolutions are accelerated one by one."


def exported(model: nn.Module, example: tuple[Any, ...]) -> fx.GraphModule:
    """The graph of a model in evaluation; its attributes are the model's own parameters and buffers.

    Raises
    ------
    ConvTypeError
        ``torch.export`` cannot follow the model, or the model changes something when it runs.
    """
    if any(module.training for module in model.modules()):
        raise ConvTypeError("the model is in training.", REMEDY)
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._NormBase)]
    if any(norm.running_mean is not None and norm.num_batches_tracked is None for norm in norms):
        raise ConvTypeError("a batch norm does not count its batches, so a change of its statistics would not be seen.", REMEDY)
    inside = list(model.modules())[1:]
    hooks = [hook for module in inside for table in (module._forward_hooks, module._forward_pre_hooks) for hook in table.values()]
    # Those of transformers do nothing unless a call asks for inner results.
    if not all(str(getattr(hook, "__module__", "")).startswith("transformers.") for hook in hooks):
        raise ConvTypeError("a module inside has hooks.", REMEDY)
    if not all(isinstance(value, Tensor) and value.is_contiguous() for value in example):
        raise ConvTypeError("not all of the example's arguments are contiguous tensors.", REMEDY)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, example, strict=False).run_decompositions({})
            graph = program.module(check_guards=False)
    except Exception as error:
        said = str(error).strip().splitlines()
        raise ConvTypeError(f"torch.export cannot follow the model: {said[0] if said else type(error).__name__}", REMEDY) from error
    signature = program.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        raise ConvTypeError("the model changes its buffers or its input when it runs.", REMEDY)
    if not isinstance(graph, fx.GraphModule) or any(_is_other(node) for node in graph.graph.nodes):
        raise ConvTypeError("its graph holds more than calls of operators.", REMEDY)
    return graph


def tensor_of(graph: fx.GraphModule, node: fx.Node) -> Tensor:
    """What a ``get_attr`` node names."""
    found: Any = graph
    for name in str(node.target).split("."):
        found = getattr(found, name)
    assert isinstance(found, Tensor)
    return found


def tensors_of(graph: fx.GraphModule) -> Iterator[Tensor]:
    """All that the graph names."""
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            yield tensor_of(graph, node)


def _is_other(node: fx.Node) -> bool:
    return node.op not in ("placeholder", "get_attr", "call_function", "output")
