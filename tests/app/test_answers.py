"""The one door: every question has an answer, and bad input comes back as a problem."""

from __future__ import annotations

import json

import pytest

from faltung.app.answers import QUESTIONS, answer
from faltung.app.presets import PRESETS
from faltung.errors import ConvError


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_can_be_shown(preset) -> None:
    shown = answer("show", {"state": preset.fields})
    assert shown["problem"] is None
    assert shown["facts"]
    assert shown["plan"]["algorithm"]
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert answer("show", {"state": shown["state"]}) == shown


def test_values_stand_beside_the_state() -> None:
    shown = answer("show", {"state": {"kernel_size": [2], "input_size": [3], "bias": True, "x": {"values": [[1, 2, 3]]}}})
    assert shown["state"]["x"] == {"values": [[1, 2, 3]]}
    assert shown["state"]["weight"] is None
    assert shown["state"]["values"] == {"x": [[1, 2, 3]], "weight": [[[0, 1]]], "bias_values": [1], "then": []}
    assert [step[0][3] for step in shown["scene"]["stages"][0]["steps"]["writes"]] == [3, 4]


def test_an_impossible_state_tells_the_sum_and_its_remedies() -> None:
    shown = answer("show", {"state": {"kernel_size": 7, "input_size": 5}})
    assert shown["scene"] is None
    assert shown["state"]["kernel_size"] == [7, 7]
    assert "floor((5 + 0 + 0 - 1*(7-1) - 1) / 1) + 1 = -1" in shown["problem"]["message"]
    labels = [remedy["label"] for remedy in shown["problem"]["remedies"]]
    assert "kernel 5×5 instead of 7×7" in labels
    for remedy in shown["problem"]["remedies"]:
        assert answer("show", {"state": remedy["state"]})["problem"] is None


def test_a_photograph_that_is_not_installed_is_a_problem_with_a_remedy(monkeypatch) -> None:
    def missing():
        raise ConvError("scikit-image is not installed.", "Install it.")

    monkeypatch.setattr("faltung.photo.default_photograph", missing)
    shown = answer("show", {"state": {"x": {"named": "photo"}, "input_size": [4, 5]}})
    assert shown["problem"]["message"] == "scikit-image is not installed."
    (remedy,) = shown["problem"]["remedies"]
    assert answer("show", {"state": remedy["state"]})["scene"]


def test_what_is_too_large_to_show_has_facts_and_says_why() -> None:
    stem = {"in_channels": 3, "out_channels": 64, "kernel_size": 7, "stride": 2, "padding": 3, "input_size": 224}
    shown = answer("show", {"state": stem})
    assert (shown["problem"], shown["scene"]) == (None, None)
    assert "3 channels * 224*224 = 150528 cells" in shown["unshown"]["message"]
    values = {row["name"]: row["value"] for table in shown["facts"] for row in table["rows"]}
    assert values["multiply-accumulates (MACs)"] == "118 013 952"
    (smaller,) = [remedy for remedy in shown["unshown"]["remedies"] if remedy["label"].startswith("an input")]
    assert answer("show", {"state": smaller["state"]})["scene"]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("nn.Conv2d(3, 8, kernel_size=(3, 3), padding=(1, 2), bias=False)", {"in_channels": 3, "padding": [[1, 1], [2, 2]]}),
        ("conv1d(1, 1, 2, padding='causal')", {"ndim": 1, "kernel_size": [2], "padding": "causal", "bias": True}),
        ("nn.ConvTranspose2d(1, 1, 4, 2, 1)", {"transposed": True, "stride": [2, 2]}),
        ("self.conv1 = nn.Conv2d(3, 8, (3, 5), bias=False)  # the stem", {"in_channels": 3, "kernel_size": [3, 5]}),
        ("  (conv1): Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)", {"out_channels": 64}),
        (
            "Sequential(\n  (0): Conv2d(4, 4, kernel_size=(3, 3), padding=(1, 1), groups=4)\n  (1): BatchNorm2d(4, eps=1e-05)\n"
            "  (2): ReLU(inplace=True)\n  (3): Conv2d(4, 6, kernel_size=(1, 1))\n)",
            {"groups": 4, "out_channels": 4, "kernel_size": [3, 3]},
        ),
        ('{"kernel_size": [1, 1]}', {"kernel_size": [1, 1]}),
        ("http://127.0.0.1:8765/#token=abc&stride=2x2&padding=1x0,1", {"stride": [2, 2], "padding": [[1, 1], [0, 1]]}),
        ("#ndim=1&kernel_size=3&transposed=true&padding=same_upper", {"ndim": 1, "transposed": True, "padding": "same_upper"}),
        (
            "#x=[[[1,2],[3,4]]]&input_size=2x2&kernel_size=1x1&weight=box(1)",
            {"x": {"values": [[[1, 2], [3, 4]]]}, "weight": {"named": "box(1)"}},
        ),
        ("#x=impulse&then=%5B%7B%22kernel_size%22%3A1%7D%5D", {"x": {"named": "impulse"}, "out_channels": 1}),
    ],
)
def test_reading_text(text: str, fields) -> None:
    state = answer("read", {"text": text})["state"]
    assert {name: state[name] for name in fields} == fields
    assert answer("show", {"state": state})["problem"] is None


