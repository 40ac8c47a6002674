"""Whether anything is kept of a number: every document of every collection, by its text."""

from collections.abc import Collection, Mapping
from typing import Any

from gql_server.database import Database


async def collections(db: Database) -> set[str]:
    """The names of all collections."""
    names = await db.collection("campaigns").database.list_collection_names()
    return {name for name in names if not name.startswith("system.")}


async def kept_of(db: Database, *marks: str, but: Collection[str] = ()) -> dict[str, list[Any]]:
    """The ids of the documents in which any of these stands, as it is or read from its end, by collection.

    A number is to be given by its digits: a mark is searched in all keys and values, whatever they are.
    """
    wanted = set(marks) | {mark[::-1] for mark in marks}
    found: dict[str, list[Any]] = {}
    for name in sorted(await collections(db) - set(but)):
        async for row in db.collection(name).find({}):
            text = "\n".join(_texts(row))
            if any(mark in text for mark in wanted):
                found.setdefault(name, []).append(row["_id"])
    return found


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in _texts(part)]
    if isinstance(value, bytes):
        return [value.decode("latin-1")]
    return [str(value)]
