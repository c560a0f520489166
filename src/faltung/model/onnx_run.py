"""An ONNX file run by onnxruntime, with any of its intermediate results among the outputs.

Weights that lie in other files are not opened. Operators are onnxruntime's own alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvError, ConvShapeError, ConvTypeError
from faltung.extras import optional
from faltung.model.graph import no_such_layer
from faltung.model.onnx_file.protobuf import model_of, read_model
from faltung.model.seeing.activations import ONNX_ACTIVATIONS, ONNX_PASSING

__all__ = ["OnnxNetwork", "OnnxRecorded", "is_onnx_path"]

CONVOLUTIONS = ("Conv", "ConvInteger", "ConvTranspose", "DeformConv", "QLinearConv")
GATES = {"HardSigmoid": "HardSwish", "Sigmoid": "SiLU"}
_TYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(uint8)": "uint8", "tensor(int8)": "int8",
    "tensor(int32)": "int32", "tensor(int64)": "int64",
}  # fmt: skip

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class OnnxRecorded:
    """What one node gave; `activation` is what the operator `activation_name` made of it next, None where none followed."""

    name: str
    source: str
    result: Array
    weight: Array | None
    transposed: bool
    activation: Array | None
    activation_name: str


def is_onnx_path(model: object) -> bool:
    """Whether it names a file."""
    return isinstance(model, str | os.PathLike)


class OnnxNetwork:
    """A file, read once.

    Parameters
    ----------
    path : path
        Of bytes what errors call them.
    data : bytes, optional
        What is in the file; the path is not opened then.

    Raises
    ------
    ConvError
        It is no ONNX model that can be run here.
    MissingExtraError
        onnx or onnxruntime is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], data: bytes | None = None) -> None:
        self.path = Path(path)
        self._onnx = optional("onnx", extra="onnx", purpose="reading an ONNX file")
        self._runtime = optional("onnxruntime", extra="onnx", purpose="running an ONNX file")
        self.proto = self._read(data)
        self._sessions: dict[tuple[str, ...], Any] = {}
        constants = {tensor.name for tensor in self.proto.graph.initializer}
        self.inputs = [value.name for value in self.proto.graph.input if value.name not in constants]
        self.outputs = [value.name for value in self.proto.graph.output]
        self.nodes = _named(self.proto.graph.node)

    def _read(self, data: bytes | None) -> Any:
        name = str(self.path)
        proto = read_model(self.path) if data is None else model_of(data, repr(name), self.path.suffix)
        if not proto.graph.node:
            raise ConvError(f"{name!r} is no ONNX model: it has no nodes.", "Export the model to ONNX, or fetch the file again.")
        elsewhere = next((tensor.name for tensor in _tensors(proto) if tensor.data_location == tensor.EXTERNAL), None)
        if elsewhere is not None:
            raise ConvError(
                f"{name!r} has its weights in other files ({elsewhere!r} among them), which are not opened.",
                "Save it as one file: onnx.save(onnx.load(path), other_path).",
            )
        return proto

    # -- what it has ----------------------------------------------------------------------------------

    def convolutions(self) -> list[str]:
        """Names of the convolutions, of those without a name that of their result."""
        return [name for name, node in self.nodes.items() if node.op_type in CONVOLUTIONS]

    def picture_input(self) -> tuple[tuple[int | None, ...], str]:
        """Shape and type of the only input, None where a size is open.

        Raises
        ------
        ConvTypeError
            There are several.
        """
        if len(self.inputs) != 1:
            raise ConvTypeError(
                f"{self.path.name} takes {len(self.inputs)} inputs: {', '.join(self.inputs)}.", "Give them from Python, by name."
            )
        value = next(value for value in self.proto.graph.input if value.name == self.inputs[0])
        kind = value.type.tensor_type
        shape = tuple(size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None for size in kind.shape.dim)
        return shape, self._onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "float32"

    # -- running --------------------------------------------------------------------------------------

    def run(self, x: object, tensors: Sequence[str] | None = None) -> list[Array]:
        """These tensors, or the outputs.

        Parameters
        ----------
        x : array, or mapping from the names of the inputs to arrays

        Raises
        ------
        ConvShapeError, ConvTypeError
            The inputs do not fit, or the tensors are none of the file's.
        """
        wanted = tuple(self.outputs if tensors is None else dict.fromkeys(tensors))
        session = self._session(wanted)
        given = self._feed(session, x)
        try:
            found = dict(zip(wanted, session.run(list(wanted), given), strict=True))
        except Exception as error:  # every error of onnxruntime has a class of its own  # noqa: BLE001
            shapes = ", ".join(f"{name} {array.shape}" for name, array in given.items())
            raise ConvShapeError(
                f"{self.path.name} cannot run on {shapes}: {_first_line(error)}.",
                "Give what the model takes: networks that halve their maps want multiples of 32, readers of text a height of 32 or 48.",
            ) from None
        return [np.asarray(found[name]) for name in (self.outputs if tensors is None else tensors)]

    def record(self, x: object, layers: Sequence[str] | None) -> list[OnnxRecorded]:
        """What these nodes gave, by their names or those of their results, or all convolutions."""
        names = self.convolutions() if layers is None else list(layers)
        producers = {output: node for node in self.nodes.values() for output in node.output if output}
        nodes = [self._node(name, producers) for name in names]
        results = [name if name in producers else node.output[0] for name, node in zip(names, nodes, strict=True)]
        followers = [self._follower(result) for result in results]
        tensors = [*results, *(tensor for tensor, _ in followers if tensor)]
        arrays = dict(zip(tensors, self.run(x, tensors), strict=True))
        weights = {tensor.name: tensor for tensor in self.proto.graph.initializer}
        weights.update(
            {node.output[0]: attribute.t for node in self.nodes.values() if node.op_type == "Constant" for attribute in node.attribute
             if attribute.name == "value"}
        )  # fmt: skip
        return [
            OnnxRecorded(
                name, node.op_type, arrays[result], self._weight(node, weights), node.op_type == "ConvTranspose", arrays.get(tensor), how
            )
            for name, node, result, (tensor, how) in zip(names, nodes, results, followers, strict=True)
        ]

    def _weight(self, node: Any, weights: Mapping[str, Any]) -> Array | None:
        place = 3 if node.op_type == "QLinearConv" else 1
        if node.op_type not in CONVOLUTIONS or len(node.input) <= place or node.input[place] not in weights:
            return None
        return np.asarray(self._onnx.numpy_helper.to_array(weights[node.input[place]]))

    def _node(self, name: str, producers: Mapping[str, Any]) -> Any:
        node = self.nodes.get(name) or producers.get(name)
        if node is not None:
            return node
        raise no_such_layer(self.path.name, name, [*self.nodes, *producers])

    def _follower(self, tensor: str) -> tuple[str, str]:
        """The result of the activation that a tensor goes into, over what rescales it before, and its name; ("", "") if there is none."""
        constants = {one.name for one in self.proto.graph.initializer}
        constants.update(node.output[0] for node in self.nodes.values() if node.op_type == "Constant")
        for _ in range(len(self.nodes)):  # a broken file may lead around
            takers = [node for node in self.proto.graph.node if tensor in node.input]
            gated = self._gated(tensor, takers, constants)
            if gated is not None:
                return gated
            active = next((node for node in takers if node.op_type in ONNX_ACTIVATIONS and node.input[0] == tensor), None)
            if active is not None:
                return active.output[0], active.op_type
            passes = len(takers) == 1 and (
                (takers[0].op_type in ONNX_PASSING and takers[0].input[0] == tensor)
                or (takers[0].op_type in ("Add", "Mul") and any(name in constants for name in takers[0].input))
            )
            if not passes:
                return "", ""
            tensor = takers[0].output[0]
        return "", ""

    def _gated(self, tensor: str, takers: Sequence[Any], constants: set[str]) -> tuple[str, str] | None:
        """X * sigmoid(x), x * hardsigmoid(x) and x * clip(x + 3) / 6, written out."""
        gates = {}
        for node in takers:
            if node.op_type in GATES:
                gates[node.output[0]] = GATES[node.op_type]
            elif node.op_type == "Add" and any(name in constants for name in node.input):
                clips = [one for one in self.proto.graph.node if one.op_type == "Clip" and one.input[0] == node.output[0]]
                gates.update({one.output[0]: "HardSwish" for one in clips})
        for node in takers:
            others = [name for name in node.input if name != tensor]
            if node.op_type == "Mul" and len(others) == 1 and others[0] in gates:
                product, name = node.output[0], gates[others[0]]
                after = [one for one in self.proto.graph.node if product in one.input]
                divided = len(after) == 1 and after[0].op_type in ("Div", "Mul") and any(one in constants for one in after[0].input)
                return (after[0].output[0] if divided and name == "HardSwish" else product), name
        return None

    def forget_sessions(self) -> None:
        """Let go of what was made ready for runs, which holds the weights once for each choice of tensors."""
        self._sessions.clear()

    def _session(self, wanted: tuple[str, ...]) -> Any:
        if wanted not in self._sessions:
            proto = type(self.proto)()
            proto.CopyFrom(self.proto)
            proto.graph.output.extend(self._onnx.helper.make_empty_tensor_value_info(name) for name in wanted if name not in self.outputs)
            options = self._runtime.SessionOptions()
            options.log_severity_level = 4
            try:
                made = self._runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
            except Exception as error:  # as above  # noqa: BLE001
                raise ConvError(
                    f"onnxruntime cannot run {self.path.name}: {_first_line(error)}.",
                    "Check the file with onnx.checker, or update onnxruntime.",
                ) from None
            self._sessions[wanted] = made
        return self._sessions[wanted]

    def _feed(self, session: Any, x: object) -> dict[str, Array]:
        taken = {value.name: value for value in session.get_inputs()}
        if not isinstance(x, Mapping):
            if len(self.inputs) != 1:
                raise ConvTypeError(
                    f"{self.path.name} takes {len(self.inputs)} inputs, x is one array.",
                    f"Give a mapping with {', '.join(map(repr, self.inputs))}.",
                )
            x = {self.inputs[0]: x}
        missing = [name for name in self.inputs if name not in x]
        if missing:
            raise ConvTypeError(f"x has no input {missing[0]!r}.", f"Give {', '.join(map(repr, self.inputs))}.")
        fed = {}
        for name, value in taken.items():
            if name not in x:
                continue
            given: Any = x[name]
            array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
            shape = [size if isinstance(size, int) else None for size in value.shape]
            if len(shape) != array.ndim or any(size not in (None, cells) for size, cells in zip(shape, array.shape, strict=True)):
                expected = tuple(size if isinstance(size, int) else "any" for size in value.shape)
                raise ConvShapeError(
                    f"input {name!r} of {self.path.name} has shape {expected}, {array.shape} was given.", "Bring the input to that shape."
                )
            dtype = np.dtype(_TYPES.get(value.type, array.dtype))
            if not np.can_cast(array.dtype, dtype, "same_kind"):
                raise ConvTypeError(
                    f"input {name!r} of {self.path.name} is {dtype}, {array.dtype} was given.", f"Give x.astype({str(dtype)!r})."
                )
            fed[name] = array.astype(dtype, copy=False)
        return fed


def _named(nodes: Sequence[Any]) -> dict[str, Any]:
    """Nodes by their names; those without one, or with another's, by that of their result."""
    found: dict[str, Any] = {}
    for node in nodes:
        results = [name for name in node.output if name]
        if results:
            found[node.name if node.name and node.name not in found else results[0]] = node
    return found


def _tensors(message: Any) -> Iterator[Any]:
    """Every stored tensor, wherever it is: of graphs, of functions, of nodes, of sparse tensors and of what later versions of ONNX have."""
    waiting = [message]
    while waiting:
        for field, value in waiting.pop().ListFields():
            if field.message_type is None:
                continue
            inner = [value] if hasattr(value, "ListFields") else list(value)
            if field.message_type.name == "TensorProto":
                yield from inner
            else:
                waiting.extend(inner)


def _first_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    # Its own source files and signatures say nothing to who gave the input.
    text = re.sub(r"Status Message: \S*\.(?:h|cc):\d+ .*?\) ?|Status Message: \S*\.(?:h|cc):\d+ \S+ ", "Status Message: ", text)
    return (text if len(text) <= 200 else text[:200] + "…").rstrip(".")
