"""`ConvSpec`: normal form, round trips, what it refuses, and the members that are not sizes or counts."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import itertools
import json
import pickle
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from faltung import reference
from faltung.errors import ConvError, ConvShapeError, ConvSpecError
from faltung.spec import ConvSpec
from tests.support.check import check_same
from tests.support.meanwhile import between_steps
from tests.support.strategies import Problem, problems, specs

DEFAULTS = {
    "in_channels": 3,
    "out_channels": 6,
    "kernel_size": (3, 5),
    "stride": (1, 1),
    "padding": ((0, 0), (0, 0)),
    "dilation": (1, 1),
    "groups": 1,
    "bias": True,
    "padding_mode": "zeros",
    "transposed": False,
    "output_padding": (0, 0),
    "flip": False,
    "ndim": 2,
}


def make(**changes: Any) -> ConvSpec:
    return ConvSpec(**{"in_channels": 3, "out_channels": 6, "kernel_size": (3, 5), **changes})


# -- normal form --------------------------------------------------------------------------------------


def test_defaults_in_normal_form() -> None:
    check_same(make().to_dict(), DEFAULTS)
    assert [field.name for field in dataclasses.fields(ConvSpec)] == list(DEFAULTS)


@pytest.mark.parametrize(
    ("given_value", "normal"),
    [
        ({"kernel_size": [3, 5]}, {}),
        ({"kernel_size": np.array([3, 5])}, {}),
        ({"kernel_size": 3, "ndim": 2}, {"kernel_size": (3, 3)}),
        ({"ndim": 2}, {}),
        ({"stride": 2}, {"stride": (2, 2)}),
        ({"stride": [2, 3]}, {"stride": (2, 3)}),
        ({"dilation": (2, 3)}, {"dilation": (2, 3)}),
        ({"padding": 1}, {"padding": ((1, 1), (1, 1))}),
        ({"padding": (1, 2)}, {"padding": ((1, 1), (2, 2))}),
        ({"padding": ((1, 2), 3)}, {"padding": ((1, 2), (3, 3))}),
        ({"padding": [[1, -2], [-3, 4]]}, {"padding": ((1, -2), (-3, 4))}),
        ({"padding": np.array([[1, 2], [3, 4]])}, {"padding": ((1, 2), (3, 4))}),
        ({"padding": "same_upper"}, {"padding": "same_upper"}),
        ({"in_channels": np.int8(3), "out_channels": np.uint64(6), "groups": np.array(3)}, {"groups": 3}),
        ({"bias": 0, "flip": np.True_, "transposed": 1}, {"bias": False, "flip": True, "transposed": True}),
        ({"transposed": True, "stride": 2, "output_padding": 1}, {"transposed": True, "stride": (2, 2), "output_padding": (1, 1)}),
    ],
    ids=str,
)
def test_normal_form(given_value: dict[str, Any], normal: dict[str, Any]) -> None:
    check_same(make(**given_value).to_dict(), DEFAULTS | normal)


def test_one_axis() -> None:
    spec = ConvSpec(1, 1, 4, padding=((1, 2),), ndim=1)
    assert (spec.kernel_size, spec.padding, spec.ndim) == ((4,), ((1, 2),), 1)
    assert ConvSpec(1, 1, (4,), padding=(3,)).padding == ((3, 3),)


def test_more_axes_than_are_common() -> None:
    for ndim in (4, 7, 62):
        spec = ConvSpec(1, 1, 2, ndim=ndim)
        assert spec.output_size(5) == (4,) * ndim
        assert ConvSpec.parse(str(spec)) == spec


@given(specs())
def test_round_trips(spec: ConvSpec) -> None:
    assert ConvSpec(**spec.to_dict()) == spec
    assert ConvSpec(**json.loads(json.dumps(spec.to_dict()))) == spec
    assert ConvSpec.parse(str(spec)) == spec
    assert ConvSpec.parse(repr(spec)) == spec
    assert "\n" not in str(spec)
    for again in (pickle.loads(pickle.dumps(spec)), copy.copy(spec), copy.deepcopy(spec), dataclasses.replace(spec)):
        check_same(again.to_dict(), spec.to_dict())
        assert again == spec
        assert hash(again) == hash(spec)


@given(specs(), specs())
def test_equal_means_the_same_fields(one: ConvSpec, other: ConvSpec) -> None:
    assert (one == other) == (one.to_dict() == other.to_dict()) == (str(one) == str(other))
    if one == other:
        assert hash(one) == hash(other)


def test_equal_however_it_is_written() -> None:
    written = [make(padding=1), make(padding=(1, 1)), make(padding=((1, 1), [1, 1])), make(padding=np.int64(1), ndim=2)]
    assert len(set(written)) == 1
    assert make(padding=1) != make(padding=((1, 1), (1, 2)))
    assert make() != "conv2d(3, 6, (3, 5))"
    assert make(padding=0) != make(padding="valid")


def test_using_a_spec_does_not_change_it() -> None:
    spec, fresh = make(padding=1), make(padding=1)
    assert spec.axes is not None
    assert spec.weight_shape is not None
    assert (spec, hash(spec), repr(spec)) == (fresh, hash(fresh), repr(fresh))


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_frozen(name: str) -> None:
    spec = make()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(spec, name, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(spec, name)


def test_replace_checks_again() -> None:
    assert dataclasses.replace(make(), stride=2) == make(stride=2)
    with pytest.raises(ConvSpecError, match="groups=2 does not divide in_channels=3"):
        dataclasses.replace(make(), groups=2)


# -- what is refused ----------------------------------------------------------------------------------

NO_INTEGERS: list[Any] = [True, False, np.True_, 1.0, 2.5, np.float64(1), "1", b"1", None, 1j, {1: 1}, {1}, object, np.array([1.0, 2.0])]


@pytest.mark.parametrize("value", [*NO_INTEGERS, np.array([1]), [1], (1,), np.array(1.0)], ids=repr)
@pytest.mark.parametrize("name", ["in_channels", "out_channels", "groups", "ndim"])
def test_what_is_no_integer(name: str, value: Any) -> None:
    if name == "ndim" and value is None:
        value = "none"
    with pytest.raises(ConvSpecError, match=name):
        make(**{name: value})


@pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
@pytest.mark.parametrize("name", ["kernel_size", "stride", "dilation", "output_padding", "padding"])
def test_what_is_no_integer_per_axis(name: str, value: Any) -> None:
    wrapped = [value, (value, 1), (1, value)] + ([((1, value), 1), (1, (value, 1))] if name == "padding" else [])
    for given_value in wrapped:
        with pytest.raises(ConvSpecError, match=rf"{name}(\[[01]\])?="):
            make(**{"transposed": True, "stride": 3, "ndim": 2, name: given_value})


@pytest.mark.parametrize("value", ["no", "", None, 2, -1, 0.5, 1.0, [], np.array([True, False]), np.int64(1)], ids=repr)
@pytest.mark.parametrize("name", ["bias", "transposed", "flip"])
def test_what_is_no_flag(name: str, value: Any) -> None:
    with pytest.raises(ConvSpecError, match=f"{name}="):
        make(**{name: value})


@pytest.mark.parametrize(
    "value",
    ["", "zero", "ZEROS", None, 0, ["zeros"], "wrap", 10**5000],
    ids=lambda value: repr(value)[:20] if value != 10**5000 else "huge",
)
def test_unknown_padding_mode(value: Any) -> None:
    with pytest.raises(ConvSpecError, match="padding_mode="):
        make(padding_mode=value)


def low_and_high() -> Iterator[tuple[str, Any]]:
    for name, least in (
        ("in_channels", 1),
        ("out_channels", 1),
        ("groups", 1),
        ("ndim", 1),
        ("kernel_size", 1),
        ("stride", 1),
        ("dilation", 1),
        ("output_padding", 0),
    ):
        yield from ((name, value) for value in (least - 1, -(2**70), 2**63, 2**64, 10**5000, -(10**5000)))
    yield from (("padding", value) for value in (2**62, -(2**62), 2**63, 10**5000, -(10**5000)))


@pytest.mark.parametrize(
    ("name", "value"), list(low_and_high()), ids=lambda value: value if isinstance(value, str) else f"{value.bit_length()} bits {value < 0}"
)
def test_out_of_range(name: str, value: int) -> None:
    per_axis = name not in ("in_channels", "out_channels", "groups", "ndim")
    for given_value in [value, (1, value), (value, 1)] if per_axis else [value]:
        with pytest.raises(ConvSpecError):
            make(**{"ndim": 2, "transposed": name == "output_padding", name: given_value})


def test_things_that_cannot_even_be_shown() -> None:
    class Unshowable:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    for name in DEFAULTS:
        with pytest.raises(ConvSpecError, match="<Unshowable>"):
            make(**{"ndim": 2, name: Unshowable()})


def test_too_many_axes() -> None:
    for options in ({"kernel_size": 1, "ndim": 63}, {"kernel_size": 1, "ndim": 2**62}, {"kernel_size": (1,) * 63}):
        with pytest.raises(ConvSpecError, match="more than 62"):
            make(**options)


@pytest.mark.parametrize(
    "size",
    [-1, (5, -1), 2**62, 10**5000, 2.0, "5", None, (5,), (5, 5, 5), True, (5, None), {5}, object()],
    ids=lambda value: str(value)[:12] if value != 10**5000 else "huge",
)
def test_sizes_that_are_none(size: Any) -> None:
    spec = make()
    for member in (spec.output_size, spec.input_sizes, spec.sides, spec.macs, spec.flops, *([] if size is None else [spec.adjoint])):
        with pytest.raises(ConvShapeError):
            member(size)


@pytest.mark.parametrize(
    "shape",
    [
        (),
        (3,),
        (3, 9),
        (1, 1, 3, 9, 9),
        (4, 9, 9),
        (1, 9, 9, 3),
        (-1, 3, 9, 9),
        (1, 3, -9, 9),
        "nchw",
        5,
        None,
        (1, 3, 9.0, 9),
        (True, 3, 9, 9),
    ],
    ids=str,
)
def test_shapes_that_are_none(shape: Any) -> None:
    spec = make()
    for member in (spec.output_shape, spec.split_shape, spec.memory):
        with pytest.raises(ConvShapeError):
            member(shape)


def test_every_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="groups"):
        make(groups=7)
    assert issubclass(ConvSpecError, ConvError)


# -- rules between fields -----------------------------------------------------------------------------


def test_groups_divide_both_channels() -> None:
    for in_channels, out_channels, groups in itertools.product(range(1, 9), repeat=3):
        fits = in_channels % groups == 0 and out_channels % groups == 0
        try:
            ConvSpec(in_channels, out_channels, (1,), groups=groups)
        except ConvSpecError:
            assert not fits, (in_channels, out_channels, groups)
        else:
            assert fits, (in_channels, out_channels, groups)


def test_output_padding_stays_below_stride_or_dilation() -> None:
    for stride, dilation, extra in itertools.product(range(1, 5), range(1, 5), range(6)):
        try:
            ConvSpec(1, 1, (3,), stride=stride, dilation=dilation, output_padding=extra, transposed=True)
        except ConvSpecError:
            assert extra >= max(stride, dilation)
        else:
            assert extra < max(stride, dilation)
    for options in ({"transposed": False}, {"transposed": True, "padding": "same_upper"}):
        with pytest.raises(ConvSpecError, match="output_padding"):
            ConvSpec(1, 1, (3,), stride=2, output_padding=1, **options)


def test_same_needs_stride_1() -> None:
    with pytest.raises(ConvSpecError, match="needs stride 1"):
        make(padding="same", stride=(1, 2))
    assert make(padding="same_upper", stride=(1, 2)).padding == "same_upper"


# -- structure ----------------------------------------------------------------------------------------


@given(problems(allow_empty=True))
def test_shapes_are_those_of_the_arrays(problem: Problem) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays()
    assert weight.shape == spec.weight_shape
    assert (None if bias is None else bias.shape) == spec.bias_shape
    out = reference.conv(spec, x, weight, bias)
    assert spec.output_shape(x.shape) == out.shape
    assert spec.output_shape(x.shape[1:]) == out.shape[1:]
    assert spec.output_size(problem.input_size) == out.shape[2:]
    assert all(size in sizes for size, sizes in zip(problem.input_size, spec.input_sizes(out.shape[2:]), strict=True))
    assert spec.split_shape(x.shape) == ((problem.batch,), problem.input_size)
    assert spec.split_shape(list(x.shape[1:])) == ((), problem.input_size)


@given(problems(max_axes=3, modes=["zeros", "replicate"]))
def test_receptive_field_spans_what_one_output_uses(problem: Problem) -> None:
    """No output reads cells further apart, whatever is cropped."""
    for axis, size in enumerate(problem.input_size):
        reads: dict[int, set[int]] = {}
        plain = ConvSpec(**{**problem.spec.to_dict(), "padding_mode": "zeros"})
        for small, _, large in reference.meetings(plain, axis, size)[0]:
            if large is not None:
                output, read = (large, small) if plain.transposed else (small, large)
                reads.setdefault(output, set()).add(read)
        assert max((max(cells) - min(cells) + 1 for cells in reads.values()), default=0) <= plain.receptive_field()[axis]


def test_effective_kernel_size() -> None:
    spec = make(dilation=(2, 3))
    assert spec.effective_kernel_size == (5, 13)
    assert spec.receptive_field() == (5, 13)


def test_the_defaults_of_fields_are_those_of_the_constructor() -> None:
    of_fields = {field.name: field.default for field in dataclasses.fields(ConvSpec) if field.default is not dataclasses.MISSING}
    parameters = inspect.signature(ConvSpec).parameters.values()
    check_same(of_fields, {one.name: one.default for one in parameters if one.default is not one.empty})


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("conv2d(3, 8, 3)", {"standard"}),
        ("conv2d(3, 8, 3, padding=1)", {"standard"}),
        ("conv2d(3, 8, 3, stride=2)", {"standard", "strided"}),
        ("conv2d(3, 8, 1)", {"pointwise"}),
        ("conv2d(3, 8, 1, stride=2)", {"pointwise", "strided"}),
        ("conv2d(3, 8, 1, dilation=2)", {"pointwise"}),
        ("conv2d(3, 8, (1, 3))", {"standard"}),
        ("conv2d(3, 8, 3, dilation=2)", {"dilated"}),
        ("conv2d(3, 8, 2, dilation=2)", {"dilated"}),
        ("conv2d(3, 8, (1, 3), dilation=(2, 1))", {"standard"}),
        ("conv2d(8, 8, 3, groups=8)", {"depthwise"}),
        ("conv2d(2, 2, 3, groups=2)", {"depthwise"}),
        ("conv2d(8, 16, 3, groups=8, stride=(1, 2))", {"depthwise", "strided"}),
        ("conv2d(8, 8, 3, groups=2)", {"grouped"}),
        ("conv2d(1, 8, 3)", {"standard"}),
        ("conv2d(8, 8, 1, groups=4)", {"grouped", "pointwise"}),
        ("conv_transpose2d(8, 4, 4, stride=2)", {"transposed", "strided"}),
        ("conv_transpose2d(8, 8, 4, groups=8)", {"transposed", "depthwise"}),
        ("conv1d(3, 8, 3, padding='causal', dilation=2)", {"causal", "dilated"}),
        ("conv2d(3, 8, 3, flip=True)", {"standard", "flipped"}),
        ("conv2d(3, 8, 3, padding=1, padding_mode='circular')", {"standard", "circular"}),
        ("conv2d(3, 8, 3, padding='same', padding_mode='reflect')", {"standard", "reflect"}),
        ("conv2d(3, 8, 3, padding=((0, 0), (0, 1)), padding_mode='symmetric')", {"standard", "symmetric"}),
        ("conv2d(3, 8, 3, padding_mode='replicate')", {"standard"}),
        ("conv2d(3, 8, 3, padding='valid', padding_mode='replicate')", {"standard"}),
    ],
)
def test_kinds(text: str, kinds: set[str]) -> None:
    check_same(ConvSpec.parse(text).kinds, frozenset(kinds))


# -- SAME and the other rules -------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_same_is_pytorchs(torch: ModuleType) -> None:
    for kernel, dilation, size in itertools.product(range(1, 5), range(1, 4), range(1, 8)):
        spec = ConvSpec(1, 1, kernel, padding="same", dilation=dilation, ndim=1)
        x, weight = torch.arange(1.0, size + 1).reshape(1, 1, -1), torch.arange(1.0, kernel + 1).reshape(1, 1, -1)
        expected = torch.nn.functional.conv1d(x, weight, padding="same", dilation=dilation)
        assert spec.output_size(size) == (size,)
        check_same(reference.conv(spec, x.numpy(), weight.numpy()), expected.numpy().astype(np.longdouble))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "output", "upper", "lower"),
    [
        (224, 7, 2, 112, (2, 3), (3, 2)),
        (224, 3, 2, 112, (0, 1), (1, 0)),
        (13, 6, 5, 3, (1, 2), (2, 1)),
        (10, 3, 1, 10, (1, 1), (1, 1)),
        (10, 3, 4, 3, (0, 1), (1, 0)),
        (9, 2, 3, 3, (0, 0), (0, 0)),
        (9, 1, 2, 5, (0, 0), (0, 0)),
    ],
)
def test_same_of_tensorflow_and_onnx(
    size: int, kernel: int, stride: int, output: int, upper: tuple[int, int], lower: tuple[int, int]
) -> None:
    for rule, sides in (("same_upper", upper), ("same_lower", lower)):
        spec = ConvSpec(1, 1, kernel, stride, rule, ndim=2)
        assert spec.output_size(size) == (output, output)
        assert spec.sides(size) == (sides, sides)
        assert ConvSpec(1, 1, kernel, stride, rule, transposed=True, ndim=2).output_size(output) == (output * stride,) * 2


@pytest.mark.parametrize(("padding", "output"), [("valid", 3), ("full", 7), ("causal", 5), ("same", 5), (1, 5), (((2, -1),), 4), (-1, 1)])
def test_outputs_of_each_rule(padding: Any, output: int) -> None:
    assert ConvSpec(1, 1, 3, padding=padding, ndim=1).output_size(5) == (output,)


def test_the_first_layer_of_resnet() -> None:
    spec = ConvSpec.parse("nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)")
    assert spec == ConvSpec(3, 64, 7, stride=2, padding=3, bias=False, ndim=2)
    assert spec.weight_shape == (64, 3, 7, 7)
    assert spec.bias_shape is None
    assert spec.output_shape((1, 3, 224, 224)) == (1, 64, 112, 112)
    assert spec.input_sizes(112) == (range(223, 225), range(223, 225))
    assert (spec.parameters, spec.macs(224), spec.receptive_field()) == (9408, 118013952, (7, 7))
    assert str(spec) == "conv2d(3, 64, (7, 7), stride=(2, 2), padding=(3, 3), bias=False)"


# -- messages, word for word where they carry names and numbers ---------------------------------------


def test_a_size_is_named_by_the_argument_that_it_came_in() -> None:
    spec = make()
    for member in (spec.output_size, spec.sides, spec.macs, spec.flops, spec.adjoint):
        with pytest.raises(ConvShapeError, match=r"^input_size=-1 along axis 1 is negative"):
            member((9, -1))
        with pytest.raises(ConvShapeError, match=r"^input_size\[1\]=2.5 is of type float"):
            member((9, 2.5))
    with pytest.raises(ConvShapeError, match=r"^output_size=-1 along axis 0 is negative"):
        spec.input_sizes((-1, 3))
    with pytest.raises(ConvShapeError, match=r"^input_size=\d+ along axis 1 is more than"):
        spec.output_shape((3, 9, 2**62))
    with pytest.raises(ConvSpecError, match=r"^batch=0 is below 1"):
        spec.adjoint((9, 9), batch=0)
    assert spec.flops(9) == 2 * spec.macs(9) + 6 * 7 * 5


def test_specs_that_differ_are_found_in_different_places() -> None:
    specs = [make(in_channels=channels, stride=stride) for channels in range(1, 9) for stride in range(1, 9)]
    assert len({hash(spec) for spec in specs}) > 60


def test_remedies_with_their_numbers() -> None:
    with pytest.raises(ConvSpecError) as caught:
        ConvSpec(60, 60, (1,), groups=7)  # twelve numbers divide 60
    assert caught.value.remedy == "conv1d(60, 60, (1,), groups=7); groups that fit here: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60."
    with pytest.raises(ConvSpecError) as caught:
        ConvSpec(1, 1, (1,), output_padding=1, transposed=True)
    assert caught.value.remedy == "Leave it out; for a larger output use negative padding."
    with pytest.raises(ConvSpecError) as caught:
        make(in_channels=np.array([1, 2]))
    assert caught.value.remedy == "Write a whole number."


def test_a_spec_is_pickled_while_another_thread_asks_it() -> None:
    """What it remembers of answers may grow meanwhile."""
    spec, numbers = ConvSpec.parse("conv2d(3, 8, 3)"), itertools.count()
    expected = pickle.loads(pickle.dumps(spec))
    with between_steps(ConvSpec.__getstate__, lambda: vars(spec).update({f"remembered{next(numbers)}": 0})):
        assert pickle.loads(pickle.dumps(spec)) == expected


def test_the_largest_window_and_what_is_pickled() -> None:
    assert ConvSpec(1, 1, 2, dilation=2**62 - 2, ndim=1).effective_kernel_size == (2**62 - 1,)
    spec = make()
    hash(spec)
    assert "_hash" not in spec.__getstate__()
