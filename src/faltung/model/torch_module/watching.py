"""One run of a live module, watched: every operator of PyTorch as it runs, and the modules around it.

Owns the observation; what is made of it is `tape`'s and the readers'.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

import torch
from faltung.model.graph import Weight
from faltung.model.operations import Convolve, Operation, Unknown
from faltung.model.torch_module.call import Call, Operator, Plan
from faltung.model.torch_module.operators import CONSTANTS, reader_of
from faltung.model.torch_module.tape import Frame, Held, Slot, Tape, dtype_name, tensors_in
from torch import Tensor, nn

__all__ = ["Failure", "Watching"]


_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
"""Operators that are nothing but others."""

_READS = ("_local_scalar_dense", "is_nonzero", "equal", "allclose")
"""Operators after which Python decides by numbers."""


@dataclass(eq=False)
class Failure:
    """An exception inside the model, and where it was raised first.

    Attributes
    ----------
    error : Exception
    frame : Frame
    call : Call or None
        Without results; None where it was not an operator that failed.
    """

    error: BaseException
    frame: Frame
    call: Call | None


class Watching(TorchDispatchMode):  # type: ignore[misc]  # PyTorch does not say what it is
    """Writes down on a tape what runs while it is on."""

    def __init__(self, model: nn.Module, tape: Tape) -> None:
        super().__init__()
        self.tape = tape
        self.failure: Failure | None = None
        self._handled: BaseException | None = None  # by who called, and none of the model's
        self.reads: list[tuple[str, str]] = []
        self.foreign: list[tuple[str, str]] = []
        self.written: dict[Held, tuple[Tensor, Tensor]] = {}
        self._paths: dict[int, list[str]] = {}
        for path, module in model.named_modules(remove_duplicate=False):
            self._paths.setdefault(id(module), []).append(path)

    # -- modules -----------------------------------------------------------------------------------

    @contextmanager
    def modules(self) -> Iterator[None]:
        """While this lasts, the tape knows which module runs. The modules' own hooks are not touched: these are for all modules."""
        thread = threading.get_ident()
        self._handled = sys.exc_info()[1]

        def enter(module: nn.Module, _: Any) -> None:
            if threading.get_ident() == thread:
                self.tape.frame = Frame(self._path(module), type(module).__name__, self.tape.frame)

        def leave(*_: Any) -> None:
            if threading.get_ident() == thread:
                self._failed(sys.exc_info()[1])
                self.tape.frame = self.tape.frame.around or self.tape.frame

        handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _path(self, module: nn.Module) -> str:
        """Of a module's names the one below the module that calls it."""
        around = self.tape.frame.path
        paths = self._paths.get(id(module))
        if paths is None:
            return f"{around}.{type(module).__name__}" if around else type(module).__name__
        return next((path for path in paths if path.startswith(f"{around}.")), paths[0]) if around else paths[0]

    def _failed(self, error: BaseException | None, call: Call | None = None) -> None:
        """Remember where an exception was seen first; those that were raised from it are the same, unless an operator raised them."""
        if error is None or error is self._handled:
            return
        cause = error if call is None else None
        while cause is not None:
            if self.failure is not None and cause is self.failure.error:
                return
            cause = cause.__cause__ or cause.__context__
        self.failure = Failure(error, self.tape.frame, call)

    def failure_of(self, error: BaseException) -> Failure | None:
        """Where an exception comes from, if it was seen."""
        cause: BaseException | None = error
        while cause is not None and self.failure is not None:
            if cause is self.failure.error:
                return self.failure
            cause = cause.__cause__ or cause.__context__
        return None

    def notes(self) -> list[str]:
        """What the tape does not show."""
        found = []
        for seen, what in (
            (self.tape.aside, "operations that take weights alone, and multiply none of them, are left out"),
            (self.reads, "Python reads numbers that were computed, and other inputs may take another way"),
            (self.foreign, "arrays that come neither from modules nor from operators of PyTorch count as constants"),
        ):
            if seen:
                path, call = seen[0]
                found.append(f"{what}: {len(seen)}, the first by {call} in {path or 'the model itself'}")
        if any(step.source.startswith("quantized.") for step in self.tape.steps):
            found.append("weights of quantised layers are packed, and are not counted")
        return found

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Parameters that are written to while this lasts are put back."""
        try:
            yield
        finally:
            for tensor, numbers in self.written.values():
                tensor.copy_(numbers)

    # -- operators ---------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator and write it down; one that is not known is taken apart, if PyTorch knows how."""
        kwargs = kwargs or {}
        operator, is_composite = _operator(func)
        if is_composite:
            with self:
                return func.decompose(*args, **kwargs)
        given = operator.bound(args, kwargs)
        self._keep(operator, given)
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            self._failed(error, Call(operator, given, [], self.tape))
            raise
        self._write_down(Call(operator, given, tensors_in(result), self.tape))
        return result

    def _keep(self, operator: Operator, given: dict[str, Any]) -> None:
        """The numbers of a parameter that is about to be written to."""
        for name in operator.written:
            for tensor in tensors_in(given[name]):
                root = self.tape.held(tensor).root
                if root.owner is not None and root not in self.written:
                    self.written[root] = (root.owner, root.owner.detach().clone())

    def _write_down(self, call: Call) -> None:
        operator, tape = call.operator, self.tape
        written = [tensor for name in operator.written for tensor in tensors_in(call.given[name])]
        if not call.results and not written:
            if operator.name in _READS and call.computed():
                self.reads.append((tape.frame.path, call.name))
            return
        if operator.is_factory:
            for tensor in call.results:
                tape.write(tape.held(tensor), None) if _is_among(tensor, written) else tape.hold(tensor)
            return
        arguments = call.arguments()
        slots, weights = call.taken(arguments)
        for tensor in arguments:
            held = tape.held(tensor)
            if held.foreign:
                held.foreign = False
                if tensor.dim() and tensor.numel() > 1:
                    self.foreign.append((tape.frame.path, call.name))
        if not slots and not weights:
            self._constant(call, written, ())
            return
        if not written and len(call.results) == 1 and _is_among(call.results[0], arguments) and "dropout" not in operator.name:
            return  # nothing was done
        plan = _read(call)
        takes = None
        if isinstance(plan, tuple):
            plan, takes = plan
            if not slots and isinstance(plan, Convolve):
                # What a convolution slides over is an array of the graph, be it noise, a grid of places or learned.
                call.emit_constant(takes[0])
            slots, weights = call.taken(takes)
        if not slots and not isinstance(plan, list) and tape.leave_aside(call.name, plan, weights):
            self._constant(call, written, weights, plan)
            return
        operations = plan if isinstance(plan, list) else [plan]
        tensors = list(dict.fromkeys([*call.results, *written])) if len(call.results) + len(written) > 1 else call.results or written
        groups = [[tensor] for tensor in tensors] if isinstance(plan, list) else [tensors]
        for operation, group in zip(operations, groups, strict=True):
            if not slots and isinstance(plan, list):  # a split of weights
                self._constant(Call(operator, call.given, group, tape), [], weights, operation)
                continue
            outputs = [Slot(tuple(tensor.shape), dtype_name(tensor.dtype)) for tensor in group]
            tape.step(tape.frame, call.name, operator.source, operation, slots, outputs, weights)
            for tensor, slot in zip(group, outputs, strict=True):
                self._hold(call, tensor, operation, slot if slots else None, weights, written)

    def _constant(self, call: Call, written: list[Tensor], weights: tuple[Weight, ...], operation: Operation | None = None) -> None:
        """What does not depend on the input, and needs no step."""
        if operation is None and call.operator.is_view and call.operator.reader and call.results:
            plan = _read(call)
            operations = plan if isinstance(plan, list) else [plan[0] if isinstance(plan, tuple) else plan] * len(call.results)
        else:
            operations = [operation or Unknown("a constant")] * len(call.results)
        for tensor, each in zip(call.results, operations, strict=True):
            self._hold(call, tensor, each, None, weights, written)
        for tensor in written:
            if not _is_among(tensor, call.results):
                self.tape.write(self.tape.held(tensor), None, weights)

    def _hold(
        self, call: Call, tensor: Tensor, operation: Operation, slot: Slot | None, weights: tuple[Weight, ...], written: list[Tensor]
    ) -> None:
        tape = self.tape
        if _is_among(tensor, written):
            tape.write(tape.held(tensor), slot, weights)
        elif call.operator.is_view and (arguments := call.arguments()) and tensor is not arguments[0] and _share(tensor, arguments[0]):
            tape.hold_view(tensor, tape.held(arguments[0]), operation, slot)
        elif _is_among(tensor, call.arguments()):
            if slot is not None:
                tape.held(tensor).slot = slot
        else:
            tape.hold(tensor, slot, () if slot is not None else weights)


