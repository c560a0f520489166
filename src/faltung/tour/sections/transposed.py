"""Section 6: transposed convolution, the adjoint and not an inverse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung.spec import ConvSpec
from faltung.tour.blocks import Block, Correction, Formula, Gallery, GridRow, Heading, Moving, NumberGrid, Picture, Table, Text
from faltung.tour.checks import against_definition, differ, equal
from faltung.tour.clock import Clock, Stage, cost_of
from faltung.tour.photograph import Photograph
from faltung.tour.pictures import colour, grey
from faltung.tour.section import Section
from faltung.viz.gallery import case

__all__ = ["section"]

Ints = NDArray[np.int64]

SMALL = np.array([[1, 2], [3, 4]])
DIAGONAL = np.array([[1, 0], [0, 1]])
SPREAD = [[1, 0, 2, 0], [0, 1, 0, 2], [3, 0, 4, 0], [0, 3, 0, 4]]
PYRAMID = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
SKEWED = np.array([[1, 2, 0], [0, 4, 1], [-1, 0, 2]])


def section(photograph: Photograph, clock: Clock) -> Section:
    """Stamping, with and without overlap; the adjoint identity; two things it does not undo."""
    tent = ConvSpec(3, 3, (4, 4), stride=2, padding=1, groups=3, bias=False, transposed=True)
    tent_weight = np.stack([np.outer([1, 3, 3, 1], [1, 3, 3, 1])] * 3)[:, None]
    small = photograph.halved()
    enlarged = fl.conv(tent, small.rgb, tent_weight)
    stage = Stage(tent, tent_weight)
    blocks: list[Block] = [
        *_stamps(),
        *_overlap(),
        *_enlarging(small),
        *_adjoint(photograph),
        *_no_inverse(photograph),
        *_no_unpooling(),
        *_two_layers(),
        against_definition(
            tent, small.rgb, tent_weight, drawn=enlarged, crop=24, name="the enlarged photograph agrees with the definition"
        ),
        cost_of("4 × 4 tent, stride 2, on half the photograph", (stage,), small.rgb),
        *clock.time("transposed 4 × 4, stride 2", (stage,), small.rgb),
    ]
    return Section(
        6,
        "Transposed convolution",
        (
            (
                "A transposed convolution multiplies the whole kernel by each input cell and stamps it into a larger output, one "
                "stride "
                "apart; where "
                "stamps overlap, they add up."
            ),
            (
                "It is the adjoint of a strided convolution, its matrix turned about the diagonal, and its weights are learned like "
                "any "
                "others."
            ),
        ),
        (
            str(ConvSpec(1, 1, (2, 2), stride=2, bias=False, transposed=True)),
            str(ConvSpec(1, 1, (3, 3), stride=2, bias=False, transposed=True)),
            str(tent),
        ),
        tuple(blocks),
    )


def _up(x: Ints, kernel: Ints, stride: int = 2) -> Ints:
    return np.asarray(fl.conv_transpose2d(x[None], kernel[None, None], stride=stride)[0], np.int64)


def _stamps() -> tuple[Block, ...]:
    result = _up(SMALL, DIAGONAL)
    stamps = []
    for row in range(2):
        for column in range(2):
            alone = np.zeros_like(SMALL)
            alone[row, column] = SMALL[row, column]
            stamps.append(
                NumberGrid.of(
                    _up(alone, DIAGONAL), f"{SMALL[row, column]} · W at ({2 * row}, {2 * column})", _block(2 * row, 2 * column, 2)
                )
            )
    separated: list[NumberGrid | str] = [stamps[0]]
    for stamp in stamps[1:]:
        separated += ["+", stamp]
    return (
        Heading("2 × 2 to 4 × 4, stride 2"),
        GridRow((NumberGrid.of(SMALL, "input X"), NumberGrid.of(DIAGONAL, "kernel W"), "→", NumberGrid.of(result, "output Y, 4 × 4"))),
        GridRow(tuple(separated), "Each input cell brings its own stamp; at stride 2 a 2 × 2 kernel leaves no gap and no overlap."),
        equal("the 2 × 2 example gives [[1, 0, 2, 0], [0, 1, 0, 2], [3, 0, 4, 0], [0, 3, 0, 4]]", result, SPREAD),
    )


def _block(top: int, left: int, side: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(top, top + side) for column in range(left, left + side)]


def _overlap() -> tuple[Block, ...]:
    """Stride 2 under a kernel of 3: the sums written out, and how many stamps meet in each cell."""
    terms: list[list[list[str]]] = [[[] for _ in range(5)] for _ in range(5)]
    total = np.zeros((5, 5), np.int64)
    for (row, column), value in np.ndenumerate(SMALL):
        for (i, j), weight in np.ndenumerate(PYRAMID):
            terms[2 * row + i][2 * column + j].append(f"{value}·{weight}")
            total[2 * row + i, 2 * column + j] += value * weight
    sums = [[" + ".join(cell) for cell in row] for row in terms]
    shared = [(row, column) for row in range(5) for column in range(5) if len(terms[row][column]) > 1]
    result = _up(SMALL, PYRAMID)
    meeting = _up(np.ones((3, 3), np.int64), np.ones((3, 3), np.int64))
    return (
        Moving(case("transposed-no-overlap")),
        Heading("Stride smaller than the kernel: stamps overlap"),
        GridRow(
            (
                NumberGrid.of(SMALL, "input X"),
                NumberGrid.of(PYRAMID, "kernel W, 3 × 3"),
                "→",
                NumberGrid.of(result, "output Y, 5 × 5", shared),
            )
        ),
        NumberGrid.of(sums, "where each number comes from: the framed cells collect two or four stamps", shared),
        equal("the overlapping example is the sum of its stamps", result, total),
        Text(
            "How many stamps meet in a cell depends on its position: with kernel 3 and stride 2 they are one, two or four in turn. "
            "That rhythm is the "
            "checkerboard for which transposed convolutions are known; a kernel size divisible by the stride avoids its cause."
        ),
        NumberGrid.of(meeting, "stamps that meet in each cell: 3 × 3 inputs, kernel 3, stride 2"),
        equal("inside, cells collect 1, 2 or 4 stamps", sorted(set(meeting.ravel().tolist())), [1, 2, 4]),
        equal(
            "with kernel 4 and stride 2 every inner cell collects 4",
            _up(np.ones((4, 4), np.int64), np.ones((4, 4), np.int64))[2:-2, 2:-2],
            np.full((6, 6), 4),
        ),
    )


def _enlarging(small: Photograph) -> tuple[Block, ...]:
    """A detail of the photograph enlarged by three kernels."""
    height, width = small.size
    rows, columns = slice(height // 3, height // 3 + min(48, height // 3)), slice(width // 3, width // 3 + min(72, width // 3))
    detail = small.rgb[:, rows, columns]

    def enlarge(kernel: Ints, padding: int, scale: float) -> NDArray[np.float64]:
        weight = np.stack([kernel] * 3)[:, None]
        return np.asarray(fl.conv_transpose2d(detail, weight, stride=2, padding=padding, groups=3) / scale)

    def show(values: NDArray[np.float64], caption: str, alt: str) -> Picture:
        return colour(values.repeat(3, axis=1).repeat(3, axis=2), caption, alt)

    tent = np.outer([1, 3, 3, 1], [1, 3, 3, 1])
    return (
        Gallery(
            (
                show(
                    enlarge(np.ones((2, 2), np.int64), 0, 1),
                    "Kernel 2, all ones: every pixel becomes a 2 × 2 block",
                    "A detail in coarse blocks.",
                ),
                show(
                    enlarge(np.ones((3, 3), np.int64), 0, 2.25),
                    "Kernel 3, all ones: uneven overlap, a checkerboard",
                    "The detail under a fine checkered pattern.",
                ),
                show(enlarge(tent, 1, 16), "Kernel 4, a tent: even overlap, linear interpolation", "The detail, smooth."),
            ),
            columns=3,
        ),
    )


def _adjoint(photograph: Photograph) -> tuple[Block, ...]:
    """The matrix and its transpose on five numbers; the identity on the photograph."""
    line = ConvSpec(1, 1, (3,), stride=2, bias=False)
    taps = np.array([[[1, 2, 3]]])
    back = line.adjoint((5,)).input_grad
    forward = np.stack([fl.conv(line, unit[None], taps)[0] for unit in np.eye(5, dtype=np.int64)], axis=1)
    adjoint = np.stack([fl.conv(back, unit[None], taps)[0] for unit in np.eye(2, dtype=np.int64)], axis=1)

    spec = ConvSpec(1, 1, (3, 3), stride=2, padding=1, bias=False)
    weight = SKEWED[None, None]
    x = photograph.grey[None].astype(np.int64)
    answer = fl.conv(spec, x, weight)
    y = np.random.default_rng(6).integers(-9, 10, answer.shape)
    returned = fl.conv(spec.adjoint(photograph.size).input_grad, y, weight)
    left, right = int((answer * y).sum()), int((x * returned).sum())
    return (
        Moving(case("transposed")),
        Moving(case("transposed-gather")),
        Heading("Why it is called transposed"),
        Text(
            "A convolution is linear, so it is a matrix A. Here is the one of kernel [1, 2, 3] at stride 2 on five cells, found by "
            "convolving unit "
            "vectors; the transposed convolution with the same kernel has the matrix turned about its diagonal."
        ),
        GridRow((NumberGrid.of(forward, "A: 5 cells → 2"), NumberGrid.of(adjoint, "transposed convolution: 2 cells → 5"))),
        equal("the matrix of the transposed convolution is Aᵀ", adjoint, forward.T),
        Formula(
            (
                "⟨A x, y⟩ = ⟨x, Aᵀ y⟩      for every x and y",
                f"{left:,} = {right:,}      x: the photograph, y: whole numbers drawn at random".replace("-", "−"),
            )
        ),
        equal("⟨A x, y⟩ = ⟨x, Aᵀ y⟩ on the photograph", left, right, f"two sums, over {y.size:,} and {x.size:,} products"),
        Text("The same Aᵀ carries the gradient of a strided convolution back to its input: that is what every training step uses it for."),
        equal(
            "it is the input gradient of the strided convolution", fl.conv_input_grad(spec, y[None], weight, photograph.size)[0], returned
        ),
    )


def _no_inverse(photograph: Photograph) -> tuple[Block, ...]:
    """Aᵀ A is not the identity: in five numbers, and seen on the photograph."""
    line = ConvSpec(1, 1, (3,), stride=2, bias=False)
    taps = np.array([[[1, 2, 3]]])
    x = np.array([[1, 2, 3, 4, 5]])
    answer = fl.conv(line, x, taps)
    returned = fl.conv(line.adjoint((5,)).input_grad, answer, taps)

    blur = ConvSpec(1, 1, (9, 9), stride=2, padding=4, bias=False)
    weight = np.outer([1, 8, 28, 56, 70, 56, 28, 8, 1], [1, 8, 28, 56, 70, 56, 28, 8, 1])[None, None]
    image = photograph.grey[None]
    away = fl.conv(blur, image, weight)
    again = fl.conv(blur.adjoint(photograph.size).input_grad, away, weight)[0] / 256.0**4 * 4
    return (
        Heading("Not the inverse of convolution"),
        GridRow((NumberGrid.of(x, "x"), "→", NumberGrid.of(answer, "A x"), "→", NumberGrid.of(returned, "Aᵀ (A x)"))),
        differ("Aᵀ (A x) is not x", returned, x, "the shape comes back, the values do not"),
        Gallery(
            (
                grey(photograph.grey, "The photograph", "The photograph in grey."),
                grey(
                    again,
                    "Blurred and halved, then transposed with the same kernel",
                    "The photograph, much softer: blurred twice, not restored.",
                ),
            )
        ),
        Correction(
            "A transposed convolution, or “deconvolution”, undoes a convolution.",
            "It restores the shape, not the values: blurring and transposing blurs twice. Undoing a blur is another problem, which "
            "the name "
            "deconvolution properly belongs to, and which has no exact answer once information is lost.",
        ),
    )


def _no_unpooling() -> tuple[Block, ...]:
    """Two inputs with one pooled output: nothing can be the inverse, linear or not."""
    one, other = np.array([[1, 2], [3, 4]]), np.array([[4, 0], [0, 0]])
    pooled = [int(window.max()) for window in (one, other)]
    answers = [_up(np.array([[value]]), PYRAMID[:2, :2]) for value in pooled]
    return (
        Heading("Nor the inverse of max pooling"),
        GridRow(
            (
                NumberGrid.of(one, "one window"),
                NumberGrid.of(other, "another"),
                "→ both have maximum",
                NumberGrid.of([[pooled[0]]], "pooled"),
                "→",
                NumberGrid.of(answers[0], "transposed, kernel [[1, 2], [2, 4]]"),
            ),
            "One pooled number, two windows it may have come from: no operation at all can give both back.",
        ),
        equal("the two windows have the same maximum", pooled[0], pooled[1]),
        differ("the two windows differ", one, other),
        equal("so both get the same answer from any transposed convolution", answers[0], answers[1]),
        Text(
            "Max pooling keeps one number of four, has no weights and is not linear; the transposed convolution is linear and learns "
            "its weights."
        ),
    )


def _two_layers() -> tuple[Block, ...]:
    """Two layers of one description own two sets of numbers."""
    spec = ConvSpec(1, 1, (3, 3), stride=2, transposed=True)
    twin = ConvSpec(1, 1, (3, 3), stride=2, transposed=True)
    draw = np.random.default_rng(6)
    first, second = (draw.integers(-3, 4, spec.weight_shape) for _ in range(2))
    bias = np.zeros(1, np.int64)
    before = fl.conv(twin, SMALL[None], second, bias)
    first_before = fl.conv(spec, SMALL[None], first, bias)
    first[0, 0, 1, 1] += 100
    return (
        Heading("Two layers, two sets of weights"),
        Table(
            ("layer", "description", "weights", "biases", "parameters"),
            (
                ("first", str(spec), str(spec.weight_shape), str(spec.bias_shape), spec.parameters),
                ("second", str(twin), str(twin.weight_shape), str(twin.bias_shape), twin.parameters),
                ("together", "", "", "", spec.parameters + twin.parameters),
            ),
            "One description, two layers",
        ),
        Text(
            "A description is a value, and two equal ones are the same; the weights are arrays, and each layer owns its own unless "
            "one array is handed to both."
        ),
        equal("the two descriptions are equal", spec == twin, True),
        equal("two layers own 2 × 10 parameters", spec.parameters + twin.parameters, 20),
        differ("changing a weight of the first layer changes its output", fl.conv(spec, SMALL[None], first, bias), first_before),
        equal("… and leaves the second layer's output as it was", fl.conv(twin, SMALL[None], second, bias), before),
    )
