"""Modules joined into one script compute what they compute apart: Node runs both."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from faltung.app.bundle import BundleError, joined, page_script, page_style

MODULES = {
    "main.js": """
/** Joins. */
import { Counter, twice } from "./parts/counter.js";
import {
  LIMIT as MOST,
  label,
} from "./words.js";

/* one */ const more = 1; /* two */
const secret = "of main";
// export const nothing = 1;
export async function run(/** @type {number} */ n) {
  const counter = new Counter(twice(n));
  return [label(counter.value), MOST, secret, `a // b`.slice(0, 6 * more), "/* c */"];
}
export const CONSTANT = { "import": "export" };
""",
    "parts/counter.js": """
import { LIMIT } from "../words.js";
const secret = 2;
export class Counter {
  constructor(value) { this.value = Math.min(value, LIMIT); }
}
export function twice(n) { return n * secret; }
""",
    "words.js": 'const secret = "#";\nexport const LIMIT = 10;\nexport function label(n) { return secret + n; }\n',
}


def node(*arguments: str) -> str:
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def test_one_script_computes_what_the_modules_compute(tmp_path: Path) -> None:
    folder = tmp_path / "modules"
    for path, source in MODULES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(source, encoding="utf-8")
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    ask = "Promise.all([run(3), run(30)]).then((found) => console.log(JSON.stringify([found, CONSTANT])))"
    apart = node("--input-type=module", "-e", f'import {{ run, CONSTANT }} from "file://{folder}/main.js"; {ask}')
    together = node("-e", f"const {{ run, CONSTANT }} = {joined(MODULES, 'main.js')}; {ask}")
    assert json.loads(together) == json.loads(apart)
    assert json.loads(together) == [
        [["#6", 10, "of main", "a // b", "/* c */"], ["#10", 10, "of main", "a // b", "/* c */"]],
        {"import": "export"},
    ]


def test_comments_on_lines_of_their_own_are_left_out() -> None:
    script = joined(MODULES, "main.js")
    assert "Joins" not in script
    assert "nothing" not in script
    assert "@type" in script


def test_a_module_stands_before_those_that_import_it_once() -> None:
    modules = {
        "a.js": 'import { b } from "./b.js";\nimport { c } from "./c.js";\nexport const a = [b, c];',
        "b.js": 'import { c } from "./c.js";\nexport const b = c;',
        "c.js": "export const c = Math.random();",
        "unused.js": "this is no JavaScript",
    }
    script = joined(modules, "a.js")
    assert script.count("Math.random()") == 1
    assert script.index("c_js =") < script.index("b_js =")
    assert json.loads(node("-e", f"const {{ a }} = {script}; console.log(JSON.stringify(a[0] === a[1]))")) is True


WRONG = {
    'import { b } from "./b.js";': "there is no module 'b.js'.",
    'import { z } from "./other.js";': "main.js imports z, which other.js does not export.",
    'import { o } from "./circle.js";': "modules import each other: ",
    'import b from "./other.js";': "main.js cannot be joined with others: 'import b from \"./other.js\";'.",
    'import * as b from "./other.js";': "main.js cannot be joined with others: 'import * as b from \"./other.js\";'.",
    'import { b } from "left-pad";': "main.js imports from 'left-pad', which is no path of a module beside it.",
    'import { b } from "https://evil.example/x.js";': "main.js imports from 'https://evil.example/x.js', which is no path",
    "export default 3;": "main.js cannot be joined with others: 'export default 3;'.",
    "export let x = 3;": "main.js cannot be joined with others: 'export let x = 3;'.",
    'export { o } from "./other.js";': "main.js cannot be joined with others: 'export { o } from \"./other.js\";'.",
    'const x = await import("./other.js");': "main.js cannot be joined with others: 'const x = await import(\"./other.js\");'.",
    "const x = import.meta.url;": "main.js cannot be joined with others: 'const x = import.meta.url;'.",
}


@pytest.mark.parametrize("source", WRONG)
def test_what_cannot_be_joined_is_said(source: str) -> None:
    modules = {
        "main.js": f"{source}\nexport const mine = 1;\n",
        "other.js": "export const o = 1;",
        "circle.js": 'import { mine } from "./main.js";\nexport const o = mine;',
    }
    with pytest.raises(BundleError) as caught:
        joined(modules, "main.js")
    assert caught.value.problem.startswith(WRONG[source])
    assert caught.value.remedy


@pytest.mark.parametrize("entry", ["main.js", "widget.js", "embedded.js"])
def test_the_page_can_be_joined(entry: str, tmp_path: Path) -> None:
    """Node reads it as a script; nothing of it asks another server."""
    script = page_script(entry)
    (tmp_path / "page.js").write_text(f"const page = {script};", encoding="utf-8")
    node("--check", str(tmp_path / "page.js"))
    assert "</script" not in script.lower()
    assert "<!--" not in script
    assert "</style" not in page_style().lower()
