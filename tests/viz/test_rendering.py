"""Terms as text, LaTeX, HTML and JSON."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given

import faltung as fl
from faltung.viz.numbers import factor_latex, jsonable, latex, shorthand
from tests.support.engine import examples
from tests.support.strategies import Problem, problems


def one(spec: str, size: tuple[int, ...], index: tuple[int, ...], dtype: type = np.int64) -> fl.Terms:
    parsed = fl.ConvSpec.parse(spec)
    return fl.explain(parsed, *Problem(parsed, size, 1, 0).arrays(dtype))[index]


WIDE = one("conv2d(3, 2, 5, padding=2)", (6, 6), (0, 1, 0, 0))
TURNED = one("conv_transpose1d(1, 1, 3, stride=2)", (3,), (0, 0, 2))


def test_text_lists_products_and_their_sum() -> None:
    terms = fl.explain("conv1d(1, 1, 3, padding=1, padding_mode='circular')", [[5, -7]], [[[1, 10, 100]]], [3])[0, 0]
    assert str(terms).splitlines() == [
        "output[0, 0] = 3 products + bias = −654",
        "  input                            weight",
        "  x[0, 1] wrapped to (−1) = −7  ×  w[0, 0, 0] =   1  =    −7",
        "  x[0, 0]                 =  5  ×  w[0, 0, 1] =  10  =    50",
        "  x[0, 1]                 = −7  ×  w[0, 0, 2] = 100  =  −700",
        "  bias[0]                                            =     3",
        "  total                                              =  −654",
        "  (−7)·1 + 5·10 + (−7)·100 + 3 = −654",
    ]


def test_long_sums_say_how_many_products_they_leave_out() -> None:
    assert len(WIDE.products) == 75
    assert "… 43 more products, together " in str(WIDE)
    assert "… 65 more products" in WIDE.to_text(10)
    assert "more product" not in WIDE.to_text(75)
    assert "… 75 more products, together " in WIDE.to_text(0)
    assert "… 74 more products" in WIDE.to_text(1)
    assert "… 43 more products" in WIDE.to_html()
    assert r"\cdots" in WIDE.to_latex()
    assert r"(75\ \mathrm{products})" in WIDE.to_latex()
    assert r"\cdots" not in WIDE.to_latex(75)
    assert len(WIDE.to_dict()["products"]) == 75


def test_a_transposed_output_is_read_both_ways() -> None:
    written = str(TURNED)
    assert "scatter: each input stamps the kernel" in written
    assert "gather: the flipped kernel slides over the input with zeros inserted" in written
    assert "inserted (1)" in written
    assert "both readings have the same 2 products" in written
    assert "_{\\mathrm{ins}}" in TURNED.to_latex(reading="gather")
    assert "_{\\mathrm{ins}}" not in TURNED.to_latex()
    assert TURNED.to_html().count("<table>") == 2
    assert "both readings have the same 2 products" in TURNED.to_html()
    assert "as it is stored" in str(one("conv_transpose1d(1, 1, 3, stride=2, flip=True)", (3,), (0, 0, 2)))


def test_an_output_that_nothing_reaches() -> None:
    terms = one("conv_transpose1d(1, 1, 1, stride=2, bias=False)", (3,), (0, 0, 1))
    assert terms.products == ()
    assert terms.total == 0
    assert "0 products = 0" in str(terms)
    assert terms.to_latex() == "y_{0,0,1} = 0 = 0"


def test_a_cell_that_no_window_reads() -> None:
    uses = fl.explain("conv1d(1, 1, 1, stride=2)", [[1, 2, 3]], [[[1]]]).uses((0, 1))
    assert str(uses) == "x[0, 1] = 2 takes part in no product"
    assert "<table>" not in uses.to_html()
    assert uses.to_latex() == "x_{0,1} = 2"


@pytest.mark.parametrize(
    ("value", "text", "math"),
    [
        (0, "0", "0"),
        (-12, "−12", "-12"),
        (10**30, str(10**30), str(10**30)),
        (1.5, "1.5", "1.5"),
        (-1e-7, "−1e−07", r"-1 \times 10^{-7}"),
        (float("inf"), "inf", r"\infty"),
        (float("nan"), "nan", r"\mathrm{NaN}"),
        (1 - 2j, "1 − 2i", "1 - 2i"),
    ],
)
def test_numbers(value: complex, text: str, math: str) -> None:
    assert (shorthand(value), latex(value)) == (text, math)


def test_factors_are_in_parentheses_where_they_need_to_be() -> None:
    assert [factor_latex(value) for value in (2, -2, 1e-9, 1j)] == ["2", "(-2)", r"(1 \times 10^{-9})", "(0 + 1i)"]


class Page(HTMLParser):
    """Balanced tags, no scripts, no handlers, nothing fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= {"class", "colspan", "scope"}
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_html(text: str) -> None:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.seen <= {"div", "style", "strong", "table", "caption", "tr", "th", "td"}
    assert "currentColor" in text


@examples(40)
@given(problems(max_axes=3))
def test_everything_renders(problem: Problem) -> None:
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parse = mathtext.MathTextParser("path").parse
    x, weight, bias = problem.arrays()
    explanation = fl.explain(problem.spec, x, weight, bias)
    last = [size - 1 for size in problem.output_shape]
    shown = [explanation[last], explanation.uses([0] * x.ndim), explanation.of_weight([0] * weight.ndim)]
    for part in shown:
        assert "\n" in str(part) or "no product" in str(part)
        check_html(part._repr_html_())
        assert json.loads(json.dumps(part.to_dict(), allow_nan=False)) == part.to_dict()
        parse(f"${part.to_latex(6)}$")
    parse(f"${shown[0].to_latex(8, reading='gather')}$")
    check_html(explanation._repr_html_())
    assert str(problem.spec) in str(explanation)


def test_a_sum_that_wraps_is_not_written_as_equal() -> None:
    terms = fl.explain("conv1d(1, 1, 1)", [[2**62]], [[[4]]])[0, 0]
    assert terms.to_latex().endswith(rf" = {2**64} \equiv 0\ (\mathrm{{mod}}\ 2^{{64}})")
    pytest.importorskip("matplotlib.mathtext").MathTextParser("path").parse(f"${terms.to_latex()}$")
    assert "does not fit in 64 bits" in terms.to_html()


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_odd_numbers_render(dtype: type) -> None:
    parse = pytest.importorskip("matplotlib.mathtext").MathTextParser("path").parse
    x = np.array([[np.inf, -1e-20, np.nan, -np.inf]], dtype)
    terms = fl.explain("conv1d(1, 1, 4)", x, np.ones((1, 1, 4), dtype))[0, 0]
    parse(f"${terms.to_latex()}$")
    check_html(terms.to_html())
    facts = json.loads(json.dumps(terms.to_dict(), allow_nan=False))
    value = facts["products"][3]["input_value"]
    assert (value["real"] if dtype is np.complex64 else value) == "-Infinity"
    assert jsonable(None) is None


def test_what_is_shown_is_escaped() -> None:
    html = one("conv1d(1, 1, 2, padding='same_upper')", (3,), (0, 0, 0)).to_html()
    assert "padding=&#x27;same_upper&#x27;" in html
    assert "padding='same_upper'" not in html
