"""Pages of strangers in a real browser, beside the playground's own: what they try comes to nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from faltung.app.bundle import PAGE, page_modules
from tests.app.conversation import Server

EVIL = "http://evil.test/"

TRIES = {
    "a question as a form sends it": "fetch(`${here}/ask/show`, { method: 'POST', body: '{}' }).then((got) => got.text())",
    "a question with the token's header": """fetch(`${here}/ask/show`, { method: 'POST', body: '{}',
        headers: { 'X-Faltung-Token': token, 'Content-Type': 'application/json' } }).then((got) => got.text())""",
    "the page as text": "fetch(`${here}/`).then((got) => got.text())",
    "the page without asking": "fetch(`${here}/main.js`, { mode: 'no-cors' }).then((got) => got.type === 'opaque' ? got : got.text())",
    "a module": "import(`${here}/link.js`)",
    "a script": """new Promise((done, failed) => document.head.append(Object.assign(document.createElement('script'),
        { src: `${here}/dom.js`, onload: () => done('loaded'), onerror: failed })))""",
    "a style": """new Promise((done, failed) => document.head.append(Object.assign(document.createElement('link'),
        { rel: 'stylesheet', href: `${here}/style.css`, onload: () => done('loaded'), onerror: failed })))""",
}


@pytest.fixture
def evil(chromium: Any) -> Any:
    """A page of another site."""
    with chromium.new_context() as context:
        page = context.new_page()
        page.route(EVIL, lambda route: route.fulfill(body="<!doctype html><title>evil</title><body>", content_type="text/html"))
        page.goto(EVIL)
        page.set_default_timeout(20_000)
        yield page


@pytest.mark.parametrize("what", TRIES)
def test_another_page_gets_nothing(evil: Any, server: Server, what: str) -> None:
    """Even one that knows the token."""
    program = f"([here, token]) => Promise.resolve({TRIES[what]}).then(() => 'got it', (error) => 'nothing')"
    assert evil.evaluate(program, [f"http://{server.host}", server.token]) == "nothing"


def test_another_page_cannot_frame_it(evil: Any, server: Server) -> None:
    evil.evaluate(
        """(address) => new Promise((done) => document.body.append(Object.assign(document.createElement('iframe'),
            { src: address, onload: done })))""",
        server.address,
    )
    assert "faltung" not in evil.frames[1].content().lower()


def test_another_page_cannot_hold_a_window_of_it(evil: Any, server: Server) -> None:
    with evil.context.expect_page() as opened:
        evil.evaluate("(address) => { window.held = window.open(address); }", server.address)
    opened.value.wait_for_selector("#faltung button")
    assert evil.evaluate("window.held.closed") is True  # as it seems from here
    assert opened.value.evaluate("window.opener") is None


def test_a_form_of_another_page_is_refused(evil: Any, server: Server) -> None:
    with evil.expect_navigation() as went:
        evil.evaluate(
            """(action) => { const form = Object.assign(document.createElement('form'), { method: 'post', action, enctype: 'text/plain' });
                document.body.append(form); form.submit(); }""",
            f"http://{server.host}/ask/show",
        )
    assert went.value.status == 403


def test_a_name_that_leads_here_is_refused(evil: Any, server: Server) -> None:
    """Browsers lead every name below ``localhost`` to this machine, as DNS rebinding leads a stranger's."""
    assert evil.goto(f"http://evil.localhost:{server.port}/").status == 421
    assert evil.goto(f"http://localhost:{server.port}/").status == 200


# -- the page itself -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def playground(chromium: Any, server: Server) -> Any:
    """The page as it is opened, and every request that it made."""
    with chromium.new_context() as context:
        page = context.new_page()
        page.made = []
        page.on("request", lambda request: page.made.append(request))  # Playwright sets an attribute of what it is given
        page.goto(server.address)
        page.wait_for_selector("#faltung .views-output .views-cell")
        yield page


def test_the_token_is_in_questions_and_nowhere_else(playground: Any, server: Server) -> None:
    assert server.token not in playground.url
    assert server.token not in playground.content()
    assert playground.evaluate("history.length") <= 2
    questions = [request for request in playground.made if request.method == "POST"]
    assert questions
    for request in playground.made:
        headers = request.headers
        assert not headers.get("referer")
        assert "cookie" not in headers
        assert (headers.get("x-faltung-token") == server.token) == (request in questions)
        assert server.token not in request.url.partition("#")[0]
    assert playground.context.cookies() == []


@pytest.mark.parametrize("fragment", ["", "#token=wrong", "#token="])
def test_a_page_without_the_token_says_what_to_do(chromium: Any, server: Server, fragment: str) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"http://{server.host}/{fragment}")
        page.wait_for_function("document.body.textContent.includes('Open the address that the terminal shows')")
        assert page.locator(".views-cell").count() == 0  # nothing was answered


@pytest.mark.parametrize(
    "program",
    [
        "document.body.innerHTML = '<b>x</b>'", "document.write('x')", "new DOMParser().parseFromString('<b>', 'text/html')", "eval('1')",
        "new Function('return 1')()", "document.createElement('script').text = 'x'", "setTimeout('x')",
        "document.createRange().createContextualFragment('<b>')", "fetch('http://evil.test/')",
    ],
)  # fmt: skip
def test_text_does_not_become_code(playground: Any, program: str) -> None:
    # In a task of the page's own: what a debugger evaluates is exempt from the policy.
    tried = f"async () => {{ try {{ await ({program}); return 'done'; }} catch {{ return 'refused'; }} }}"
    assert playground.evaluate(f"new Promise((done) => setTimeout(() => done(({tried})())))") == "refused"


def test_all_modules_are_asked_for_at_once(server: Server) -> None:
    reply = server.ask("/", method="GET")
    named = re.findall(r"</([^>]+)>; rel=modulepreload", reply.headers["link"])
    assert named == page_modules("main.js")
    assert named[-1] == "main.js"
    assert {"widget.js", "embedded.js"}.isdisjoint(named)
    assert all((PAGE / name).is_file() for name in named)
    assert "link" not in server.ask("/main.js", method="GET").headers
