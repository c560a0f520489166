"""Text to spec and back: what people have in hand is read, what is hostile is refused, nothing is evaluated."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from faltung.errors import ConvSpecError
from faltung.notation import parse_fields
from faltung.spec import ConvSpec
from tests.support.meanwhile import between_steps
from tests.support.strategies import specs

# -- PyTorch ------------------------------------------------------------------------------------------


def layers(torch: ModuleType, ndim: int, *, transposed: bool) -> Any:
    """PyTorch's layers with many combinations of arguments, each with the arguments' text."""
    name = f"Conv{'Transpose' if transposed else ''}{ndim}d"
    mixed = tuple(range(1, ndim + 1))
    one_by_one: list[dict[str, Any]] = [
        {},
        {"kernel_size": mixed},
        {"stride": 2},
        {"stride": mixed},
        {"padding": 1},
        {"padding": mixed, "kernel_size": 7},
        {"dilation": 2},
        {"dilation": mixed},
        {"groups": 2},
        {"groups": 4},
        {"bias": False},
        {"stride": mixed, "padding": 1, "dilation": mixed, "groups": 2, "bias": False},
    ]
    if transposed:
        one_by_one += [
            {"stride": 2, "output_padding": 1},
            {"dilation": 3, "output_padding": 2, "padding": 1},
            {"stride": mixed, "dilation": 2, "output_padding": 1},
        ]
    else:
        one_by_one += [{"padding": padding, "kernel_size": 5} for padding in ("same", "valid")]
        one_by_one += [{"padding_mode": mode, "padding": 1} for mode in ("zeros", "reflect", "replicate", "circular")]
        one_by_one += [{"padding": "same", "padding_mode": "circular", "dilation": 2, "bias": False}]
    for options in one_by_one:
        arguments = {"in_channels": 4, "out_channels": 8, "kernel_size": 3, **options}
        yield getattr(torch.nn, name)(**arguments), name, arguments


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("ndim", "transposed"), list(itertools.product((1, 2, 3), (False, True))))
def test_reprs_and_constructors_of_pytorch(torch: ModuleType, ndim: int, transposed: bool) -> None:
    for layer, name, arguments in layers(torch, ndim, transposed=transposed):
        spec = ConvSpec.parse(repr(layer))
        x = torch.zeros(1, 4, *(9 + axis for axis in range(ndim)))
        assert spec.output_shape(x.shape) == tuple(layer(x).shape), repr(layer)
        assert spec.weight_shape == tuple(layer.weight.shape)
        assert spec.bias == (layer.bias is not None)
        assert (spec.stride, spec.dilation, spec.groups, spec.padding_mode) == (
            layer.stride,
            layer.dilation,
            layer.groups,
            layer.padding_mode,
        )
        padding = layer.padding if isinstance(layer.padding, str) else tuple((side, side) for side in layer.padding)
        assert spec.padding == padding
        assert spec.output_padding == tuple(layer.output_padding)
        spelled = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        assert ConvSpec.parse(f"{name}({spelled})") == spec
        assert ConvSpec.parse(f"torch.nn.{name}({spelled}, device='cpu', dtype=None)") == spec


def test_positions_are_those_of_pytorchs_constructors(torch: ModuleType) -> None:
    for name, values in (
        ("Conv2d", (4, 8, 3, 2, 1, 2, 2, False, "reflect")),
        ("ConvTranspose2d", (4, 8, 3, 2, 1, 1, 2, False, 2, "zeros")),
    ):
        for count in range(3, len(values) + 1):
            spelled = ", ".join(map(repr, values[:count]))
            layer = getattr(torch.nn, name)(*values[:count])
            assert ConvSpec.parse(f"nn.{name}({spelled})") == ConvSpec.parse(repr(layer))


# -- spellings ----------------------------------------------------------------------------------------

PLAIN = ConvSpec(3, 8, 3, stride=2, padding=1, ndim=2)
TRANSPOSED = ConvSpec(3, 8, 3, stride=2, padding=1, transposed=True, ndim=2)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("conv2d(3, 8, 3, 2, 1)", PLAIN),
        ("Conv2d(3, 8, 3, 2, 1)", PLAIN),
        ("nn.Conv2d(3, 8, 3, stride=2, padding=1)", PLAIN),
        ("torch.nn.Conv2d(in_channels=3, out_channels=8, kernel_size=3, stride=2, padding=1)", PLAIN),
        ("torch.nn.modules.conv.Conv2d(3, 8, (3, 3), (2, 2), (1, 1))", PLAIN),
        ("fl.conv2d(3, 8, [3, 3], stride=[2, 2], padding=[1, 1])", PLAIN),
        ("  conv2d(\n    3, 8, 3,\n    stride=2,  # every other\n    padding=1,\n)\n", PLAIN),
        ("conv2d(padding=1, stride=2, kernel_size=3, out_channels=8, in_channels=3)", PLAIN),
        ("conv2d(3, 8, 3, 2, ((1, 1), (1, 1)))", PLAIN),
        ("conv2d(3, 8, 3, 2, +1)", PLAIN),
        ("conv2d(3, 8, 0x3, 2, 1, bias=True, ndim=2)", PLAIN),
        ("ConvSpec(3, 8, 3, 2, 1, ndim=2)", PLAIN),
        ("faltung.ConvSpec(3, 8, (3, 3), stride=2, padding=1)", PLAIN),
        ("conv_transpose2d(3, 8, 3, 2, 1)", TRANSPOSED),
        ("conv2d_transpose(3, 8, 3, 2, 1)", TRANSPOSED),
        ("ConvTranspose2d(3, 8, 3, 2, 1)", TRANSPOSED),
        ("nn.ConvTranspose2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))", TRANSPOSED),
        ("ConvSpec(3, 8, (3, 3), 2, 1, transposed=True)", TRANSPOSED),
        ("conv2d(3, 8, 3, padding=same)", ConvSpec(3, 8, 3, padding="same", ndim=2)),
        ("conv2d(3, 8, 3, padding=2, padding_mode=circular)", ConvSpec(3, 8, 3, padding=2, padding_mode="circular", ndim=2)),
        ("conv2d(3, 8, 3, padding=-1)", ConvSpec(3, 8, 3, padding=-1, ndim=2)),
        ("conv4d(1, 1, 2)", ConvSpec(1, 1, 2, ndim=4)),
        ("conv12d(1, 1, 2)", ConvSpec(1, 1, 2, ndim=12)),
    ],
)
def test_spellings(text: str, spec: ConvSpec) -> None:
    assert ConvSpec.parse(text) == spec


def test_the_text_leaves_defaults_out() -> None:
    assert str(ConvSpec(3, 8, 3, ndim=2)) == "conv2d(3, 8, (3, 3))"
    everything = ConvSpec(4, 8, (3, 2), 2, ((1, 0), (0, 1)), (1, 3), 4, False, "reflect", True, (0, 1), True)
    assert str(everything) == (
        "conv_transpose2d(4, 8, (3, 2), stride=(2, 2), padding=((1, 0), (0, 1)), output_padding=(0, 1), dilation=(1, 3), groups=4, "
        "bias=False, padding_mode='reflect', flip=True)"
    )
    assert str(ConvSpec(1, 1, 3, padding="causal", ndim=1)) == "conv1d(1, 1, (3,), padding='causal')"
    assert ConvSpec.parse(str(everything)) == everything


# -- what is refused ----------------------------------------------------------------------------------

HUGE = "0x" + "f" * 5000
HOSTILE = [
    "",
    " ",
    "\n",
    "\0",
    "conv2d(3, 8, 3)\0",
    "conv2d",
    "conv2d(",
    "conv2d)",
    "conv2d()",
    "conv2d(3, 8)",
    "3",
    "None",
    "conv2d[3, 8, 3]",
    "conv2d{3, 8, 3}",
    "conv2d(3, 8, 3) + 1",
    "conv2d(3, 8, 3); conv2d(3, 8, 3)",
    "conv2d(3, 8, 3)\nconv2d(3, 8, 3)",
    "import os",
    "x = conv2d(3, 8, 3)",
    "lambda: conv2d(3, 8, 3)",
    "[conv2d(3, 8, 3)]",
    "conv2d(3, 8, 3).weight",
    "conv2d(3, 8, 3)(x)",
    "conv2d(3, 8, 3) if 1 else 2",
    "await conv2d(3, 8, 3)",
    "f'{conv2d(3, 8, 3)}'",
    "(yield)",
    # names that are no convolution, or one whose arguments mean something else
    "linear(3, 8, 3)",
    "conv(3, 8, 3)",
    "conv0d(3, 8, 3)",
    "conv-1d(3, 8, 3)",
    "conv100d(3, 8, 3)",
    "conv2d2d(3, 8, 3)",
    "1conv2d(3, 8, 3)",
    "nn.LazyConv2d(8, 3, 2)",
    "Conv2D(8, 3, 2)",
    "keras.layers.Conv2DTranspose(8, 3, 2)",
    "SeparableConv2d(3, 8, 3)",
    "conv٢d(3, 8, 3)",
    # running code
    "__import__('os')",
    "__import__('os').system('true')",
    "conv2d(3, 8, __import__('os').getpid())",
    "conv2d(3, 8, kernel_size=print(1))",
    "conv2d((lambda: 3)(), 8, 3)",
    "conv2d(3, 8, [k for k in (3, 3)])",
    "conv2d(3, 8, (k := 3))",
    "conv2d(3, 8, 1 + 2)",
    "conv2d(3, 8, 3 ** 2)",
    "conv2d(3, 8, 9 ** 9 ** 9 ** 9)",
    "conv2d(3, 8, 'a' * 999999999)",
    "conv2d(3, 8, f'{3}')",
    "conv2d(3, 8, 3 if True else 5)",
    "conv2d(3, 8, not 3)",
    "conv2d(3, 8, os.environ)",
    "conv2d(3, 8, x)",
    "conv2d(3, 8, 3, bias=nope)",
    "conv2d(3, 8, 3, padding=os.environ)",
    "getattr(nn, 'conv2d')(3, 8, 3)",
    "nn['conv2d'](3, 8, 3)",
    "(lambda: nn)().conv2d",
    # arguments
    "conv2d(*x)",
    "conv2d(*(3, 8, 3))",
    "conv2d(**x)",
    "conv2d(**{'in_channels': 3})",
    "conv2d(3, 8, 3, **{})",
    "conv2d(3, 8, 3, stride=1, stride=2)",
    "conv2d(3, 8, 3, in_channels=3)",
    "conv2d(3, 8, 3, strides=2)",
    "conv2d(3, 8, 3, 1, 0, 1, 1, True, 'zeros', 9)",
    "conv2d(3, 8, 3, ndim=3)",
    "conv2d(3, 8, (3, 3, 3))",
    "conv_transpose2d(3, 8, 3, transposed=False)",
    "conv2d(in_channels=3, 8, 3)",
    "conv2d(3 8 3)",
    # values
    "conv2d('3', 8, 3)",
    "conv2d(3.0, 8, 3)",
    "conv2d(True, 8, 3)",
    "conv2d(None, 8, 3)",
    "conv2d(3j, 8, 3)",
    "conv2d(..., 8, 3)",
    "conv2d(3, 8, {3, 5})",
    "conv2d(3, 8, {3: 5, 5: 3})",
    "conv2d(3, 8, b'ab')",
    "conv2d(3, 8, 'ab')",
    "conv2d(3, 8, ())",
    "conv2d(3, 8, ((3, 3), 3))",
    "conv2d(-3, 8, 3)",
    "conv2d(3, 8, 0)",
    "conv2d(3, 8, 1e400)",
    "conv2d(3, 8, 3, padding=None)",
    "conv2d(3, 8, 3, padding=zeros)",
    "conv2d(3, 8, 3, padding_mode=same)",
    # sizes
    "conv2d(3, 8, 99999999999999999999)",
    f"conv2d(3, 8, 1{'0' * 5000})",
    f"conv2d(3, 8, {HUGE})",
    f"conv2d(-{HUGE}, 8, 3)",
    f"conv2d(3, 8, x * {HUGE})",
    f"conv2d(3, 8, ({HUGE}, 3, 3))",
    f"conv2d(3, 8, 3, bias={HUGE})",
    f"conv2d(3, 8, 3, padding_mode={HUGE})",
    f"conv2d(3, 8, 3, ndim={HUGE})",
    f"conv_transpose2d(3, 8, 3, transposed={HUGE})",
    f"ConvSpec(3, 8, {HUGE})",
    "ConvSpec(3, 8, 3)",
    "ConvSpec(3, 8, 3, ndim=1000000000000)",
    "conv2d(3, 8, (" + "3," * 4000 + "))",
    "conv2d(" + "3," * 4000 + ")",
    "conv2d(3, 8, 3" + ", stride=1" * 900 + ")",
    "conv2d(3, 8, 3)" + " " * 10_000,
    "c" * 1_000_000,
    # nesting
    "(" * 9000,
    "[" * 9000,
    "-" * 9000 + "1",
    "(" * 3000 + ")" * 3000,
    "conv2d(" + "(" * 3000 + "3" + ")" * 3000 + ", 8, 3)",
    "conv2d(" + "-" * 5000 + "3, 8, 3)",
    "conv2d(3, 8, " + "not " * 2000 + "3)",
    "conv2d(" + "+".join("3" * 4000) + ", 8, 3)",
    "conv2d(3, 8, 3, padding=" + "[" * 90 + "]" * 90 + ")",
    "a." * 4000 + "linear(3, 8, 3)",
    "conv2d(" * 90 + ")" * 90,
    "lambda: " * 1000 + "3",
    # text that is no text
    "\ud800",
    "conv2d(3, 8, '\ud800')",
    "conv2d(3, 8, '\\d')",
    "\ufeffconv3",
    "conv2d(1if 2else 3, 8, 3)",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[1:31])
def test_hostile_text_is_a_spec_error_and_nothing_else(text: str) -> None:
    with pytest.raises(ConvSpecError) as caught:
        ConvSpec.parse(text)
    assert caught.type is ConvSpecError
    assert caught.value.remedy
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("thing", [None, 3, b"conv2d(3, 8, 3)", ["conv2d(3, 8, 3)"], PLAIN], ids=lambda thing: type(thing).__name__)
def test_what_is_no_text(thing: Any) -> None:
    with pytest.raises(ConvSpecError, match="a spec is read from text, not from"):
        ConvSpec.parse(thing)


def test_the_text_gives_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numbers = ("0x3or 4", ".5or 4", "1..2and 3", "a.5if 1", "1.e3else", "9" * 30 + "in 1")
        for text in ("conv2d(3, 8, 3, padding='\\d')", "conv2d(3, 8, 3, padding=1 is 1)", *(f"conv2d(3, 8, {one})" for one in numbers)):
            with pytest.raises(ConvSpecError):
                ConvSpec.parse(text)


@pytest.mark.parametrize("word", ["and 4", "else 4", "for x in y", "if 4", "in x", "is 4", "or 4", "not in x"])
@pytest.mark.parametrize("number", ["3", "0x3", "1.5", ".5"])
def test_a_number_that_runs_into_a_word_is_not_left_to_python(number: str, word: str) -> None:
    with pytest.raises(ConvSpecError, match=r"as a spec: it has a backslash, or a number that runs into a word\.\n"):
        ConvSpec.parse(f"conv2d(3, 8, {number}{word})")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_that_goes_on_is_read(end: str) -> None:
    assert ConvSpec.parse(f"conv2d(3, \\{end}8, 3)") == ConvSpec.parse("conv2d(3, 8, 3)")


@pytest.mark.parametrize("text", ["conv2d(3, 8, 3)", *HOSTILE], ids=lambda text: ascii(text)[1:31])
def test_warnings_of_other_threads_are_left_alone(text: str) -> None:
    """What is ignored is ignored in all threads, and two that take turns may leave it so for ever."""
    filters, seen = list(warnings.filters), []
    with between_steps(parse_fields, lambda: seen.append(list(warnings.filters) == filters)), contextlib.suppress(ConvSpecError):
        parse_fields(text)
    assert seen
    assert all(seen)


def check_read_or_refused(text: str) -> None:
    try:
        spec = ConvSpec.parse(text)
    except ConvSpecError:
        return
    assert ConvSpec.parse(str(spec)) == spec


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
@settings(max_examples=300)
def test_any_text_is_check_read_or_refused(text: str) -> None:
    check_read_or_refused(text)
    check_read_or_refused(f"conv2d({text})")
    check_read_or_refused(f"conv2d(3, 8, 3, {text})")


WORDS = """
    conv2d conv1d nn. ConvTranspose2d ConvSpec ( ) ( ) [ ] , , = * ** - . : 3 8 1 0 9999999999999999999999999 2.5 'same' kernel_size
    stride padding bias ndim True None same lambda for in if else # \\ ' " { } @ é :=
