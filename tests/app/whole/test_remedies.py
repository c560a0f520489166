"""Nothing gets stuck: an impossible state says its arithmetic, and each remedy mends it."""

from __future__ import annotations

import pytest

from tests.app.conversation import Server
from tests.app.whole.reader import Reader

IMPOSSIBLE = {
    "kernel_size=9x3": "no output along axis 0",
    "padding=same&stride=2x2": "padding='same' needs stride 1",
    "in_channels=4&groups=3": "groups=3 does not divide",
    "transposed=true&output_padding=1x0": "output_padding=1",
    "output_padding=1x1": "belongs to a transposed convolution",
    "dilation=4x4": "no output along axis 0",
}


@pytest.mark.parametrize("fragment", IMPOSSIBLE)
def test_each_remedy_mends(reader: Reader, fragment: str) -> None:
    reader.go(fragment)
    assert IMPOSSIBLE[fragment] in reader.problem()
    labels = reader.page.locator(".remedies button").all_inner_texts()
    assert labels.pop() == "take the last change back"
    assert labels
    for label in labels:
        reader.press(label)
        assert reader.problem() == "", label
        reader.press("Undo")
        assert IMPOSSIBLE[fragment] in reader.problem()


def test_what_was_shown_is_out_of_reach_meanwhile(reader: Reader) -> None:
    reader.set("Kernel size, height", 9)
    assert reader.page.locator(".drawn").get_attribute("inert") is not None
    reader.press("take the last change back")
    assert reader.page.locator(".drawn").get_attribute("inert") is None


def test_a_server_that_is_gone_is_told_and_asked_again(reader: Reader) -> None:
    reader.page.route("**/ask/show", lambda route: route.abort())
    reader.set("Stride, height", 2)
    assert "does not answer" in reader.problem()
    reader.page.unroute("**/ask/show")
    reader.press("Try again")
    assert (reader.problem(), reader.fact("output")) == ("", "1 × 2 × 3")
    reader.watch.troubles = [line for line in reader.watch.troubles if "ERR_FAILED" not in line]


def test_a_wrong_token_is_told_and_the_right_address_mends_it(reader: Reader, server: Server) -> None:
    reader.page.evaluate("localStorage.setItem('faltung-token', 'another')")
    reader.page.reload()
    reader.settle()
    assert "Open the address that the terminal shows" in reader.problem()
    with reader.page.expect_event("load"):
        reader.page.evaluate("address => void (location.href = address)", f"{server.address}&stride=2x2")
    reader.settle()
    assert (reader.fragment, reader.problem()) == ("stride=2x2", "")
    assert reader.fact("output") == "1 × 2 × 2"
    reader.watch.troubles = [line for line in reader.watch.troubles if "401" not in line]