def _read(call: Call) -> Plan:
    if call.operator.reader is None:
        return Unknown(f"{call.operator.source} is not known here")
    try:
        return call.operator.reader(call)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # an overload with other arguments
        return Unknown(f"{call.operator.source} could not be read: {type(error).__name__}: {error}")


@functools.lru_cache(maxsize=4096)
def _operator(func: Any) -> tuple[Operator, bool]:
    """What is known of an operator; and whether it is to be taken apart."""
    schema = func._schema
    namespace, name = schema.name.split("::")
    written = tuple(each.name for each in schema.arguments if each.alias_info is not None and each.alias_info.is_write)
    is_view = any(each.alias_info is not None and not each.alias_info.is_write for each in schema.returns)
    bare = name.removesuffix("_")
    is_factory = (namespace == "aten") and (name.endswith("_like") or name.startswith("new_") or (bool(written) and bare in CONSTANTS))
    if is_factory and written and any(each.name == "value" and "Tensor" in str(each.type) for each in schema.arguments):
        is_factory = False
    reader = reader_of(namespace, name)
    parameters = tuple((each.name, each.default_value) for each in schema.arguments)
    operator = Operator(name, f"{namespace}.{name}", parameters, written, is_view, is_factory, reader)
    return operator, reader is None and not is_factory and func.has_kernel_for_dispatch_key(_COMPOSITE)


def _is_among(tensor: Tensor, tensors: list[Tensor]) -> bool:
    return any(tensor is each for each in tensors)


def _share(one: Tensor, other: Tensor) -> bool:
    try:
        return bool(one.untyped_storage()._cdata == other.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # without memory of this kind: sparse
        return False
