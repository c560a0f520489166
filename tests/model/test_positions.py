"""What positions see by composition, against which input cells change which outputs of the models themselves."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import torch
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.model.graph import Graph, Node, Value, Weight
from faltung.model.operations import Elementwise, Lookup, Multiply, Reshape, Unknown
from faltung.model.tracing.positions import positions
from faltung.reach import Reach, Span
from tests.model.small import Pair, Small


def truly_seen(model: Small, x: Pair, position: int, dim: int = -1) -> Span | None:
    """First and last cell of a model's one axis that change what lies at a position of an array."""
    cells = model.seen_by(x[1].select(dim, position)).nonzero().flatten().tolist()
    return (min(cells), max(cells)) if cells else None


def check_inside(model: Small, x: Pair, middle: range, *, least: int = 1) -> None:
    """Positions that see nothing but the middle of the input see exactly what is said, and there are some."""
    where = positions(model.graph())
    (sight,), size = where.of(x[0]), x[1].shape[-1]
    assert not sight.lost
    checked = 0
    for position in range(size):
        said, true = sight.at(position), truly_seen(model, x, position)
        if said is not None and said[0] in middle and said[1] in middle:
            assert said == true, (position, sight)
            checked += 1
        elif said is not None and true is not None:
            assert said[0] <= true[0]
            assert true[1] <= said[1]
    assert checked >= least


# -- one layer after another, and branches, at random -----------------------------------------------

LONG = 96
layers = st.one_of(
    st.tuples(st.just("conv"), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3)),
    st.tuples(st.just("up"), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1), st.integers(1, 3)),
    st.tuples(st.just("pool"), st.integers(2, 3), st.integers(1, 3), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("pad"), st.integers(-2, 2), st.integers(-2, 2)),
    st.tuples(st.just("crop"), st.integers(0, 3), st.integers(1, 3)),
    st.tuples(st.just("resize"), st.sampled_from(["nearest", "linear", "cubic", "area"]), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.just("fold"), st.integers(2, 3)),
    st.tuples(st.just("unfold"), st.integers(2, 3)),
    st.tuples(st.just("windows"), st.integers(2, 3)),
    st.tuples(st.just("beside"), st.integers(1, 5), st.integers(1, 2), st.booleans()),
)


