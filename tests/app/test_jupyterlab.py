"""The widget in a real JupyterLab; skipped where it is not installed, as it is large and nothing else needs it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

anywidget = pytest.importorskip("anywidget")
for package in ("jupyterlab", "ipykernel"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

SRC = Path(__file__).resolve().parents[2] / "src"
CELLS = [
    "from faltung.widget import Playground\nplayground = Playground('conv2d(1, 1, 3, stride=2)', input_size=[7, 7])\nplayground",
    "print(playground.state['stride'], playground.output_size)",
    "playground.state = playground.state | {'kernel_size': [5, 5]}",
    "playground",
]
READY = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.content?.widgets?.length > 3 && panel.sessionContext?.session?.kernel?.connectionStatus === "connected";
}"""
RUN = """async (number) => {
    const { shell, commands } = window.jupyterapp;
    shell.currentWidget.content.activeCellIndex = number;
    await commands.execute("notebook:run-cell");
}"""


class Lab:
    """A notebook in JupyterLab."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.wait_for_function(READY)

    def cell(self, number: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def run(self, number: int) -> None:
        self.page.evaluate(RUN, number)

    def command(self, name: str, **arguments: Any) -> None:
        script = "async ([name, given]) => { await window.jupyterapp.commands.execute(name, given); }"
        self.page.evaluate(script, [name, arguments])

    def size(self, number: int, panel: str, wanted: str) -> None:
        """Wait until the widget of a cell shows a grid of this size."""
        self.cell(number).locator(f".views-{panel} .views-size").get_by_text(wanted, exact=True).wait_for()

    def longer_stride(self, number: int) -> None:
        self.cell(number).locator(".fields .field", has_text="Stride").get_by_role("button").nth(1).click()


@pytest.fixture
def lab(chromium: Any, tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab on loopback with folders of its own, and a notebook of `CELLS` open in it."""
    cells = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for number, source in enumerate(CELLS)
    ]
    (tmp_path / "books").mkdir()
    kernel = {"kernelspec": {"name": "faltung", "display_name": "faltung", "language": "python"}}
    (tmp_path / "books" / "one.ipynb").write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    spec = tmp_path / "data" / "kernels" / "faltung"
    spec.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "faltung", "language": "python"}))
    own = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    folders = {name: str(tmp_path / name.lower()) for name in own}
    extensions = str(Path(anywidget.__file__).resolve().parents[4] / "share" / "jupyter")
    paths = {"JUPYTER_DATA_DIR": str(tmp_path / "data"), "JUPYTER_PATH": extensions, "PYTHONPATH": str(SRC)}
    program = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.allow_root=True",
        "--IdentityProvider.token=abc", f"--ServerApp.root_dir={tmp_path / 'books'}", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    server = subprocess.Popen(program, env={**os.environ, **folders, **paths}, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert server.stderr is not None
    rest = None
    try:
        said = []
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                break
        else:
            raise AssertionError("".join(said))
        rest = threading.Thread(target=server.stderr.read)  # or it waits, once it has said much
        rest.start()
        with chromium.new_context(viewport={"width": 1400, "height": 1200}) as made:
            page = made.new_page()
            page.goto(f"{found[0]}lab/tree/one.ipynb?token=abc")
            yield Lab(page)
    finally:
        server.terminate()
        server.wait(60)
        if rest is not None:
            rest.join()
        server.stderr.close()


def test_the_widget_works_in_jupyterlab(lab: Lab) -> None:
    lab.run(0)
    lab.size(0, "output", "3 × 3")
    lab.longer_stride(0)
    lab.size(0, "output", "2 × 3")
    lab.run(1)
    lab.cell(1).get_by_text("[3, 2] (2, 3)").wait_for()
    lab.run(2)
    lab.size(0, "kernel", "5 × 5")
    lab.run(3)  # two outputs of one state
    lab.size(3, "kernel", "5 × 5")
    lab.longer_stride(3)
    for number in (0, 3):
        lab.size(number, "output", "1 × 2")
    lab.run(1)
    lab.cell(1).get_by_text("[4, 2] (1, 2)").wait_for()

    lab.cell(0).locator(".views-input .views-cell").nth(8).click()
    for key in ("b", "x", "d", "d", "ArrowDown"):  # which are commands of the notebook
        lab.page.keyboard.press(key)
    assert lab.page.locator(".jp-Notebook .jp-CodeCell").count() == len(CELLS)
    lab.page.keyboard.press("7")
    lab.page.keyboard.press("Enter")
    lab.cell(0).get_by_text("x[0, 2, 1] = 7 feeds").wait_for()
    text = lab.cell(0).get_by_role("textbox", name="Paste a PyTorch constructor")
    text.fill("nn.Conv2d(1, 2, 3, padding=1)")
    text.press("Enter")
    lab.size(0, "kernel", "2 × 1 × 3 × 3")

    heights = lab.cell(0).locator(".summary div").evaluate_all("entries => entries.map(one => one.getBoundingClientRect().height)")
    assert max(heights) < 40  # the notebook's own style of lists does not reach in
    for theme, expected in (("Dark", "dark"), ("Light", "light")):
        lab.command("apputils:change-theme", theme=f"JupyterLab {theme}")
        lab.cell(0).locator(f".faltung-play[data-theme={expected}]").wait_for()

    lab.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    lab.longer_stride(0)
    lab.cell(0).get_by_text("was started anew or ended").wait_for()
    lab.run(0)
    lab.size(0, "output", "3 × 3")
    lab.run(1)
    lab.cell(1).get_by_text("[2, 2] (3, 3)").wait_for()
