"""The region that the pyramid shows, against outputs that change when a cell does."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung import reference
from faltung.borders import PADDING_MODES
from faltung.errors import ConvError, ConvShapeError, ConvSpecError, ConvTypeError
from faltung.spec import ConvSpec
from faltung.viz.pictures.drawing import Drawing, Polygon, Text
from faltung.viz.pictures.palette import ROLES
from faltung.viz.pictures.pyramid import draw_pyramid
from faltung.viz.pictures.regions import Layers
from faltung.viz.scene import Scene, scene
from tests.viz.drawings import check_drawing, check_texts_apart

Chain = tuple[list[ConvSpec], tuple[int, ...]]


@st.composite
def chains(draw: st.DrawFn, axes: int) -> Chain:
    """One to three stages of one channel that fit each other, and the size of their input."""
    largest = 9 if axes == 1 else 4
    size = tuple(draw(st.integers(1, largest)) for _ in range(axes))
    specs: list[ConvSpec] = []
    at = size
    for _ in range(draw(st.integers(1, 3))):
        spec = ConvSpec(
            1, 1, tuple(draw(st.integers(1, 3)) for _ in range(axes)),
            stride=draw(st.integers(1, 3)),
            dilation=draw(st.integers(1, 2)),
            padding=draw(st.sampled_from(["full", "causal"]) | st.tuples(*[st.tuples(st.integers(-1, 3), st.integers(-1, 3))] * axes)),
            padding_mode=draw(st.sampled_from(PADDING_MODES)),
            transposed=draw(st.booleans()),
        )  # fmt: skip
        try:
            after = spec.output_size(at)
        except ConvError:
            continue
        if 0 < math.prod(after) <= 60:
            specs.append(spec)
            at = after
    return (specs, size) if specs else ([ConvSpec(1, 1, (1,) * axes)], size)


def reached(specs: list[ConvSpec], size: tuple[int, ...]) -> np.ndarray:
    """Whether each output of a chain (last axes) changes with each cell of its input (first axes)."""
    cells = math.prod(size)
    x = np.eye(cells, dtype=np.int64).reshape(cells, 1, *size)
    for spec in specs:
        x = reference.conv(spec, x, np.ones(spec.weight_shape, dtype=np.int64))
    return (x > 0).reshape(*size, *x.shape[2:])


def seen(shown: Scene, output: tuple[int, ...], layer: int) -> set[tuple[int, ...]]:
    along = [Layers(shown, axis).trace(place)[layer].seen for axis, place in enumerate(output)]
    return set(itertools.product(*along))


@pytest.mark.parametrize("reading", ["auto", "gather"])
@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_region_is_what_changes_the_output(axes: int, reading: str, data: st.DataObject) -> None:
    specs, size = data.draw(chains(axes))
    shown = scene(specs, size, reading=reading)
    sizes = [stage.input.size for stage in shown.stages]
    along = [Layers(shown, axis) for axis in range(axes)]
    for number, layer_size in enumerate(sizes):
        changes = reached(specs[number:], layer_size)
        for output in np.ndindex(changes.shape[axes:]):
            traces = [layers.trace(place)[number].seen for layers, place in zip(along, output, strict=True)]
            expected = set(map(tuple, np.argwhere(changes[(..., *output)]).tolist()))
            assert set(itertools.product(*traces)) == expected


def filled(drawing: Drawing, frame: int) -> dict[str, int]:
    """How many shapes of each role a frame shows."""
    roles = [shape.role for shape in drawing.visible(frame)]
    return {role: roles.count(role) for role in set(roles)}


@settings(max_examples=30, deadline=None)
@given(data=st.data(), axes=st.integers(1, 2))
def test_every_frame_fills_the_cells_that_are_seen(data: st.DataObject, axes: int) -> None:
    specs, size = data.draw(chains(axes))
    shown = scene(specs, size)
    drawing = draw_pyramid(shown)
    check_drawing(drawing)
    check_texts_apart(drawing, 0)
    outputs = list(np.ndindex(shown.stages[-1].output.size))
    assert drawing.frames == len(outputs)
    for frame, output in enumerate(outputs):
        roles = filled(drawing, frame)
        assert roles.get("input-strong", 0) == len(seen(shown, output, 0))
        assert roles.get("output-strong", 0) == 1 + sum(len(seen(shown, output, layer)) for layer in range(1, len(specs)))
        assert roles["focus"] == 1


def test_a_single_frame_is_one_of_all() -> None:
    shown = scene(["conv2d(1, 1, 2, dilation=2)", "conv2d(1, 1, 2, padding=1)"], (5, 4))
    drawing = draw_pyramid(shown)
    for frame, output in enumerate(np.ndindex(shown.stages[-1].output.size)):
        single = draw_pyramid(shown, output)
        assert single.frames == 1
        assert single.captions == (drawing.captions[frame],)
        polygons = [
            {(shape.points, shape.role) for shape in one if isinstance(shape, Polygon)} for one in (single.shapes, drawing.visible(frame))
        ]
        assert polygons[0] == polygons[1]


def texts(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Text)]


def test_holes_of_a_dilated_window_are_paler_and_counted() -> None:
    drawing = draw_pyramid(scene("conv1d(1, 1, 3, dilation=2)", 9), 1)
    assert filled(drawing, 0)["input-strong"] == 3
    assert filled(drawing, 0)["input"] == 2
    assert "sees 3 of 9, spread over 5" in texts(drawing)
    assert drawing.captions == ("output[1] sees 3 of 9 cells of the input, spread over 5.",)


def test_padding_is_marked_and_leads_to_the_cells_it_copies() -> None:
    drawing = draw_pyramid(scene(["conv1d(1, 1, 3, padding=1, padding_mode='circular')"] * 2, 12), 0)
    assert "sees 5 of 12" in texts(drawing)
    assert "and 2 of padding" in texts(drawing)
    assert filled(drawing, 0)["wrapped-strong"] == 3
    # One on layer 1, on the window; two on the input, on either end.
    assert filled(drawing, 0)["input-line"] == 2


def test_an_output_that_nothing_reaches_sees_nothing() -> None:
    drawing = draw_pyramid(scene("conv_transpose1d(1, 1, 1, stride=3)", 3))
    assert drawing.captions[1] == "output[1] sees none of 3 cells of the input."
    assert "input-strong" not in filled(drawing, 1)


def test_layers_stand_above_the_middle_of_their_windows() -> None:
    strided = Layers(scene(["conv1d(1, 1, 3, stride=2, padding=1)"] * 2, 9), 0).layers
    assert [(layer.start, layer.pitch) for layer in strided] == [(0, 1), (0, 2), (0, 4)]
    stretched = Layers(scene("conv_transpose1d(1, 1, 3, stride=2)", 4), 0).layers
    assert [(layer.start, layer.pitch) for layer in stretched] == [(0, 1), (-0.5, 0.5)]
    gathered = Layers(scene("conv_transpose1d(1, 1, 3, stride=2)", 4, reading="gather"), 0).layers
    assert [(layer.start, layer.pitch) for layer in gathered] == [(0, 0.5), (-0.5, 0.5)]
    causal = Layers(scene("conv1d(1, 1, 3, dilation=2, padding='causal')", 8), 0).layers
    assert [(layer.start, layer.pitch) for layer in causal] == [(0, 1), (0, 1)]


@pytest.mark.parametrize(
    ("at", "error", "said"),
    [
        (3, ConvShapeError, "3 is outside the last output of size (3,)"),
        ((0, 0), ConvShapeError, "has 2 entries"),
        (0.5, ConvTypeError, "holds 0.5 of type float"),
    ],
)
def test_an_output_that_is_not_there_is_refused(at: object, error: type[ConvError], said: str) -> None:
    with pytest.raises(error) as caught:
        draw_pyramid(scene("conv1d(1, 1, 3)", 5), at)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_negative_places_count_from_the_end() -> None:
    shown = scene("conv2d(1, 1, 3)", (5, 6))
    assert draw_pyramid(shown, (-1, -1)) == draw_pyramid(shown, (2, 3))


def test_three_axes_are_refused() -> None:
    with pytest.raises(ConvSpecError, match="3 spatial axes"):
        draw_pyramid(scene("conv3d(1, 1, 2)", (3, 3, 3)))


@pytest.mark.parametrize("spec", ["conv1d(1, 1, 7)", "conv1d(1, 1, 1)"])
def test_a_scene_of_one_output_has_one_frame(spec: str) -> None:
    drawing = draw_pyramid(scene(spec, 7 if "7" in spec else 1))
    assert drawing.frames == 1
    check_drawing(drawing)
    assert {shape.role for shape in drawing.shapes} <= set(ROLES)
