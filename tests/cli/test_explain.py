"""`faltung explain`: the numbers, and the sums behind them."""

from __future__ import annotations

import math

import pytest

from faltung.spec import ConvSpec
from faltung.sums import flops_sum, macs_sum, parameters_sum

STEM = "nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)"


def test_the_resnet_stem(faltung) -> None:
    result = faltung("explain", STEM, "--input", "224x224")
    assert result.exit_code == 0
    for told in (
        "conv2d(3, 64, (7, 7), stride=(2, 2), padding=(3, 3), bias=False)\nstandard, strided\n",
        "weight            (64, 3, 7, 7) = (out, in / groups, kernel)",
        "(1, 64, 112, 112), that is 112 × 112 for each of 64 channels",
        "floor((224 + 3 + 3 - 1*(7-1) - 1) / 2) + 1 = 112",
        "64·(3·7·7) = 9 408",
        "112·112·64·(3·7·7) = 118 013 952",
        "2·118 013 952 = 236 027 904",
        "receptive field   7 × 7 input cells",
        "height 223 to 224, width 223 to 224",
        "conv_transpose2d(64, 3, (7, 7), stride=(2, 2), padding=(3, 3),",
    ):
        assert told in result.stdout
    assert result.stderr == ""


def test_without_a_size_what_depends_on_it_is_left_out(faltung) -> None:
    result = faltung("explain", STEM, "--no-code")
    assert result.exit_code == 0
    assert "9 408" in result.stdout
    assert "receptive field" in result.stdout
    for absent in ("MACs", "FLOPs", "memory", "output  ", "of the weight"):
        assert absent not in result.stdout


@pytest.mark.parametrize("size", ["1x3x224x224", "3x224x224", "224x224", "224×224", "224, 224", " 224 X 224 ", "(224, 224)"])
def test_sizes_are_read_as_people_write_them(as_json, size: str) -> None:
    assert as_json("explain", STEM, "--input", size)["output_shape"] == [1, 64, 112, 112]


def test_json_holds_what_the_text_tells(as_json) -> None:
    facts = as_json("explain", STEM, "--input", "8x3x224x224")
    assert facts["output_shape"] == [8, 64, 112, 112]
    assert (facts["parameters"], facts["macs"], facts["flops"]) == (9408, 118013952, 236027904)
    assert facts["counted_for"] == "one sample"
    assert facts["receptive_field"] == [7, 7]
    assert facts["input_sizes"] == [[223, 224], [223, 224]]
    assert facts["memory_bytes"]["total"] == 4 * (3 * 224**2 + 64 * 112**2 + 9408)
    assert facts["output_sums"] == ["floor((224 + 3 + 3 - 1*(7-1) - 1) / 2) + 1 = 112"] * 2
    assert ConvSpec(**facts["fields"]) == ConvSpec.parse(STEM) == ConvSpec.parse(facts["spec"])
    assert ConvSpec.parse(facts["adjoint"]["input_grad"]) == ConvSpec.parse(STEM).adjoint((224, 224)).input_grad


def test_code_is_printed_unwrapped_for_every_framework(faltung) -> None:
    result = faltung("explain", STEM)
    assert "    conv = nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)\n" in result.stdout
    for name in ("PyTorch", "ONNX", "JAX", "Keras"):
        assert f"\n  {name}\n" in result.stdout


def test_what_a_framework_cannot_express_is_said_in_its_place(as_json) -> None:
    code = as_json("explain", "conv5d(1, 1, 2)")["code"]
    refused = [text for text in code.values() if text.startswith("# ")]
    assert refused
    assert all(line.startswith("# ") for text in refused for line in text.splitlines())


@pytest.mark.parametrize(
    ("text", "size", "shown"),
    [
        ("conv_transpose2d(4, 2, 4, stride=2, padding=1)", "5x6", "(5 - 1)*2 - 1 - 1 + 1*(4-1) + 0 + 1 = 10"),
        ("conv2d(1, 1, 3, stride=2, padding='same_upper')", "6x7", "0 before, 1 after (height) and 1 before, 1 after (width)"),
        ("conv1d(1, 1, 3, dilation=2)", "9", "2*(3-1) + 1 = 5"),
        ("conv1d(1, 1, 3, stride=3)", "8", "2 at the end of the length"),
        ("conv4d(1, 1, 2)", "3x3x3x3", "axis 3"),
    ],
)
def test_other_kinds_show_their_own_arithmetic(faltung, text: str, size: str, shown: str) -> None:
    result = faltung("explain", text, "--input", size, "--no-code", columns=120)
    assert result.exit_code == 0
    assert shown in result.stdout


@pytest.mark.parametrize("text", [STEM, "conv_transpose3d(8, 4, 3, groups=2, dilation=2)", "conv1d(6, 6, 5, groups=6, bias=False)"])
def test_the_sums_are_right(text: str) -> None:
    spec = ConvSpec.parse(text)
    size = (10,) * spec.ndim if "7" not in text else (224, 224)
    for line in (parameters_sum(spec), macs_sum(spec, size), flops_sum(spec, size)):
        left, right = line.rsplit(" = ", 1)
        terms = left.replace("(", "").replace(")", "").replace(" ", "").split("+")
        assert sum(math.prod(map(int, term.split("·"))) for term in terms) == int(right.replace(" ", ""))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("conv2d(3, 64",), "cannot read 'conv2d(3, 64' as a spec"),
        (("",), "the spec's text is empty"),
        (("conv2d(3, 64, 7, strid=2)",), "Did you mean 'stride'?"),
        (("__import__('os').system('echo no')",), "is no convolution"),
        (
            (STEM, "--input", "224"),
            "has 1 sizes, conv2d(3, 64, (7, 7), stride=(2, 2), padding=(3, 3), bias=False) takes 2 (height x width).",
        ),
        ((STEM, "--input", "224x-1"), "--input='224x-1' is not a size."),
        ((STEM, "--input", "²x2"), "is not a size."),
        ((STEM, "--input", ""), "--input='' is not a size."),
        ((STEM, "--input", "9" * 5000), "is not a size."),
        ((STEM, "--input", "1x4x224x224"), "--input='1x4x224x224' has 4 channels"),
        (("conv2d(1, 1, 3)", "--input", "2x2"), "no output along axis 0: floor((2 + 0 + 0 - 1*(3-1) - 1) / 1) + 1 = 0."),
        (("conv1d(1, 1, 3)", "--input", "9" * 19), "input_size[0]"),
        (("conv1d(1, 1, 3)", "--inptu", "9"), "No such option: --inptu"),
        ((), "Missing argument 'SPEC'."),
    ],
)
def test_bad_input_is_one_block(refused, arguments: tuple[str, ...], told: str) -> None:
    assert told in refused("explain", *arguments)
