"""A piece of the playground in one file: its table holds what the server would answer, and it opens from disk."""

from __future__ import annotations

import html
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from faltung.app.answers import answer
from faltung.app.bundle import page_script
from faltung.app.embed import MOST_STATES, Explorer, explorer
from faltung.errors import ConvError
from faltung.spec import ConvSpec
from tests.app.browsers import watched

VARY = {"stride": [1, 2, [1, 3]], "padding": [0, "same_upper", [[1, 0], [2, 2]]]}


@pytest.fixture(scope="module")
def made() -> Explorer:
    return explorer({"input_size": [5, 4]}, VARY, parts=("facts", "code"))


def test_every_combination_has_the_answer_of_the_server(made: Explorer) -> None:
    """Put together by the page's own module, run by Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = f"""
        globalThis.document = {{ getElementById: () => null }};
        const {{ tableOf }} = {page_script("embedded.js")};
        process.stdout.write(JSON.stringify(tableOf({json.dumps(made.table)})));
    """
    done = subprocess.run([node, "-"], input=script, capture_output=True, text=True, check=True, timeout=60)
    table = json.loads(done.stdout)
    assert table["varying"] == {
        "stride": [[1, 1], [2, 2], [1, 3]],
        "padding": [[[0, 0], [0, 0]], "same_upper", [[1, 0], [2, 2]]],
    }
    combinations = list(itertools.product(*VARY.values()))
    assert len(table["answers"]) == len(combinations) == 9
    for found, (stride, padding) in zip(table["answers"], combinations, strict=True):
        wanted = answer("show", {"state": {"input_size": [5, 4], "stride": stride, "padding": padding}})
        for part in ("state", "scene", "facts", "code", "problem"):
            assert found[part] == wanted[part]
        assert not found["plan"]
        assert not found["matrices"]


def test_remedies_lead_to_answers_that_are_there() -> None:
    found = explorer({"input_size": [4, 4], "kernel_size": [5, 5]}, {"padding": [0, 1, 2]}).table
    answers = [{name: found["pool"][at] for name, at in parts.items()} for parts in found["answers"]]
    first = answers[found["places"][0]]
    assert first["scene"] is None
    assert first["problem"]["remedies"]
    for remedy in first["problem"]["remedies"]:
        assert remedy["state"]["padding"] in found["varying"]["padding"]
        assert remedy["state"] | {"padding": None} == found["base"] | {"padding": None}
    everything = answer("show", {"state": found["base"]})["problem"]["remedies"]
    assert len(everything) > len(first["problem"]["remedies"])


def test_parts_stand_once() -> None:
    """Two readings of what is not transposed are one answer but for the state."""
    same = explorer({}, {"reading": ["auto", "gather"]}).table
    assert len(same["places"]) == 2
    names = [name for parts in same["answers"] for name in parts]
    assert len(same["pool"]) < len(set(names)) + 2


@pytest.mark.parametrize(("parts", "held"), [((), ()), (("summary",), ("facts", "plan")), (("code", "facts"), ("code", "facts"))])
def test_what_is_not_shown_takes_no_room(parts: tuple[str, ...], held: tuple[str, ...]) -> None:
    table = explorer({}, parts=parts).table
    (found,) = ({name: table["pool"][at] for name, at in one.items()} for one in table["answers"])
    assert {name for name in ("facts", "plan", "code", "matrices") if found[name]} == set(held)
    assert found["scene"]
    assert table["options"]["parts"] == list(parts)


def test_values_given_twice_are_offered_once() -> None:
    assert explorer({}, {"stride": [1, [1, 1], 2]}).table["varying"] == {"stride": [[1, 1], [2, 2]]}


def test_what_is_shown_first_is_offered() -> None:
    assert explorer({"stride": 2}, {"stride": [1, 2, 3]}).table["base"]["stride"] == [2, 2]
    assert explorer({}, {"stride": [3, 2]}).table["base"]["stride"] == [3, 3]


def test_a_convolution_in_words_or_as_a_spec_is_a_state() -> None:
    spec = ConvSpec(2, 4, (3, 3), stride=2, groups=2)
    for given in (spec, str(spec), "nn.Conv2d(2, 4, kernel_size=(3, 3), stride=(2, 2), groups=2)"):
        base = explorer(given).table["base"]
        assert (base["in_channels"], base["out_channels"], base["stride"], base["groups"]) == (2, 4, [2, 2], 2)


def test_what_is_impossible_can_be_shown_and_mended() -> None:
    found = explorer({"in_channels": 3, "out_channels": 4, "groups": 2}, {"groups": [2, 1]})
    assert found.title == "A convolution that cannot be"
    first, second = ({name: found.table["pool"][at] for name, at in parts.items()} for parts in found.table["answers"])
    assert "groups=2 does not divide in_channels=3" in first["problem"]["message"]
    assert second["scene"]


WRONG = {
    "is not known": {"vary": {"strid": [1]}},
    "offers nothing": {"vary": {"stride": []}},
    "is no dict": {"vary": [("stride", [1])]},
    "a part='fact' is not known": {"parts": ["fact"]},
    "theme='blue' is not known": {"theme": "blue"},
    "a field of state='strid' is not known": {"state": {"strid": 1}},
    "is not between 1": {"vary": {"stride": [0]}},
    f"21 * 21 = 441 combinations, more than {MOST_STATES}": {"vary": {"stride": list(range(1, 22)), "dilation": list(range(1, 22))}},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_made_is_told(message: str) -> None:
    with pytest.raises(ConvError) as caught:
        explorer(**WRONG[message])  # type: ignore[arg-type]
    assert message in caught.value.problem
    assert caught.value.remedy


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faltung.app.embed.MOST_BYTES", 2**14)
    with pytest.raises(ConvError, match=r"the answers take more than 0 MiB after \d+ combinations"):
        explorer({"input_size": [12, 12]}, {"stride": [1, 2, 3]})


# -- the file ------------------------------------------------------------------------------------


def test_nothing_of_the_data_ends_its_element() -> None:
    hostile = "</script><script>alert(1)</script><!--"
    page = explorer({}, title=hostile).html
    assert hostile not in page
    assert html.escape(hostile) in page
    table = {"pool": [hostile], "answers": [{"x": 0}], "places": [0], "varying": {}, "base": {}, "options": {"title": hostile}}
    page = Explorer(table, "t", 100).html
    assert hostile not in page
    (data,) = re.findall(r'<script type="application/json" id="faltung-data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data) == table


def test_it_names_no_other_file_and_no_server(made: Explorer) -> None:
    assert not re.findall(r'(?:src|href)="(?!data:,")', made.html)
    assert "'unsafe" not in made.html
    assert re.search(r"default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+';", made.html)


def test_it_opens_from_disk_and_its_controls_work(made: Explorer, tmp_path: Path, chromium: Any) -> None:
    path = made.save(tmp_path / "below" / "explorer.html")
    with watched(chromium, path.as_uri()) as page:
        page.goto(path.as_uri())
        page.wait_for_selector("#faltung-embedded .views-output .views-cell")
        assert (
            page.evaluate("document.querySelectorAll('#faltung-embedded .controls select, #faltung-embedded .controls input').length") > 0
        )
        assert "faltung-play" in page.get_attribute("#faltung-embedded", "class")


def test_a_notebook_shows_it_in_a_frame_that_tells_its_height(made: Explorer, tmp_path: Path, chromium: Any) -> None:
    around = tmp_path / "notebook.html"
    around.write_text(
        "<!doctype html><title>notebook</title><script>addEventListener('message', (event) => { window.told = event.data; });</script>"
        + made._repr_html_(),
        encoding="utf-8",
    )
    with watched(chromium, around.as_uri(), "about:srcdoc") as page:
        page.goto(around.as_uri())
        page.wait_for_function("window.told?.faltung === 'height' && window.told.height > 100")
        frame = page.frames[1]
        assert frame.evaluate("window.origin") == "null"
        frame.wait_for_selector("#faltung-embedded.faltung-play")
        page.evaluate("window.frames[0].postMessage({ faltung: 'theme', theme: 'dark' }, '*')")
        frame.wait_for_selector("#faltung-embedded[data-theme=dark]")
        assert frame.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        page.evaluate("window.frames[0].postMessage({ faltung: 'theme', theme: 'auto' }, '*')")
        frame.wait_for_selector("#faltung-embedded:not([data-theme])")


def test_it_reads_a_transposed_layer_in_every_way_that_is_offered(tmp_path: Path, chromium: Any) -> None:
    layer = {"transposed": True, "stride": 2, "input_size": 3}
    path = explorer(layer, {"reading": ["auto", "gather", "both"]}, parts=("matrices",)).save(tmp_path / "both.html")
    with watched(chromium, path.as_uri()) as page:
        page.goto(path.as_uri())
        page.wait_for_selector("#faltung-embedded .views-output .views-cell")
        choice = page.get_by_role("group", name="How the transposed convolution is read")
        for name, sections in (("both", 2), ("scatter", 1), ("both", 2), ("gather", 1)):
            choice.get_by_role("button", name=name).click()
            page.wait_for_function("count => document.querySelectorAll('.views-output').length === count", arg=sections)
            assert choice.locator("[aria-pressed=true]").inner_text().startswith(name)
    alone = explorer(layer, {"reading": ["scatter", "gather"]}).save(tmp_path / "two.html")
    with watched(chromium, alone.as_uri()) as page:
        page.goto(alone.as_uri())
        page.wait_for_selector("#faltung-embedded .views-output .views-cell")
        assert page.locator("[data-reading]").evaluate_all("all => all.map(one => one.dataset.reading)") == ["scatter", "gather"]
