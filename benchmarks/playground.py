"""How large the playground's page is, how soon it can be used, and how soon it answers: `python benchmarks/playground.py`.

Needs Playwright and Chromium. Every figure is the median of several; the best and the worst stand beside it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import sync_playwright

STATES = {
    "5x5, kernel 3x3": "",
    "16x16, kernel 3x3": "input_size=16x16",
    "8x8, 4 to 4 channels": "input_size=8x8&in_channels=4&out_channels=4",
    "8x8, depthwise, 8 channels": "input_size=8x8&in_channels=8&out_channels=8&groups=8",
    "6x6 transposed, stride 2": "input_size=6x6&transposed=true&stride=2x2",
}

# From the click to the picture of it: the next frame after the answer was drawn.
CHANGE = """async () => {
    const main = document.querySelector("main"), button = [...document.querySelectorAll(".stepper")]
        .find((one) => one.querySelector("input").ariaLabel.startsWith("Padding")).lastElementChild;
    const begin = performance.now();
    button.click();
    while (main.getAttribute("aria-busy") !== "false") await new Promise((resolve) => setTimeout(resolve));
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now() - begin;
}"""


@contextmanager
def server() -> Iterator[str]:
    """The address of a playground of its own."""
    command = [sys.executable, "-m", "faltung", "play", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
            yield re.search(r"http://\S+", said)[0]  # type: ignore[index]
        finally:
            process.kill()


def opened(browser: Any, address: str) -> tuple[float, int, int]:
    """Milliseconds until the first answer is drawn in an empty cache, and how many bytes in how many files were loaded."""
    context = browser.new_context()
    page = context.new_page()
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(len(response.body())) if response.request.method == "GET" else None)
    page.add_init_script("addEventListener('DOMContentLoaded', () => new MutationObserver(() => { "
                         "if (!window.ready && document.querySelector('main[aria-busy=false] .views-output .views-cell')) "
                         "requestAnimationFrame(() => { window.ready ??= performance.now(); }); })"
                         ".observe(document, { subtree: true, childList: true, attributes: true }));")  # fmt: skip
    page.goto(address)
    page.wait_for_selector("main[aria-busy=false] .views-output .views-cell")
    page.wait_for_timeout(200)
    result = float(page.evaluate("window.ready")), sum(sizes), len(sizes)
    context.close()
    return result


def answers(browser: Any, address: str, fragment: str, count: int) -> list[float]:
    """Milliseconds from a click on padding to the next frame with the answer."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}&{fragment}")
    page.wait_for_selector("main[aria-busy=false] .views-output .views-cell")
    found = []
    for _ in range(count):
        found.append(float(page.evaluate(CHANGE)))
        page.keyboard.press("Control+z")
        page.wait_for_timeout(900)  # a gesture of its own
    context.close()
    return found


def line(name: str, times: list[float]) -> str:
    return f"{name:28} {statistics.median(times):7.1f} ms  ({min(times):.1f} to {max(times):.1f})"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=7)
    count = arguments.parse_args().count
    program = os.environ.get("FALTUNG_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with server() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        loads = [opened(browser, address) for _ in range(count)]
        print(f"{loads[0][1] / 1000:.1f} kB in {loads[0][2]} files")
        print(line("opened, first answer drawn", [load[0] for load in loads]))
        for name, fragment in STATES.items():
            print(line(name, answers(browser, address, fragment, count)))
        browser.close()


if __name__ == "__main__":
    main()
