"""Modules whose forward calls a convolution function: the same forward, traced, with Faltung's function in its place."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F

from faltung.errors import ConvTypeError
from faltung.torch import functional
from faltung.torch.acceleration.fused import FusedConv, FusedFunction
from torch import fx, nn

__all__ = ["Rerouted"]

FUNCTIONS = {
    getattr(F, name): getattr(functional, name) for name in functional.__all__ if name.startswith("conv") and hasattr(F, name)
}  # fmt: skip


class Rerouted:
    """Forward of a module, traced by ``torch.fx``, with Faltung's functions.

    Raises
    ------
    ConvTypeError
        It cannot be traced, or the trace does not see a convolution.
    """

    def __init__(self, module: nn.Module, conv: FusedConv | None, *, trainable: bool) -> None:
        self.module, self.conv, self.trainable = module, conv, trainable
        self._traced: fx.GraphModule | None = self._trace()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the module's forward."""
        if self._traced is None:
            self._traced = self._trace()
        return self._traced(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """Without the trace, which is made again where it is needed."""
        return {**self.__dict__, "_traced": None}

    def _trace(self) -> fx.GraphModule:
        try:
            graph = _OneModule().trace(self.module)
        except Exception as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConvTypeError(f"torch.fx cannot trace it: {said}", "Call faltung.torch's functions in its forward.") from error
        calls = [node for node in graph.nodes if node.op == "call_function" and node.target in FUNCTIONS]
        if not calls:
            raise ConvTypeError("torch.fx does not see the call.", "Call faltung.torch's functions in its forward.")
        for node in calls:
            other = FUNCTIONS[node.target] if self.trainable or self.conv is None else node.target
            node.target = other if self.conv is None else FusedFunction(self.conv, other)
        return fx.GraphModule(self.module, graph)


class _OneModule(fx.Tracer):
    """Looks into one module alone, not into those that it calls."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        return True
