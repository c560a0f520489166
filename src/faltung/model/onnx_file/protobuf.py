"""A file's bytes as an ONNX `ModelProto`, or one clear error: what the file seems to be, where it is damaged, or which limit it passes.

Owns the limits that keep memory and time bounded: the fields of a file are walked and counted before anything is built of them, since two
bytes can stand for a message of a hundred. The only module that imports onnx to decode.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import os
from pathlib import Path
from typing import Any

from faltung.errors import ConvError, ConvTypeError, shown
from faltung.extras import optional
from faltung.model.onnx_file.recognising import REMEDY, seems

__all__ = ["MOST_BYTES", "MOST_FIELDS", "MOST_LEVELS", "MOST_PACKED", "OnnxFileError", "decoded", "model_of", "read_model"]

MOST_BYTES = 2**31 - 1
"""Protobuf's own limit; larger models keep their weights in other files."""

MOST_FIELDS = 4_000_000
"""Fields of all messages. A node has ten to twenty, and networks have some thousand nodes."""

MOST_PACKED = 2**26
"""Bytes of packed integers, each of which may become eight."""

MOST_LEVELS = 100
"""Messages within messages, as protobuf has it."""

_BROKEN = (ValueError, TypeError, RecursionError, MemoryError, ArithmeticError, LookupError)


class OnnxFileError(ConvTypeError):
    """A file that is no ONNX model, is damaged, or passes a limit."""


def read_model(path: Path) -> Any:
    """The file as a ``ModelProto``, decoded and nothing more."""
    try:
        if path.is_dir():
            raise ConvError(f"{_named(path)} is a directory, an ONNX file is needed.", "Give the .onnx file inside it.")
        size = path.stat().st_size
        if not path.is_file():
            raise ConvError(f"there is no file {_named(path)}: it is a pipe or a device.", "Give the path of an ONNX file.")
        if size > MOST_BYTES:
            raise OnnxFileError(
                f"{_named(path)} has {size} bytes, more than {MOST_BYTES} = 2**31 - 1, which is all that an ONNX file can have.",
                "Larger models keep their weights beside the file: onnx.save_model(…, save_as_external_data=True).",
            )
        data = path.read_bytes()
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _neighbours(path), n=2)
        remedy = f"Did you mean {' or '.join(near)}?" if near else "Check the path."
        raise ConvError(f"there is no file {_named(path)}.", remedy) from None
    except (OSError, ValueError) as error:
        if isinstance(error, ConvError):
            raise
        raise ConvError(f"{_named(path)} cannot be opened: {getattr(error, 'strerror', None) or error}.", "Check the path.") from None
    return model_of(data, _named(path), path.suffix)


def model_of(data: bytes, name: str, suffix: str = "") -> Any:
    """The bytes of a file as a ``ModelProto``, unless they seem to be something else; errors call them `name`."""
    found = seems(data[:4096], suffix)
    if found is not None:
        what, why = found
        raise OnnxFileError(f"{name} is {what}, no ONNX model.{f' {why}.' if why else ''}", REMEDY)
    return decoded(data, name)


def decoded(data: bytes, name: str) -> Any:
    """`data` as a ``ModelProto``, once its fields are counted."""
    onnx = optional("onnx", extra="onnx", purpose="reading an ONNX file")
    _walk(data, onnx.ModelProto.DESCRIPTOR, name)
    broken: tuple[type[Exception], ...] = (*_BROKEN, *_decode_errors())
    try:
        model = onnx.ModelProto.FromString(data)
    except broken as error:
        raise OnnxFileError(f"{name} is damaged: {shown(str(error), 120)}.", "Export or download it again.") from None
    if not model.HasField("graph"):
        raise OnnxFileError(f"{name} is no ONNX model: there is no graph in it.", REMEDY)
    if model.ir_version > onnx.IR_VERSION:
        raise OnnxFileError(
            f"{name} has version {model.ir_version} of the format; the installed onnx {onnx.__version__} knows it up to {onnx.IR_VERSION}.",
            "Run pip install -U onnx, or export for an older version.",
        )
    return model


