"""What is read of a caller's JSON: strictly, and no deeper than anybody asks."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from cross_web import HTTPException

MOST_NESTED = 64
"""Levels of lists and objects within each other; an input of ours has 5."""


def decoded(data: str | bytes) -> dict[str, Any] | list[Any]:
    """The object or list that this JSON holds.

    Strict: bad UTF-8, NaN, huge integers and deep nesting are no JSON. What reads on and writes it again (a key of
    what is kept, a subscription's) may then go down without looking how far.

    :raises json.JSONDecodeError: it is none, as Strawberry expects it to be said.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise json.JSONDecodeError("not JSON", "", 0) from None
    if not isinstance(value, dict | list):
        raise json.JSONDecodeError("not an object", "", 0)
    if is_nested(value, MOST_NESTED):
        raise json.JSONDecodeError(f"more than {MOST_NESTED} levels", "", 0)
    return value


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked in an address: `variables` and `extensions` are JSON; its null says what an absent one says."""
    asked = dict(given)
    for name in ("variables", "extensions"):
        if name in asked:
            try:
                asked[name] = None if asked[name].strip() == "null" else decoded(asked[name])
            except json.JSONDecodeError:
                raise HTTPException(400, f"The parameter {name} is no JSON object") from None
    return asked


def is_nested(value: object, most: int) -> bool:
    """Whether there are more than so many levels in it; each is looked at once, and the last is nobody's stack."""
    level = [value]
    for _ in range(most):
        level = [inner for each in level for inner in _within(each) if type(inner) in (dict, list)]
        if not level:
            return False
    return True


def _within(value: Any) -> Any:
    return value.values() if type(value) is dict else value
