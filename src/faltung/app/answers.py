"""`answer`: the one door to the playground, whoever asks: the local server, the notebook, a table made beforehand.

Bad input comes back as ``{"problem": …}``, never as an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from faltung.app.showing import problem_of, show
from faltung.app.state import State
from faltung.errors import ConvError, ConvTypeError, one_of, shown

__all__ = ["QUESTIONS", "answer"]

Body = Mapping[str, Any]


def answer(question: str, body: Body) -> dict[str, Any]:
    """Answer a question of the page.

    Parameters
    ----------
    question : str
        One of `QUESTIONS`.
    body : dict
        Its arguments, as JSON has them; all of it may come from a stranger.

    Returns
    -------
    dict
        As JSON can hold it; ``{"problem": {"message", "hint", "remedies"}}`` where there is no answer.

    Examples
    --------
    >>> shown = answer("show", {"state": {"kernel_size": [3, 3], "input_size": [5, 5]}})
    >>> shown["scene"]["stages"][0]["output"]["size"]
    [3, 3]
    >>> answer("show", {"state": {"kernel_size": [9, 9], "input_size": [5, 5]}})["problem"]["remedies"][0]["label"]
    'padding 2 instead of 0'
    """
    try:
        one_of("question", question, QUESTIONS, ConvError)
        if not isinstance(body, Mapping):
            raise ConvTypeError(f"a question comes with an object, not with {shown(body)}.", "Send {} where it takes nothing.")
        return QUESTIONS[question](body)
    except ConvError as error:
        return {"problem": problem_of(error)}


def _show(body: Body) -> dict[str, Any]:
    matrices = body.get("matrices", True)
    if not isinstance(matrices, bool):
        raise ConvTypeError(f"matrices={shown(matrices)} is neither true nor false.", "Leave it out to have them.")
    return show(_state(body), matrices=matrices)


def _read(body: Body) -> dict[str, Any]:
    from faltung.app.reading import read_text

    return {"state": read_text(_text(body, "text"), _state(body) if "state" in body else None).to_dict()}


def _presets(_: Body) -> dict[str, Any]:
    from faltung.app.presets import preset_list

    return {"presets": preset_list()}


def _kernels(_: Body) -> dict[str, Any]:
    from faltung.app.named import kernel_list
    from faltung.app.numbers import INPUT_TITLES

    return {"kernels": kernel_list(), "inputs": [{"name": name, "title": title} for name, title in INPUT_TITLES.items()]}


def _export(body: Body) -> dict[str, Any]:
    from faltung.app.exporting import export

    looks = {name: _text(body, name) for name in ("style", "theme") if name in body}
    return export(_state(body), _text(body, "format"), **looks, at=None if body.get("at") is None else _moment(body["at"]))


def _moment(at: Any) -> Any:
    from faltung.viz.pictures.moment import Item, Moment

    if not isinstance(at, Mapping):
        raise ConvTypeError(f"at={shown(at)} is no object.", 'Send {"stage": 0, "frame": 3}, or leave it out.')
    told: dict[str, Any] = {name: _count(at, name) for name in ("stage", "frame", "made") if at.get(name) is not None}
    item = at.get("item")
    if item is None:
        return Moment(**told)
    if not isinstance(item, Mapping):
        raise ConvTypeError(f"item={shown(item)} is no object.", 'Send {"grid": "output", "channel": 0, "place": 3}, or leave it out.')
    return Moment(**told, item=Item(_text(item, "grid"), _count(item, "channel"), _count(item, "place")))  # type: ignore[arg-type]


def _photograph(body: Body) -> dict[str, Any]:
    from faltung.app.photographs import photograph

    return photograph(body.get("upload"), _state(body))


def _filter(body: Body) -> dict[str, Any]:
    from faltung.app.filtered import filter_picture, kernel_state

    colour = body.get("colour")
    if colour is not None and not isinstance(colour, bool):
        raise ConvTypeError(f"colour={shown(colour)} is neither true nor false.", "Leave it out to let the kernel decide.")
    state = kernel_state(_text(body, "kernel")) if "kernel" in body else _state(body)
    return filter_picture(body.get("upload"), state, channel=_count(body, "channel") if "channel" in body else 0, colour=colour)


def _state(body: Body) -> State:
    return State.from_dict(body.get("state", {}))


def _text(body: Body, name: str) -> str:
    text = body.get(name)
    if not isinstance(text, str):
        raise ConvTypeError(f"{name}={shown(text)} is no text.", f'Send {{"{name}": "…"}}.')
    return text


def _count(body: Body, name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise ConvTypeError(f"{name}={shown(value)} is no whole number from 0.", "Count from 0.")
    return value


def _model(body: Body) -> dict[str, Any]:
    from faltung.app.models import answer_model

    return answer_model(body)


def _layer(body: Body) -> dict[str, Any]:
    from faltung.app.layer_state import answer_layer

    return answer_layer(body)


QUESTIONS: dict[str, Callable[[Body], dict[str, Any]]] = {
    "show": _show,
    "read": _read,
    "presets": _presets,
    "kernels": _kernels,
    "export": _export,
    "photograph": _photograph,
    "filter": _filter,
    "model": _model,
    "layer": _layer,
}
"""What can be asked."""
