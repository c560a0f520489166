"""The messages to the letter: each names what is wrong with its arithmetic, and what to do.

A changed wording is changed here, in `MESSAGES`, and nowhere else.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from faltung import errors
from faltung.errors import ConvError, ConvPlanError, ConvShapeError, ConvSpecError, ConvTypeError, one_of, shown
from faltung.spec import ConvSpec
from tests.support.check import check_error

EXAMPLE = "Write for example conv2d(3, 64, 7, stride=2, padding=3) or nn.Conv2d(3, 64, kernel_size=(7, 7))."
ARGUMENTS = ", ".join(field.name for field in dataclasses.fields(ConvSpec))
LIMIT = "more than 4611686018427387903 = 2**62 - 1."


def make(**changes: Any) -> ConvSpec:
    return ConvSpec(**{"in_channels": 3, "out_channels": 4, "kernel_size": (3, 3), **changes})


def line(**changes: Any) -> ConvSpec:
    return ConvSpec(**{"in_channels": 1, "out_channels": 1, "kernel_size": (3,), **changes})


Case = tuple[str, Callable[[], Any], type[ConvError], str, str]

MESSAGES: list[Case] = [
    # -- channels and groups
    (
        "groups and in_channels",
        lambda: ConvSpec(10, 16, 3, groups=4, ndim=2),
        ConvSpecError,
        "groups=4 does not divide in_channels=10 (remainder 2).",
        "conv2d(10, 16, (3, 3), groups=4); groups that fit here: 1, 2.",
    ),
    (
        "groups and out_channels",
        lambda: ConvSpec(64, 90, 1, groups=8, transposed=True, ndim=1),
        ConvSpecError,
        "groups=8 does not divide out_channels=90 (remainder 2).",
        "conv_transpose1d(64, 90, (1,), groups=8); groups that fit here: 1, 2.",
    ),
    (
        "many groups would fit",
        lambda: ConvSpec(5040, 5040, 1, groups=11, ndim=1),
        ConvSpecError,
        "groups=11 does not divide in_channels=5040 (remainder 2).",
        "conv1d(5040, 5040, (1,), groups=11); groups that fit here: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, ….",
    ),
    (
        "more groups would fit than are looked for",
        lambda: ConvSpec(4097, 4097, 1, groups=2, ndim=1),
        ConvSpecError,
        "groups=2 does not divide in_channels=4097 (remainder 1).",
        "conv1d(4097, 4097, (1,), groups=2); groups that fit here: 1, 17, 241, ….",
    ),
    (
        "one group more than are listed",
        lambda: ConvSpec(4096, 4096, 1, groups=3, ndim=1),
        ConvSpecError,
        "groups=3 does not divide in_channels=4096 (remainder 1).",
        "conv1d(4096, 4096, (1,), groups=3); groups that fit here: 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, ….",
    ),
    ("no groups", lambda: make(groups=0), ConvSpecError, "groups=0 is below 1.", "Use 1 or more."),
    ("no axes", lambda: make(ndim=0), ConvSpecError, "ndim=0 is below 1.", "Use 1 or more."),
    (
        "several numbers for one",
        lambda: make(in_channels=np.array([1, 2])),
        ConvSpecError,
        "in_channels=array([1, 2]) is no single whole number.",
        "Write a whole number.",
    ),
    (
        "a text for a flag",
        lambda: make(bias="yes"),
        ConvSpecError,
        "bias='yes' is of type str, True or False is needed.",
        "Write True or False.",
    ),
    (
        "a kernel size that is no int and no sequence",
        lambda: ConvSpec(3, 4, 2.5),  # type: ignore[arg-type]
        ConvSpecError,
        "kernel_size=2.5 does not tell the number of axes.",
        "Give one entry per axis, such as (3, 3), or an int and ndim=2.",
    ),
    (
        "two entries of padding for three axes",
        lambda: ConvSpec(1, 1, (3, 3, 3), padding=(1, 2)),
        ConvSpecError,
        "padding=(1, 2) has 2 entries, the kernel has 3 axes.",
        "Give one int, or a tuple of 3 ints, or of 3 pairs (before, after).",
    ),
    (
        "three entries of padding for one axis",
        lambda: line(padding=(1, 2, 3)),
        ConvSpecError,
        "padding=(1, 2, 3) has 3 entries, the kernel has 1 axis.",
        "Give one int, or a pair in a tuple: ((before, after),).",
    ),
    ("no channels", lambda: make(in_channels=0), ConvSpecError, "in_channels=0 is below 1.", "Use 1 or more."),
    (
        "channels beyond 64 bits",
        lambda: make(out_channels=2**70),
        ConvSpecError,
        "out_channels has 71 bits, more than 64-bit arithmetic holds.",
        "Use a smaller number.",
    ),
    # -- values of one argument
    (
        "a float",
        lambda: make(stride=1.5),
        ConvSpecError,
        "stride=1.5 is of type float, an int is needed.",
        "Write a whole number.",
    ),
    (
        "a bool along one axis",
        lambda: make(dilation=(1, True)),
        ConvSpecError,
        "dilation[1]=True is of type bool, an int is needed.",
        "Write a whole number.",
    ),
    ("a stride of 0", lambda: make(stride=(1, 0)), ConvSpecError, "stride[1]=0 is below 1.", "Use 1 or more."),
    (
        "no flag",
        lambda: make(bias=None),
        ConvSpecError,
        "bias=None is of type NoneType, True or False is needed.",
        "Write True or False.",
    ),
    # -- numbers of axes
    (
        "an int kernel without ndim",
        lambda: make(kernel_size=3),
        ConvSpecError,
        "kernel_size=3 does not tell the number of axes.",
        "For two axes write kernel_size=(3, 3), or add ndim=2.",
    ),
    (
        "an empty kernel",
        lambda: make(kernel_size=()),
        ConvSpecError,
        "kernel_size=() has no axes.",
        "Give one entry per axis, at least one.",
    ),
    (
        "kernel against ndim",
        lambda: make(ndim=3),
        ConvSpecError,
        "kernel_size=(3, 3) has 2 entries, the convolution has 3 axes.",
        "Give 3 entries, or leave ndim out.",
    ),
    (
        "too many axes",
        lambda: make(kernel_size=1, ndim=63),
        ConvSpecError,
        "a kernel of 63 axes is more than 62.",
        "NumPy arrays have 64 axes, batch and channels included.",
    ),
    (
        "strides for other axes",
        lambda: make(stride=(1, 2, 3)),
        ConvSpecError,
        "stride=(1, 2, 3) has 3 entries, the kernel has 2 axes.",
        "Give one int, or 2 in a tuple.",
    ),
    (
        "a pair as padding of one axis",
        lambda: line(padding=(1, 2)),
        ConvSpecError,
        "padding=(1, 2) has 2 entries, the kernel has 1 axis.",
        "For one axis with unlike sides write padding=((1, 2),).",
    ),
    (
        "four numbers as padding of two axes",
        lambda: make(padding=(1, 2, 3, 4)),
        ConvSpecError,
        "padding=(1, 2, 3, 4) has 4 entries, the kernel has 2 axes.",
        "Give one int, or a tuple of 2 ints, or of 2 pairs (before, after).",
    ),
    (
        "three sides of an axis",
        lambda: make(padding=((1, 2, 3), 1)),
        ConvSpecError,
        "padding[0]=(1, 2, 3) has 3 entries.",
        "A side pair is (before, after).",
    ),
    # -- choices
    (
        "a padding rule",
        lambda: make(padding="sam"),
        ConvSpecError,
        "padding='sam' is not known.",
        "Did you mean 'same'? Known: 'valid', 'same', 'same_upper', 'same_lower', 'full', 'causal'.",
    ),
    (
        "a padding mode",
        lambda: make(padding_mode="mirror"),
        ConvSpecError,
        "padding_mode='mirror' is not known.",
        "Known: 'zeros', 'circular', 'reflect', 'replicate', 'symmetric'.",
    ),
    # -- rules between arguments
    (
        "same with stride",
        lambda: make(padding="same", stride=2),
        ConvSpecError,
        "padding='same' needs stride 1, it is (2, 2).",
        "Use padding='same_upper' (ceil(input / stride) outputs, as TensorFlow and ONNX) or numbers.",
    ),
    (
        "output padding of a correlation",
        lambda: make(output_padding=1),
        ConvSpecError,
        "output_padding=(1, 1) belongs to a transposed convolution.",
        "Use transposed=True, or padding on the input.",
    ),
    (
        "output padding as large as the stride",
        lambda: make(transposed=True, stride=(2, 3), output_padding=2),
        ConvSpecError,
        "output_padding=2 along axis 0 is not below max(stride, dilation) = max(2, 1) = 2.",
        "Use at most 1; for a larger output use negative padding.",
    ),
    (
        "output padding with same",
        lambda: make(transposed=True, stride=2, padding="same_upper", output_padding=1),
        ConvSpecError,
        "output_padding=(1, 1) contradicts padding='same_upper', which fixes the output at input*stride.",
        "Leave output_padding out, or give the padding in numbers.",
    ),
    # -- extents
    (
        "too much padding",
        lambda: make(padding=2**62),
        ConvSpecError,
        f"extent along axis 0 is too large: padding 4611686018427387904 + 4611686018427387904 = 9223372036854775808, {LIMIT}",
        "Positions must fit in 64-bit integers: use a smaller kernel, dilation or padding.",
    ),
    (
        "too much dilation",
        lambda: make(kernel_size=(4, 4), dilation=(1, 2**61)),
        ConvSpecError,
        f"extent along axis 1 is too large: 2305843009213693952*(4-1) + 1 = 6917529027641081857, {LIMIT}",
        "Positions must fit in 64-bit integers: use a smaller kernel, dilation or padding.",
    ),
    (
        "too large an input",
        lambda: make(padding=2**60).output_size(2**62 - 1),
        ConvShapeError,
        f"extent along axis 0 is too large: 4611686018427387903 + 1152921504606846976 + 1152921504606846976 = 6917529027641081855, {LIMIT}",
        "Positions must fit in 64-bit integers: use a smaller size, padding, stride or dilation.",
    ),
    (
        "too large a transposed output",
        lambda: make(transposed=True, stride=4).output_size(2**61),
        ConvShapeError,
        f"extent along axis 0 is too large: (2305843009213693952 - 1)*4 + 3 + 0 = 9223372036854775807, {LIMIT}",
        "Positions must fit in 64-bit integers: use a smaller size, padding, stride or dilation.",
    ),
    # -- sizes and shapes
    (
        "no window fits",
        lambda: line(dilation=3).output_size(5),
        ConvShapeError,
        "no output along axis 0: floor((5 + 0 + 0 - 3*(3-1) - 1) / 1) + 1 = -1.",
        "Input plus padding must be at least 7, it is 5. Add 2 of padding, or use dilation 2 or less.",
    ),
    (
        "no window fits along the second axis",
        lambda: make(stride=2, padding=((0, 0), (1, -2))).output_size((5, 2)),
        ConvShapeError,
        "no output along axis 1: floor((2 + 1 + -2 - 1*(3-1) - 1) / 2) + 1 = 0.",
        "Input plus padding must be at least 3, it is 1. Add 2 of padding, or use a kernel of 1.",
    ),
    (
        "all of the input is cropped",
        lambda: line(padding=-2).output_size(3),
        ConvShapeError,
        "no output along axis 0: floor((3 + -2 + -2 - 1*(3-1) - 1) / 1) + 1 = -3.",
        "Input plus padding must be at least 3, it is -1. Add 4 of padding.",
    ),
    (
        "all of a transposed output is cropped",
        lambda: line(kernel_size=(2,), transposed=True, padding=3).output_size(3),
        ConvShapeError,
        "no output along axis 0: (3 - 1)*1 - 3 - 3 + 1*(2-1) + 0 + 1 = -2.",
        "The padding crops the whole output: reduce it by 3 or more in total.",
    ),
    (
        "a size with batch and channels",
        lambda: make().output_size((1, 3, 224, 224)),
        ConvShapeError,
        "input_size=(1, 3, 224, 224) has 4 entries, the kernel has 2 axes.",
        "It is spatial only: leave batch and channels out.",
    ),
    (
        "a negative size",
        lambda: make().output_size((5, -1)),
        ConvShapeError,
        "input_size=-1 along axis 1 is negative.",
        "Give the number of cells, 0 or more.",
    ),
    (
        "a shape without channels",
        lambda: make().output_shape((224, 224)),
        ConvShapeError,
        "input has shape (224, 224), 2 axes; conv2d(3, 4, (3, 3)) takes 4 (N, C, H, W) or 3 (C, H, W).",
        "Add axes with x[None], or use the convolution with the right number of axes.",
    ),
    (
        "channels last",
        lambda: make().output_shape((1, 224, 224, 3)),
        ConvShapeError,
        "input has 224 channels (shape (1, 224, 224, 3)), conv2d(3, 4, (3, 3)) takes 3.",
        "Channels come first: (N, 3, H, W); for channels-last arrays use np.moveaxis(x, -1, -3).",
    ),
    (
        "a negative batch",
        lambda: make().output_shape((-1, 3, 9, 9)),
        ConvShapeError,
        "input_shape[0]=-1 is below 0.",
        "Use 0 or more.",
    ),
    (
        "a shape that is none",
        lambda: make().output_shape(224),
        ConvShapeError,
        "input_shape=224 is no sequence of sizes.",
        "Give (N, C, …) or (C, …), such as x.shape.",
    ),
    (
        "a shape without channels along three axes",
        lambda: ConvSpec(2, 1, (1, 1, 1)).output_shape((5, 5)),
        ConvShapeError,
        "input has shape (5, 5), 2 axes; conv3d(2, 1, (1, 1, 1)) takes 5 (N, C, D, H, W) or 4 (C, D, H, W).",
        "Add axes with x[None], or use the convolution with the right number of axes.",
    ),
    (
        "a shape without channels along four axes",
        lambda: ConvSpec(2, 1, (1, 1, 1, 1)).output_shape((5, 5)),
        ConvShapeError,
        "input has shape (5, 5), 2 axes; conv4d(2, 1, (1, 1, 1, 1)) takes 6 (N, C, 4 sizes) or 5 (C, 4 sizes).",
        "Add axes with x[None], or use the convolution with the right number of axes.",
    ),
    # -- text
    ("an empty text", lambda: ConvSpec.parse(" \n"), ConvSpecError, "the spec's text is empty.", EXAMPLE),
    (
        "a backslash",
        lambda: ConvSpec.parse("conv2d(3, 4, '\\d')"),
        ConvSpecError,
        "cannot read \"conv2d(3, 4, '\\\\d')\" as a spec: it has a backslash, or a number that runs into a word.",
        EXAMPLE,
    ),
    (
        "a call of what has no name",
        lambda: ConvSpec.parse("(lambda: 1)(3)"),
        ConvSpecError,
        "cannot read '(lambda: 1)(3)' as a spec: what is called has no plain name.",
        EXAMPLE,
    ),
    (
        "a hundred axes in the name",
        lambda: ConvSpec.parse("conv100d(3, 4, 3)"),
        ConvSpecError,
        "'conv100d' in 'conv100d(3, 4, 3)' is no convolution that can be read.",
        EXAMPLE,
    ),
    (
        "an expression of sixty characters",
        lambda: ConvSpec.parse(f"conv2d(3, 4, {'k' * 60})"),
        ConvSpecError,
        f"kernel_size={'k' * 60} is not a literal.",
        "Write numbers, tuples, strings, True or False.",
    ),
    (
        "an expression of one more",
        lambda: ConvSpec.parse(f"conv2d(3, 4, {'k' * 61})"),
        ConvSpecError,
        f"kernel_size={'k' * 60}… is not a literal.",
        "Write numbers, tuples, strings, True or False.",
    ),
    (
        "a text without the call",
        lambda: ConvSpec.parse("conv2d"),
        ConvSpecError,
        "cannot read 'conv2d' as a spec: it is not a call.",
        EXAMPLE,
    ),
    (
        "a comma is missing",
        lambda: ConvSpec.parse("conv2d(3, 64, 7 stride=2)"),
        ConvSpecError,
        "cannot read 'conv2d(3, 64, 7 stride=2)' as a spec: invalid syntax. Perhaps you forgot a comma?",
        EXAMPLE,
    ),
    (
        "a bracket is missing",
        lambda: ConvSpec.parse("conv2d(3, 64, (7, 7)"),
        ConvSpecError,
        "cannot read 'conv2d(3, 64, (7, 7)' as a spec: '(' was never closed.",
        EXAMPLE,
    ),
    (
        "another layer",
        lambda: ConvSpec.parse("nn.Linear(3, 4)"),
        ConvSpecError,
        "'Linear' in 'nn.Linear(3, 4)' is no convolution that can be read.",
        EXAMPLE,
    ),
    ("too few arguments", lambda: ConvSpec.parse("conv2d(3)"), ConvSpecError, "'conv2d(3)' lacks out_channels, kernel_size.", EXAMPLE),
    (
        "too many arguments",
        lambda: ConvSpec.parse("conv1d(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)"),
        ConvSpecError,
        "'conv1d(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)' has 10 positional arguments, at most 9 are known.",
        "In order: in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode.",
    ),
    (
        "an unknown argument",
        lambda: ConvSpec.parse("conv2d(3, 4, 3, strides=2)"),
        ConvSpecError,
        "conv2d has no argument 'strides'.",
        f"Did you mean 'stride'? Known: {ARGUMENTS}.",
    ),
    (
        "an argument given twice",
        lambda: ConvSpec.parse("conv2d(3, 4, 3, out_channels=3)"),
        ConvSpecError,
        "out_channels is given twice in 'conv2d(3, 4, 3, out_channels=3)'.",
        "Keep one of the two.",
    ),
    (
        "an expression",
        lambda: ConvSpec.parse("conv2d(3, 4, kernel_size=k // 2)"),
        ConvSpecError,
        "kernel_size=k // 2 is not a literal.",
        "Write numbers, tuples, strings, True or False.",
    ),
    (
        "a variable",
        lambda: ConvSpec.parse("conv2d(channels, 4, 3)"),
        ConvSpecError,
        "in_channels=channels is not a literal.",
        "Write numbers, tuples, strings, True or False.",
    ),
    (
        "arguments to be unpacked",
        lambda: ConvSpec.parse("conv2d(3, 4, 3, **options)"),
        ConvSpecError,
        "'conv2d(3, 4, 3, **options)' has a ** argument, which only running it could read.",
        "Write the arguments out.",
    ),
    (
        "name against argument",
        lambda: ConvSpec.parse("conv1d(3, 4, 3, ndim=2)"),
        ConvSpecError,
        "ndim=2 contradicts the name in 'conv1d(3, 4, 3, ndim=2)'.",
        "The name means ndim=1.",
    ),
    (
        "too long a text",
        lambda: ConvSpec.parse("x" * 10_001),
        ConvSpecError,
        "the spec's text has 10001 characters, more than 10000.",
        EXAMPLE,
    ),
    (
        "too deep a text",
        lambda: ConvSpec.parse("-" * 9000 + "1"),
        ConvSpecError,
        f"cannot read '{'-' * 79}… as a spec: it is nested too deeply.",
        EXAMPLE,
    ),
    ("no text", lambda: ConvSpec.parse(3), ConvSpecError, "a spec is read from text, not from int.", EXAMPLE),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "error", "problem", "remedy"), [pytest.param(*case[1:], id=case[0]) for case in MESSAGES])
def test_messages_to_the_letter(call: Callable[[], Any], error: type[ConvError], problem: str, remedy: str) -> None:
    caught = check_error(call, error, f"{problem}\n  {remedy}")
    assert isinstance(caught, ConvError)
    assert (caught.problem, caught.remedy) == (problem, remedy)
    assert problem.endswith((".", "?"))
    assert remedy.endswith(".")
    assert "\n" not in problem + remedy


# -- classes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ConvError, ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError])
def test_an_error_is_a_conv_error_and_a_value_error(error: type[ConvError]) -> None:
    assert issubclass(error, ConvError)
    assert issubclass(error, ValueError)
    assert issubclass(error, TypeError) == (error is ConvTypeError)
    raised = error("This is wrong.", "Do that.")
    assert str(raised) == "This is wrong.\n  Do that."
    assert str(error("This is wrong.")) == "This is wrong."
    again = pickle.loads(pickle.dumps(raised))
    assert (type(again), again.problem, again.remedy) == (error, "This is wrong.", "Do that.")


def test_all_names_are_there() -> None:
    assert set(errors.__all__) == {"ConvError", "ConvPlanError", "ConvShapeError", "ConvSpecError", "ConvTypeError", "one_of", "shown"}


@pytest.mark.parametrize("error", [ConvSpecError, ConvPlanError])
def test_one_of(error: type[ConvError]) -> None:
    known = ["direct", "winograd", "fft"]
    for name in known:
        assert one_of("algorithm", name, known, error) == name
    listed = "Known: 'direct', 'winograd', 'fft'."
    check_error(
        lambda: one_of("algorithm", "winogard", known, error),
        error,
        f"algorithm='winogard' is not known.\n  Did you mean 'winograd'? {listed}",
    )
    check_error(lambda: one_of("algorithm", "gemm", iter(known), error), error, f"algorithm='gemm' is not known.\n  {listed}")
    check_error(lambda: one_of("algorithm", None, known, error), error, f"algorithm=None is not known.\n  {listed}")
    check_error(lambda: one_of("algorithm", ["fft"], known, error), error, f"algorithm=['fft'] is not known.\n  {listed}")


def test_shown_is_short_and_never_fails() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("cannot")

    class Tall:
        def __repr__(self) -> str:
            return "Tall(\n    1,\n    2)"

    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert shown((1, "a")) == "(1, 'a')"
    assert shown("x" * 58) == f"'{'x' * 58}'"
    assert shown("x" * 59) == f"'{'x' * 59}…"
    assert shown(Broken()) == "<Broken>"
    assert shown([Broken()]) == "<list>"
    assert shown(Tall()) == "Tall( 1, 2)"
    assert shown(10**5000) == "<int>"
    assert shown(nested) == "<list>"
