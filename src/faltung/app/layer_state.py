"""One convolution of an uploaded network as a state of the playground: its own weights and, of a picture, its own input.

Quantised ones are shown as the numbers that they stand for; what lies in a branch or a function is brought out first.

A layer is larger than what can be looked at, so some channels and cells of it are cut out, such that the outputs shown are those of
the layer: whole, or summed over the input channels shown. The answer says which they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faltung.app.cutting import CELLS, Along, Channels, cut_along, cut_channels, cut_spec
from faltung.app.inside import Reached, reached
from faltung.app.models import MOST_NAME, RANGES, Opened, opened
from faltung.app.quantised import ROLES, meant, said
from faltung.app.state import State
from faltung.app.uploads import uploaded
from faltung.errors import ConvError, ConvTypeError, one_of, shown
from faltung.spec import ConvSpec
from faltung.viz.scene.build import MAX_CELLS

if TYPE_CHECKING:
    from faltung.model.auditing.rows import Layer
    from faltung.model.onnx_run import OnnxNetwork

__all__ = ["answer_layer", "why_closed"]

EXAMPLE = "example"
NAMES = {1: ("cells",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}

Array = NDArray[Any]


def why_closed(found: Opened, layer: Layer) -> str:
    """Why a row of the audit has no state; "" where it has one."""
    if layer.spec is None:
        return "It is no convolution."
    if layer.operation not in ROLES:
        return f"{layer.operation} does more than a convolution."
    if layer.spec.ndim not in CELLS:
        return f"It has {layer.spec.ndim} axes; the playground draws up to 3."
    if len(layer.name) > MOST_NAME:
        return f"Its name has more than {MOST_NAME} letters."
    if _node(found, layer.name) is not None:
        return ""
    place = found.places.get(layer.name)
    return "It cannot be told from others of its name." if place is None else place.closed


def answer_layer(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to ``layer``."""
    found = opened(body)
    layer = _layer(found, body.get("layer"))
    spec, size = layer.spec, _input_size(layer)
    assert spec is not None
    channels = cut_channels(spec, _channel(body, "input_channel", spec.in_channels), _channel(body, "output_channel", spec.out_channels))
    arrays, told, sentences = _arrays(found, layer, body)
    axes = _axes(spec, size, channels, arrays.get("x"))
    part = cut_spec(spec, channels, axes)
    state = {
        "ndim": spec.ndim,
        "in_channels": part.in_channels,
        "input_size": [along.last - along.first + 1 for along in axes],
        "x": None,
        "weight": {"values": _plain("weights", _cut_weight(spec, arrays["weight"], channels))},
        "bias_values": None,
        **{name: value for name, value in part.to_dict().items() if name not in ("in_channels", "ndim")},
    }
    if spec.bias:
        state["bias_values"] = {"values": _plain("biases", arrays["bias"][channels.outputs])}
    if "x" in arrays:
        cells = tuple(slice(along.first, along.last + 1) for along in axes)
        state["x"] = {"values": _plain("input", arrays["x"][channels.inputs][(slice(None), *cells)])}
    whole = State.from_dict(state).to_dict()
    facts, note = _told(layer, spec, size, channels, axes, "x" in arrays)
    facts[0]["rows"] += [{"name": name, "value": value, "sum": words} for name, value, words in told]
    sentences += [f"{name.capitalize()}: {value}; {words}." for name, value, words in told]
    return {"state": whole, "facts": facts, "note": " ".join([note, *sentences])}


# -- what is asked for ---------------------------------------------------------------------------


def _layer(found: Opened, name: object) -> Layer:
    if not isinstance(name, str):
        raise ConvTypeError(f"layer={shown(name)} is no name.", "Give that of a row of the audit.")
    names = {layer.name: layer for layer in found.audit.layers}
    if name not in names:
        one_of("layer", name, names, ConvError)
    closed = why_closed(found, names[name])
    if closed:
        raise ConvError(f"{shown(name)} cannot be opened. {closed}", "Choose another convolution.")
    return names[name]


def _channel(body: Mapping[str, Any], name: str, channels: int) -> int:
    value = body.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < channels:
        raise ConvTypeError(f"{name}={shown(value)} is not from 0 to {channels - 1}.", "Give the number of a channel.")
    return value


def _input_size(layer: Layer) -> tuple[int, ...]:
    shape = layer.input_shapes[0]
    assert layer.spec is not None
    if shape is None or len(shape) != layer.spec.ndim + 2:
        raise ConvError(f"the input of {shown(layer.name)} has no size that is known.", "Choose another convolution.")
    return tuple(shape[2:])


def _node(found: Opened, name: str) -> Any:
    """The node of the file; None where the file's main graph does not have it."""
    results = {value.name for node in found.graph.nodes if node.name == name for value in node.outputs}
    return next((node for node in found.network.proto.graph.node if node.op_type in ROLES and results & set(node.output)), None)


