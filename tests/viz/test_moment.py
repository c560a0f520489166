"""Stills of a moment: what is computed by then, and where the window and the cells lie that take part in what is held."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from faltung.viz.pictures.drawing import Drawing, Polygon, Text
from faltung.viz.pictures.flat import draw_flat
from faltung.viz.pictures.moment import Item, Moment, MomentTimeline
from faltung.viz.pictures.stacked import draw_stacked
from faltung.viz.scene import Scene, scene
from faltung.viz.scene.model import flat_index
from tests.viz.drawings import check_drawing

LAYERS = {
    "standard": ("conv2d(1, 1, 3, padding=1)", (4, 4)),
    "grouped": ("conv2d(4, 2, 2, groups=2, bias=False)", (3, 4)),
    "scatter": ("conv_transpose2d(2, 3, 2, stride=1, padding=1)", (3, 3)),
    "circular": ("conv1d(1, 2, 3, padding=2, padding_mode='circular')", (5,)),
    "volume": ("conv3d(1, 1, 2, bias=False)", (2, 3, 2)),
}


def made(name: str) -> Scene:
    spec, size = LAYERS[name]
    return scene(spec, size, bias=[5] if name == "standard" else None)


def values(shown: Scene, moment: Moment, stage: int = 0) -> dict[Any, Any]:
    found = MomentTimeline(shown, moment).contents(stage)
    return {key: one.value if one.is_written else None for key, (one,) in found.items()}


@pytest.mark.parametrize("name", ["standard", "circular", "volume"])
def test_of_a_gather_outputs_come_one_after_the_other(name: str) -> None:
    stage = made(name).stages[0]
    order = [(write.channel, write.cell, write.value) for step in stage.steps for write in step.writes]
    for frame in range(-1, len(order)):
        shown = values(made(name), Moment(frame=frame)) if frame >= 0 else {}
        assert {key for key, value in shown.items() if value is not None} == {key[:2] for key in order[: frame + 1]}
        assert all(shown[channel, cell] == value for channel, cell, value in order[: frame + 1])


def test_of_a_scatter_stamps_add_up_channel_after_channel() -> None:
    shown = made("scatter")
    stage = shown.stages[0]
    held = {key: stage.output.value(*key) for key in values(shown, Moment())}
    for frame, (step, channel) in enumerate(itertools.product(stage.steps, range(2))):
        for term in step.terms:
            if term.input_channel == channel:
                held[term.output_channel, step.window[term.tap].source] += term.product
        assert values(shown, Moment(frame=frame)) == {
            key: value if _is_begun(stage, key, frame) else None for key, value in held.items()
        }, frame
    assert values(shown, Moment()) == held


def _is_begun(stage: Any, key: Any, frame: int) -> bool:
    """Whether any product has come to an output by then."""
    for at, (step, channel) in enumerate(itertools.product(stage.steps, range(2))):
        mine = [term for term in step.terms if term.input_channel == channel and term.output_channel == key[0]]
        if at <= frame and any(step.window[term.tap].source == key[1] for term in mine):
            return True
    return False


def test_of_a_sum_in_the_making_the_sum_so_far_is_shown() -> None:
    shown = made("standard")
    terms, bias = shown.stages[0].steps[5].terms, shown.stages[0].kernel.bias
    assert bias
    for count in range(1, 10):
        total = sum(term.product for term in terms[:count]) + (bias[0] if count == 9 else 0)  # which comes last
        assert values(shown, Moment(frame=5, made=count))[0, (1, 1)] == total
    assert values(shown, Moment(frame=5, made=0))[0, (1, 1)] is None
    assert values(shown, Moment(frame=5, made=4))[0, (1, 0)] == shown.stages[0].steps[4].writes[0].value


def test_later_stages_wait() -> None:
    shown = scene(["conv1d(1, 1, 2)", "conv1d(1, 1, 2)"], 4)
    assert set(values(shown, Moment(0, 2), 1).values()) == {None}
    assert None not in values(shown, Moment(1, 0), 0).values()
    assert None not in values(shown, Moment(), 1).values()


def meaning(shown: Scene, item: Item) -> tuple[set[Any], set[Any]]:
    """Input and output cells that an item lights, by the scene's own objects: (channel, position)."""
    stage = shown.stages[0]
    inputs, outputs = set(), set()
    for step in stage.steps:
        for term in step.terms:
            tap = step.window[term.tap]
            under, focus = tap.position, step.focus
            read, written = (focus, under) if stage.reading == "scatter" else (under, focus)
            of_input = (term.input_channel, focus if stage.reading == "scatter" else tap.source)
            of_output = (term.output_channel, tap.source if stage.reading == "scatter" else focus)
            weight = flat_index(term.weight_index, stage.kernel.shape)
            takes_part = {
                "input": of_input == (item.channel, _source(stage.input, item)),
                "output": of_output == (item.channel, _source(stage.output, item)),
                "kernel": weight == item.place,
            }[item.grid]
            if takes_part:
                inputs.add((term.input_channel, read))
                outputs.add((term.output_channel, written))
    return inputs, outputs


