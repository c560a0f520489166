"""A part of a layer gives the same numbers as the whole: every small axis against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from faltung.app.cutting import Along, cut_along, cut_channels, cut_spec
from faltung.errors import ConvError
from faltung.reference import conv
from faltung.spec import ConvSpec

AXES = [
    {"kernel_size": (kernel,), "stride": stride, "dilation": dilation, "padding": padding}
    for kernel, stride, dilation in itertools.product((1, 2, 3, 5), (1, 2, 3), (1, 2))
    for padding in ([(0, 0)], [(1, 1)], [(0, 2)], [(3, 1)], "same_upper", "same_lower", "full", [(-1, -2)])
]


def part_of(spec: ConvSpec, x: np.ndarray, weight: np.ndarray, along: Along) -> tuple[np.ndarray, np.ndarray]:
    """What the part gives, and what the whole layer gives there."""
    part = cut_spec(spec, cut_channels(spec), [along])
    given = conv(part, x[None, :, along.first : along.last + 1], weight)
    return given[0], conv(spec, x[None], weight)[0, :, along.output : along.output + along.outputs]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("cells", [6, 17, 24])
def test_a_part_gives_what_the_whole_gives_there(cells: int, transposed: bool) -> None:
    draw = np.random.default_rng(3)
    seen = cut = 0
    for fields in AXES:
        for extra in range(fields["stride"] if transposed else 1):
            try:
                spec = ConvSpec(1, 1, **fields, bias=False, transposed=transposed, output_padding=extra)
                spec.output_size(cells)
            except ConvError:
                continue
            x, weight = draw.integers(-9, 10, (1, cells)), draw.integers(-9, 10, spec.weight_shape)
            for at in (0, 0.3, 0.5, 1):
                along = cut_along(spec.axes[0], cells, 8, at)
                given, wanted = part_of(spec, x, weight, along)
                np.testing.assert_array_equal(given, wanted, err_msg=f"{spec} {cells} {at} {along}")
                assert given.shape == (1, along.outputs)
                assert along.outputs >= 1
                seen += 1
                cut += not along.is_whole
                if not along.is_whole and not transposed:
                    longest = max(8, spec.effective_kernel_size[0])
                    assert along.last - along.first + 1 <= longest
    assert seen > 300
    assert (cut > seen / 2) == (cells > 8)


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate", "symmetric"])
def test_no_part_needs_a_border_that_is_repeated(mode: str) -> None:
    draw = np.random.default_rng(4)
    for fields, at in itertools.product(AXES, (0, 0.5, 1)):
        try:
            spec = ConvSpec(1, 1, **fields, bias=False, padding_mode=mode)
            spec.output_size(20)
        except ConvError:
            continue
        x, weight = draw.integers(-9, 10, (1, 20)), draw.integers(-9, 10, spec.weight_shape)
        along = cut_along(spec.axes[0], 20, 8, at, mode)
        np.testing.assert_array_equal(*part_of(spec, x, weight, along))
        assert along.is_whole or along.padding == (0, 0) or min(along.padding) < 0


def test_what_is_small_is_whole() -> None:
    spec = ConvSpec(1, 1, (3,), stride=2, padding=1, transposed=True, output_padding=1)
    along = cut_along(spec.axes[0], 7, 8)
    assert along == Along(0, 6, 0, 14, (1, 1), is_whole=True)
    assert cut_spec(spec, cut_channels(spec), [along]) == spec


CHANNELS = [
    (ConvSpec(64, 128, 3, ndim=2), {}, (1, [0, 1, 2], [0, 1], False)),
    (ConvSpec(64, 128, 3, ndim=2), {"input_channel": 63, "output_channel": 127}, (1, [61, 62, 63], [126, 127], False)),
    (ConvSpec(3, 64, 7, ndim=2), {"output_channel": 5}, (1, [0, 1, 2], [5, 6], True)),
    (ConvSpec(1, 1, 3, ndim=1), {}, (1, [0], [0], True)),
    (ConvSpec(64, 64, 3, groups=64, ndim=2), {"output_channel": 9}, (3, [9, 10, 11], [9, 10, 11], True)),
    (ConvSpec(8, 16, 3, groups=8, ndim=2), {"output_channel": 15}, (3, [5, 6, 7], [11, 13, 15], True)),
    (ConvSpec(32, 32, 3, groups=8, ndim=2), {}, (2, [0, 1, 4, 5], [0, 4], False)),
    (ConvSpec(4, 8, 3, groups=2, ndim=2), {"output_channel": 3}, (2, [0, 1, 2, 3], [3, 7], True)),
]


@pytest.mark.parametrize(("spec", "asked", "wanted"), CHANNELS, ids=str)
def test_channels_are_cut_in_their_groups(spec: ConvSpec, asked: dict[str, int], wanted: tuple[object, ...]) -> None:
    found = cut_channels(spec, **asked)
    assert (found.groups, found.inputs, found.outputs, found.is_whole) == wanted