# -- numbers -------------------------------------------------------------------------------------


def _arrays(found: Opened, layer: Layer, body: Mapping[str, Any]) -> tuple[dict[str, Array], list[tuple[str, str, str]], list[str]]:
    """``weight``, ``bias`` where there is one, and ``x`` of the picture: as the layer is given them in a run of the network.

    What is stored as it is used is taken from the file. A weight that the file transposes, scales or calculates is what the run says.
    Quantised numbers are those that they stand for. Behind them rows and sentences about how they are stored and where they lie.
    """
    photo = _photo(body)

    def value_of(network: OnnxNetwork, name: str) -> Array | None:
        """What an array holds on the picture; what is stored holds it always."""
        stored = _stored([network.proto.graph], [name])
        if name in stored or photo is None:
            return stored.get(name)
        return network.run(_network_input(found, photo, body), [name])[0]

    node = _node(found, layer.name)
    place = found.places[layer.name] if node is None else None
    there = Reached(found.network, node) if place is None else reached(found.network, place, value_of)
    names = {role: name for role, name in zip(ROLES[there.node.op_type], there.node.input, strict=False) if name}
    dequantising, axis = _dequantising(there, names["weight"])
    names |= dequantising
    arrays = {role: array for name, array in _stored(there.graphs, list(names.values())).items() for role in names if names[role] == name}
    wanted = {role: name for role, name in names.items() if role not in arrays and not (photo is None and role in ("x", "x zero"))}
    if wanted:
        try:
            results = there.run(_network_input(found, photo, body), list(wanted.values()))
        finally:
            there.network.forget_sessions()
        arrays.update(zip(wanted, results, strict=True))
    quantised = {role: str(array.dtype) for role, array in arrays.items() if role in ("x", "weight") and array.dtype.kind in "iu"}
    return _checked(layer, meant(arrays, axis)), said(there.node.op_type, arrays, quantised), there.told


def _checked(layer: Layer, arrays: dict[str, Array]) -> dict[str, Array]:
    """With the first sample of the input, if it has the size that the audit tells."""
    if "x" in arrays:
        arrays["x"] = arrays["x"][0]
        if arrays["x"].shape[1:] != _input_size(layer):
            raise ConvError(
                f"the run gave {shown(layer.name)} an input of shape {arrays['x'].shape}.", "Give the shape of the model's input."
            )
    return arrays


def _dequantising(there: Reached, weight: str) -> tuple[dict[str, str], int]:
    """Of a layer of floats whose weight is stored as whole numbers: the names of those, of scale and zero point; and their axis."""
    makers = {name: node for graph in there.graphs for node in graph.node for name in node.output}
    node = makers.get(weight)
    if node is None or node.op_type != "DequantizeLinear":
        return {}, 0
    settings = {one.name: one.i for one in node.attribute}
    (stored,) = _stored(there.graphs, node.input[:1]).values() or (None,)
    if stored is None or stored.dtype.kind not in "iu" or settings.get("block_size"):
        return {}, 0  # as the run has it
    names = dict(zip(("weight", "weight scale", "weight zero"), node.input, strict=False))
    return {role: name for role, name in names.items() if name}, settings.get("axis", 1)


def _stored(graphs: Sequence[Any], names: Sequence[str]) -> dict[str, Array]:
    """Arrays of the file by name: initialisers and constants."""
    from onnx import numpy_helper

    tensors = {}
    for graph in graphs:
        tensors.update({tensor.name: tensor for tensor in graph.initializer if tensor.name in names})
        for node in graph.node:
            for one in node.attribute if node.op_type == "Constant" and node.output[0] in names else ():
                if one.name == "value":
                    tensors[node.output[0]] = one.t
    # What lies in other files is not opened.
    return {name: np.asarray(numpy_helper.to_array(tensor)) for name, tensor in tensors.items() if tensor.data_location == tensor.DEFAULT}


def _photo(body: Mapping[str, Any]) -> Array | None:
    from faltung.photo import default_photograph, photo_of

    given = body.get("photo")
    if given is None:
        return None
    return default_photograph() if given == EXAMPLE else photo_of(uploaded(given))


def _network_input(found: Opened, photo: Array | None, body: Mapping[str, Any]) -> Any:
    """The picture as the model takes it; zeros where there is none and only weights are asked for."""
    from faltung.model.inputs import Preprocess, as_input, picture_places

    if photo is None:
        return {value.name: np.zeros(value.shape or (1,), value.dtype) for value in found.graph.inputs}
    inputs = found.network.inputs
    if len(inputs) != 1:
        raise ConvError(
            f"the model takes {len(inputs)} inputs ({', '.join(map(shown, inputs[:5]))}), a picture is one.",
            "Open the layer with made-up numbers: its weights are real.",
        )
    _, dtype = found.network.picture_input()
    shape = found.graph.inputs[0].shape
    found_places = None if shape is None else picture_places(shape)
    if shape is None or found_places is None:
        raise ConvError(
            f"the model takes an input of shape {shown(shape)}, which is no picture.",
            "Open the layer with made-up numbers: its weights are real.",
        )
    channels, (rows, columns) = found_places
    _, mean, std = RANGES[one_of("range", body.get("range") or "0…1", RANGES, ConvError)]
    if channels == 1:
        mean, std = (float(np.mean(one)) for one in (mean, std))
    x = as_input(photo, Preprocess((shape[rows], shape[columns]), mean, std, channels=channels), rows, dtype)
    return np.repeat(x, shape[0], axis=0)


