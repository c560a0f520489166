"""`Playground`: the playground in a notebook's cell, answered by the notebook's own Python.

The page is that of ``faltung play``, as one script, shown through anywidget (Jupyter, VS Code, Colab, marimo). What it asks is answered
here by `faltung.app.answers`; nothing goes over a network but what the notebook sends itself.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from faltung.app.answers import answer
from faltung.app.bundle import page_script, page_style
from faltung.app.embed import state_of
from faltung.app.state import State
from faltung.app.uploads import keep_upload
from faltung.errors import ConvError
from faltung.extras import optional
from faltung.spec import ConvSpec

__all__ = ["Playground"]

anywidget: Any = optional("anywidget", extra="notebook", purpose="the notebook widget")
traitlets: Any = optional("traitlets", extra="notebook", purpose="the notebook widget")


class Playground(anywidget.AnyWidget):
    """The playground as a widget; what its controls say is ``state``, here and on the page.

    Parameters
    ----------
    state : dict, ConvSpec or str, optional
        Fields of the state, others have their defaults; or a convolution, also in words as `ConvSpec.parse` reads them.
    **fields
        Fields of the state.

    Attributes
    ----------
    state : dict
        Follows the page; set it, and the page follows. What it is made of stands in docs/playground.md.

    Raises
    ------
    ConvError
        A field or a value is none.

    Examples
    --------
    >>> playground = Playground("conv2d(1, 1, 3, stride=2)", input_size=[7, 7])
    >>> playground.state["stride"], playground.output_size
    ([2, 2], (3, 3))
    >>> playground.state = {"kernel_size": [5, 5], "input_size": [7, 7]}
    >>> print(*playground.specs)
    conv2d(1, 1, (5, 5), bias=False)
    """

    _esm = f"const page = {page_script('widget.js')};\nexport default {{ render: page.render }};\n"
    _css = page_style()

    state = traitlets.Dict().tag(sync=True)
    options = traitlets.Dict().tag(sync=True)

    def __init__(self, state: Mapping[str, Any] | ConvSpec | str | None = None, **fields: Any) -> None:
        whole = State.from_dict({**state_of(state), **fields}).to_dict()
        super().__init__(state=whole, options={"heading": 0})
        self.on_msg(self._take)

    @property
    def specs(self) -> tuple[ConvSpec, ...]:
        """The convolutions; raises the `ConvSpecError` that the page shows where there are none."""
        return State.from_dict(self.state).specs()

    @property
    def output_size(self) -> tuple[int, ...]:
        """Of the last convolution; raises the `ConvError` that the page shows where there is none."""
        size = tuple(self.state["input_size"])
        for spec in self.specs:
            size = spec.output_size(size)
        return size

    @traitlets.validate("state")
    def _checked(self, proposal: Any) -> dict[str, Any]:
        """The state as it was given, if it is one: what the page sends must come back to it as it was."""
        whole = State.from_dict(proposal["value"]).to_dict()
        return {**whole, **proposal["value"]} if set(whole) - set(proposal["value"]) else proposal["value"]

    def _take(self, _: object, content: Any, buffers: list[Any]) -> None:
        """Answer one message of the page: ``{id, question, body}`` by ``{id, answer}`` or ``{id, failure}``."""
        if not isinstance(content, dict) or not isinstance(content.get("question"), str):
            return
        name = content.get("id")
        try:
            self.send({"id": name, "answer": _answered(content["question"], content.get("body"), buffers)})
        except Exception as error:
            logging.getLogger("faltung.widget").exception("question %r", content["question"])
            self.send({"id": name, "failure": f"This went wrong inside: {type(error).__name__}: {str(error)[:200]}"})


def _answered(question: str, body: Any, buffers: list[Any]) -> dict[str, Any]:
    if question != "upload":
        return answer(question, body)
    try:
        return {"upload": keep_upload(bytes(buffers[0]) if buffers else b"")}
    except ConvError as error:
        return {"problem": {"message": error.problem, "hint": error.remedy, "remedies": []}}
