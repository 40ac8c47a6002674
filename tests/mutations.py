"""What is sent by nobody who means well: values, texts and bytes that a server on the internet gets all the same."""

import copy
import json
import random
from typing import Any

DEEP = 3000
"""Levels of what is nested: more than Python's own parser takes."""

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 2**31, 2**53 + 1, 2**63, 10**30, "", " ", "\x00", "\ud7ff\ufffd",
    "id", "__proto__", "x" * 5000, "{", "{ campaigns { totalCount } }", "+33612345678", [], [None], [[]], {},
    {"": ""}, {"a": {"a": {}}}, {"length": -1}, ["subscribe"], "é" * 300, "2026-13-45T99:99:99Z",
)  # fmt: skip
# What a JSON encoder would not write.
_RAW = (
    b"NaN", b"-Infinity", b"9" * 5000, b"1e999999", b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP, b'"\xff"',
    b'"\\ud800"', b'"\\u0000"', b"tru", b"'x'", b"", b"\xef\xbb\xbf{}", b"{}{}", b"0x10", b'{"a":1,"a":2}',
)  # fmt: skip
_PLACE = "\x01place\x01"


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at]
    if isinstance(value, dict | list):
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in steps:
            found += _places(inner, (*at, step))
    return found


def _put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    changed = copy.deepcopy(value)
    inner = changed
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = new
    return changed


def wrong_somewhere(value: Any, chance: random.Random) -> Any:
    """The value with one that nobody expects somewhere in it, or without something, or with something more."""
    at = chance.choice(_places(value))
    how = chance.random()
    if how < 0.15 and at and isinstance(at[-1], str):
        changed = copy.deepcopy(value)
        inner = changed
        for step in at[:-1]:
            inner = inner[step]
        if how < 0.08:
            del inner[at[-1]]
        else:
            inner[at[-1].upper() + chance.choice(("", " ", "\x00"))] = inner.pop(at[-1])
        return changed
    if how < 0.25 and isinstance(value, dict):
        return {**value, chance.choice(("", "x", "__proto__", "extensions")): chance.choice(_ODD)}
    return _put(value, at, chance.choice(_ODD))


def wrong_text(text: str, chance: random.Random) -> str:
    """A document with a piece lost, doubled, or of another kind."""
    pieces = text.split(" ")
    at = chance.randrange(len(pieces))
    odd = ("{", "}", "(", ")", "...", "@", "$", '"', '"""', "\x00", "#", "99999999999999999999", "é", "query",
           "@skip(if: 1)", "...{", "null", "\\u{110000}", "a" * 2000,
           "... on Campaign { id }", "__typename")  # fmt: skip
    pieces[at : at + chance.randrange(2)] = [chance.choice(odd)] * chance.choice((1, 1, 1, 2, 30))
    return " ".join(pieces)


def wrong_bytes(data: bytes, chance: random.Random) -> bytes:
    """The bytes with some changed, lost, doubled, or put in."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[at : at + chance.randrange(1, 9)]
            case 2:
                changed[at:at] = changed[at : at + chance.randrange(1, 40)]
            case 3:
                changed[at:at] = chance.choice(_RAW)
            case _:
                del changed[at:]
    return bytes(changed)


def wrong_json(value: Any, chance: random.Random) -> bytes:
    """The value as JSON, or nearly."""
    how = chance.random()
    if how < 0.5:
        return json.dumps(wrong_somewhere(value, chance)).encode()
    if how < 0.7:
        twice = wrong_somewhere(wrong_somewhere(value, chance), chance)
        return json.dumps(twice).encode()
    if how < 0.85:
        with_place = _put(value, chance.choice(_places(value)), _PLACE)
        return json.dumps(with_place).encode().replace(
            json.dumps(_PLACE).encode(), chance.choice(_RAW)
        )  # fmt: skip
    return wrong_bytes(json.dumps(value).encode(), chance)