def apply(model: Small, x: Pair, layer: tuple[object, ...]) -> Pair:
    _, channels, size = x[1].shape
    match layer:
        case ("conv", int(kernel), int(stride), int(padding), int(dilation)):
            return model.conv(x, 2, kernel, stride, padding, dilation)
        case ("up", int(kernel), int(stride), int(padding), int(dilation)):
            return model.up(x, 2, kernel, stride, padding, dilation)
        case ("pool", int(kernel), int(stride), int(padding), bool(ceil)):
            return model.pool(x, kernel, stride, padding, ceil)
        case ("pad", int(before), int(after)):
            return model.pad(x, before, after)
        case ("crop", int(start), int(step)):
            return model.crop(x, 2, start, size, step)
        case ("resize", str(how), int(up), int(down)):
            return model.resize(x, size * up // down, how)
        case ("fold", int(parts)):  # neighbours become channels
            x = model.crop(x, 2, 0, size // parts * parts)
            x = model.reshape(x, 1, channels, size // parts, parts)
            x = model.reshape(model.permute(x, 0, 1, 3, 2), 1, channels * parts, size // parts)
            return model.conv(x, 2, 1)
        case ("unfold", int(parts)):  # and channels neighbours
            x = model.conv(x, 2 * parts, 1)
            x = model.permute(model.reshape(x, 1, 2, parts, size), 0, 1, 3, 2)
            return model.reshape(x, 1, 2, size * parts)
        case ("windows", int(cells)):  # attention among neighbours
            many = size // cells
            x = model.permute(model.crop(x, 2, 0, many * cells), 0, 2, 1)
            rows = model.reshape(x, many, cells, channels)
            # Bounded, or else the softmax would be 0 to the last bit for all rows but one.
            query, key = (model.add(Elementwise("softsign"), y[1] / (1 + y[1]), y) for y in (model.linear(rows, 2), model.linear(rows, 2)))
            x = model.attend(query, key, model.linear(rows, channels))
            return model.permute(model.reshape(x, 1, many * cells, channels), 0, 2, 1)
        case ("beside", int(kernel), int(dilation), bool(joins)):
            other = model.conv(x, channels, kernel, padding=kernel // 2 * dilation, dilation=dilation)
            shorter = min(size, other[1].shape[-1])
            pair = model.crop(x, 2, 0, shorter), model.crop(other, 2, 0, shorter)
            return model.join(1, *pair) if joins else model.plus(*pair)
    raise AssertionError(layer)


@settings(max_examples=30)
@given(st.lists(layers, min_size=1, max_size=4), st.integers(0, 9))
def test_random_models(chosen: list[tuple[object, ...]], seed: int) -> None:
    model = Small(1, 2, LONG, seed=seed)
    x = model.x
    for layer in chosen:
        x = apply(model, x, layer)
        assume(4 <= x[1].shape[-1] <= 200)
    check_inside(model, x, range(20, LONG - 20), least=0)


@settings(max_examples=30)
@given(st.lists(layers, min_size=1, max_size=4), st.integers(0, 9))
def test_random_models_move_with_their_input(chosen: list[tuple[object, ...]], seed: int) -> None:
    model = Small(1, 2, LONG, seed=seed)
    x = model.x
    for layer in chosen:
        x = apply(model, x, layer)
        assume(4 <= x[1].shape[-1] <= 200)
    (sight,) = positions(model.graph()).of(x[0])
    assert sight.repeats is not None
    moved, cells = sight.repeats
    assert Fraction(cells, moved) == sight.reach.stride if sight.reach else False
    assume(cells < 20)
    other = Small(1, 2, LONG, seed=seed, shift=cells)
    y = other.x
    for layer in chosen:
        y = apply(other, y, layer)
    for position in range(x[1].shape[-1] - moved):
        said = sight.at(position)
        if said is not None and said[0] >= 20 and said[1] < LONG - 40:
            torch.testing.assert_close(y[1][..., position], x[1][..., position + moved])


# -- what is not one window after another ------------------------------------------------------------


def test_vgg_16() -> None:
    model = Small(1, 1, 224, 224)
    x = model.x
    with torch.no_grad():
        for convolutions in (2, 2, 3, 3, 3):
            for _ in range(convolutions):
                x = model.conv(x, 1, 3, padding=1)
            x = model.pool(x, 2, 2)
        flat = model.reshape(x, 1, 49)
        end = model.linear(flat, 10)
    where = positions(model.graph())
    for sight in where.of(x[0]):
        assert sight.reach is not None
        assert (sight.reach.size, sight.reach.stride, sight.reach.offset) == (212, 32, -90)
        assert sight.repeats == (1, 32)
    assert where.of(flat[0]) == where.of(x[0])  # flattened, they still stand for their places
    assert where.positions_of(flat[0]) == (7, 7)
    assert all(sight.is_whole and sight.reach is None for sight in where.of(end[0]))
    assert where.axes == (2, 3)


def unet(model: Small, x: Pair, depth: int) -> Pair:
    x = model.conv(x, 2, 3, padding=1)
    if depth == 0:
        return x
    below = unet(model, model.pool(x, 2, 2), depth - 1)
    return model.conv(model.join(1, x, model.up(below, 2, 2, 2)), 2, 3, padding=1)


def test_a_u_net_with_skips() -> None:
    model = Small(1, 1, 128)
    x = unet(model, model.x, 2)
    check_inside(model, x, range(30, 98), least=40)
    where = positions(model.graph())
    assert where.misaligned == ()
    (sight,) = where.of(x[0])
    assert sight.repeats == (4, 4)
    assert sight.reach is not None
    assert sight.reach.stride == 1


def test_a_dilated_stack() -> None:
    model = Small(1, 1, 200)
    x = model.x
    for dilation in (1, 2, 4, 8, 16, 32):
        x = model.plus(model.conv(model.pad(x, dilation, 0), 1, 2, dilation=dilation), x)
    check_inside(model, x, range(200), least=130)
    (sight,) = positions(model.graph()).of(x[0])
    assert sight.reach == Reach(1, 1, ((-63, 0),))


def test_all_positions_at_once() -> None:
    model = Small(1, 2, 48)
    x = model.conv(model.x, 4, 3, stride=2)
    gate = model.conv(model.mean(x, 2), 4, 1)
    gated = model.times(x, gate)
    vector = model.mean(gated, 2, keeps=False)
    (before, pooled, after, end) = (positions(model.graph()).of(value)[0] for value in (x[0], gate[0], gated[0], vector[0]))
    assert pooled.reach is None
    # The last window ends at cell 46: cell 47 is seen by none.
    assert pooled.still == after.still == end.still == truly_seen(model, gated, 5) == (0, 46)
    assert after.reach == before.reach
    assert after.repeats == (1, 2)


def windows(model: Small, x: Pair, size: int) -> Pair:
    """Attention among neighbours: (1, L, C) to the same."""
    _, length, channels = x[1].shape
    rows = model.reshape(x, length // size, size, channels)
    keys = model.permute(model.linear(rows, channels), 0, 2, 1)
    mixed = model.product(model.product(model.linear(rows, channels), keys), model.linear(rows, channels))
    return model.reshape(model.plus(rows, mixed), 1, length, channels)


def test_attention_in_windows() -> None:
    model = Small(1, 2, 96)
    tokens = model.permute(model.conv(model.x, 4, 4, stride=4), 0, 2, 1)
    x = windows(model, tokens, 3)
    where = positions(model.graph())
    (sight,) = where.of(x[0])
    assert sight.reach == Reach(3, 12, ((0, 11),) * 3)
    assert sight.repeats == (3, 12)
    for position in range(24):
        assert sight.at(position) == truly_seen(model, x, position, dim=1)
    merged = model.join(2, model.crop(x, 1, 0, 24, 2), model.crop(x, 1, 1, 24, 2))
    wide = windows(model, model.linear(merged, 4), 2)
    where = positions(model.graph())
    assert where.misaligned == ()  # neighbours are merged, nothing lies askew
    (sight,) = where.of(wide[0])
    for position in range(12):
        assert sight.at(position) == truly_seen(model, wide, position, dim=1)


def test_windows_that_are_shifted() -> None:
    """As in Swin Transformer (Liu et al., 2021): cells are rolled, look around in windows, and are rolled back."""
    model = Small(1, 2, 96)
    tokens = windows(model, model.permute(model.conv(model.x, 4, 4, stride=4), 0, 2, 1), 4)
    shifted = windows(model, model.roll(tokens, 1, -2), 4)
    x = model.plus(tokens, model.roll(shifted, 1, 2))
    where = positions(model.graph())
    assert where.misaligned == ()
    (sight,) = where.of(x[0])
    assert (sight.centre, sight.repeats) == (Fraction(3, 2), (4, 16))
    for position in range(2, 22):  # the others see what comes back from the other end
        assert sight.at(position) == truly_seen(model, x, position, dim=1)


def test_windows_of_two_axes() -> None:
    model = Small(1, 1, 12, 20)
    x = model.conv(model.x, 3, 2, stride=2)
    x = model.reshape(model.permute(x, 0, 2, 3, 1), 1, 3, 2, 2, 5, 3)
    x = model.permute(x, 0, 1, 3, 2, 4, 5)
    rows = model.reshape(x, 6, 10, 3)
    x = model.attend(rows, rows, rows)
    x = model.reshape(x, 1, 3, 2, 2, 5, 3)
    x = model.reshape(model.permute(x, 0, 1, 3, 2, 4, 5), 1, 6, 10, 3)
    where = positions(model.graph())
    high, wide = where.of(x[0])
    assert where.positions_of(x[0]) == (6, 10)
    for row, column in ((0, 0), (3, 4), (5, 9), (2, 5)):
        seen = model.seen_by(x[1][0, row, column]).nonzero()
        lows, highs = seen.min(0).values.tolist(), seen.max(0).values.tolist()
        assert (high.at(row), wide.at(column)) == tuple(zip(lows, highs, strict=True))


def test_a_token_put_before_the_others() -> None:
    model = Small(1, 1, 8, 8)
    x = model.conv(model.x, 4, 2, stride=2)
    tokens = model.permute(model.reshape(x, 1, 4, 16), 0, 2, 1)
    token = model.mean(tokens, 1)
    longer = model.join(1, token, tokens)
    alone = model.pick(longer, 1, 3)
    end = model.pick(model.attend(longer, longer, longer), 1, 3)
    where = positions(model.graph())
    assert [sight.is_whole for sight in where.of(end[0])] == [True, True]
    assert where.positions_of(tokens[0]) == (4, 4)
    # Each token holds the mean here, so even one alone may see everything; without the mean it is not known which.
    assert all(sight.is_whole for sight in where.of(alone[0]))
    model = Small(1, 1, 8, 8)
    tokens = model.reshape(model.x, 1, 1, 64)
    alone = model.pick(model.join(2, tokens, tokens), 2, 70)
    for sight in positions(model.graph()).of(alone[0]):
        assert sight.lost == "n1 (Join): positions are put behind one another"
        assert sight.at(0) is None


def test_what_is_not_followed_is_named() -> None:
    model = Small(1, 2, 16)
    x = model.conv(model.x, 4, 3)
    odd = model.add(Unknown("no rule for it"), x[1].flip(2), x, source="aten.flip")
    behind = model.conv(odd, 1, 3)
    mixed = model.reshape(x, 1, 7, 8)
    pooled = model.mean(model.add(Lookup(), x[1], x), 2)
    where = positions(model.graph())
    assert where.of(behind[0])[0].lost == "n1 (aten.flip): no rule for it"
    assert where.of(mixed[0])[0].lost == "n3 (Reshape): positions are mixed by shape (1, 4, 14) → (1, 7, 8)"
    assert where.of(pooled[0])[0].at(0) is None
    with pytest.raises(ConvTypeError, match="Small has no input 'y'"):
        positions(model.graph(), "y")
    unshaped = Value("x", None, "float32")
    with pytest.raises(ConvShapeError, match="no known shape"):
        positions(Graph("Open", (), (unshaped,), (unshaped,)), "x")


def test_a_reader_that_was_wrong_breaks_nothing() -> None:
    given, result = Value("x", (1, 2, 8), "float32"), Value("y", (3, 3), "float32")
    for operation in (node.operation for node in _of_every_kind()):
        graph = Graph("Wrong", (Node("n", "", operation, "s", (given, given), (result,)),), (given,), (result,))
        for sight in positions(graph).of(result):
            assert sight.lost.startswith("n (s): ")


def _of_every_kind() -> tuple[Node, ...]:
    model = Small(1, 2, 8)
    x = model.up(model.conv(model.x, 2, 3), 2, 3, 1)
    x = model.pool(model.resize(model.pad(model.crop(x, 2, 1, 8), 1, 0), 16, "linear"), 2, 2)
    x = model.join(1, model.plus(x, x), model.times(x, x))
    x = model.linear(model.permute(x, 0, 2, 1), 4)
    model.mean(model.attend(x, x, x), 1)
    return tuple(model.nodes)


# -- branches that do not align ------------------------------------------------------------------------


def test_a_window_and_a_crop_on_one_side() -> None:
    model = Small(1, 1, 40)
    total = model.plus(model.conv(model.x, 1, 3), model.crop(model.x, 2, 0, 38))
    (found,) = positions(model.graph()).misaligned
    assert (found.node, found.axis, found.centres, found.offset) == ("n2", 2, (1, 0), -1)
    assert str(found) == "n2: along dimension 2 of the input, 'n1' lies 1 cell before 'n0' (centres 0 and 1)."
    check_inside(model, total, range(40), least=30)
    model = Small(1, 1, 40)
    model.plus(model.conv(model.x, 1, 3), model.crop(model.x, 2, 1, 39))
    assert positions(model.graph()).misaligned == ()


def test_an_even_kernel_padded_on_one_side() -> None:
    model = Small(1, 1, 40)
    model.plus(model.x, model.conv(model.pad(model.x, 1, 0), 1, 2))
    (found,) = positions(model.graph()).misaligned
    assert found.offset == Fraction(-1, 2)
    assert "lies 1/2 cells before" in str(found)


def test_strides_with_other_padding() -> None:
    """What TensorFlow's SAME padding does on even sizes beside a shortcut of kernel 1."""
    model = Small(1, 1, 40)
    main = model.conv(model.pad(model.x, 0, 1), 1, 3, stride=2)
    model.plus(main, model.conv(model.x, 1, 1, stride=2))
    (found,) = positions(model.graph()).misaligned
    assert found.offset == -1


def test_nearest_neighbours_lie_half_a_step_off() -> None:
    model = Small(1, 1, 40)
    small = model.conv(model.x, 1, 3, stride=2, padding=1)
    model.plus(model.x, model.resize(small, 40, "nearest"))
    (found,) = positions(model.graph()).misaligned
    assert found.offset == Fraction(-1, 2)


def test_strides_that_differ() -> None:
    model = Small(1, 1, 40)
    half = model.conv(model.x, 1, 1, stride=2)
    total = model.conv(model.plus(model.crop(model.x, 2, 0, 20), half), 1, 1)
    where = positions(model.graph())
    (found,) = where.misaligned
    assert found.strides == (1, 2)
    assert "has 2 cells from position to position, 'n1' 1 cell: they drift apart." in str(found)
    assert where.of(total[0])[0].lost == "n2 (Elementwise): branches of stride 1 and 2 meet: their positions drift apart."


def test_a_mean_that_is_repeated_is_no_misalignment() -> None:
    model = Small(1, 1, 40)
    x = model.plus(model.x, model.mean(model.x, 2))
    model.times(x, model.expand(model.mean(x, 2), 1, 1, 40))
    assert positions(model.graph()).misaligned == ()


# -- inputs in other orders ----------------------------------------------------------------------------


def test_channels_last() -> None:
    model = Small(1, 10, 12, 3)
    x = model.conv(model.permute(model.x, 0, 3, 1, 2), 2, 3, padding=1)
    where = positions(model.graph())
    assert where.axes == (1, 2)
    assert where.size == (10, 12)
    assert [sight.reach for sight in where.of(x[0])] == [Reach(1, 1, ((-1, 1),))] * 2


def test_the_input_that_convolutions_see() -> None:
    model = Small(2, 1, 12)
    model.conv(model.x, 1, 3)
    state, sound = Value("state", (2, 1, 12), "float32"), Value("sound", (1, 512), "float32")
    graph = model.graph()
    both = Graph("Two", graph.nodes, (state, *graph.inputs, sound), graph.outputs)
    assert positions(both).input is graph.inputs[0]
    assert positions(both, "state").input is state
    assert positions(both, "state").of(graph.outputs[0])[0].at(0) is None
    assert positions(Graph("One", (), (sound,), (sound,))).axes == (1,)
    with pytest.raises(ConvTypeError, match="no input of None has two dimensions"):
        positions(Graph("None", (), (), ()))


def test_recurrent_layers_are_not_followed() -> None:
    given, result = Value("x", (1, 9, 4), "float32"), Value("y", (1, 9, 8), "float32")
    node = Node("lstm", "", Multiply(0, False), "aten.lstm", (given,), (result,), (Weight("w", (32, 4), "float32"),))
    (sight,) = positions(Graph("Recurrent", (node,), (given,), (result,))).of(result)
    assert sight.lost.startswith("lstm (aten.lstm): what a step of a recurrent layer sees")


def test_a_number_for_all_cells() -> None:
    """As the scale by which an array is quantised while the model runs."""
    model = Small(1, 1, 12)
    x = model.conv(model.x, 1, 3)
    scale = model.add(Elementwise("scale"), x[1].max(), x)
    divided = model.times(x, scale)
    where = positions(model.graph())
    assert where.of(scale[0])[0].still == (0, 11)
    assert where.of(divided[0])[0].is_whole
    assert where.of(divided[0])[0].reach == Reach(1, 1, ((0, 2),))


def test_sequences_of_vectors() -> None:
    model = Small(1, 12, 5)
    x = model.linear(model.x, 3)
    where = positions(model.graph())
    assert where.axes == (1,)
    assert where.of(x[0])[0].reach == Reach.itself()


def test_weights_that_stay_where_they_are() -> None:
    model = Small(1, 2, 12)
    table = Weight("places", (1, 2, 12), "float64")
    moved = model.add(Elementwise("add"), model.x[1] + 1, model.x, weights=[table])
    gained = model.add(Elementwise("multiply"), model.x[1] * 2, model.x, weights=[Weight("gain", (2, 1), "float64")])
    where = positions(model.graph())
    assert where.of(moved[0])[0].repeats is None
    assert where.of(gained[0])[0].repeats == (1, 1)


def test_an_axis_of_one_cell_grows() -> None:
    model = Small(1, 4, 1)
    x = model.up(model.reshape(model.x, 1, 4, 1), 2, 4, 1)
    where = positions(model.graph())
    assert where.positions_of(x[0]) == (4,)
    assert where.of(x[0])[0].reach == Reach(1, 1, ((-3, 0),))


def test_reshaping_there_and_back() -> None:
    given = Value("x", (2, 6, 4, 9), "float32")
    shapes = [(2, 6, 36), (12, 36), (2, 6, 2, 2, 3, 3), (2, 6, 4, 9)]
    nodes, last = [], given
    for shape in shapes:
        value = Value(str(shape), shape, "float32")
        nodes.append(Node(str(shape), "", Reshape(), "reshape", (last,), (value,)))
        last = value
    where = positions(Graph("There", tuple(nodes), (given,), (last,)))
    assert where._seen[last] == where._seen[given]