"""
PIECES = [*WORDS.split(), ", ", "\n", "\0"]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=500)
@example("conv2d(3,8,3,padding=same)")
def test_shuffled_pieces_are_check_read_or_refused(text: str) -> None:
    check_read_or_refused(text)


@given(specs(), st.integers(0, 10_000), st.characters() | st.just(""))
@settings(max_examples=300)
def test_damaged_text_is_read_or_refused(spec: ConvSpec, place: int, character: str) -> None:
    text = str(spec)
    place %= len(text)
    check_read_or_refused(text[:place] + character + text[place + 1 :])


def test_where_a_layer_lives_is_passed_over_wherever_it_stands() -> None:
    assert ConvSpec.parse("nn.Conv2d(3, 8, 3, device='cpu', dtype=None, stride=2, padding=1)") == PLAIN


def test_a_text_as_long_as_may_be_is_read() -> None:
    text = str(PLAIN)
    assert ConvSpec.parse(text + " " * (10_000 - len(text))) == PLAIN


@pytest.mark.parametrize("said", [SyntaxError("this is no X."), ValueError("this is no X.")])
def test_what_python_says_ends_with_one_full_stop(monkeypatch: pytest.MonkeyPatch, said: Exception) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise said

    monkeypatch.setattr("faltung.notation.ast.parse", refuse)
    with pytest.raises(ConvSpecError, match=r"as a spec: this is no X\.\n"):
        ConvSpec.parse("conv2d(3, 8, 3)")


_OF_KERAS = "Keras' arguments begin with the filters, not with in_channels"
_OF_LAZY = "a lazy layer does not know its in_channels"


@pytest.mark.parametrize(
    ("called", "why"),
    [
        ("LazyConv2d", _OF_LAZY),
        ("LazyConvTranspose1d", _OF_LAZY),
        ("Conv1D", _OF_KERAS),
        ("Conv2D", _OF_KERAS),
        ("Conv2DTranspose", _OF_KERAS),
        ("Conv3D", _OF_KERAS),
    ],
)
def test_constructors_whose_arguments_mean_something_else(called: str, why: str) -> None:
    text = f"{called}(8, 3, 2)"
    with pytest.raises(ConvSpecError) as raised:
        ConvSpec.parse(text)
    assert str(raised.value).splitlines()[0] == f"'{called}' in '{text}' is no convolution that can be read: {why}."


def test_messages_say_why_and_what_is_known() -> None:
    with pytest.raises(ConvSpecError, match=r"(?m)^  Known: in_channels, out_channels"):
        ConvSpec.parse("conv2d(3, 8, 3, qqq=2)")
    with pytest.raises(ConvSpecError, match=r"^kernel_size=x\d{59}… is not a literal"):
        ConvSpec.parse(f"conv2d(3, 8, x{'1' * 90})")
    with pytest.raises(ConvSpecError, match=r"^kernel_size=… is not a literal"):
        ConvSpec.parse(f"conv2d(3, 8, x * {HUGE})")