def test_a_printed_sequence_becomes_layers() -> None:
    text = "Sequential((0): Conv2d(2, 3, kernel_size=(3, 3)) (1): Conv2d(3, 5, kernel_size=(2, 2), stride=(2, 2)))"
    state = answer("read", {"text": text, "state": {"input_size": [9, 12]}})["state"]
    (second,) = state["then"]
    assert (state["input_size"], state["out_channels"], second["out_channels"], second["stride"]) == ([9, 12], 3, 5, [2, 2])
    stages = answer("show", {"state": state})["scene"]["stages"]
    assert [stage["output"]["size"] for stage in stages] == [[7, 10], [3, 5]]


@pytest.mark.parametrize(
    ("question", "body", "told"),
    [
        ("ask", {}, "question='ask' is not known"),
        ("show", [], "a question comes with an object"),
        ("show", {"state": 3}, "state=3 is a int"),
        ("show", {"state": {"strides": 1}}, "a field of state='strides' is not known"),
        ("show", {"state": {"stride": 0}}, "stride[0]=0 is not between 1"),
        ("show", {"state": {"stride": True}}, "stride[0]=True is of type bool"),
        ("show", {"state": {"x": {"values": [[[1, "2"]]]}}}, "x holds '2' of type str"),
        ("show", {"state": {"x": {"values": [[[float("nan")]]]}}}, "x holds nan, which is no finite number"),
        ("show", {"state": {"x": {"named": "lena"}}}, "x.named='lena' is not known"),
        ("show", {"state": {"bias_values": {"named": "box"}}}, "bias_values has the name 'box': no bias has one"),
        ("show", {"state": {"weight": {"named": "sobel"}}}, "kernel='sobel' is not known"),
        ("show", {"state": {"input_size": 10**30}}, "input_size[0]=1000000000000000000000000000000 is not between"),
        ("read", {"text": "print(1)"}, "is no convolution that can be read"),
        ("read", {"text": "Conv2d(1, 2, 3)\nMaxPool2d(2)\nConv2d(2, 3, 3)"}, "'MaxPool2d' stands beside the convolutions"),
        ("read", {"text": "Conv2d(1, 2, 3)\nConv2d(3, 3, 3)"}, "convolution 2 takes 3 channels on 2 axes, convolution 1 gives 2 on 2"),
        ("read", {"text": "Conv1d(1, 1, 3) " * 9}, "the text tells of 9 convolutions"),
        ("read", {"text": "Conv2d(1, 2, 3"}, "cannot read"),
        ("read", {"text": "Conv2D(32, (3, 3))"}, "Keras"),
        ("read", {"text": "conv2d(1, 1, (1, 1, 1, 1), ndim=4)"}, "contradicts the name"),
        ("read", {"text": 1}, "text=1 is no text"),
        ("read", {"text": "#%%%"}, "tells of no layer"),
        ("read", {"text": "https://example.org/"}, "tells of no layer"),
        ("read", {"text": "#strides=2"}, "a field of state='strides' is not known"),
        ("read", {"text": "#stride=2y2"}, "stride[0]='2y2' is of type str"),
    ],
)
def test_bad_input_is_a_problem(question: str, body, told: str) -> None:
    given = answer(question, body)
    assert told in given["problem"]["message"]


def test_questions_without_arguments() -> None:
    assert {"show", "read", "presets", "kernels"} <= set(QUESTIONS)
    kernels = {kernel["name"]: kernel for kernel in answer("kernels", {})["kernels"]}
    assert kernels["sobel_x"]["values"] == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    assert len(answer("presets", {})["presets"]) == len(PRESETS)