def _source(grid: Any, item: Item) -> Any:
    return grid.cells[item.place].source if item.place < len(grid.cells) else None


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_held_lights_what_takes_part(name: str) -> None:
    shown = made(name)
    stage = shown.stages[0]
    own = {grid.name: next(at for at, cell in enumerate(grid.cells) if cell.origin == grid.name) for grid in (stage.input, stage.output)}
    last = {"input": stage.input.channels - 1, "output": stage.output.channels - 1, "kernel": 0}
    for grid, place in (*own.items(), ("kernel", 1)):
        item = Item(grid, last[grid], place)  # type: ignore[arg-type]
        (move,) = MomentTimeline(shown, Moment(item=item)).moves(0)
        window = {tap.position for tap in move.window}
        under, focused = ("output", "input") if stage.reading == "scatter" else ("input", "output")
        places = {under: window, focused: set(move.focus)}
        inputs, outputs = meaning(shown, item)
        for name_of, cells in (("input", inputs), ("output", outputs)):
            channels = {channel for channel in range(getattr(stage, name_of).channels) if move.means(name_of, channel)}
            assert {channel for channel, _ in cells} <= channels
            # A step's window lies on zeros and on what is cut off, too.
            assert {where for _, where in cells} <= places[name_of]
            if grid != focused or name_of != under:
                assert {where for _, where in cells} == places[name_of]


@pytest.mark.parametrize("draw", [draw_flat, draw_stacked])
@pytest.mark.parametrize("name", LAYERS)
def test_stills_are_sound_and_fit_the_film(name: str, draw: Any) -> None:
    shown = made(name)
    film: Drawing = draw(shown)
    kernel = Item("kernel", 0, 0)
    for moment in (Moment(), Moment(frame=1, item=Item("output", 0, 0)), Moment(item=kernel), Moment(item=Item("input", 0, 0))):
        still: Drawing = draw(shown, timeline=MomentTimeline(shown, moment))
        check_drawing(still)
        assert (still.frames, still.width) == (1, film.width)
        assert still.height <= film.height


def texts(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.visible(0) if isinstance(shape, Text)]


def test_the_picture_says_what_is_held() -> None:
    shown = scene("conv2d(1, 2, 2, bias=False)", x=[[[1, 2, 0], [0, 3, 1], [1, 1, 2]]], weight=[[[[1, 2], [3, 4]]], [[[0, 1], [1, 0]]]])
    held = draw_flat(shown, timeline=MomentTimeline(shown, Moment(item=Item("output", 1, 2))))
    assert "output[1, 1, 0] = 0·0 + 3·1 + 1·1 + 1·0 = 4" in texts(held)
    assert not [text for text in texts(held) if text.startswith("output[0")]
    assert held.captions == ("All 8 steps. output[1, 1, 0] is the sum of 4 products.",)
    focused = [shape.points[0] for shape in held.shapes if isinstance(shape, Polygon) and shape.role == "focus"]
    whole = draw_flat(shown)
    assert focused == [shape.points[0] for shape in whole.visible(2) if isinstance(shape, Polygon) and shape.role == "focus"][1:]
    weight = draw_flat(shown, timeline=MomentTimeline(shown, Moment(frame=1, item=Item("kernel", 0, 3))))
    assert weight.captions == ("Step 2 of 8. weight[0, 0, 1, 1] takes part in 4 products.",)
    assert texts(weight).count("output") == texts(whole).count("output")