def _decode_errors() -> tuple[type[Exception], ...]:
    message = importlib.import_module("google.protobuf.message")  # which onnx itself needs
    return (message.Error,)


_TEXT = "text"


def _walk(data: bytes, descriptor: Any, name: str) -> None:
    """Go through all fields without building anything; raise where a limit is passed or a field does not fit."""
    table = _table(descriptor)
    ends, tables = [len(data)], [table]
    at = fields = packed = 0
    end = ends[-1]
    try:
        while True:
            while at >= end:
                if at > end:
                    raise _damaged(name, at, "a message ends inside a field")
                ends.pop()
                tables.pop()
                if not ends:
                    return
                end, table = ends[-1], tables[-1]
            fields += 1
            if fields > MOST_FIELDS:
                raise _too_much(name, f"more than {MOST_FIELDS} fields", "Networks of some thousand nodes have some ten thousand")
            key, at = _varint(data, at, name)
            kind = key & 7
            if kind == 2:
                length, at = _varint(data, at, name)
                if at + length > end:
                    raise _damaged(name, at, f"a field of {length} bytes, {end - at} are left")
                inner = table.get(key >> 3)
                if inner is None:
                    at += length
                elif inner == _TEXT:
                    try:
                        data[at : at + length].decode()
                    except UnicodeDecodeError:
                        raise _damaged(name, at, f"a name of {length} bytes is no text in UTF-8") from None
                    at += length
                elif inner == "":
                    packed += length
                    at += length
                    if packed > MOST_PACKED:
                        raise _too_much(name, f"more than {MOST_PACKED} bytes of packed integers", "Weights are stored as raw data")
                else:
                    if len(ends) >= MOST_LEVELS:
                        raise _too_much(name, f"messages nested more than {MOST_LEVELS} deep", "Protobuf itself reads no more")
                    end = at + length
                    table = _tables()[inner]
                    ends.append(end)
                    tables.append(table)
            elif kind == 0:
                _, at = _varint(data, at, name)
            elif kind == 5:
                at += 4
            elif kind == 1:
                at += 8
            else:
                raise _damaged(name, at, f"a field of kind {kind}")
    except IndexError:
        raise _damaged(name, len(data), "it ends inside a field") from None


def _varint(data: bytes, at: int, name: str) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    number, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise _damaged(name, at, "a number of more than 64 bits")


@functools.cache
def _tables() -> dict[str, dict[int, str]]:
    return {}


def _table(descriptor: Any) -> dict[int, str]:
    """Of the fields of a message those that matter here: ``""`` for integers, `_TEXT`, else the name of the message inside."""
    tables, waiting = _tables(), [descriptor]
    while waiting:
        message = waiting.pop()
        if message.full_name in tables:
            continue
        table = tables[message.full_name] = {}
        for field in message.fields:
            if field.message_type is not None:
                table[field.number] = field.message_type.full_name
                waiting.append(field.message_type)
            elif field.type == 9 and field.name != "doc_string":  # which nobody reads; of others Protobuf would give bytes
                table[field.number] = _TEXT
            elif field.type in (3, 4, 5, 8, 13, 14, 17, 18):  # integers, bool, enum: what a packed byte can hold
                table[field.number] = ""
    return tables[descriptor.full_name]


def _damaged(name: str, at: int, what: str) -> OnnxFileError:
    return OnnxFileError(
        f"{name} is no ONNX model, or is damaged or cut off: at byte {at}, {what}.", "Export or download it again and compare its size."
    )


def _too_much(name: str, what: str, why: str) -> OnnxFileError:
    return OnnxFileError(
        f"{name} has {what}, which is refused.", f"{why}; a file like this one is made to exhaust memory, or is no network."
    )


def _neighbours(path: Path) -> list[str]:
    try:
        return os.listdir(path.parent)
    except OSError:
        return []


def _named(path: os.PathLike[str]) -> str:
    name = repr(os.fspath(path))[1:-1]
    return name if len(name) <= 200 else f"…{name[-200:]}"
