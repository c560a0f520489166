"""The widget: its Python by a recorded comm, its page in Chromium with a model that hands messages to the Python."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from faltung.app.answers import answer
from faltung.app.uploads import uploaded
from faltung.errors import ConvError
from faltung.spec import ConvSpec
from tests.app.browsers import watched

pytest.importorskip("anywidget")

from faltung.widget import Playground


class Recorded:
    """A widget, and what it sends."""

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.widget = Playground(*arguments, **fields)
        self.widget.comm.publish_msg = lambda kind, data=None, **_: self.sent.append(data or {})

    def receive(self, data: dict[str, Any], buffers: Any = ()) -> None:
        """A message of the front end, as the kernel hands it on."""
        self.widget.comm.handle_msg({"content": {"comm_id": self.widget.comm.comm_id, "data": data}, "buffers": list(buffers)})

    def ask(self, content: Any, buffers: Any = ()) -> dict[str, Any]:
        """The one answer to a message of the page."""
        del self.sent[:]
        self.receive({"method": "custom", "content": content}, buffers)
        (found,) = (one["content"] for one in self.sent if one["method"] == "custom")
        return found


# -- Python --------------------------------------------------------------------------------------


def test_questions_are_answered_as_by_the_server() -> None:
    page = Recorded()
    for question, body in (("show", {"state": {"stride": 2}}), ("read", {"text": "nn.Conv1d(1, 1, 3)"}), ("show", 3), ("nothing", {})):
        found = page.ask({"id": "a-1", "question": question, "body": body})
        assert found == {"id": "a-1", "answer": answer(question, body)}  # type: ignore[arg-type]
        json.dumps(found, allow_nan=False)


def test_a_file_comes_as_a_buffer() -> None:
    page = Recorded()
    found = page.ask({"id": "b", "question": "upload", "body": {}}, [memoryview(b"\x89PNG...")])
    assert uploaded(found["answer"]["upload"]) == b"\x89PNG..."
    assert page.ask({"id": "b", "question": "upload", "body": {}})["answer"]["problem"]["message"] == "the file is empty."


def test_a_fault_is_told_and_the_next_question_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Recorded()
    with monkeypatch.context() as patched:
        patched.setattr("faltung.widget.answer", lambda *_: 1 / 0)
        found = page.ask({"id": "c", "question": "show", "body": {}})
    assert found == {"id": "c", "failure": "This went wrong inside: ZeroDivisionError: division by zero"}
    assert "scene" in page.ask({"id": "c", "question": "show", "body": {}})["answer"]


@pytest.mark.parametrize("content", [None, 3, "show", [], {}, {"question": 3}, {"question": ["show"]}])
def test_what_is_no_question_is_passed_over(content: Any) -> None:
    page = Recorded()
    page.receive({"method": "custom", "content": content})
    assert page.sent == []


def test_the_state_goes_both_ways() -> None:
    page = Recorded("conv2d(1, 1, 3, stride=2)", input_size=[7, 7])
    assert page.widget.output_size == (3, 3)
    changed = page.widget.state | {"stride": [3, 3]}
    page.receive({"method": "update", "state": {"state": changed}, "buffer_paths": []})
    assert page.widget.state == changed
    assert page.widget.output_size == (2, 2)
    assert page.widget.specs == (ConvSpec(1, 1, (3, 3), stride=3, bias=True),)
    assert not [one for one in page.sent if one.get("method") == "update"]
    page.widget.state = {"kernel_size": [2, 2], "input_size": [4, 4]}
    (told,) = [one["state"]["state"] for one in page.sent if one.get("method") == "update"]
    assert told["kernel_size"] == [2, 2]
    assert told["stride"] == [1, 1]


def test_two_can_be_of_one_state() -> None:
    import traitlets  # of anywidget

    first, second = Recorded("conv2d(1, 1, 3)"), Recorded("conv1d(1, 1, 5)")
    link = traitlets.link((first.widget, "state"), (second.widget, "state"))
    assert second.widget.state == first.widget.state
    del first.sent[:], second.sent[:]
    changed = second.widget.state | {"stride": [2, 2]}
    second.receive({"method": "update", "state": {"state": changed}, "buffer_paths": []})
    assert first.widget.state == changed
    assert [one["state"]["state"] for one in first.sent if one.get("method") == "update"] == [changed]
    assert not [one for one in second.sent if one.get("method") == "update"]
    link.unlink()


def test_states_that_are_none_are_refused() -> None:
    for wrong in ({"strid": 1}, {"stride": 0}, {"ndim": 9}, {"x": 3}):
        with pytest.raises(ConvError):
            Playground(wrong)
        widget = Playground()
        before = widget.state
        with pytest.raises(ConvError):
            widget.state = wrong
        assert widget.state == before


def test_the_page_is_one_module_and_one_style() -> None:
    assert Playground._esm.endswith("export default { render: page.render };\n")
    assert ".faltung-play" in str(Playground._css)


def test_a_missing_anywidget_names_the_extra() -> None:
    program = "import sys; sys.modules['anywidget'] = None\ntry:\n    import faltung.widget\nexcept ImportError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "the notebook widget needs anywidget, which is not installed.\n  Run pip install 'faltung[notebook]'.\n"


# -- Chromium ------------------------------------------------------------------------------------

NOTEBOOK = """<!doctype html><html lang="en"><head><title>notebook</title><link rel="icon" href="data:,">
<style id="css"></style></head><body><div id="one"></div><div id="two"></div></body></html>"""

# What anywidget hands to a widget, as little of it as the page uses.
MODEL = """async ({ state, options }) => {
  const listeners = {};
  const tell = (event, ...rest) => (listeners[event] ?? []).forEach((listener) => listener(...rest));
  const values = { state, options };
  window.held = [];
  window.tell = tell;
  window.model = {
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; tell(`change:${name}`); },
    save_changes: () => window.saved(JSON.stringify(values.state)),
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off: (event, listener) => { listeners[event] = (listeners[event] ?? []).filter((one) => one !== listener); },
    send: async (content, callbacks, buffers) => {
      if (window.silent) return window.held.push(content);
      const bytes = (buffers ?? []).map((buffer) => Array.from(new Uint8Array(buffer)));
      tell("msg:custom", await window.kernel(content, bytes), []);
    },
    listening: () => Object.values(listeners).flat().length,
  };
  const widget = (await import("/widget.js")).default;
  window.ends = [widget.render({ model: window.model, el: document.getElementById("one") })];
  window.again = () => window.ends.push(widget.render({ model: window.model, el: document.getElementById("two") }));
}"""


@contextmanager
def notebook(chromium: Any, kernel: Recorded, saved: list[dict[str, Any]]) -> Iterator[Any]:
    """A page with the widget in it, before it is drawn."""

    def serve(route: Any) -> None:
        made = {"/": (NOTEBOOK, "text/html"), "/widget.js": (Playground._esm, "text/javascript")}
        body, kind = made[route.request.url.removeprefix("http://notebook.test")]
        route.fulfill(body=str(body), content_type=f"{kind}; charset=utf-8")

    with watched(chromium, "http://notebook.test/") as page:
        page.route("**/*", serve)
        page.expose_function("kernel", lambda content, buffers: kernel.ask(content, [bytes(one) for one in buffers]))
        page.expose_function("saved", lambda state: saved.append(json.loads(state)))
        page.goto("http://notebook.test/")
        page.evaluate("css => { document.getElementById('css').textContent = css; }", str(Playground._css))
        yield page


def test_the_page_works_in_a_notebook(chromium: Any) -> None:
    kernel = Recorded("conv2d(1, 1, 3)", input_size=[5, 5])
    saved: list[dict[str, Any]] = []

    with notebook(chromium, kernel, saved) as page:
        page.evaluate(MODEL, {"state": kernel.widget.state, "options": kernel.widget.options})
        page.wait_for_selector("#one .faltung-play .controls button")
        page.wait_for_function("document.querySelector('#one').textContent.includes('3')")

        page.evaluate("window.again()")
        page.wait_for_selector("#two .faltung-play .controls button")
        stride = {"stride": [2, 2]}
        page.evaluate("change => window.model.set('state', { ...window.model.get('state'), ...change })", stride)
        box = page.locator("#one .stepper input").first
        before = box.input_value()
        page.locator("#one .stepper button").nth(1).click()
        page.wait_for_function("before => document.querySelector('#one .stepper input').value !== before", arg=before)
        page.wait_for_function(
            "document.querySelector('#two .stepper input').value === document.querySelector('#one .stepper input').value"
        )
        assert saved
        assert saved[-1]["stride"] == [2, 2]
        kernel.widget.state = saved[-1]

        listening = page.evaluate("window.model.listening()")
        page.evaluate("window.ends.forEach((end) => end())")
        assert listening >= 4
        assert page.evaluate("window.model.listening()") == 0
        assert page.locator(".faltung-play").count() == 0


def test_it_is_dark_as_the_notebook_is(chromium: Any) -> None:
    kernel = Recorded()
    with notebook(chromium, kernel, []) as page:
        page.evaluate("document.body.style.backgroundColor = '#111111'")
        page.evaluate(MODEL, {"state": kernel.widget.state, "options": kernel.widget.options})
        page.wait_for_selector("#one .faltung-play[data-theme=dark]")
        page.evaluate("document.body.style.backgroundColor = 'rgb(250, 250, 250)'")
        page.wait_for_selector("#one .faltung-play[data-theme=light]")
        page.evaluate("document.body.style.backgroundColor = ''")
        page.wait_for_selector("#one .faltung-play:not([data-theme])")
        assert page.locator("#one .faltung-play").get_attribute("data-theme") is None


def test_a_python_that_is_gone_or_busy_is_told(chromium: Any) -> None:
    kernel = Recorded()
    with notebook(chromium, kernel, []) as page:
        page.clock.install()
        page.evaluate(MODEL, {"state": kernel.widget.state, "options": kernel.widget.options})
        page.wait_for_selector("#one .views-output .views-cell")
        message = page.locator("#one .problem .message")
        stride = page.locator("#one .field", has_text="Stride").get_by_role("button").nth(1)
        page.evaluate("window.silent = true")
        stride.click()
        page.clock.fast_forward(11_000)
        message.filter(has_text="does not answer. It may be busy").wait_for()
        page.evaluate("""async () => {
          window.silent = false;
          for (const content of window.held) window.tell("msg:custom", await window.kernel(content, []), []);
        }""")
        message.wait_for(state="hidden")
        assert page.locator("#one .views-output .views-size").inner_text() == "2 × 3"
        page.evaluate("window.silent = true")
        stride.click()
        page.evaluate("window.tell('comm_live_update')")
        message.filter(has_text="was started anew or ended").wait_for()
        page.evaluate("() => { window.model.save_changes = () => { throw new Error('Cannot send'); }; }")
        stride.click()
        message.filter(has_text="was started anew or ended").wait_for()