def _cut_weight(spec: ConvSpec, weight: Array, channels: Channels) -> Array:
    """The weights between the channels shown."""
    if spec.transposed:
        first, second, each = channels.inputs, channels.outputs, channels.outputs_each
    else:
        first, second, each = channels.outputs, channels.inputs, channels.inputs_each
    return weight[first][:, [number % spec.weight_shape[1] for number in second[:each]]]


def _plain(what: str, array: Array) -> Any:
    """As lists, each number as short as it is exact in the array's own type."""
    values = np.asarray(array, np.float64 if array.dtype == np.float64 else np.float32)
    if not np.isfinite(values).all():
        raise ConvError(f"the {what} of the layer hold NaN or infinity.", "Choose another layer, or another range of the input.")
    flat = [float(str(value)) for value in values.ravel()]
    return np.reshape(np.asarray(flat, np.float64), values.shape).tolist()


# -- what is cut ---------------------------------------------------------------------------------


def _axes(spec: ConvSpec, size: Sequence[int], channels: Channels, x: Array | None) -> list[Along]:
    """The part of each axis: that with most contrast, where the input is known, else the middle."""
    wanted = CELLS[spec.ndim]
    while wanted > 2 and len(channels.inputs) * max(wanted, max(spec.effective_kernel_size)) ** spec.ndim > MAX_CELLS // 2:
        wanted -= 1

    def cut(at: Sequence[float]) -> list[Along]:
        return [cut_along(axis, cells, wanted, place, spec.padding_mode) for axis, cells, place in zip(spec.axes, size, at, strict=True)]

    if x is None:
        return cut([0.5] * spec.ndim)
    steps = {1: 65, 2: 9, 3: 3}[spec.ndim]
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, steps)] * spec.ndim, indexing="ij"), -1).reshape(-1, spec.ndim)
    shown_input = x[channels.inputs].astype(np.float64)

    def contrast(at: Sequence[float]) -> float:
        cells = tuple(slice(along.first, along.last + 1) for along in cut(at))
        return float(np.std(shown_input[(slice(None), *cells)], axis=tuple(range(1, spec.ndim + 1))).sum())

    return cut(max(grid.tolist(), key=contrast))


def _told(
    layer: Layer, spec: ConvSpec, size: Sequence[int], channels: Channels, axes: Sequence[Along], is_real: bool
) -> tuple[list[dict[str, Any]], str]:
    """What is shown of the layer, as rows and as a sentence."""
    inputs = _some(channels.inputs, spec.in_channels, "input channel")
    outputs = _some(channels.outputs, spec.out_channels, "output channel")
    names = NAMES[spec.ndim]
    places = ", ".join(_places(name, along, cells) for name, along, cells in zip(names, axes, size, strict=True))
    made = ", ".join(f"{name} {along.output}–{along.output + along.outputs - 1}" for name, along in zip(names, axes, strict=True))
    left = spec.in_channels // spec.groups - channels.inputs_each
    if channels.is_whole:
        sums = "complete: each has all of the input channels that it sees"
    else:
        sums = f"partial sums: in the network {left} more input channels are added to each"
    numbers = "as the network computes it from the picture" if is_real else "made-up numbers: give a picture for real ones"
    rows = [
        ("layer", f"{layer.name}: {spec}", ""), ("input channels", inputs, ""), ("output channels", outputs, ""),
        ("input", places, numbers), ("output", made, sums),
    ]  # fmt: skip
    note = f"Shown of {layer.name}: {inputs} and {outputs}; {places} of its input. The outputs are {sums}."
    return [{"title": "Shown of the layer", "rows": [{"name": name, "value": value, "sum": words} for name, value, words in rows]}], note


def _places(name: str, along: Along, cells: int) -> str:
    if along.is_whole:
        return f"all {cells} {name}" if cells > 1 else f"its one {name.removesuffix('s')}"
    return f"{name} {along.first}–{along.last} of {cells}"


def _some(numbers: Sequence[int], of: int, what: str) -> str:
    """``input channels 0, 1, 2 of 64``."""
    plural = "s" if len(numbers) > 1 else ""
    if len(numbers) == of:
        return f"all {of} {what}s" if of > 1 else f"its one {what}"
    return f"{what}{plural} {', '.join(map(str, numbers))} of {of}"
